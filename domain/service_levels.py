"""Service levels: when the clocks of a ticket start, stand still and stop."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta

from crmcore.domain import ticket
from crmcore.domain.clocks import Clock, Move, Percent, Status, Terms, started
from crmcore.domain.timeline import Timeline
from crmcore.domain.value import Value

History: TypeAlias = Sequence[tuple[datetime, ticket.Event]]
"""What happened to a ticket, in its order, and when."""

Promise: TypeAlias = Terms | Timeline[Terms]


class Policy(Value):
    """What stops the clocks, what a reopened ticket goes on with, and when somebody is told."""

    resolving_responds: bool = False
    on_reopen: Literal["resume", "restart"] = "resume"
    escalate_percent: Annotated[tuple[Percent, ...], Meta(max_length=20)] = (50, 75, 100, 150)


def first_response(history: History, terms: Promise, policy: Policy) -> Clock | None:
    """Return the clock from the opening to the first answer of a person (rules.md T6)."""
    opened = next((at for at, event in history if isinstance(event, ticket.Opened)), None)
    if opened is None:
        return None
    return _clock(opened, _answered(history, policy), history, terms)


def next_responses(history: History, terms: Promise, policy: Policy) -> tuple[Clock, ...]:
    """Return a clock for each time that a customer waited for another answer (rules.md T7).

    It runs from the first message that nobody answered, and none before the first response.
    """
    return tuple(_clock(since, until, history, terms) for since, until in _waits(history, policy))


def resolutions(history: History, terms: Promise, policy: Policy) -> tuple[Clock, ...]:
    """Return the clock from the opening to the resolution; one a cycle if it restarts (T8)."""
    begins = (ticket.Opened | ticket.Reopened) if policy.on_reopen == "restart" else ticket.Opened
    starts = [at for at, event in history if isinstance(event, begins)]
    cycles = zip(starts, [*starts[1:], None], strict=False)
    return tuple(_clock(since, until, history, terms) for since, until in cycles)


def _clock(since: datetime, until: datetime | None, history: History, terms: Promise) -> Clock:
    """Return a clock that stands still with its ticket, and stops for good at the later instant."""
    if until is None:
        return started(since, terms, _moves(history))
    before = [move for move in _moves(history) if move[0] < until]
    return started(since, terms, [*before, (until, "stopped")])


def _answered(history: History, policy: Policy) -> datetime | None:
    return next((at for at, event in history if _answers(event, policy)), None)


def _answers(event: ticket.Event, policy: Policy) -> bool:
    if isinstance(event, ticket.Resolved):
        return policy.resolving_responds
    return isinstance(event, ticket.AgentReplied)


def _waits(history: History, policy: Policy) -> Iterator[tuple[datetime, datetime | None]]:
    """Yield from when to when a customer who had been answered once waited again."""
    responded, since = False, None
    for at, event in history:
        if _answers(event, policy):
            if since is not None:
                yield since, at
            responded, since = True, None
        elif isinstance(event, ticket.CustomerReplied) and responded and since is None:
            since = at
    if since is not None:
        yield since, None


def _moves(history: History) -> Iterator[Move]:
    for at, event in history:
        if status := _status(event):
            yield at, status


def _status(event: ticket.Event) -> Status | None:
    """Return what the clocks of a ticket do after a fact; None if they go on as before."""
    match event:
        case ticket.Opened() | ticket.Resumed() | ticket.Reopened():
            return "running"
        case ticket.Paused():
            return "paused"
        case ticket.Resolved() | ticket.Closed():
            return "stopped"
        case (
            ticket.AgentReplied()
            | ticket.CustomerReplied()
            | ticket.NoteAdded()
            | ticket.Assigned()
            | ticket.FeedbackRecorded()
        ):
            return None
        case _:
            assert_never(event)
