"""International bank account numbers, and whether they can be right (ISO 13616)."""

from re import compile as pattern

IBAN = pattern(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
IBAN_MODULUS = 97


def is_iban(number: str) -> bool:
    """Tell whether a number has the form, and check digits that fit the rest (MOD 97-10).

    >>> is_iban("GB82WEST12345698765432"), is_iban("GB82WEST12345698765433")
    (True, False)
    """
    if not IBAN.fullmatch(number):
        return False
    digits = "".join(str(int(letter, 36)) for letter in number[4:] + number[:4])
    return int(digits) % IBAN_MODULUS == 1
