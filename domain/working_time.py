"""Working time: when a team works, how much of that lies between two instants, and when it is up.

An instant is working time if the clocks on the wall then show a time inside the hours of the day
that they show. So a day on which clocks change is as long as it is: an hour that is skipped counts
for nothing, and one that is repeated counts twice (rules.md T10).
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Annotated, TypeAlias

from msgspec import Meta

from crmcore.domain.calendar import FIRST_DAY, LAST_DAY, end_of, start_of, zone
from crmcore.domain.value import CRMError, Instant, Ref, Value

TICK, WEEKDAYS = timedelta(microseconds=1), 7
HORIZON_DAYS_MAX = 3_660
"""So many days ahead somebody looks for the end of working time, and no further: ten years."""

_DAY, _MIDNIGHT = timedelta(days=1), time()
_FIRST, _LAST = start_of(FIRST_DAY, UTC), end_of(LAST_DAY, UTC)


class InvalidWorkingTime(CRMError, ValueError):
    """These cannot be hours, a calendar or a target; the message says why in one sentence."""


class Hours(Value):
    """Work between two times of a day; midnight as the end is the end of the day."""

    opens: time
    closes: time

    def __post_init__(self) -> None:
        """Refuse hours that end before they begin, or that tell of another time zone."""
        naive = self.opens.tzinfo is None and self.closes.tzinfo is None
        _require(naive, "hours are times of the calendar's own zone")
        forward = self.closes == _MIDNIGHT or self.opens < self.closes
        _require(forward, f"hours open before they close: {self.opens} to {self.closes}")


Shifts: TypeAlias = Annotated[tuple[Hours, ...], Meta(max_length=24)]


class SpecialDay(Value):
    """A date with hours of its own: closed if there are none, added if it were free otherwise."""

    on: date
    hours: Shifts = ()


class WorkingCalendar(Value):
    """When a team works: hours by weekday from Monday on, but for special days, in their order.

    What is announced later is a new version; whoever keeps a label knows which one was meant.
    """

    name: Ref
    version: Annotated[int, Meta(ge=1)]
    time_zone: str
    week: Annotated[tuple[Shifts, ...], Meta(min_length=7, max_length=7)]
    special: Annotated[tuple[SpecialDay, ...], Meta(max_length=10_000)] = ()

    def __post_init__(self) -> None:
        """Refuse what is out of order, or overlaps, or has a time zone that does not exist."""
        _require(len(self.week) == WEEKDAYS, "a week has seven days")
        for hours in (*self.week, *(day.hours for day in self.special)):
            _require(_in_order(hours), "the hours of a day follow each other without overlap")
        rising = all(one.on < two.on for one, two in pairwise(self.special))
        _require(rising, "special days are in the order of their dates, each once")
        try:
            zone(self.time_zone)
        except ValueError as error:
            raise InvalidWorkingTime(str(error)) from error

    @property
    def label(self) -> str:
        """The name that facts carry."""
        return f"{self.name}@{self.version}"

    def hours(self, day: date) -> Shifts:
        """Return when there is work on a date."""
        number = bisect_left(self.special, day, key=lambda special: special.on)
        if number < len(self.special) and self.special[number].on == day:
            return self.special[number].hours
        return self.week[day.weekday()]


class NoDeadline(Value):
    """There is not so much working time up to an instant, and nobody looked beyond it."""

    searched_until: Instant


def between(calendar: WorkingCalendar, since: datetime, until: datetime) -> timedelta:
    """Return the working time from one instant to a later one (rules.md T1).

    >>> nine_to_five = (Hours(opens=time(9), closes=time(17)),)
    >>> office = WorkingCalendar(
    ...     name="office", version=1, time_zone="UTC", week=(*[nine_to_five] * 5, (), ())
    ... )
    >>> friday, monday = datetime(2026, 3, 6, 16, tzinfo=UTC), datetime(2026, 3, 9, 10, tzinfo=UTC)
    >>> str(between(office, friday, monday)), str(add(office, friday, timedelta(hours=2)))
    ('2:00:00', '2026-03-09 10:00:00+00:00')
    """
    spans = _spans(calendar, _instant(since), _instant(until))
    return sum((end - start for start, end in spans), timedelta())


def add(calendar: WorkingCalendar, at: datetime, work: timedelta) -> datetime | NoDeadline:
    """Return the first instant by which there was so much working time (rules.md T1, T10)."""
    at = _instant(at)
    until = at + min(timedelta(days=HORIZON_DAYS_MAX), _LAST - at)
    return reached(calendar, at, until, work) or NoDeadline(searched_until=until)


def reached(
    calendar: WorkingCalendar, since: datetime, until: datetime, work: timedelta
) -> datetime | None:
    """Return the first instant by which there was so much working time; None if not in time."""
    if work <= timedelta():
        return _instant(since)
    for start, end in _spans(calendar, _instant(since), _instant(until)):
        if work <= end - start:
            return start + work
        work -= end - start
    return None


def _spans(
    calendar: WorkingCalendar, at: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the stretches of working time in their order.

    It goes from one midnight or change of clocks to the next: in between, a time on the wall is an
    instant. Clocks change once a day at most.
    """
    where = zone(calendar.time_zone)
    while at < until:
        offset, day = _wall(at, where)
        ends = min(until, _change(at, _end(day, _MIDNIGHT) - offset, where))
        for hours in calendar.hours(day):
            start = max(at, datetime.combine(day, hours.opens, UTC) - offset)
            end = min(ends, _end(day, hours.closes) - offset)
            if start < end:
                yield start, end
        at = ends


def _wall(at: datetime, where: tzinfo) -> tuple[timedelta, date]:
    """Return how far the clocks on the wall are ahead of UTC, and the date that they show."""
    wall = at.astimezone(where).replace(tzinfo=UTC)
    return wall - at, wall.date()


def _change(since: datetime, until: datetime, where: tzinfo) -> datetime:
    """Return when clocks are changed between two instants, or the later one."""
    offset = _wall(since, where)[0]
    if _wall(until, where)[0] == offset:
        return until
    while until - since > TICK:
        middle = since + (until - since) // 2
        if _wall(middle, where)[0] == offset:
            since = middle
        else:
            until = middle
    return until


def _end(day: date, closes: time) -> datetime:
    """Return a time of a day, where midnight is the end of the day."""
    return datetime.combine(day if closes != _MIDNIGHT else day + _DAY, closes, UTC)


def _instant(at: datetime) -> datetime:
    return min(max(at, _FIRST), _LAST).astimezone(UTC)


def _in_order(hours: Shifts) -> bool:
    return all(one.closes != _MIDNIGHT and one.closes <= two.opens for one, two in pairwise(hours))


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise InvalidWorkingTime(why)
