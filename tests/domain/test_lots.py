"""Lots of points: in which order they are spent."""

from datetime import UTC, datetime

from crmcore.domain.lots import Lot, first_expiring


def lot(number: int, vests: int, expires: int) -> Lot:
    """A lot of ten points, by days of a month."""
    vests_at, expires_at = (datetime(2026, 3, day, tzinfo=UTC) for day in (vests, expires))
    return Lot(number=number, points=10, vests_at=vests_at, expires_at=expires_at)


def test_what_lapses_first_is_spent_first_whenever_it_was_earned() -> None:
    late, early = lot(1, vests=1, expires=30), lot(2, vests=2, expires=20)
    assert first_expiring((late, early)) == (early, late)


def test_of_what_lapses_together_the_older_is_spent_first() -> None:
    younger, older = lot(1, vests=2, expires=30), lot(2, vests=1, expires=30)
    assert first_expiring((younger, older)) == (older, younger)


def test_of_what_was_earned_together_the_first_is_spent_first() -> None:
    second, first = lot(2, vests=1, expires=30), lot(1, vests=1, expires=30)
    assert first_expiring((second, first)) == (first, second)
