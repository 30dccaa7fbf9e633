"""Mistake 7: points are put on hold for a while; what is taken back beyond free ones is owed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.value import Instant, Ref, Rejection, Value, require
from crmcore.testing import History, law
from crmcore.testing.steps import AnyDecider
from tests.testing.mistakes.port import Mistake, small

Amount: TypeAlias = Annotated[int, Meta(ge=1, le=10**6)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=10**6)]

HELD = timedelta(days=1)


class Earn(Value, tag="holds.earn"):
    sale: Ref
    points: Amount


class Hold(Value, tag="holds.hold"):
    points: Amount


class TakeBack(Value, tag="holds.take_back"):
    """Take back what a sale earned."""

    sale: Ref


class Spend(Value, tag="holds.spend"):
    points: Amount


class Earned(Value, tag="holds.earned"):
    sale: Ref
    points: Amount
    settled: Count


class Held(Value, tag="holds.held"):
    points: Amount
    until: Instant


class TakenBack(Value, tag="holds.taken_back"):
    sale: Ref
    points: Amount
    owed: Count


class Spent(Value, tag="holds.spent"):
    points: Amount


class Insufficient(Rejection):
    """Nobody spends more points than are free."""

    points: int


class UnknownSale(Rejection):
    """What is taken back was earned, and is taken back once."""

    sale: str


class SaleReused(Rejection):
    """A sale earns once."""

    sale: str


Command: TypeAlias = Earn | Hold | TakeBack | Spend
Event: TypeAlias = Earned | Held | TakenBack | Spent


class Holds(Value):
    points: int = 0
    owed: int = 0
    held: tuple[Held, ...] = ()
    earned: tuple[Earned, ...] = ()
    taken_back: tuple[str, ...] = ()

    def free(self, at: datetime, *, settles: bool) -> int:
        """Return what is not on hold: all of it, or what is left when it settles what is owed."""
        free = self.points - sum(hold.points for hold in self.held if at < hold.until)
        return max(0, free - self.owed) if settles else free


def hold(command: Command, holds: Holds, act: Act, *, settles: bool) -> tuple[Event, ...]:
    free = holds.free(act.effective_at, settles=settles)
    match command:
        case Earn(sale=sale, points=points):
            require(all(one.sale != sale for one in holds.earned), SaleReused(sale=sale))
            return (Earned(sale=sale, points=points, settled=min(points, holds.owed)),)
        case Hold(points=points):
            require(points <= free, Insufficient(points=free))
            return (Held(points=points, until=act.effective_at + HELD),)
        case TakeBack(sale=sale):
            by_name = {earned.sale: earned.points for earned in holds.earned}
            known = sale in by_name and sale not in holds.taken_back
            require(known, UnknownSale(sale=sale))
            points = by_name[sale]
            return (TakenBack(sale=sale, points=points, owed=points - min(points, free)),)
        case Spend(points=points):
            require(points <= free, Insufficient(points=free))
            return (Spent(points=points),)
        case _:
            assert_never(command)


def held(holds: Holds, event: Event) -> Holds:
    match event:
        case Earned(points=points, settled=settled):
            after = replace(holds, earned=(*holds.earned, event), owed=holds.owed - settled)
            return replace(after, points=holds.points + points - settled)
        case Held():
            return replace(holds, held=(*holds.held, event))
        case TakenBack(sale=sale, points=points, owed=owed):
            after = replace(holds, taken_back=(*holds.taken_back, sale), owed=holds.owed + owed)
            return replace(after, points=holds.points - points + owed)
        case Spent(points=points):
            return replace(holds, points=holds.points - points)
        case _:
            assert_never(event)


@law
def nobody_spends_what_is_owed(_: AnyDecider, history: History) -> Iterator[str]:
    """Points are never free and owed at the same instant (rules.md L8)."""
    own = 0
    for event in history.events:
        if not isinstance(event, Held):
            own += event.points if isinstance(event, Earned) else -event.points
        if isinstance(event, Spent) and own < 0:
            yield f"{event!r} took {-own} points that are owed"


def holds(*, settles: bool) -> AnyDecider:
    unions = (Command, Event, Insufficient | UnknownSale | SaleReused)
    return small(Holds(), partial(hold, settles=settles), held, *unions)


MISTAKES = (
    Mistake(
        7, "L8", "a hold that lapses leaves points free beside a deficit",
        holds(settles=False), holds(settles=True), nobody_spends_what_is_owed, 4,
    ),
)  # fmt: skip
