"""Points are spent first-expiring-first, given back to their lots, and lapse."""

from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain import lots
from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, start_of, zone
from crmcore.domain.lots import Lot, Lots, Points
from crmcore.domain.loyalty.account import Account, Redemption, forgone, latest, with_lots
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.money import Money
from crmcore.domain.value import Ref, Rejection, Value, found, require

# Commands


class Redeem(Value, tag="loyalty.redeem"):
    """Spend points on a reward, or on a part of an order."""

    redemption: Ref
    reward: Ref
    points: Points
    order: Money | None = None


class ReverseRedemption(Value, tag="loyalty.reverse_redemption"):
    """Give points of a redemption back."""

    redemption: Ref
    points: Points


class RecordExpiry(Value, tag="loyalty.record_expiry"):
    """Write down what has lapsed; it lapsed by itself."""


Command: TypeAlias = Redeem | ReverseRedemption | RecordExpiry


# Events


class PointsRedeemed(Value, tag="loyalty.points_redeemed"):
    """Points were spent, from these lots."""

    redemption: Ref
    reward: Ref
    points: Points
    allocations: Lots


class RedemptionReversed(Value, tag="loyalty.redemption_reversed", repr_omit_defaults=True):
    """Points went back to the lots they came from; those of lapsed lots are forfeited.

    Where there is a grace, those of lapsed lots come back as a lot of their own instead.
    """

    redemption: Ref
    restored: Lots
    forfeited: Lots
    grace: Lot | None = None


class PointsExpired(Value, tag="loyalty.points_expired"):
    """These lots had lapsed with points left."""

    allocations: Lots


Event: TypeAlias = PointsRedeemed | RedemptionReversed | PointsExpired


# Rejections


class BelowMinimum(Rejection):
    """A redemption takes at least the minimum."""

    points_min: int


class CapReached(Rejection):
    """Points are used within the bounds of the programme."""

    cap: str
    left: int


class Insufficient(Rejection):
    """Nobody redeems more than is usable."""

    available: int


class RedemptionReused(Rejection):
    """A redemption has a name of its own."""

    redemption: str


class UnknownRedemption(Rejection):
    """What is reversed was redeemed, among the latest redemptions."""

    redemption: str


class TooMuchReversed(Rejection):
    """Nobody gets back more than was redeemed."""

    left: int


Reason: TypeAlias = (
    BelowMinimum | CapReached | Insufficient | RedemptionReused | UnknownRedemption
    | TooMuchReversed
)  # fmt: skip


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens to the points of an account."""
    match command:
        case Redeem():
            return _redeem(command, account, act, policy)
        case ReverseRedemption():
            return _reverse(command, account, act, policy)
        case RecordExpiry():
            gone = _gone(account, act)
            return (PointsExpired(allocations=gone),) if gone else ()
        case _:
            assert_never(command)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after points were spent, given back, or lapsed."""
    match event:
        case PointsRedeemed(redemption=name, reward=reward, points=points, allocations=taken):
            made = Redemption(name=name, reward=reward, points=points, left=taken)
            left = lots.less(account.lots, taken)
            return replace(account, lots=left, redemptions=latest(account.redemptions, made))
        case RedemptionReversed(redemption=name, restored=restored, forfeited=gone, grace=grace):
            back = (*restored, *gone)
            redemptions = tuple(
                replace(r, left=lots.less(r.left, back)) if r.name == name else r
                for r in account.redemptions
            )
            after = replace(account, lots=lots.more(account.lots, restored))
            after = replace(after, redemptions=redemptions)
            return with_lots(after, (grace,)) if grace else forgone(after, gone)
        case PointsExpired(allocations=gone):
            return forgone(replace(account, lots=lots.less(account.lots, gone)), gone)
        case _:
            assert_never(event)


def allocated(account: Account, points: int, act: Act) -> Lots:
    """Return usable points, those that lapse first; nobody takes more (rules.md L4)."""
    there = lots.usable(account.pool(act.effective_at).lots, act.effective_at)
    require(points <= lots.total(there), Insufficient(available=lots.total(there)))
    return lots.take(lots.first_expiring(there), points)


def require_bounds(points: int, order: Money | None, policy: Policy) -> None:
    """Reject what is less than a redemption takes, or more than it may take (rules.md L21)."""
    require(points >= policy.points_min, BelowMinimum(points_min=policy.points_min))
    most = policy.redemption_points_max
    require(points <= most, CapReached(cap="redemption", left=most))
    if order is not None:
        payable = max(0, order.minor) * policy.order_percent_max // 100
        left = payable // policy.minor_units_paid_by_point
        require(points <= left, CapReached(cap="order", left=left))


def _gone(account: Account, act: Act) -> Lots:
    """Return the lots that have lapsed; of a closed account all that there were by then."""
    at = act.effective_at
    if account.is_forfeited(at):
        return tuple(lot for lot in account.lots if min(lot.vests_at, lot.expires_at) <= at)
    return lots.lapsed(account.lots, at)


def _redeem(command: Redeem, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Spend what lapses first; the same redemption again changes nothing (rules.md L4, L9)."""
    name, reward, points = command.redemption, command.reward, command.points
    held = any(hold.redemption == name for hold in account.holds)
    ended = any(hold.redemption == name for hold in account.ended_holds)
    require(not held and not ended, RedemptionReused(redemption=name))
    if made := account.redemption(name):
        require((made.reward, made.points) == (reward, points), RedemptionReused(redemption=name))
        return ()
    require_bounds(points, command.order, policy)
    taken = allocated(account, points, act)
    return (PointsRedeemed(redemption=name, reward=reward, points=points, allocations=taken),)


def _reverse(
    command: ReverseRedemption, account: Account, act: Act, policy: Policy
) -> tuple[Event, ...]:
    """Give back to the lots that lapse last; what has lapsed is forfeited (rules.md L6)."""
    name, at = command.redemption, act.effective_at
    left = found(account.redemption(name), UnknownRedemption(redemption=name)).left
    require(command.points <= lots.total(left), TooMuchReversed(left=lots.total(left)))
    back = lots.take(reversed(lots.first_expiring(left)), command.points)
    restored, forfeited = lots.split(back, at)
    grace = _grace(account, forfeited, act, policy)
    return (
        RedemptionReversed(redemption=name, restored=restored, forfeited=forfeited, grace=grace),
    )


def _grace(account: Account, gone: Lots, act: Act, policy: Policy) -> Lot | None:
    if not gone or not policy.reversal_grace_days:
        return None
    ends_on = add_days(policy.day(act), policy.reversal_grace_days)
    return Lot(
        number=account.lots_ever + 1,
        points=lots.total(gone),
        vests_at=act.effective_at,
        expires_at=start_of(ends_on, zone(policy.time_zone)),
    )
