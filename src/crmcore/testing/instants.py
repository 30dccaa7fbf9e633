"""Instants at which something may change: ends of days, months and years, clocks put on or back."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)

Kind: TypeAlias = Literal["day", "month", "year", "clock change", "named"]
KINDS: tuple[Kind, ...] = ("day", "month", "year", "clock change", "named")


class Edge(NamedTuple):
    """The next instant of a kind, or the last moment before it, or the first after it.

    `named` are instants that occurred in facts, such as when something expires or is due.
    """

    kind: Kind
    moments: int = 0

    def after(self, now: datetime, zone: tzinfo, named: Iterable[datetime]) -> datetime:
        """Return that instant, and never one that has passed."""
        ahead = min(self._instants(now, zone, named), default=now)
        return max(now, ahead + self.moments * MOMENT)

    def _instants(
        self, now: datetime, zone: tzinfo, named: Iterable[datetime]
    ) -> Iterator[datetime]:
        today = now.astimezone(zone).date()
        match self.kind:
            case "day":
                yield _start(today + DAY, zone)
            case "month":
                yield _start((today.replace(day=1) + 31 * DAY).replace(day=1), zone)
            case "year":
                yield _start(today.replace(year=today.year + 1, month=1, day=1), zone)
            case "clock change":
                yield from clock_changes(today, zone)
            case "named":
                yield from (at for at in named if at > now)


def clock_changes(day: date, zone: tzinfo) -> Iterator[datetime]:
    """Yield the starts of the days to come, in a year or two, whose clock is put on or back."""
    for year in (day.year, day.year + 1):
        yield from (_start(changed, zone) for changed in _changes_in(year, zone) if changed > day)


@lru_cache
def _changes_in(year: int, zone: tzinfo) -> tuple[date, ...]:
    new_year = date(year, 1, 1)
    offsets = [_start(new_year + number * DAY, zone).utcoffset() for number in range(367)]
    changed = (n for n, (one, next_one) in enumerate(pairwise(offsets)) if one != next_one)
    return tuple(new_year + number * DAY for number in changed)


def _start(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)
