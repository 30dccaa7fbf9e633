"""Answers beside each other: of two days, of two sets of policies, and of all days so far."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from crmcore.domain.value import Value
from crmcore.in_force import Adoptions, InForce
from crmcore.policies import Policies, credit_under, lens, lifecycle_under
from crmcore.projections.moving import Move, moves, said, transitions
from crmcore.projections.projection import Facts, Population, Projection, by_customer, registered
from crmcore.projections.spells import Stretch

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)

Question: TypeAlias = Literal["lifecycle", "credit", "abc", "rfm"]
QUESTIONS: tuple[Question, ...] = ("lifecycle", "credit", "abc", "rfm")
Own: TypeAlias = Literal["lifecycle", "credit"]
"""What is answered from the facts of one customer; the others divide all customers of a day."""
OWN: Mapping[Own, Callable[[Policies], Projection[Any]]] = {
    "lifecycle": lifecycle_under,
    "credit": credit_under,
}


class Moved(Value):
    """How many customers went from one answer to another; None is no customer."""

    before: str | None
    after: str | None
    customers: int


class WhatIf(Value):
    """What a question would be answered otherwise under other policies, and of whom.

    policies, instead: What facts call the policies in force, and those that are tried.
    customers: How many there are; those that do not move are in neither list.
    moves: Who would move, with both answers, by question.
    """

    as_of: datetime
    position: int
    policies: str
    instead: str
    customers: int
    moves: Mapping[Question, tuple[Move, ...]]


def what_if(
    population: Population, rules: InForce, instead: Policies, at: datetime, position: int
) -> WhatIf:
    """Return who would be answered otherwise, each question with the cut-offs of its policies."""
    before, after = lens(rules.policies, population, at), lens(instead, population, at)
    return WhatIf(
        as_of=at,
        position=position,
        policies=rules.stamp,
        instead=instead.stamp,
        customers=len(registered(population)),
        moves={
            question: tuple(
                moves(getattr(before, question), getattr(after, question), population, at)
            )
            for question in QUESTIONS
        },
    )


def moved(question: Question, log: Facts, *days: tuple[datetime, Policies]) -> tuple[Moved, ...]:
    """Return how many went from which answer to which, each of two days by its own policies."""
    before, after = (_answers(question, log, at, policies) for at, policies in days)
    return tuple(
        Moved(before=one, after=other, customers=number)
        for (one, other), number in transitions(before, after).items()
    )


def stretches(
    question: Own, adoptions: Adoptions, in_force: Callable[[datetime], InForce], at: datetime
) -> list[Stretch]:
    """Return the times under one set of policies each, in their order, up to an instant."""
    begun = {one.in_force_from for one in adoptions if one.in_force_from <= at}
    rules = [(since, in_force(since)) for since in sorted({BEGINNING, *begun})]
    return [
        Stretch(since=since, policies=under.stamp, projection=OWN[question](under.policies))
        for since, under in rules
    ]


def _answers(
    question: Question, log: Facts, at: datetime, policies: Policies
) -> Mapping[UUID, str]:
    population = by_customer(log, at)
    return said(getattr(lens(policies, population, at), question), population, at)
