"""Who moves: from one day to another, or from one set of policies to another."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime, tzinfo
from fractions import Fraction
from functools import reduce
from typing import Any, TypeAlias
from uuid import UUID

from crmcore.domain.value import Value
from crmcore.projections import sales
from crmcore.projections.projection import (
    Answer,
    Facts,
    Population,
    Projection,
    answer,
    registered,
    verdict,
)

Matrix: TypeAlias = Mapping[tuple[str | None, str | None], int]
"""How many went from where to where; None stands for who was not, or is not, a customer."""


class Move(Value):
    """A customer that a question has two answers for, which differ."""

    customer: UUID
    before: Answer
    after: Answer


def moves(
    before: Projection[Any], after: Projection[Any], population: Population, as_of: datetime
) -> Iterator[Move]:
    """Yield the customers that these two projections of one question say something else of."""
    other = said(after, population, as_of)
    for customer, answered in said(before, population, as_of).items():
        if other[customer] != answered:
            facts = population[customer]
            yield Move(
                customer=customer,
                before=_told(before, facts, as_of),
                after=_told(after, facts, as_of),
            )


def _told(projection: Projection[Any], facts: Facts, as_of: datetime) -> Answer:
    told = answer(projection, facts, as_of)
    assert told is not None, "who is registered has an answer"
    return told


def said(
    projection: Projection[Any], population: Population, as_of: datetime
) -> Mapping[UUID, str]:
    """Return what is said of every customer."""
    customers = registered(population).items()
    verdicts = ((customer, verdict(projection, facts, as_of)) for customer, facts in customers)
    return {customer: one.answer for customer, one in verdicts if one}


def transitions(before: Mapping[UUID, str], after: Mapping[UUID, str]) -> Matrix:
    """Return how many customers went from which answer to which, those that stayed among them.

    The sum is the number of all customers of either day (rules.md 3.1).
    """
    counted = Counter((before.get(one), after.get(one)) for one in before.keys() | after.keys())
    return dict(sorted(counted.items(), key=lambda item: [name or "" for name in item[0]]))


class Buying(Value):
    """How many bought again (rules.md 3.1): in two periods that follow each other, and ever.

    before: Who bought in the period before.
    retained: Who of them bought in the period, too.
    ever: Who bought up to the end of the period.
    again: Who of them did so on two days or more.
    """

    before: int
    retained: int
    ever: int
    again: int

    @property
    def retention(self) -> Fraction | None:
        """The share of those who bought before that bought again; None of nobody."""
        return Fraction(self.retained, self.before) if self.before else None

    @property
    def churn(self) -> Fraction | None:
        """The share of those who bought before that did not buy again; None of nobody."""
        return 1 - self.retention if self.retention is not None else None

    @property
    def repeat(self) -> Fraction | None:
        """The share of those who ever bought that did so on two days or more; None of nobody."""
        return Fraction(self.again, self.ever) if self.ever else None


def buying(population: Population, where: tzinfo, before: date, since: date, until: date) -> Buying:
    """Return how many bought in a period and the one before: [before, since) and [since, until)."""
    bought = [_days(facts, where, until) for facts in registered(population).values()]
    earlier = [days for days in bought if any(before <= day < since for day in days)]
    return Buying(
        before=len(earlier),
        retained=sum(any(day >= since for day in days) for days in earlier),
        ever=sum(bool(days) for days in bought),
        again=sum(len(days) > 1 for days in bought),
    )


def _days(facts: Facts, where: tzinfo, until: date) -> list[date]:
    """Return the days on which a customer bought something that has not come back."""
    nothing: sales.Sales = ()
    found = reduce(lambda known, fact: sales.apply(known, fact, where), facts, nothing)
    return [sale.day for sale in sales.days(found) if sale.day < until]
