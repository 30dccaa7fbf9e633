"""Mistake 12: a customer who came back after a long silence."""

from datetime import date
from functools import partial
from typing import Literal, TypeAlias

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_months
from crmcore.domain.value import Rejection, Value, found
from crmcore.testing import invariant
from crmcore.testing.steps import AnyDecider
from tests.testing.mistakes.port import Mistake, small

Segment: TypeAlias = Literal["new", "active", "inactive", "lost", "reactivated"]


class Buy(Value, tag="segments.buy"):
    pass


class Place(Value, tag="segments.place"):
    """Say to which segment the customer belongs today."""


class Bought(Value, tag="segments.bought"):
    on: date


class Placed(Value, tag="segments.placed"):
    segment: Segment | None


class NothingBought(Rejection):
    """Who has bought nothing is no customer yet."""


class Purchases(Value):
    """The first day on which the customer bought, the last, and the last one before that."""

    first: date | None = None
    last: date | None = None
    before: date | None = None


def decide(
    command: Buy | Place, purchases: Purchases, act: Act, *, reactivates: bool
) -> tuple[Bought | Placed, ...]:
    today = act.effective_at.date()
    if isinstance(command, Buy):
        return () if purchases.last == today else (Bought(on=today),)
    segment = _segment(purchases, today)
    return (Placed(segment=segment or ("reactivated" if reactivates else None)),)


def evolve(purchases: Purchases, event: Bought | Placed) -> Purchases:
    if isinstance(event, Placed):
        return purchases
    first = purchases.first or event.on
    return Purchases(first=first, last=event.on, before=purchases.last)


def _segment(purchases: Purchases, today: date) -> Segment | None:
    first, last = (found(day, NothingBought()) for day in (purchases.first, purchases.last))
    if add_months(last, 18) <= today:
        return "lost"
    if add_months(last, 6) <= today:
        return "inactive"
    if purchases.before and today < add_months(purchases.before, 12):
        return "active"
    return "new" if today < add_months(first, 6) else None


@invariant("event")
def everybody_belongs_to_a_segment(_: Purchases, event: Bought | Placed, __: Purchases) -> bool:
    """The segments leave nobody out (rules.md 3.1)."""
    return not isinstance(event, Placed) or event.segment is not None


def segments(*, reactivates: bool) -> AnyDecider:
    unions = (Buy | Place, Bought | Placed, NothingBought)
    return small(Purchases(), partial(decide, reactivates=reactivates), evolve, *unions)


MISTAKES = (
    Mistake(
        12, "3.1", "who comes back after a long silence belongs to no segment",
        segments(reactivates=False), segments(reactivates=True), everybody_belongs_to_a_segment, 3,
    ),
)  # fmt: skip
