"""Business time: rules X6 (months go forward from the fact, days in the business time zone)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain.calendar import (
    LAST_DAY,
    add_days,
    add_months,
    day_of,
    end_of,
    start_of,
    zone,
)

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai"])
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 15), 6, date(2026, 7, 15)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2023, 8, 31), 6, date(2024, 2, 29)),
        (date(2026, 12, 31), 1, date(2027, 1, 31)),
        (date(2026, 11, 30), 13, date(2027, 12, 30)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
    ],
)
def test_months_later_is_the_same_day_or_the_last_of_a_shorter_month(
    day: date, months: int, later: date
) -> None:
    assert add_months(day, months) == later


def test_counting_back_from_today_is_another_rule_than_counting_forward() -> None:
    bought, today = date(2026, 8, 31), date(2027, 2, 28)
    assert add_months(bought, 6) <= today
    assert add_months(today, -6) < bought


def test_a_day_starts_in_the_business_time_zone() -> None:
    berlin = zone("Europe/Berlin")
    assert start_of(date(2026, 7, 1), berlin) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert day_of(datetime(2026, 6, 30, 22, tzinfo=UTC), berlin) == date(2026, 7, 1)
    assert day_of(datetime(2026, 6, 30, 21, 59, tzinfo=UTC), berlin) == date(2026, 6, 30)


def test_a_day_may_be_an_hour_short_or_long() -> None:
    berlin = zone("Europe/Berlin")
    spring = end_of(date(2026, 3, 29), berlin) - start_of(date(2026, 3, 29), berlin)
    autumn = end_of(date(2026, 10, 25), berlin) - start_of(date(2026, 10, 25), berlin)
    assert (spring, autumn) == (timedelta(hours=23) - TICK, timedelta(hours=25) - TICK)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", ""])
def test_a_time_zone_has_an_iana_name(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        zone(name)


@given(DAYS, st.integers(0, 60))
def test_x6_months_go_forward_to_a_day_of_the_month_they_name(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year - day.year) * 12 + later.month - day.month == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(1)).day == 1)


@given(DAYS, DAYS, st.integers(0, 60))
def test_x6_what_happened_first_lapses_first(one: date, two: date, months: int) -> None:
    first, second = sorted((one, two))
    assert add_months(first, months) <= add_months(second, months)


@given(DAYS, ZONES)
def test_x6_days_follow_each_other_without_gap_or_overlap(day: date, name: str) -> None:
    where = zone(name)
    assert end_of(day, where) + TICK == start_of(day + timedelta(1), where)
    assert day_of(start_of(day, where), where) == day_of(end_of(day, where), where) == day


def test_no_window_ends_after_the_last_day_there_is() -> None:
    assert add_months(date(9990, 5, 1), 600) == LAST_DAY
    assert add_days(LAST_DAY, 1) == LAST_DAY
    assert add_days(date(2026, 1, 31), 1) == date(2026, 2, 1)
    assert start_of(date.min, UTC) == datetime(2, 1, 1, tzinfo=UTC)
    assert end_of(date.max, UTC).date() == LAST_DAY


def test_a_day_that_began_does_not_end_when_the_clock_is_set_back_across_midnight() -> None:
    newfoundland = zone("America/St_Johns")  # clocks went back at 00:01 on 7 November 2010
    first = start_of(date(2010, 11, 7), newfoundland)
    later = [day_of(first + timedelta(minutes=n), newfoundland) for n in range(120)]
    assert set(later) == {date(2010, 11, 7)}
    assert day_of(first - TICK, newfoundland) == date(2010, 11, 6)
