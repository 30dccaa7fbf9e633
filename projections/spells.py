"""What was said of a customer when: spells that follow each other, each with what brought it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from crmcore.domain.value import Value
from crmcore.projections.projection import TICK, Facts, Projection, Verdict, steps


class Spell(Value):
    """An answer for as long as it holds: [since, until), where None is beyond what was asked.

    cause: A fact, another set of policies that came into force, or time that passed.
    facts: The log positions of the facts that took effect when it began, if those brought it.
    policies: What facts call the policies that it is judged by.
    """

    answer: str
    rule: str
    because: tuple[int, ...]
    since: datetime
    until: datetime | None
    cause: Literal["fact", "policies", "time"]
    facts: tuple[int, ...]
    policies: str


class Stretch(NamedTuple):
    """A time under one set of policies: from an instant on, until the next one begins."""

    since: datetime
    policies: str
    projection: Projection[Any]


def spells(facts: Facts, stretches: Sequence[Stretch], as_of: datetime) -> tuple[Spell, ...]:
    """Return what was said from the first answer up to an instant, each by the policies of then.

    The facts are in effect by then, and in the order in which they took effect; the stretches have
    begun, and lie in their order.
    """
    told: list[Spell] = []
    ends = [*(one.since - TICK for one in stretches[1:]), as_of]
    for stretch, last in zip(stretches, ends, strict=True):
        for spell in _judged(facts, stretch, last):
            if not told or told[-1].answer != spell.answer:
                told.append(spell)
    return tuple(
        replace(spell, until=later.since) if later else spell
        for spell, later in zip_longest(told, told[1:])
    )


def _judged(facts: Facts, stretch: Stretch, last: datetime) -> Iterator[Spell]:
    """Yield what may be said otherwise in a stretch, beginning with what is said at its start."""
    since, policies, projection = stretch
    known = [fact for fact in facts if fact.effective_at <= last]
    judged = [(at, projection.judge(state, at)) for state, at in steps(projection, known, last)]
    said = [(at, verdict) for at, verdict in judged if verdict is not None]
    took_effect: dict[datetime, tuple[int, ...]] = {}
    for fact in known:
        brought = took_effect.get(fact.effective_at, ())
        took_effect[fact.effective_at] = (*brought, fact.position)
    for verdict in [verdict for at, verdict in said if at <= since][-1:]:
        yield _spell(verdict, since, "policies", took_effect.get(since, ()), policies)
    for at, verdict in said:
        if at > since:
            yield _spell(verdict, at, "time", took_effect.get(at, ()), policies)


def _spell(
    said: Verdict,
    since: datetime,
    otherwise: Literal["policies", "time"],
    facts: tuple[int, ...],
    policies: str,
) -> Spell:
    return Spell(
        answer=said.answer,
        rule=said.rule,
        because=said.because,
        since=since,
        until=None,
        cause="fact" if facts else otherwise,
        facts=facts,
        policies=policies,
    )
