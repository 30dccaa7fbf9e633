"""Read, decide, append; decide again when somebody else got there first."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from crmcore.application.journal import CommandReused, Commit, Conflict, Done, Journal
from crmcore.domain.act import Act, FutureDated, OutOfOrder
from crmcore.domain.decider import Decider
from crmcore.domain.recorded import Fact, Recorded, Stream
from crmcore.domain.value import CRMError, Value, require

ATTEMPTS_MAX = 10
SKEW_MAX = timedelta(minutes=5)

_encode = msgspec.json.Encoder(order="deterministic").encode
_act = msgspec.json.Decoder(Act)


class InvalidCommand(CRMError):
    """The command itself is not well-formed: a bound of its type does not hold."""


class Task(Value):
    """One command for one stream, under the rules that decide it."""

    decider: Decider[Any, Any, Any]
    stream: Stream
    command: Any


class Request(Value):
    """What is asked in one act: its tasks are carried out together or not at all."""

    act: Act
    tasks: tuple[Task, ...]


class Receipt(Value):
    """What a request led to; `replayed` says that it had been carried out before."""

    command_id: UUID
    facts: tuple[Recorded[Any], ...]
    replayed: bool = False


Outcome: TypeAlias = Receipt | CRMError


class Known(NamedTuple):
    """Where a stream stands: its version, its state, when each of its threads took effect last."""

    version: int
    state: Any
    latest: Mapping[str, datetime]


States: TypeAlias = dict[Stream, Known]


def carry_out(
    journal: Journal,
    requests: Sequence[Request],
    *,
    policy: str,
    clock: Callable[[], datetime],
) -> list[Outcome]:
    """Return one outcome a request, in order: a receipt, or the error that kept it out.

    The facts of all accepted requests are recorded in one transaction, and a request that is
    refused touches no other. Raises Conflict when others win the race ATTEMPTS_MAX times.
    """
    done: Mapping[UUID, Done] | None = (
        None  # most commands are new: the first attempt does not look
    )
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return _attempt(journal, requests, done, policy, clock())
        except Conflict:
            if attempt == ATTEMPTS_MAX:
                raise
        done = journal.done({_id(request) for request in requests})
    raise AssertionError("unreachable")


def _attempt(
    journal: Journal,
    requests: Sequence[Request],
    looked: Mapping[UUID, Done] | None,
    policy: str,
    now: datetime,
) -> list[Outcome]:
    done = dict(looked or {})
    states = _states(journal, [r for r in requests if r.act.command_id not in done])
    commits: dict[UUID, Commit] = {}
    first: dict[UUID, int] = {}
    refused: dict[int, CRMError] = {}
    for index, request in enumerate(requests):
        try:
            commit = _commit(request, done, commits, states, policy, now)
        except CRMError as refusal:
            refused[index] = refusal
            continue
        if commit is not None:
            commits[commit.command_id] = commit
            first[commit.command_id] = index
    if refused and looked is None:
        raise Conflict("what is refused may have been carried out before: look, and decide again")
    done |= zip(commits, journal.append(list(commits.values()), now), strict=True)
    return [
        refused.get(index) or _receipt(request, done, replayed=first.get(_id(request)) != index)
        for index, request in enumerate(requests)
    ]


def _commit(
    request: Request,
    done: Mapping[UUID, Done],
    commits: Mapping[UUID, Commit],
    states: States,
    policy: str,
    now: datetime,
) -> Commit | None:
    """Return what a request leads to, None if it was carried out before."""
    digest = _digest(request)
    if before := done.get(_id(request)) or commits.get(_id(request)):
        if before.digest != digest:
            raise CommandReused(_id(request))
        return None
    effective_at = request.act.effective_at
    require(effective_at <= now + SKEW_MAX, FutureDated(effective_at=effective_at, now=now))
    facts, after = _decide(request, states, policy)
    states |= after
    return Commit(command_id=_id(request), digest=digest, facts=facts)


def _decide(request: Request, states: States, policy: str) -> tuple[tuple[Fact[Any], ...], States]:
    """Return the facts of a request and where they leave the streams."""
    facts: list[Fact[Any]] = []
    after: States = {}
    for task in request.tasks:
        stream, decider = task.stream, task.decider
        known = after.get(stream) or states.get(stream) or Known(0, decider.initial, {})
        for event in decider.decide(task.command, known.state, request.act):
            known = _next(known, decider, event, request.act.effective_at)
            customer = decider.customer(stream.id, known.state)
            facts.append(_fact(stream, known.version, event, request.act, policy, customer))
        after[stream] = known
    return tuple(facts), after


def _next(
    known: Known, decider: Decider[Any, Any, Any], event: object, effective_at: datetime
) -> Known:
    """Return where a stream stands after an event; reject it if its thread is further already."""
    threads = decider.threads(event)
    for thread in threads:
        last = known.latest.get(thread, effective_at)
        late = OutOfOrder(thread=thread, effective_at=effective_at, latest=last)
        require(effective_at >= last, late)
    latest = {**known.latest, **dict.fromkeys(threads, effective_at)}
    return Known(known.version + 1, decider.evolve(known.state, event), latest)


def _fact(
    stream: Stream, version: int, event: object, act: Act, policy: str, customer: UUID | None
) -> Fact[Any]:
    return Fact(
        stream=stream,
        version=version,
        event=event,
        effective_at=act.effective_at,
        actor=act.by,
        reason=act.because,
        command_id=act.command_id,
        correlation_id=act.correlation_id or act.command_id,
        causation_id=act.causation_id,
        policy=policy,
        customer=customer,
    )


def _states(journal: Journal, requests: Sequence[Request]) -> States:
    """Return where every stream stands that the requests write to."""
    deciders = {task.stream: task.decider for request in requests for task in request.tasks}
    found = journal.read(deciders)
    return {stream: _folded(facts, deciders[stream]) for stream, facts in found.items()}


def _folded(facts: Sequence[Recorded[Any]], decider: Decider[Any, Any, Any]) -> Known:
    latest: dict[str, datetime] = {}
    for fact in facts:
        latest.update(dict.fromkeys(decider.threads(fact.event), fact.effective_at))
    return Known(facts[-1].version, decider.fold(fact.event for fact in facts), latest)


def _receipt(request: Request, done: Mapping[UUID, Done], *, replayed: bool) -> Receipt:
    facts = done[_id(request)].facts
    return Receipt(command_id=_id(request), facts=facts, replayed=replayed)


def _id(request: Request) -> UUID:
    return request.act.command_id


def _digest(request: Request) -> bytes:
    """Return what the command id is bound to; raise InvalidCommand if a bound does not hold.

    msgspec checks bounds when it decodes, not when a value is made: so what was made is decoded.
    """
    try:
        _act.decode(_encode(request.act))
        asked = [(str(task.stream), _encode(task.command)) for task in request.tasks]
        for task, (_, command) in zip(request.tasks, asked, strict=True):
            _decoder(task.decider.commands).decode(command)
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, OverflowError) as error:
        raise InvalidCommand(f"the command is not well-formed: {error}") from error
    return sha256(_encode(asked)).digest()


@lru_cache
def _decoder(commands: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a union is no class
    return msgspec.json.Decoder(commands)
