"""Read, decide, append: one attempt at any number of requests, each with its own outcome."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from crmcore.application.bounded import why_not
from crmcore.application.chain import GENESIS
from crmcore.application.journal import (
    FACTS_MAX,
    PAYLOAD_BYTES_MAX,
    CommandReused,
    Commit,
    Conflict,
    Done,
    Journal,
    StoreError,
)
from crmcore.application.states import (
    ForgottenError,
    Known,
    Remembered,
    States,
    at_first,
    folded,
    is_due,
    storable,
)
from crmcore.domain.act import Act, OutOfOrder
from crmcore.domain.bounds import Bounds
from crmcore.domain.decider import Decider
from crmcore.domain.recorded import Fact, Stream
from crmcore.domain.value import CRMError, Rejected, Value, require

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
    """What is asked in one act: its tasks are carried out together or not at all.

    `policy` names the policies that its rules are made of, `bounds` when it may take effect.
    """

    act: Act
    tasks: tuple[Task, ...]
    policy: str
    bounds: Bounds


class Receipt(Value):
    """What a request led to; `replayed` says that it had been carried out before."""

    command_id: UUID
    facts: tuple[Fact[Any], ...]
    replayed: bool = False


Outcome: TypeAlias = Receipt | CRMError


class Asked(Value):
    """A request as its types allow it, and the digest that its command id is bound to.

    `again` says that it may have been carried out: it was attempted before.
    """

    request: Request
    digest: bytes
    again: bool = False

    @property
    def id(self) -> UUID:
        """The id of the command."""
        return self.request.act.command_id

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that it is decided on."""
        return tuple(task.stream for task in self.request.tasks)


def checked(request: Request) -> Asked:
    """Return a request as its types allow it; raise InvalidCommand where they do not.

    msgspec checks bounds when it decodes, not when a value is made: so what was made is decoded,
    and what was decoded is carried out. What is too large to look at is not looked at.
    """
    for value in (request.act, *(task.command for task in request.tasks)):
        if (why := why_not(value)) is not None:
            raise InvalidCommand(f"the command is not well-formed: {why}")
    try:
        act = _act.decode(_encode(request.act))
        tasks = tuple(
            replace(task, command=_decoder(task.decider.commands).decode(_encode(task.command)))
            for task in request.tasks
        )
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # and msgspec's
        raise InvalidCommand(f"the command is not well-formed: {error}") from error
    named = [(str(task.stream), task.command) for task in tasks]
    bound = (named, act.effective_at) if act.dated else named
    asked = replace(request, act=act, tasks=tasks)
    return Asked(request=asked, digest=sha256(_encode(bound)).digest())


def attempt(
    asked: Sequence[Asked],
    *,
    journal: Journal,
    remembered: Remembered,
    clock: Callable[[], datetime],
    forms: Mapping[str, str] = {},
) -> list[Outcome]:
    """Decide every request on the same states, record what they lead to, return what came of it.

    Each is recorded wholly or not at all, and one that is refused touches no other. A Conflict
    among the outcomes says that the request is worth another attempt.
    """
    now = clock()
    # Most commands are new: only who tries again looks first whether it was carried out.
    again = {item.id for item in asked if item.again}
    done = dict(journal.done(again)) if again else {}
    new = [item for item in asked if item.id not in done]
    decided = _decided(new, remembered, journal, now, forms)
    # What is refused may have been carried out meanwhile, which is why the rules refuse it now.
    done |= journal.done(decided.refused.keys()) if decided.refused else {}
    lost = _append(decided, remembered, journal, now, forms)
    recorded = {
        command_id: Done(digest=commit.digest, facts=commit.facts)
        for command_id, commit in decided.commits.items()
        if command_id not in lost
    }
    # What was refused because of a commit that lost was refused for nothing: it is open again.
    never_so = {stream for command_id in lost for stream in decided.commits[command_id].streams}
    open_again = {
        item.id: Conflict("what it was refused for did not happen")
        for item in new
        if item.id in decided.refused and not never_so.isdisjoint(decided.streams[item.id])
    }
    return _outcomes(asked, recorded, done, decided.refused | dict(lost) | open_again)


class _Decided(NamedTuple):
    """What requests lead to, or why they lead to nothing; and where that leaves the streams.

    `streams` are those that each was decided on, also those that it only looked at.
    """

    commits: dict[UUID, Commit]
    refused: dict[UUID, CRMError]
    streams: dict[UUID, tuple[Stream, ...]]
    states: States


def _decided(
    asked: Sequence[Asked],
    remembered: Remembered,
    journal: Journal,
    now: datetime,
    forms: Mapping[str, str],
) -> _Decided:
    """Decide on what is remembered, and on what is recorded where no fact will prove it right.

    What is looked at beside is read at once, all of it: so no part of it is older than another.
    """
    deciders = {task.stream: task.decider for item in asked for task in item.request.tasks}
    states = remembered.of(deciders)
    trusted = set(states)
    states |= _read(deciders.keys() - states.keys(), deciders, journal, forms)
    beside: set[Stream] = set()
    while True:
        try:
            decided = _decided_on(dict(states), beside, asked, now)
        except _ReadWhollyError as error:
            unread, of_use = {error.stream}, dict[str, str]()
        except _ReadBesideError as error:
            deciders |= error.deciders
            beside |= error.deciders.keys()
            unread, of_use = beside, dict(forms)
        else:
            unread, of_use = trusted - _proven(decided), dict(forms)
        if not unread:
            return decided
        states |= _read(unread, deciders, journal, of_use)
        trusted -= unread


def _read(
    streams: Collection[Stream],
    deciders: Mapping[Stream, Decider[Any, Any, Any]],
    journal: Journal,
    forms: Mapping[str, str],
) -> States:
    """Return where streams stand by what is recorded."""
    pasts = journal.read(streams, forms) if streams else {}
    return {
        stream: folded(pasts[stream], deciders[stream])
        if stream in pasts
        else at_first(deciders[stream])
        for stream in streams
    }


class _ReadWhollyError(Exception):
    """What is known of a stream does not suffice to decide."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self.stream = stream


class _ReadBesideError(Exception):
    """Streams have to be read that a request was not known to depend on."""

    def __init__(self, deciders: Mapping[Stream, Decider[Any, Any, Any]]) -> None:
        super().__init__(deciders)
        self.deciders = deciders


def _proven(decided: _Decided) -> set[Stream]:
    """Return the streams whose states the append proves: there are facts that follow on them.

    A command that changes nothing proves nothing, also where another one of the same batch does.
    """
    changed = {fact.stream for commit in decided.commits.values() for fact in commit.facts}
    for commit in decided.commits.values():
        changed -= set(commit.streams) - {fact.stream for fact in commit.facts}
    return changed


def _decided_on(
    states: States, beside: Collection[Stream], asked: Sequence[Asked], now: datetime
) -> _Decided:
    """Return what each request leads to, one after the other, and why others lead to nothing."""
    commits: dict[UUID, Commit] = {}
    refused: dict[UUID, CRMError] = {}
    streams: dict[UUID, tuple[Stream, ...]] = {}
    for item in asked:
        if item.id in commits:
            continue
        view = _View(states, beside, item.streams)
        try:
            commits[item.id] = _commit(item, view, now)
        except CRMError as refusal:
            refused[item.id] = refusal
        streams[item.id] = view.streams
    return _Decided(commits, refused, streams, states)


def _append(
    decided: _Decided,
    remembered: Remembered,
    journal: Journal,
    now: datetime,
    forms: Mapping[str, str],
) -> Mapping[UUID, Conflict]:
    """Record what was decided, remember where that leaves the streams, and return who lost."""
    if not decided.commits:
        return {}
    states = decided.states
    remembered.forget(states)  # nobody knows where they stand if it fails half-way
    tips = {stream: known.tip for stream, known in states.items() if known.tip != GENESIS}
    appended = journal.append(list(decided.commits.values()), at=now, tips=tips)
    lost = {stream for i in appended.lost for stream in decided.commits[i].streams}
    remembered.share(lost)
    written = {
        stream: states[stream]._replace(tip=tip)
        for stream, tip in appended.tips.items()
        if stream not in lost
    }
    remembered.keep(written | _stored(written, journal, forms))
    return appended.lost


def _stored(written: States, journal: Journal, forms: Mapping[str, str]) -> States:
    """Store those states that are due; what is recorded is recorded, also where that fails."""
    due = {s: known for s, known in written.items() if forms.get(s.kind) and is_due(known)}
    if due:
        with suppress(StoreError):
            journal.store({stream: storable(known) for stream, known in due.items()}, forms)
    return {stream: known._replace(stored=known.version) for stream, known in due.items()}


def _outcomes(
    asked: Sequence[Asked],
    recorded: Mapping[UUID, Done],
    done: Mapping[UUID, Done],
    errors: Mapping[UUID, CRMError],
) -> list[Outcome]:
    """Return the receipt of what was carried out now, the first time, or before; or the error."""
    outcomes: list[Outcome] = []
    fresh = set(recorded)
    for item in asked:
        found = recorded.get(item.id) or done.get(item.id)
        if found is None:
            outcomes.append(errors[item.id])
        elif found.digest != item.digest:
            outcomes.append(CommandReused(item.id))
        else:
            replayed = item.id not in fresh
            outcomes.append(Receipt(command_id=item.id, facts=found.facts, replayed=replayed))
        fresh.discard(item.id)
    return outcomes


class _View:
    """Where streams stand for one request, as it moves them on and looks at others.

    Its own streams are proven by the versions of its facts. What it looks at besides was read for
    that: what happened to be at hand may be older than what leads to it.
    """

    def __init__(
        self, states: States, beside: Collection[Stream], streams: tuple[Stream, ...]
    ) -> None:
        self.after: States = {}
        self.streams = streams
        self._states = states
        self._beside = beside
        self._own = set(streams)

    def known(self, stream: Stream, decider: Decider[Any, Any, Any]) -> Known:
        """Return where a stream stands; raise _ReadBesideError where it has to be read first."""
        self._add([stream])
        if stream not in self._own and stream not in self._beside:
            raise _ReadBesideError({stream: decider})
        return self.after.get(stream) or self._states[stream]

    def look(self, decider: Decider[Any, Any, Any], ids: Collection[UUID]) -> dict[UUID, Any]:
        """Return the states of others of the same kind."""
        streams = {own_id: Stream(kind=decider.kind, id=own_id) for own_id in ids}
        self._add(streams.values())
        if not set(streams.values()) <= {*self._beside, *self.after}:
            raise _ReadBesideError(dict.fromkeys(streams.values(), decider))
        return {own_id: self.known(stream, decider).state for own_id, stream in streams.items()}

    def move_on(self) -> None:
        """Let those that come next find the streams where this request leaves them."""
        self._states |= self.after

    def _add(self, streams: Collection[Stream]) -> None:
        self.streams = tuple(dict.fromkeys((*self.streams, *streams)))


def _commit(asked: Asked, view: _View, now: datetime) -> Commit:
    """Return what a request leads to, and move the states on."""
    request = asked.request
    request.bounds.require(request.act, now)
    facts: list[Fact[Any]] = []
    for place, task in enumerate(request.tasks):
        facts += _decide(task, request, view, place)
    if len(facts) > FACTS_MAX:
        raise InvalidCommand(f"one act leads to {FACTS_MAX} facts at most, not to {len(facts)}")
    view.move_on()
    return Commit(
        command_id=asked.id, digest=asked.digest, streams=view.streams, facts=tuple(facts)
    )


def _decide(task: Task, request: Request, view: _View, place: int) -> list[Fact[Any]]:
    """Return the facts of a command, and of what these ask of others."""
    stream, decider = task.stream, task.decider
    known = view.known(stream, decider)
    facts: list[Fact[Any]] = []
    for event in _events(task, known.state, request.act, view, place):
        _require_storable(event, decider)
        threads = decider.threads(event)
        at = _takes_effect(stream, known, threads, request.act)
        known = known._replace(
            version=known.version + 1,
            state=decider.evolve(known.state, event),
            threads=known.threads.after(threads, at),
        )
        customer = decider.customer(stream.id, known.state)
        facts.append(_fact(stream, known.version, event, at, request, customer))
    view.after[stream] = known
    asked = [asked for fact in facts for asked in decider.asks(stream.id, fact.event)]
    for own_id, command in asked:
        other = Stream(kind=decider.kind, id=own_id)
        more = Task(decider=decider, stream=other, command=command)
        facts += _decide(more, request, view, place)
    return facts


def _events(task: Task, state: Any, act: Act, view: _View, place: int) -> Sequence[Any]:  # noqa: ANN401 - the decider's
    """Return what the rules lead to; a refusal says whose it is of several commands."""
    decider, command = task.decider, task.command
    try:
        told = decider.informed(task.stream.id, command, state, partial(view.look, decider))
        found: Sequence[Any] = decider.decide(command, told, act)
    except Rejected as refusal:
        refusal.place = place
        raise
    return found


def _takes_effect(stream: Stream, known: Known, threads: tuple[str, ...], act: Act) -> datetime:
    """Return when a fact takes effect; reject it if a date was stated that its thread has passed.

    An act of now follows what it follows, also where the clocks of two servers differ a little.
    """
    at = act.effective_at
    for thread in threads:
        try:
            latest = known.threads.before(thread, act.effective_at) or at
        except ForgottenError as error:
            raise _ReadWhollyError(stream) from error
        late = OutOfOrder(thread=thread, effective_at=act.effective_at, latest=latest)
        require(not act.dated or act.effective_at >= latest, late)
        at = max(at, latest)
    return at


def _require_storable(event: object, decider: Decider[Any, Any, Any]) -> None:
    """Raise InvalidCommand for what could not be read back: sums may leave the bounds."""
    name, payload = type(event).__name__, _encode(event)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise InvalidCommand(f"{name} is {len(payload)} bytes, {PAYLOAD_BYTES_MAX} at most can be")
    try:
        _decoder(decider.events).decode(payload)
    except msgspec.ValidationError as error:
        raise InvalidCommand(f"the command leads to no storable {name}: {error}") from error


def _fact(
    stream: Stream,
    version: int,
    event: object,
    effective_at: datetime,
    request: Request,
    customer: UUID | None,
) -> Fact[Any]:
    act = request.act
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
        policy=request.policy,
        customer=customer,
    )


@lru_cache
def _decoder(union: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a union is no class
    return msgspec.json.Decoder(union)
