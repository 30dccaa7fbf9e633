"""A refund takes back what its sale earned: from its own lot, from others, or it is owed."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import lots
from crmcore.domain.act import Act
from crmcore.domain.lots import Lots, Pool, Settlement
from crmcore.domain.loyalty.account import Account, Earned, Merit
from crmcore.domain.loyalty.earning import with_merit
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.money import Money
from crmcore.domain.value import Instant, Ref, Rejection, Value, found, require

Count: TypeAlias = Annotated[int, Meta(ge=0, le=10**9)]

# Commands


class ClawBack(Value, tag="loyalty.claw_back"):
    """Take back the points of what was refunded of a sale so far, in all."""

    source: Ref
    refunded: Money


Command: TypeAlias = ClawBack


# Events


class PointsClawedBack(Value, tag="loyalty.points_clawed_back"):
    """So many points of a sale are taken back: from lots, as lapsed already, owed, or waived."""

    source: Ref
    refunded: Money
    points: Count
    qualifying: Count
    taken: Lots
    lapsed: Count
    owed: Count
    waived: Count
    at: Instant


class DeficitSettled(Value, tag="loyalty.deficit_settled"):
    """Points that were owed had been taken from free ones, at an instant."""

    allocations: Lots
    left: Count
    at: Instant


Event: TypeAlias = PointsClawedBack | DeficitSettled


# Rejections


class UnknownSource(Rejection):
    """What is refunded is a sale that earned, among the latest."""

    source: str


class TooMuchRefunded(Rejection):
    """Nobody is refunded more than was paid."""

    paid: Money


Reason: TypeAlias = UnknownSource | TooMuchRefunded


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Round once for all that was refunded so far, not for each refund (rules.md L7)."""
    source = command.source
    sale = found(account.sale(source), UnknownSource(source=source))
    require(command.refunded <= sale.amount, TooMuchRefunded(paid=sale.amount))
    share = (command.refunded.minor, sale.amount.minor)
    points = _ceil(sale.points, *share) - sale.clawed
    qualifying = _ceil(sale.qualifying, *share) - sale.qualifying_clawed
    if points <= 0:
        return ()
    taken, lapsed, short = _sources(sale, account.pool(act.effective_at), points, act)
    owed = short if policy.on_shortfall == "deficit" else 0
    return (
        PointsClawedBack(
            source=source,
            refunded=command.refunded,
            points=points,
            qualifying=max(0, qualifying),
            taken=taken,
            lapsed=lapsed,
            owed=owed,
            waived=short - owed,
            at=act.effective_at,
        ),
    )


def evolve(account: Account, event: Event) -> Account:
    """Return the account after points were taken back, or what was owed was settled."""
    match event:
        case PointsClawedBack(source=source, taken=taken, owed=owed):
            left = lots.less(account.lots, taken)
            after = owing(replace(account, lots=left), owed, event.at)
            sale = account.sale(source)
            if sale is None:
                return after
            after = replace(
                after,
                earned=tuple(
                    _refunded(one, event) if one.source == source else one for one in account.earned
                ),
            )
            merit = Merit(points=-event.qualifying, earned_at=sale.at, since=event.at)
            return with_merit(after, merit)
        case DeficitSettled(allocations=taken, left=owed, at=at):
            left = lots.less(account.lots, taken)
            return replace(account, lots=left, owed=owed, owed_since=at)
        case _:
            assert_never(event)


def owing(account: Account, points: int, at: Instant) -> Account:
    """Return an account that owes more points, from an instant on."""
    return replace(account, owed=account.owed + points, owed_since=at) if points else account


def settled(step: Settlement) -> DeficitSettled:
    """Return the fact that what is owed was taken from what is free."""
    return DeficitSettled(allocations=step.allocations, left=step.left, at=step.at)


def from_lots(pool: Pool, own: int, points: int, at: Instant) -> tuple[Lots, int]:
    """Return points of the own lot first, then of other usable ones, and what is short of it.

    Points of the own lot that have not vested or that have lapsed are taken as well: so nobody
    owes points that were of no use to them.
    """
    mine = lots.at_most((lot for lot in pool.lots if lot.number == own), points)
    others = (lot for lot in lots.usable(pool.lots, at) if lot.number != own)
    rest = lots.at_most(lots.first_expiring(others), points - lots.total(mine))
    return (*mine, *rest), points - lots.total(mine) - lots.total(rest)


def _sources(sale: Earned, pool: Pool, points: int, act: Act) -> tuple[Lots, int, int]:
    """Return the points of lots, how many lapsed unspent before, and what is short."""
    left = sum(lot.points for lot in pool.lots if lot.number == sale.lot)
    lapsed = min(sale.lapsed, max(0, points - left))
    taken, short = from_lots(pool, sale.lot, points - lapsed, act.effective_at)
    return taken, lapsed, short


def _refunded(sale: Earned, event: PointsClawedBack) -> Earned:
    return replace(
        sale,
        clawed=sale.clawed + event.points,
        qualifying_clawed=sale.qualifying_clawed + event.qualifying,
        lapsed=sale.lapsed - event.lapsed,
    )


def _ceil(points: int, part: int, whole: int) -> int:
    """Return the share of points that a part of the money is, rounded up; of nothing it is none."""
    return -(-points * part // whole) if part > 0 else 0
