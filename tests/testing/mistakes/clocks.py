"""Mistakes 9: the clock of a ticket, which runs in working hours and stands still in a pause."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Literal, TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.value import Instant, Rejection, Value, require
from crmcore.testing import History, law
from crmcore.testing.steps import AnyDecider
from tests.testing.mistakes.port import Mistake, small

OPENS, CLOSES = timedelta(hours=9), timedelta(hours=17)  # from Monday to Friday
DAY, NO_TIME = timedelta(days=1), timedelta(0)
WORKDAYS, TARGET = 5, timedelta(hours=4)
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)


class Open(Value, tag="clock.open"):
    pass


class Pause(Value, tag="clock.pause"):
    pass


class Resume(Value, tag="clock.resume"):
    pass


class Poll(Value, tag="clock.poll"):
    """Look whether it is late."""


class Resolve(Value, tag="clock.resolve"):
    pass


class Opened(Value, tag="clock.opened"):
    due_at: Instant


class Paused(Value, tag="clock.paused"):
    paused_at: Instant


class Resumed(Value, tag="clock.resumed"):
    due_at: Instant


class Breached(Value, tag="clock.breached"):
    pass


class Resolved(Value, tag="clock.resolved"):
    met: bool


class OutOfTurn(Rejection):
    """A ticket is opened, runs, waits and runs again, and is resolved before the next one."""

    status: str


Command: TypeAlias = Open | Pause | Resume | Poll | Resolve
Event: TypeAlias = Opened | Paused | Resumed | Breached | Resolved
NEEDED: dict[type, str] = {Open: "resolved", Resume: "waiting"}


class Clock(Value):
    status: Literal["resolved", "running", "waiting"] = "resolved"
    due_at: Instant = MONDAY
    paused_at: Instant = MONDAY
    breached: bool = False


def decide(
    command: Command, clock: Clock, act: Act, *, by_the_wall: bool, by_24_hours: bool, by_poll: bool
) -> tuple[Event, ...]:
    """Decide rightly, unless it moves a deadline by the wall, skips days, or tells by polls."""
    status = NEEDED.get(type(command), "running")
    require(clock.status == status, OutOfTurn(status=clock.status))
    at, due_at = act.effective_at, clock.due_at
    match command:
        case Open():
            return (Opened(due_at=after(at, TARGET, by_24_hours=by_24_hours)),)
        case Pause():
            return (Paused(paused_at=at),)
        case Resume() if clock.paused_at >= due_at:
            return (Resumed(due_at=due_at),)
        case Resume() if by_the_wall:
            return (Resumed(due_at=due_at + (at - clock.paused_at)),)
        case Resume():
            waited = worked(at) - worked(clock.paused_at)
            return (Resumed(due_at=after(due_at, waited, by_24_hours=by_24_hours)),)
        case Poll():
            return (Breached(),) if at > due_at and not clock.breached else ()
        case Resolve():
            return (Resolved(met=not clock.breached if by_poll else at <= due_at),)
        case _:
            assert_never(command)


def evolve(clock: Clock, event: Event) -> Clock:
    match event:
        case Opened(due_at=due_at):
            return Clock(status="running", due_at=due_at)
        case Paused(paused_at=paused_at):
            return replace(clock, status="waiting", paused_at=paused_at)
        case Resumed(due_at=due_at):
            return replace(clock, status="running", due_at=due_at)
        case Breached():
            return replace(clock, breached=True)
        case Resolved():
            return Clock()
        case _:
            assert_never(event)


def worked(at: datetime) -> timedelta:
    """Return the working time from some Monday on."""
    days, today = divmod(at - MONDAY, DAY)
    weeks, weekday = divmod(days, 7)
    done = min(max(today, OPENS), CLOSES) - OPENS if weekday < WORKDAYS else NO_TIME
    return (weeks * WORKDAYS + min(weekday, WORKDAYS)) * (CLOSES - OPENS) + done


def after(at: datetime, work: timedelta, *, by_24_hours: bool) -> datetime:
    """Return when so much work is done; a closed day is skipped, with the time of day or not."""
    while True:
        midnight = datetime.combine(at, time(), UTC)
        if at.weekday() >= WORKDAYS:
            at = at + DAY if by_24_hours else midnight + DAY
            continue
        at = max(at, midnight + OPENS)
        left = midnight + CLOSES - at
        if left >= NO_TIME and work <= left:
            return at + work
        work -= max(left, NO_TIME)
        at = midnight + DAY


def working(start: datetime, end: datetime) -> timedelta:
    """Return the working time between two instants, day by day."""
    total, midnight = NO_TIME, datetime.combine(start, time(), UTC)
    while midnight < end:
        if midnight.strftime("%a") not in ("Sat", "Sun"):
            opens, closes = midnight.replace(hour=9), midnight.replace(hour=17)
            total += max(NO_TIME, min(end, closes) - max(start, opens))
        midnight += DAY
    return total


@law
def a_target_is_working_time(_: AnyDecider, history: History) -> Iterator[str]:
    """From the start to the deadline there is as much working time as the target (rules.md T1)."""
    for step in history.steps:
        for event in step.events:
            if isinstance(event, Opened) and (found := working(step.at, event.due_at)) != TARGET:
                yield f"{event!r} is {found} of work after {step.at}"


@law
def a_pause_costs_its_working_time(_: AnyDecider, history: History) -> Iterator[str]:
    """A pause moves the deadline by its working time, so not in closed hours (rules.md T2)."""
    due_at = paused_at = MONDAY
    for step in history.steps:
        for event in step.events:
            if isinstance(event, Paused):
                paused_at = step.at
            if isinstance(event, Resumed) and paused_at < due_at:
                moved, paused = working(due_at, event.due_at), working(paused_at, step.at)
                if moved != paused:
                    yield f"{event!r} moved by {moved} after a pause of {paused}"
            if isinstance(event, Opened | Resumed):
                due_at = event.due_at


@law
def who_is_late_is_late(_: AnyDecider, history: History) -> Iterator[str]:
    """A target is met by who resolves in time, whoever looks, and when (rules.md T3)."""
    due_at = MONDAY
    for step in history.steps:
        for event in step.events:
            if isinstance(event, Opened | Resumed):
                due_at = event.due_at
            if isinstance(event, Resolved) and event.met != (step.at <= due_at):
                yield f"{event!r} at {step.at}, and it was due at {due_at}"


def clocks(
    *, by_the_wall: bool = False, by_24_hours: bool = False, by_poll: bool = False
) -> AnyDecider:
    decides = partial(decide, by_the_wall=by_the_wall, by_24_hours=by_24_hours, by_poll=by_poll)
    return small(Clock(), decides, evolve, Command, Event, OutOfTurn)


RIGHT = clocks()

MISTAKES = (
    Mistake(
        9, "T2", "a pause moves the deadline by the time on the wall",
        clocks(by_the_wall=True), RIGHT, a_pause_costs_its_working_time, 3,
    ),
    Mistake(
        9, "T1", "a day that nobody works is skipped by 24 hours",
        clocks(by_24_hours=True), RIGHT, a_target_is_working_time, 1,
    ),
    Mistake(
        9, "T3", "who is late between two polls is in time",
        clocks(by_poll=True), RIGHT, who_is_late_is_late, 2,
    ),
)  # fmt: skip
