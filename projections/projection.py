"""A projection is a pure fold and a judgement: one declaration answers for any two dates.

`as_of` is business time: which facts had taken effect. `known_at` is a position of the log: which
facts were known. Callers cut the log at `known_at`; what is here takes effect at `as_of`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.value import CRMError, Value
from crmcore.projections.merging import MERGES, united

State = TypeVar("State")
Facts: TypeAlias = Sequence[Recorded[Any]]
Population: TypeAlias = Mapping[UUID | None, Facts]
Customers: TypeAlias = Mapping[UUID, Facts]
Details: TypeAlias = tuple[tuple[str, str], ...]

LOOKS_MAX = 100_000
TICK = timedelta(microseconds=1)


class DisorderedLog(CRMError):
    """A log was read out of its order, or a fact of it twice: no answer could be trusted."""

    def __init__(self, before: int, position: int) -> None:
        super().__init__(before, position)  # what it is pickled by, on its way out of a process
        self.before, self.position = before, position

    def __str__(self) -> str:
        """Return what was read after what."""
        return f"the log was read out of order: position {self.position} after {self.before}"


class Verdict(Value):
    """The answer at one instant: by which rule, and because of which facts (log positions)."""

    answer: str
    rule: str
    because: tuple[int, ...] = ()


class Answer(Value):
    """A verdict with its time: since when it holds, and when it changes if nothing happens."""

    question: str
    answer: str
    since: datetime
    rule: str
    because: tuple[int, ...]
    details: Details
    next_change_at: datetime | None


class Projection(Value, Generic[State]):
    """How facts add up to a state, and what the state means as time passes.

    `judge` returns None while there is nothing to say. `next_look` returns the first later instant
    at which `judge` may say something else although nothing happened, None if there is none.
    `details` returns the figures behind a verdict, each with its name.
    """

    question: str
    initial: State
    apply: Callable[[State, Recorded[Any]], State]
    judge: Callable[[State, datetime], Verdict | None]
    next_look: Callable[[State, datetime], datetime | None]
    details: Callable[[State, datetime], Details]


def by_customer(log: Iterable[Recorded[Any]], as_of: datetime | None = None) -> Population:
    """Return every customer's facts that had taken effect, in the order in which they did.

    A stream belongs to the customer it was last said to belong to; None gathers what belongs to
    nobody yet. So the order of the log decides, and a reader that lost it raises DisorderedLog
    here, where a log enters; positions may have gaps, since a log may be a part of one. What a
    merged customer did is that of who stands for it.
    """
    streams: dict[Stream, list[Recorded[Any]]] = defaultdict(list)
    owners: dict[Stream, UUID] = {}
    before, merges = 0, list[Recorded[Any]]()
    for fact in log:
        if fact.position <= before:
            raise DisorderedLog(before, fact.position)
        before = fact.position
        streams[fact.stream].append(fact)
        if type(fact.event) in MERGES:
            merges.append(fact)
        if fact.customer is not None:
            owners[fact.stream] = fact.customer
    customers: dict[UUID | None, list[Recorded[Any]]] = defaultdict(list)
    for stream, facts in streams.items():
        customers[owners.get(stream)] += facts
    whose = united(customers, in_effect(merges, as_of)) if merges else customers
    return {customer: in_effect(facts, as_of) for customer, facts in whose.items()}


def registered(population: Population) -> Customers:
    """Return those customers of a population that are known as such: others only occur in facts."""
    return {
        customer: facts
        for customer, facts in population.items()
        if customer and any(isinstance(fact.event, CustomerRegistered) for fact in facts)
    }


def in_effect(facts: Iterable[Recorded[Any]], as_of: datetime | None = None) -> Facts:
    """Return the facts that had taken effect, in the order in which they did, their times in UTC.

    They may come in any order: it sorts them itself, so there is none to check.
    """
    known = map(_in_utc, facts)
    seen = (fact for fact in known if as_of is None or fact.effective_at <= as_of)
    return sorted(seen, key=lambda fact: (fact.effective_at, fact.position))


def verdict(projection: Projection[State], facts: Facts, as_of: datetime) -> Verdict | None:
    """Return what a projection says of these facts at an instant; they are in effect by then."""
    state = projection.initial
    for fact in facts:
        state = projection.apply(state, fact)
    return projection.judge(state, as_of)


def answer(projection: Projection[State], facts: Facts, as_of: datetime) -> Answer | None:
    """Return the verdict at an instant, since when it holds and when it will change by itself."""
    said: Verdict | None = None
    since = as_of
    state, at = projection.initial, as_of
    for state, at in steps(projection, facts, as_of):
        now = projection.judge(state, at)
        if now is not None and (said is None or now.answer != said.answer):
            since = at
        said = now
    if said is None:
        return None
    latest = projection.judge(state, as_of)
    assert latest is not None
    assert latest.answer == said.answer, "no look was missed"
    return Answer(
        question=projection.question,
        answer=latest.answer,
        since=since,
        rule=latest.rule,
        because=latest.because,
        details=projection.details(state, as_of),
        next_change_at=_next_change(projection, state, as_of, latest.answer),
    )


def steps(
    projection: Projection[State], facts: Facts, as_of: datetime
) -> Iterator[tuple[State, datetime]]:
    """Yield the state at every instant up to as_of at which the answer may change."""
    state = projection.initial
    look: datetime | None = None
    for effective_at, group in groupby(facts, key=lambda fact: fact.effective_at):
        yield from _looks(projection, state, look, effective_at - TICK)
        for fact in group:
            state = projection.apply(state, fact)
        yield state, effective_at
        look = projection.next_look(state, effective_at)
    yield from _looks(projection, state, look, as_of)


def _in_utc(fact: Recorded[Any]) -> Recorded[Any]:
    """Return the same fact, whatever zone a store states its time in.

    Python compares two times of one zone by the clock on the wall, which repeats an hour a year.
    """
    at = fact.effective_at
    assert at.tzinfo is not None, "an instant has a time zone"
    return fact if at.tzinfo is UTC else replace(fact, effective_at=at.astimezone(UTC))


def _looks(
    projection: Projection[State], state: State, look: datetime | None, until: datetime
) -> Iterator[tuple[State, datetime]]:
    while look is not None and look <= until:
        yield state, look
        look = projection.next_look(state, look)


def _next_change(
    projection: Projection[State], state: State, as_of: datetime, said: str
) -> datetime | None:
    at: datetime | None = as_of
    for _ in range(LOOKS_MAX):
        assert at is not None
        at = projection.next_look(state, at)
        if at is None:
            return None
        now = projection.judge(state, at)
        if now is None or now.answer != said:
            return at
    raise AssertionError("a projection looks at finitely many instants")
