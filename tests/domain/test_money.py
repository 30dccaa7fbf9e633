"""Money: rules X5 (whole minor units, one currency, declared rounding)."""

from decimal import localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain.money import CurrencyMismatch, Money, minor_digits, parse_money
from crmcore.domain.value import Rejected

MINOR = st.integers(-(10**15), 10**15)
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF"])


def usd(minor: int) -> Money:
    return Money(minor=minor, currency="USD")


def test_amounts_of_one_currency_add_and_subtract() -> None:
    assert usd(150) + usd(-25) == usd(125)
    assert usd(150) - usd(25) == usd(125)


def test_amounts_of_one_currency_compare() -> None:
    assert usd(1) < usd(2)
    assert usd(2) <= usd(2)
    assert not usd(2) < usd(2)
    assert not usd(3) <= usd(2)


def test_amounts_of_two_currencies_do_not_add() -> None:
    with pytest.raises(Rejected) as answer:
        assert usd(1) + Money(minor=1, currency="EUR")
    assert answer.value.rejection == CurrencyMismatch(left="USD", right="EUR")


def test_amounts_of_two_currencies_do_not_compare() -> None:
    with pytest.raises(Rejected, match="share one currency"):
        assert usd(1) < Money(minor=2, currency="EUR")
    with pytest.raises(Rejected, match="share one currency"):
        assert usd(1) <= Money(minor=2, currency="EUR")


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [(-5, "USD", "-0.05 USD"), (1234, "JPY", "1234 JPY"), (1234, "KWD", "1.234 KWD")],
)
def test_an_amount_is_written_with_the_digits_of_its_currency(
    minor: int, currency: str, written: str
) -> None:
    assert str(Money(minor=minor, currency=currency)) == written


@pytest.mark.parametrize(
    ("minor", "share", "rounded"),
    [
        (5, Fraction(1, 2), 2),
        (15, Fraction(1, 2), 8),
        (25, Fraction(1, 2), 12),
        (-5, Fraction(1, 2), -2),
    ],
)
def test_a_share_is_rounded_half_to_even(minor: int, share: Fraction, rounded: int) -> None:
    assert usd(minor).times(share) == usd(rounded)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("29.33", "USD", 2933),
        (" 7 ", "USD", 700),
        ("-0.50", "USD", -50),
        ("1.500", "USD", 150),
        ("12", "JPY", 12),
        ("0.125", "KWD", 125),
    ],
)
def test_a_plain_numeral_is_read_exactly(text: str, currency: str, minor: int) -> None:
    assert parse_money(text, currency) == Money(minor=minor, currency=currency)


@pytest.mark.parametrize("text", ["", "1,5", "1e3", "0.001", "1.", ".5", "+1", "--1", "NaN"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount with up to 2 decimals"):
        parse_money(text, "USD")


def test_an_amount_is_read_from_a_hundred_characters_at_most() -> None:
    assert parse_money("7".rjust(100), "USD") == usd(700)
    with pytest.raises(ValueError, match="is not an amount"):
        parse_money("7".rjust(101), "USD")


def test_most_currencies_have_hundredths() -> None:
    assert [minor_digits(code) for code in ("EUR", "JPY", "TND", "UYW")] == [2, 0, 3, 4]


@given(st.integers(-(10**15), 10**15), CURRENCIES)
def test_x5_what_is_written_is_read_back_to_the_same_minor_unit(minor: int, currency: str) -> None:
    money = Money(minor=minor, currency=currency)
    assert parse_money(money.decimal, currency) == money


@given(MINOR, MINOR, MINOR)
def test_x5_sums_are_exact_in_any_order(first: int, second: int, third: int) -> None:
    one, two, three = usd(first), usd(second), usd(third)
    assert (one + two) + three == one + (two + three) == three + two + one
    assert one + two - two == one


@given(MINOR, st.fractions(0, 1))
def test_x5_a_share_is_the_nearest_minor_unit(minor: int, share: Fraction) -> None:
    taken = usd(minor).times(share)
    assert isinstance(taken.minor, int)
    assert abs(taken.minor - minor * share) <= Fraction(1, 2)


def test_more_than_a_quadrillion_minor_units_is_no_amount() -> None:
    with pytest.raises(ValueError, match="is more than 1000000000000000 minor units"):
        parse_money("10000000000000.01", "USD")


def test_amounts_are_written_the_same_in_any_decimal_context() -> None:
    with localcontext(prec=3):
        assert Money(minor=123456789, currency="EUR").decimal == "1234567.89"
    assert Money(minor=-5, currency="TND").decimal == "-0.005"
