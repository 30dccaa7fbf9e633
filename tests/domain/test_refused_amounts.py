"""What is said of a text that is no amount, and the largest amount that there is."""

import pytest

from crmcore.domain.money import MINOR_MAX, parse_money

LONG = "1" * 16 + "," + "2" * 60


def test_the_largest_amount_is_an_amount() -> None:
    assert parse_money("10000000000000.00", "USD").minor == MINOR_MAX
    assert parse_money("-10000000000000.00", "USD").minor == -MINOR_MAX


def test_of_a_text_that_is_no_amount_forty_characters_are_shown() -> None:
    with pytest.raises(ValueError, match="is not an amount") as refused:
        parse_money(LONG, "USD")
    assert str(refused.value) == f"'{LONG[:40]}' is not an amount with up to 2 decimals"


def test_of_an_amount_that_is_too_large_forty_characters_are_shown() -> None:
    text = "9999999999999999" + " " * 60
    with pytest.raises(ValueError, match="is more than") as refused:
        parse_money(text, "USD")
    assert str(refused.value) == f"'{text[:40]}' is more than 1000000000000000 minor units"
