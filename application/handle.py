"""Read, decide, append; decide again when somebody else got there first."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

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
Checked: TypeAlias = tuple[Request, bytes] | InvalidCommand


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
    checked = [_checked(request) for request in requests]
    done: Mapping[UUID, Done] = {}  # most commands are new: the first attempt does not look
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return _attempt(journal, checked, done, policy, clock())
        except Conflict:
            if attempt == ATTEMPTS_MAX:
                raise
        done = journal.done({_id(request) for request in requests})
    raise AssertionError("unreachable")


def _attempt(
    journal: Journal,
    checked: Sequence[Checked],
    looked: Mapping[UUID, Done],
    policy: str,
    now: datetime,
) -> list[Outcome]:
    """Decide every request on the same states, and record what they lead to."""
    asked = [item for item in checked if not isinstance(item, InvalidCommand)]
    states = _states(journal, [request for request, _ in asked if _id(request) not in looked])
    commits: dict[UUID, Commit] = {}
    refused: dict[UUID, CRMError] = {}
    for request, digest in asked:
        if _id(request) in looked or _id(request) in commits:
            continue
        try:
            commits[_id(request)] = _commit(request, digest, states, policy, now)
        except CRMError as refusal:
            refused[_id(request)] = refusal
    # What is refused may have been carried out meanwhile, which is why the rules refuse it now.
    twins = journal.done(refused.keys()) if refused else {}
    new = dict(zip(commits, journal.append(list(commits.values()), now), strict=True))
    done, fresh = {**looked, **twins, **new}, set(new)
    return [
        item if isinstance(item, InvalidCommand) else _outcome(*item, done, refused, fresh)
        for item in checked
    ]


def _outcome(
    request: Request,
    digest: bytes,
    done: Mapping[UUID, Done],
    refused: Mapping[UUID, CRMError],
    fresh: set[UUID],
) -> Outcome:
    """Return the receipt of what was carried out now, the first time, or before; or the refusal."""
    found = done.get(_id(request))
    if found is None:
        return refused[_id(request)]
    if found.digest != digest:
        return CommandReused(_id(request))
    replayed = _id(request) not in fresh
    fresh.discard(_id(request))
    return Receipt(command_id=_id(request), facts=found.facts, replayed=replayed)


def _commit(request: Request, digest: bytes, states: States, policy: str, now: datetime) -> Commit:
    """Return what a request leads to, and move the states on."""
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
            _require_storable(event, decider)
            threads = decider.threads(event)
            at = _takes_effect(known, threads, request.act)
            latest = {**known.latest, **dict.fromkeys(threads, at)}
            known = Known(known.version + 1, decider.evolve(known.state, event), latest)
            customer = decider.customer(stream.id, known.state)
            facts.append(_fact(stream, known.version, event, at, request.act, policy, customer))
        after[stream] = known
    return tuple(facts), after


def _takes_effect(known: Known, threads: tuple[str, ...], act: Act) -> datetime:
    """Return when a fact takes effect; reject it if a date was stated that its thread has passed.

    An act of now follows what it follows, also where the clocks of two servers differ a little.
    """
    at = act.effective_at
    for thread in threads:
        latest = known.latest.get(thread, at)
        late = OutOfOrder(thread=thread, effective_at=act.effective_at, latest=latest)
        require(not act.dated or act.effective_at >= latest, late)
        at = max(at, latest)
    return at


def _require_storable(event: object, decider: Decider[Any, Any, Any]) -> None:
    """Raise InvalidCommand for what could not be read back: sums may leave the bounds."""
    try:
        _decoder(decider.events).decode(_encode(event))
    except msgspec.ValidationError as error:
        name = type(event).__name__
        raise InvalidCommand(f"the command leads to no storable {name}: {error}") from error


def _fact(
    stream: Stream,
    version: int,
    event: object,
    effective_at: datetime,
    act: Act,
    policy: str,
    customer: UUID | None,
) -> Fact[Any]:
    return Fact(
        stream=stream,
        version=version,
        event=event,
        effective_at=effective_at,
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


def _id(request: Request) -> UUID:
    return request.act.command_id


def _checked(request: Request) -> Checked:
    """Return a request as its types allow it, and the digest that its id is bound to.

    msgspec checks bounds when it decodes, not when a value is made: so what was made is decoded,
    and what was decoded is carried out.
    """
    try:
        act = _act.decode(_encode(request.act))
        tasks = tuple(
            replace(task, command=_decoder(task.decider.commands).decode(_encode(task.command)))
            for task in request.tasks
        )
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, OverflowError) as error:
        return InvalidCommand(f"the command is not well-formed: {error}")
    asked = [(str(task.stream), task.command) for task in tasks]
    bound = (asked, act.effective_at) if act.dated else asked
    return Request(act=act, tasks=tasks), sha256(_encode(bound)).digest()


@lru_cache
def _decoder(union: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a union is no class
    return msgspec.json.Decoder(union)
