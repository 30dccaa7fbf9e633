"""Numbers by which a state knows an organisation, and whether they can be right."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from crmcore.domain.value import Ref, Value

# The registration's country is free text: what was said there is no country here.
Country: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", extra={"ref": "nation"})]
Scheme: TypeAlias = Literal["other", "uscc"]

# GB 32100-2015: 18 characters without I, O, S, V and Z; the last one checks the others.
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_LENGTH = 18
USCC_MODULUS = 31


class TaxId(Value):
    """A number of a country; of a known scheme its check digit is right.

    `uscc` is the unified social credit code of China, `other` any number that nobody here checks.
    """

    country: Country
    number: Ref
    scheme: Scheme = "other"

    @property
    def plain(self) -> str:
        """The number as it is compared: without spaces and hyphens, in capitals."""
        return "".join(self.number.split()).replace("-", "").upper()

    @property
    def is_valid(self) -> bool:
        """Whether the number can be one of its scheme."""
        return self.scheme == "other" or is_uscc(self.plain)


def is_uscc(number: str) -> bool:
    """Tell whether a number is a unified social credit code (GB 32100-2015, ISO 7064 MOD 31-3).

    >>> is_uscc("91350100M000100Y43"), is_uscc("91350100M000100Y44")
    (True, False)
    """
    if len(number) != USCC_LENGTH or any(letter not in USCC_ALPHABET for letter in number):
        return False
    values = [USCC_ALPHABET.index(letter) for letter in number]
    weighted = sum(v * pow(3, place, USCC_MODULUS) for place, v in enumerate(values[:-1]))
    return (weighted + values[-1]) % USCC_MODULUS == 0
