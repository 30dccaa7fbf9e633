"""Money is a whole number of minor units with its currency; nothing is ever a float."""

import re
from fractions import Fraction
from typing import Annotated, TypeAlias

from msgspec import Meta

from crmcore.domain.value import Rejection, Value, require

MINOR_MAX = 10**15
NUMERAL_MAX = 100

Minor: TypeAlias = Annotated[int, Meta(ge=-MINOR_MAX, le=MINOR_MAX)]
Currency: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]

# ISO 4217: currencies whose minor unit is not a hundredth.
_WHOLE = (
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND",
    "VUV", "XAF", "XOF", "XPF",
)  # fmt: skip
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_DIGITS = dict.fromkeys(_WHOLE, 0) | dict.fromkeys(_THOUSANDTHS, 3) | {"CLF": 4, "UYW": 4}
_PLAIN = re.compile(r"(-?)([0-9]{1,16})(?:\.([0-9]{1,4}))?")


class CurrencyMismatch(Rejection):
    """Amounts that are added or compared share one currency."""

    left: Currency
    right: Currency


class Money(Value):
    """An amount in minor units, such as cents (rules.md X5)."""

    minor: Minor
    currency: Currency

    def __add__(self, other: "Money") -> "Money":
        """Return the sum of two amounts of one currency."""
        return Money(minor=self.minor + self._same(other), currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Return the difference of two amounts of one currency."""
        return Money(minor=self.minor - self._same(other), currency=self.currency)

    def __le__(self, other: "Money") -> bool:
        """Tell whether this is at most the other amount."""
        return self.minor <= self._same(other)

    def __lt__(self, other: "Money") -> bool:
        """Tell whether this is less than the other amount."""
        return self.minor < self._same(other)

    def __str__(self) -> str:
        """Return the amount as people write it.

        >>> str(Money(minor=-123456, currency="USD")), str(Money(minor=5, currency="JPY"))
        ('-1234.56 USD', '5 JPY')
        """
        return f"{self.decimal} {self.currency}"

    @property
    def decimal(self) -> str:
        """The amount in major units with every digit of the minor unit."""
        digits = minor_digits(self.currency)
        text = str(abs(self.minor)).rjust(digits + 1, "0")
        sign, cut = "-" if self.minor < 0 else "", len(text) - digits
        return f"{sign}{text[:cut]}.{text[cut:]}" if digits else sign + text

    def times(self, factor: Fraction) -> "Money":
        """Return this share of the amount, rounded half to even.

        >>> str(Money(minor=125, currency="USD").times(Fraction(1, 10)))
        '0.12 USD'
        """
        return Money(minor=round(self.minor * factor), currency=self.currency)

    def _same(self, other: "Money") -> int:
        one_currency(self, other)
        return other.minor


def one_currency(left: Money, right: Money) -> None:
    """Reject two amounts in different currencies."""
    same = left.currency == right.currency
    require(same, CurrencyMismatch(left=left.currency, right=right.currency))


def minor_digits(currency: str) -> int:
    """Return how many decimal digits the minor unit of a currency has (ISO 4217)."""
    return _DIGITS.get(currency, 2)


def parse_money(text: str, currency: str) -> Money:
    """Return the amount that a plain decimal numeral states; ValueError for anything else.

    >>> parse_money("29.3", "USD")
    Money(minor=2930, currency='USD')
    """
    found = _PLAIN.fullmatch(text.strip()) if len(text) <= NUMERAL_MAX else None
    digits = minor_digits(currency)
    if not found or len(fraction := (found[3] or "").rstrip("0")) > digits:
        raise ValueError(f"{text[:40]!r} is not an amount with up to {digits} decimals")
    minor = int(found[2] + fraction.ljust(digits, "0"))
    if minor > MINOR_MAX:
        raise ValueError(f"{text[:40]!r} is more than {MINOR_MAX} minor units")
    return Money(minor=-minor if found[1] else minor, currency=currency)
