"""A log made of histories: several streams in one order, as a store would have recorded them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.recorded import Recorded, Stream
from crmcore.testing.living import History
from crmcore.testing.steps import Step

Log: TypeAlias = tuple[Recorded[Any], ...]
"""Facts in the order of their positions."""

Streams: TypeAlias = Mapping[str, History]
"""Histories by names of your own; each is a stream."""

FIRST_ID = 1_001
LABEL = "default@1"


def named(names: Iterable[str]) -> dict[str, UUID]:
    """Return the ids of the aggregates that are called so, by their places among the names."""
    return {name: UUID(int=number) for number, name in enumerate(names, FIRST_ID)}


def turns(streams: Streams) -> tuple[str, ...]:
    """Return whose act follows whose, in the order of time: a name for each act with facts."""
    acts = [
        (step.act.effective_at, number, name)
        for number, (name, history) in enumerate(streams.items())
        for step in history.steps
        if step.events
    ]
    return tuple(name for _, _, name in sorted(acts))


def log_of(streams: Streams, order: Iterable[str] | None = None, *, policy: str = LABEL) -> Log:
    """Return the log of these streams; `order` names the stream of each act that led to facts.

    In an order other than that of time facts were recorded late. Raises ValueError for an order
    that is not one of these streams.
    """
    order = turns(streams) if order is None else tuple(order)
    if Counter(order) != Counter(turns(streams)):
        raise ValueError("the order names each stream once for each of its acts that led to facts")
    ids = named(streams)
    acts = {name: _acts(history, ids[name], policy) for name, history in streams.items()}
    return numbered(fact for name in order for fact in next(acts[name]))


def numbered(facts: Iterable[Recorded[Any]]) -> Log:
    """Return facts as they would lie in a log had they been recorded in this order."""
    log: list[Recorded[Any]] = []
    for position, fact in enumerate(facts, 1):
        at = max(log[-1].recorded_at, fact.recorded_at) if log else fact.recorded_at
        log.append(replace(fact, recorded_at=at, position=position))
    return tuple(log)


def in_streams(log: Log) -> dict[Stream, list[Recorded[Any]]]:
    """Return the facts of each stream, in the order of the log."""
    streams: dict[Stream, list[Recorded[Any]]] = defaultdict(list)
    for fact in log:
        streams[fact.stream].append(fact)
    return dict(streams)


def stream_by_stream(log: Log) -> Log:
    """Return the same streams one after the other, each in its own order."""
    streams = in_streams(log)
    ordered = sorted(streams, key=lambda stream: (stream.kind, stream.id), reverse=True)
    return numbered(fact for stream in ordered for fact in streams[stream])


def _acts(history: History, aggregate: UUID, policy: str) -> Iterator[list[Recorded[Any]]]:
    stream = Stream(kind=history.decider.kind, id=aggregate)
    versions = count(1)
    for step in history.steps:
        if step.events:
            yield [*_facts(history, step, stream, versions, policy)]


def _facts(
    history: History, step: Step, stream: Stream, versions: Iterator[int], policy: str
) -> Iterator[Recorded[Any]]:
    act, state = step.act, step.before
    # Each history counts its commands from 1, and a log knows them all.
    command_id = UUID(int=stream.id.int << 64 | act.command_id.int)
    for event in step.events:
        state = history.decider.evolve(state, event)
        yield Recorded(
            stream=stream,
            version=next(versions),
            event=event,
            effective_at=act.effective_at,
            actor=act.by,
            reason=act.because,
            command_id=command_id,
            correlation_id=act.correlation_id or command_id,
            causation_id=act.causation_id,
            policy=policy,
            customer=history.decider.customer(stream.id, state),
            recorded_at=act.effective_at,
            position=0,
        )
