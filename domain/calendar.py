"""Business time: a date stands for its whole day in the business time zone."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# Python's calendar without its ends, so that every day has a start in every time zone, and a next.
FIRST_DAY, LAST_DAY = date(2, 1, 1), date(9998, 12, 31)

_TICK = timedelta(microseconds=1)


@lru_cache
def zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name; ValueError if there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r} on this system") from error


@lru_cache(maxsize=100_000)  # windows end on few days, and a rebuild asks millions of times
def add_months(day: date, months: int) -> date:
    """Return the same day so many months later, or the last day of a shorter month (rules.md X6).

    >>> add_months(date(2024, 8, 31), 6), add_months(date(2024, 2, 29), 12)
    (datetime.date(2025, 2, 28), datetime.date(2025, 2, 28))
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year > LAST_DAY.year:
        return LAST_DAY
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def add_days(day: date, days: int) -> date:
    """Return the day so many days later, at most the last one that there is."""
    return date.fromordinal(min(day.toordinal() + days, LAST_DAY.toordinal()))


def day_of(instant: datetime, where: tzinfo) -> date:
    """Return the business day an instant falls on: the last one that has started.

    Where a clock was set back across midnight, the wall would show the day before once more.
    """
    day = instant.astimezone(where).date()
    if where is UTC or instant < _midnight(day + timedelta(days=1), where):
        return day
    return day + timedelta(days=1)


def start_of(day: date, where: tzinfo) -> datetime:
    """Return the instant at which a business day starts."""
    return _midnight(_within(day), where)


def end_of(day: date, where: tzinfo) -> datetime:
    """Return the last instant of a business day."""
    return _midnight(_within(day) + timedelta(days=1), where) - _TICK


def _midnight(day: date, where: tzinfo) -> datetime:
    return datetime.combine(day, time(), where).astimezone(UTC)


def _within(day: date) -> date:
    return min(max(day, FIRST_DAY), LAST_DAY)
