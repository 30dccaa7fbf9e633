"""What is answered from a log, in a form that two logs of the same streams can be compared by."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value
from crmcore.policies import Policies, lens
from crmcore.projections.projection import (
    Answer,
    Population,
    Projection,
    answer,
    by_customer,
    registered,
)
from crmcore.projections.summary import Summary, summarise
from crmcore.testing.recording import Log

MOMENTS = 3
LATER = timedelta(days=400)


class Said(Value):
    """An answer, and the facts that it rests on: by their streams, wherever they lie in a log."""

    answer: Answer
    because: tuple[tuple[str, int], ...]


Answers: TypeAlias = Mapping[tuple[UUID | None, str], Said | Summary]
"""What is said about whom, to which question; about nobody that is the summary."""

Asked: TypeAlias = Callable[[Log, datetime, int], Answers]
"""Answers from a log as of an instant, known at a position: what a law asks."""


def asked_of(*projections: Projection[Any]) -> Asked:
    """Return what these projections answer about each customer."""

    def asked(log: Log, as_of: datetime, known_at: int) -> Answers:
        known = _until(log, known_at)
        return _said(projections, by_customer(known, as_of), known, as_of)

    return asked


def asked_under(policies: Policies) -> Asked:
    """Return what the library answers under these policies: all there is."""

    def asked(log: Log, as_of: datetime, known_at: int) -> Answers:
        known = _until(log, known_at)
        population = by_customer(known, as_of)
        through = lens(policies, population, as_of)
        questions = (through.lifecycle, through.credit, through.abc, through.rfm)
        page = summarise(population, as_of, 0, None, through)
        return {**_said(questions, population, known, as_of), (None, "summary"): page}

    return asked


def moments(log: Log) -> list[datetime]:
    """Return a few instants to ask about: the last, some before it, and one long after."""
    instants = sorted({fact.effective_at for fact in log})
    if not instants:
        return []
    seldom = instants[:: -max(1, len(instants) // MOMENTS)][:MOMENTS]
    return [*reversed(seldom), instants[-1] + LATER]


def end(log: Log) -> int:
    """Return the position of the last fact."""
    return log[-1].position if log else 0


def up_to(log: Log, as_of: datetime, known_at: int) -> Log:
    """Return the facts known and in effect by then, each with whose it was known to be."""
    known = [fact for fact in log if fact.position <= known_at]
    owners = {fact.stream: fact.customer for fact in known if fact.customer is not None}
    return tuple(
        replace(fact, customer=owners.get(fact.stream))
        for fact in known
        if fact.effective_at <= as_of
    )


def _until(log: Log, known_at: int) -> Log:
    return tuple(fact for fact in log if fact.position <= known_at)


def _said(
    projections: Iterable[Projection[Any]], population: Population, log: Log, as_of: datetime
) -> dict[tuple[UUID | None, str], Said | Summary]:
    lies_at: dict[int, tuple[Stream, int]] = {f.position: (f.stream, f.version) for f in log}
    said: dict[tuple[UUID | None, str], Said | Summary] = {}
    for projection in projections:
        for customer, facts in registered(population).items():
            if (found := answer(projection, facts, as_of)) is not None:
                places = [lies_at[position] for position in found.because]
                because = tuple(sorted((str(stream), version) for stream, version in places))
                plain = replace(found, because=())
                said[customer, projection.question] = Said(answer=plain, because=because)
    return said
