"""A loyalty account: points are earned, spent first-expiring-first, given back, and lapse."""

from datetime import datetime
from functools import partial
from typing import Annotated, TypeAlias, assert_never
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import lots
from crmcore.domain.act import Act
from crmcore.domain.calendar import add_months, day_of, start_of, zone
from crmcore.domain.decider import Decider
from crmcore.domain.lots import Lot, Lots, Points
from crmcore.domain.money import CurrencyMismatch, Money, one_currency
from crmcore.domain.value import Ref, Rejection, Value, found, require

REMEMBERED_MAX = 100


class Policy(Value):
    """Numbers the business may change; facts carry outcomes, so replay never needs them."""

    minor_units_per_point: Annotated[int, Meta(ge=1)] = 100
    lifetime_months: Annotated[int, Meta(ge=1, le=1_200)] = 12
    points_min: Points = 1
    time_zone: str = "UTC"


# Commands: what somebody wants.


class Earn(Value, tag="loyalty.earn"):
    """Credit a sale, once."""

    source: Ref
    amount: Money


class Redeem(Value, tag="loyalty.redeem"):
    """Spend points on a reward."""

    redemption: Ref
    reward: Ref
    points: Points


class ReverseRedemption(Value, tag="loyalty.reverse_redemption"):
    """Give points of a redemption back."""

    redemption: Ref
    points: Points


class RecordExpiry(Value, tag="loyalty.record_expiry"):
    """Write down what has lapsed; it lapsed by itself."""


class Enrol(Value, tag="loyalty.enrol"):
    """Open the account of a customer."""

    customer: UUID


Command: TypeAlias = Earn | Redeem | ReverseRedemption | RecordExpiry | Enrol


# Events: what happened. A tag is the stored name and never changes.


class PointsEarned(Value, tag="loyalty.points_earned"):
    """A sale earned a lot of points."""

    source: Ref
    amount: Money
    lot: Lot


class PointsRedeemed(Value, tag="loyalty.points_redeemed"):
    """Points were spent, from these lots."""

    redemption: Ref
    reward: Ref
    points: Points
    allocations: Lots


class RedemptionReversed(Value, tag="loyalty.redemption_reversed"):
    """Points went back to the lots they came from; those of lapsed lots are forfeited."""

    redemption: Ref
    restored: Lots
    forfeited: Lots


class PointsExpired(Value, tag="loyalty.points_expired"):
    """These lots had lapsed with points left."""

    allocations: Lots


class Enrolled(Value, tag="loyalty.enrolled"):
    """The account was opened."""

    customer: UUID


Event: TypeAlias = PointsEarned | PointsRedeemed | RedemptionReversed | PointsExpired | Enrolled


# Rejections: the rules that can say no.


class NotEnrolled(Rejection):
    """A customer enrols before anything else happens to the account."""


class AlreadyEnrolled(Rejection):
    """An account belongs to one customer."""

    customer: UUID | None


class SourceReused(Rejection):
    """A sale earns once."""

    source: str
    amount: Money


class BelowMinimum(Rejection):
    """A redemption takes at least the minimum."""

    points_min: int


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
    NotEnrolled | AlreadyEnrolled | SourceReused | BelowMinimum | Insufficient
    | RedemptionReused | UnknownRedemption | TooMuchReversed | CurrencyMismatch
)  # fmt: skip


# State: only what the next decision needs.


class Earned(Value):
    """A sale that earned."""

    source: str
    amount: Money


class Redemption(Value):
    """What was redeemed, and what of it can still be given back."""

    name: str
    reward: str
    points: int
    left: Lots


class Account(Value):
    """The account so far; of sales and redemptions it remembers the latest REMEMBERED_MAX."""

    customer: UUID | None = None
    lots: Lots = ()
    lots_ever: int = 0
    earned: tuple[Earned, ...] = ()
    redemptions: tuple[Redemption, ...] = ()

    def usable(self, at: datetime) -> int:
        """Return the points that can be spent at an instant."""
        return lots.total(lots.usable(self.lots, at))


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens when this command meets this account."""
    require(account.customer is not None or isinstance(command, Enrol), NotEnrolled())
    match command:
        case Earn():
            return _earn(command, account, act, policy)
        case Redeem():
            return _redeem(command, account, act, policy)
        case ReverseRedemption():
            return _reverse(command, account, act)
        case RecordExpiry():
            gone = lots.lapsed(account.lots, act.effective_at)
            return (PointsExpired(allocations=gone),) if gone else ()
        case Enrol(customer=customer):
            owner = account.customer
            require(owner in (None, customer), AlreadyEnrolled(customer=owner))
            return () if owner else (Enrolled(customer=customer),)
        case _:
            assert_never(command)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after a fact. No rules here: what happened, happened."""
    match event:
        case PointsEarned(source=source, amount=amount, lot=lot):
            latest = Earned(source=source, amount=amount)
            earned = (*account.earned, latest)[-REMEMBERED_MAX:]
            ever = max(account.lots_ever, lot.number)
            return replace(account, lots=(*account.lots, lot), lots_ever=ever, earned=earned)
        case PointsRedeemed(redemption=name, reward=reward, points=points, allocations=taken):
            made = Redemption(name=name, reward=reward, points=points, left=taken)
            redemptions = (*account.redemptions, made)[-REMEMBERED_MAX:]
            return replace(account, lots=lots.less(account.lots, taken), redemptions=redemptions)
        case RedemptionReversed(redemption=name, restored=restored, forfeited=forfeited):
            back = (*restored, *forfeited)
            redemptions = tuple(
                replace(r, left=lots.less(r.left, back)) if r.name == name else r
                for r in account.redemptions
            )
            return replace(account, lots=lots.more(account.lots, restored), redemptions=redemptions)
        case PointsExpired(allocations=gone):
            return replace(account, lots=lots.less(account.lots, gone))
        case Enrolled(customer=customer):
            return replace(account, customer=customer)
        case _:
            assert_never(event)


def decider(policy: Policy) -> Decider[Command, Account, Event]:
    """Return the loyalty rules under this policy."""
    return Decider(
        kind="loyalty",
        initial=Account(),
        decide=partial(decide, policy=policy),
        evolve=evolve,
        customer=lambda _, account: account.customer,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=_threads,
    )


def _threads(event: Event) -> tuple[str, ...]:
    """Return that spending keeps its order; what is earned may be dated back (rules.md L14)."""
    spending = isinstance(event, PointsRedeemed | RedemptionReversed | PointsExpired)
    return ("spending",) if spending else ()


def _earn(command: Earn, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Round down, so that splitting a sale never gains (rules.md L9, L12)."""
    if account.earned:
        one_currency(account.earned[-1].amount, command.amount)
    points = command.amount.minor // policy.minor_units_per_point
    if before := next((e for e in account.earned if e.source == command.source), None):
        same = before.amount == command.amount
        require(same, SourceReused(source=before.source, amount=before.amount))
        return ()
    if points < 1:
        return ()
    where = zone(policy.time_zone)
    lapses_on = add_months(day_of(act.effective_at, where), policy.lifetime_months)
    lot = Lot(
        number=account.lots_ever + 1,
        points=points,
        vests_at=act.effective_at,
        expires_at=start_of(lapses_on, where),
    )
    return (PointsEarned(source=command.source, amount=command.amount, lot=lot),)


def _redeem(command: Redeem, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Spend what lapses first; the same redemption again changes nothing (rules.md L4, L9)."""
    name, reward, points = command.redemption, command.reward, command.points
    if made := next((r for r in account.redemptions if r.name == name), None):
        require((made.reward, made.points) == (reward, points), RedemptionReused(redemption=name))
        return ()
    require(points >= policy.points_min, BelowMinimum(points_min=policy.points_min))
    open_lots = lots.usable(account.lots, act.effective_at)
    require(points <= lots.total(open_lots), Insufficient(available=lots.total(open_lots)))
    taken = lots.take(lots.first_expiring(open_lots), points)
    return (PointsRedeemed(redemption=name, reward=reward, points=points, allocations=taken),)


def _reverse(command: ReverseRedemption, account: Account, act: Act) -> tuple[Event, ...]:
    """Give back to the lots that lapse last; what has lapsed is forfeited (rules.md L6)."""
    name = command.redemption
    made = next((r for r in account.redemptions if r.name == name), None)
    left = found(made, UnknownRedemption(redemption=name)).left
    require(command.points <= lots.total(left), TooMuchReversed(left=lots.total(left)))
    back = lots.take(reversed(lots.first_expiring(left)), command.points)
    forfeited = lots.lapsed(back, act.effective_at)
    restored = tuple(part for part in back if part not in forfeited)
    return (RedemptionReversed(redemption=name, restored=restored, forfeited=forfeited),)
