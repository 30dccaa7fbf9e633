"""Generated histories of one aggregate, and what occurs in them."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, get_args
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore.domain.act import Act
from crmcore.domain.decider import Decider
from crmcore.domain.value import Rejected, Rejection

Command = TypeVar("Command")
State = TypeVar("State")
Event = TypeVar("Event")

START = datetime(2026, 1, 1, tzinfo=UTC)
GAPS = st.sampled_from(
    [timedelta(0), timedelta(hours=5), timedelta(days=1), timedelta(days=9), timedelta(days=170)]
)


class Step(NamedTuple, Generic[Command, State, Event]):
    """One command: when it came, the state it met, what became of it, and in whose act."""

    at: datetime
    before: State
    command: Command
    events: tuple[Event, ...]
    rejection: Rejection | None
    after: State
    act: Act


History: TypeAlias = list[Step[Command, State, Event]]


def act(at: datetime, by: str = "ann", roles: Collection[str] = ()) -> Act:
    """Return an act at an instant."""
    return Act(by=by, effective_at=at, command_id=UUID(int=1), roles=frozenset(roles))


def take(
    decider: Decider[Command, State, Event],
    state: State,
    command: Command,
    at: datetime,
    by: Act | None = None,
) -> Step[Command, State, Event]:
    """Return what becomes of a command."""
    by = by or act(at)
    try:
        events = decider.decide(command, state, by)
    except Rejected as no:
        return Step(at, state, command, (), no.rejection, state, by)
    after = state
    for event in events:
        after = decider.evolve(after, event)
    return Step(at, state, command, events, None, after, by)


def histories(
    decider: Decider[Command, State, Event],
    offers: Callable[[State, int], Sequence[Command]],
    slots: int = 24,
    acts: Callable[[Command, int, datetime], Act] = lambda _, __, at: act(at),
    opening: Sequence[Command] = (),
) -> st.SearchStrategy[History[Command, State, Event]]:
    """Draw histories: each command is one of those offered for the state so far and a number.

    So references are bound late and most commands fit; an empty slot lets a history shrink. Who
    acts may depend on the command and the number. Every history begins with the opening.
    """
    slot = st.none() | st.tuples(st.integers(0, 59), st.integers(0, 40), GAPS)
    plans = st.lists(slot, min_size=slots, max_size=slots)

    def live(plan: list[tuple[int, int, timedelta] | None]) -> History[Command, State, Event]:
        state, at = decider.initial, START
        history: History[Command, State, Event] = []
        for command in opening:
            history.append(take(decider, state, command, at, acts(command, 0, at)))
            state = history[-1].after
        for choice, number, gap in filter(None, plan):
            at += gap
            offered = offers(state, number)
            command = offered[choice % len(offered)]
            history.append(take(decider, state, command, at, acts(command, number, at)))
            state = history[-1].after
        return history

    return plans.map(live)


def facts(history: History[Command, State, Event]) -> list[Event]:
    """Return everything that happened, in order."""
    return [event for step in history for event in step.events]


def declared(decider: Decider[Any, Any, Any]) -> set[str]:
    """Return the names of all events and rejections of a decider."""
    return {kind.__name__ for kind in (*get_args(decider.events), *get_args(decider.rejections))}


def occurring(strategy: st.SearchStrategy[History[Any, Any, Any]]) -> set[str]:
    """Return the names of the events and rejections that occur in generated histories."""
    seen: set[str] = set()

    @settings(max_examples=300, derandomize=True, database=None, deadline=None)
    @given(strategy)
    def collect(history: History[Any, Any, Any]) -> None:
        for step in history:
            seen.update(type(outcome).__name__ for outcome in (*step.events, step.rejection))

    collect()
    return seen - {"NoneType"}
