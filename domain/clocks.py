"""A clock counts working time towards a target, and tells when that was or will be used up.

What a clock says of an instant follows from what happened up to then: nobody has to look at it in
time, and nothing that comes later changes it (rules.md T3).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from crmcore.domain.timeline import Timeline, tiled
from crmcore.domain.value import Instant, Value
from crmcore.domain.working_time import (
    TICK,
    InvalidWorkingTime,
    NoDeadline,
    WorkingCalendar,
    add,
    between,
    reached,
)

Status: TypeAlias = Literal["running", "paused", "stopped"]
Move: TypeAlias = tuple[datetime, Status]
Percent: TypeAlias = Annotated[int, Meta(ge=1, le=1_000)]

TARGET_DAYS_MAX = 366
"""Nobody is promised something in more working time than that."""


class Terms(Value):
    """What is promised: something happens within so much working time of this calendar."""

    target: timedelta
    calendar: WorkingCalendar

    def __post_init__(self) -> None:
        """Refuse a target that is no time, or more than a year of it."""
        if not timedelta() < self.target <= timedelta(days=TARGET_DAYS_MAX):
            raise InvalidWorkingTime(f"a target is working time, a year at most: {self.target}")


class Clock(Value):
    """One cycle: since when, when it ran, and what was promised meanwhile.

    Terms may change: a new target, or a version of the calendar that is known from then on. What
    was counted before is kept. A clock that was stopped goes on if it runs again.
    """

    since: Instant
    status: Timeline[Status]
    terms: Timeline[Terms]


class Breach(Value):
    """More working time than the target was counted; that remains so (rules.md T3, T4)."""

    target: timedelta
    at: Instant


class Escalation(Value):
    """So much of the target was used up."""

    percent: Percent
    at: Instant


def started(since: datetime, terms: Terms | Timeline[Terms], moves: Iterable[Move] = ()) -> Clock:
    """Return a clock that runs from an instant on, but for these moves."""
    promised = terms if isinstance(terms, Timeline) else Timeline(first=terms)
    return Clock(since=since, status=tiled("running", moves), terms=promised)


def elapsed(clock: Clock, at: datetime) -> timedelta:
    """Return the working time that was counted up to an instant."""
    counted = (between(terms.calendar, *span) for *span, terms in _running(clock, at))
    return sum(counted, timedelta())


def due(clock: Clock, at: datetime) -> datetime | None:
    """Return when the present target is or was reached if the clock goes on from this instant.

    There is nothing due while it stands still, nor where there is no working time.
    """
    if not _runs(clock, at):
        return None
    target = clock.terms.at(at).target
    return _reached(clock, at, lambda _: target) or _coming(clock, at, target)


def breaches(clock: Clock, at: datetime) -> tuple[Breach, ...]:
    """Return which targets were missed by an instant, and when each was for the first time."""
    targets = dict.fromkeys(terms.target for *_, terms in _running(clock, at))
    found = (
        Breach(target=target, at=instant)
        for target in targets
        if (instant := _reached(clock, at, _beyond(target)))
    )
    return tuple(sorted(found, key=lambda breach: breach.at))


def breached_at(clock: Clock, at: datetime) -> datetime | None:
    """Return the first instant at which more than the target was counted; None if not by now."""
    return _reached(clock, at, lambda terms: terms.target + TICK)


def escalations(
    clock: Clock, percents: Collection[Percent], at: datetime
) -> tuple[Escalation, ...]:
    """Return which thresholds were reached by an instant: each once, lower ones first (T11)."""
    found = (
        Escalation(percent=percent, at=instant)
        for percent in sorted(set(percents))
        if (instant := _reached(clock, at, _share(percent)))
    )
    return tuple(found)


def next_change_at(clock: Clock, percents: Collection[Percent], at: datetime) -> datetime | None:
    """Return when the next threshold or breach comes if nothing happens (rules.md X12)."""
    if not _runs(clock, at):
        return None
    counted, terms = elapsed(clock, at), clock.terms.at(at)
    over = {escalation.percent for escalation in escalations(clock, percents, at)}
    marks = (
        terms.target + TICK,
        *(_share(percent)(terms) for percent in sorted(set(percents) - over)),
    )
    ahead = [mark for mark in marks if mark > counted]
    return _coming(clock, at, min(ahead)) if ahead else None


def _runs(clock: Clock, at: datetime) -> bool:
    return clock.since <= at and clock.status.at(at) == "running"


def _coming(clock: Clock, at: datetime, work: timedelta) -> datetime | None:
    """Return when a running clock will have counted so much; None if never."""
    found = add(clock.terms.at(at).calendar, at, work - elapsed(clock, at))
    return None if isinstance(found, NoDeadline) else found


def _running(clock: Clock, at: datetime) -> Iterator[tuple[datetime, datetime, Terms]]:
    """Yield the stretches up to an instant in which the clock ran, and their terms."""
    changes = (*clock.status.changes, *clock.terms.changes)
    cuts = sorted({clock.since, *(when for when, _ in changes)})
    cuts = [when for when in cuts if clock.since <= when <= at]
    for since, until in pairwise((*cuts, at)):
        if clock.status.at(since) == "running":
            yield since, until, clock.terms.at(since)


def _reached(
    clock: Clock, at: datetime, wanted: Callable[[Terms], timedelta | None]
) -> datetime | None:
    """Return the first instant of running, up to this one, by which what is wanted was counted."""
    counted = timedelta()
    for since, until, terms in _running(clock, at):
        work = wanted(terms)
        if work is not None and (found := reached(terms.calendar, since, until, work - counted)):
            return found
        counted += between(terms.calendar, since, until)
    return None


def _beyond(target: timedelta) -> Callable[[Terms], timedelta | None]:
    return lambda terms: target + TICK if terms.target == target else None


def _share(percent: Percent) -> Callable[[Terms], timedelta]:
    """Return how much of any target that is, rounded up to a microsecond."""
    return lambda terms: -(-terms.target * percent // 100)
