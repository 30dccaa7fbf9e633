"""Amounts in another currency than the account's: converted once, by a rate in the fact."""

from datetime import date
from fractions import Fraction
from typing import Annotated, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.money import MINOR_MAX, Currency, Money
from crmcore.domain.value import Text, Value

Units: TypeAlias = Annotated[int, Meta(ge=1, le=10**9)]


class ExchangeRate(Value):
    """So many minor units of a currency for so many of another: by whom, and of which day."""

    numerator: Units
    denominator: Units
    currency: Currency
    source: Text
    quoted_on: date

    @property
    def factor(self) -> Fraction:
        """What a minor unit is worth."""
        return Fraction(self.numerator, self.denominator)


class Conversion(Value):
    """What was agreed in another currency, and the rate by which it was booked."""

    original: Money
    rate: ExchangeRate


def booked(amount: Money, rate: ExchangeRate | None) -> Money:
    """Return an amount in the currency of the account, rounded half to even (rules.md CR15)."""
    if rate is None:
        return amount
    return valued(Money(minor=amount.minor, currency=rate.currency), rate.factor)


def valued(amount: Money, factor: Fraction) -> Money:
    """Return so many times an amount; too much to be stored is refused like any such amount."""
    return replace(amount, minor=min(amount.times(factor).minor, MINOR_MAX + 1))


def conversion(amount: Money, rate: ExchangeRate | None) -> Conversion | None:
    """Return what a fact says about a conversion, None where there was none."""
    return None if rate is None else Conversion(original=amount, rate=rate)
