"""Mistakes 2 and 6 with points: what counts for a tier, and what a refund takes back."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from math import ceil
from typing import Annotated, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.value import Ref, Rejection, Value, require
from crmcore.testing import History, invariant, law
from crmcore.testing.steps import AnyDecider
from tests.testing.mistakes.port import Mistake, small

Amount: TypeAlias = Annotated[int, Meta(ge=1, le=10**6)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=10**6)]


class Insufficient(Rejection):
    """Nobody spends more points than are free."""

    points: int


# A tier rests on what was bought; a purchase may be paid with the points of earlier ones.


class Buy(Value, tag="tier.buy"):
    amount: Amount
    points: Count = 0


class Part(Value):
    lot: int
    points: Amount


class Bought(Value, tag="tier.bought"):
    amount: Amount
    paid_with: tuple[Part, ...]


class Tier(Value):
    spend: int = 0
    lots: tuple[int, ...] = ()


def buy(command: Buy, tier: Tier, _: Act) -> tuple[Bought, ...]:
    require(command.points <= sum(tier.lots), Insufficient(points=sum(tier.lots)))
    left, parts = command.points, list[Part]()
    for number, points in enumerate(tier.lots):
        if part := min(left, points):
            parts.append(Part(lot=number, points=part))
            left -= part
    return (Bought(amount=command.amount, paid_with=tuple(parts)),)


def bought(tier: Tier, event: Bought, *, once_per_lot: bool) -> Tier:
    """Count a purchase once, or again with each lot that it was paid with."""
    times = 1 + len(event.paid_with) if once_per_lot else 1
    gone = {part.lot: part.points for part in event.paid_with}
    left = (points - gone.get(number, 0) for number, points in enumerate(tier.lots))
    return Tier(spend=tier.spend + times * event.amount, lots=(*left, event.amount))


@invariant("history")
def a_purchase_counts_once(history: History) -> bool:
    """What counts for a tier is what was bought, each purchase once (rules.md L15)."""
    return bool(history.state.spend == sum(event.amount for event in history.events))


# A refund takes back the points of what is refunded.


class Sell(Value, tag="refunds.sell"):
    sale: Ref
    amount: Amount


class Refund(Value, tag="refunds.refund"):
    sale: Ref
    amount: Amount


class Sold(Value, tag="refunds.sold"):
    sale: Ref
    amount: Amount
    points: Count


class Refunded(Value, tag="refunds.refunded"):
    sale: Ref
    amount: Amount
    points: Count


class TooMuchRefunded(Rejection):
    """Nobody is refunded more than was paid."""

    amount: int


class Sale(Value):
    name: str
    amount: int
    points: int
    refunded: int = 0
    taken_back: int = 0


class Refunds(Value):
    sales: tuple[Sale, ...] = ()


def refund(
    command: Sell | Refund, refunds: Refunds, _: Act, *, one_by_one: bool
) -> tuple[Sold | Refunded, ...]:
    """Round up the points of all that was refunded so far, or of each refund on its own."""
    name, amount = command.sale, command.amount
    sale = next((s for s in refunds.sales if s.name == name), Sale(name=name, amount=0, points=0))
    if isinstance(command, Sell):
        return () if sale.amount else (Sold(sale=name, amount=amount, points=amount // 10),)
    left = sale.amount - sale.refunded
    require(amount <= left, TooMuchRefunded(amount=left))
    before, taken = (0, 0) if one_by_one else (sale.refunded, sale.taken_back)
    points = -(-sale.points * (before + amount) // sale.amount) - taken
    return (Refunded(sale=name, amount=amount, points=points),)


def refunded(refunds: Refunds, event: Sold | Refunded) -> Refunds:
    if isinstance(event, Sold):
        sale = Sale(name=event.sale, amount=event.amount, points=event.points)
        return Refunds(sales=(*refunds.sales, sale))
    return Refunds(
        sales=tuple(
            replace(s, refunded=s.refunded + event.amount, taken_back=s.taken_back + event.points)
            if s.name == event.sale
            else s
            for s in refunds.sales
        )
    )


@law
def a_refund_takes_its_share(_: AnyDecider, history: History) -> Iterator[str]:
    """Of a sale's points as much is taken back as of its money, rounded once (rules.md L7)."""
    share, refunds, taken = dict[str, Fraction](), Counter[str](), Counter[str]()
    for event in history.events:
        if isinstance(event, Sold):
            share[event.sale] = Fraction(event.points, event.amount)
            continue
        refunds[event.sale] += event.amount
        taken[event.sale] += event.points
        if (due := ceil(share[event.sale] * refunds[event.sale])) != taken[event.sale]:
            yield f"after {event!r} {taken[event.sale]} points are taken back, and not {due}"


def tiers(*, once_per_lot: bool) -> AnyDecider:
    evolve = partial(bought, once_per_lot=once_per_lot)
    return small(Tier(), buy, evolve, Buy, Bought, Insufficient)


def refunds(*, one_by_one: bool) -> AnyDecider:
    decide, unions = partial(refund, one_by_one=one_by_one), (Sell | Refund, Sold | Refunded)
    return small(Refunds(), decide, refunded, *unions, TooMuchRefunded)


MISTAKES = (
    Mistake(
        2, "L15", "a redemption counts its purchase again for each lot that it takes",
        tiers(once_per_lot=True), tiers(once_per_lot=False), a_purchase_counts_once, 2,
    ),
    Mistake(
        6, "L7", "refunds in parts are rounded one by one",
        refunds(one_by_one=True), refunds(one_by_one=False), a_refund_takes_its_share, 3,
    ),
)  # fmt: skip
