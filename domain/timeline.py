"""What held when: intervals that follow each other without a gap and without an overlap."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Generic, TypeVar

from crmcore.domain.value import Value

What = TypeVar("What")


class Interval(Value, Generic[What]):
    """What holds from an instant on, up to but without another; None is the end of time."""

    since: datetime | None
    until: datetime | None
    what: What


class Timeline(Value, Generic[What]):
    """What holds at every instant: one thing at first, another one from each change on.

    Changes are at rising instants, and each is to something else.
    """

    first: What
    changes: tuple[tuple[datetime, What], ...] = ()

    def at(self, instant: datetime) -> What:
        """Return what holds at an instant: there is always one thing, and only one."""
        number = bisect_right(self.changes, instant, key=lambda change: change[0])
        return self.changes[number - 1][1] if number else self.first

    def intervals(self) -> tuple[Interval[What], ...]:
        """Return the intervals in order; the first has no start, and the last has no end."""
        starts: tuple[tuple[datetime | None, What], ...] = ((None, self.first), *self.changes)
        return tuple(
            Interval(since=since, until=until, what=what)
            for (since, what), (until, _) in pairwise((*starts, (None, self.first)))
        )


def tiled(first: What, changes: Iterable[tuple[datetime, What]]) -> Timeline[What]:
    """Return the timeline of these changes; of several at one instant the last one counts.

    >>> from datetime import UTC
    >>> monday, friday = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC)
    >>> tiled("pool", [(friday, "ben"), (monday, "ann")]).at(friday)
    'ben'
    """
    kept: list[tuple[datetime, What]] = []
    at_instants = dict(sorted(changes, key=lambda change: change[0]))
    for at, what in at_instants.items():
        if what != (kept[-1][1] if kept else first):
            kept.append((at, what))
    return Timeline(first=first, changes=tuple(kept))
