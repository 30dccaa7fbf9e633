"""What a loyalty account remembers: only what the next decision needs, and bounded."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal, TypeAlias, TypeVar
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain import lots
from crmcore.domain.lots import Hold, Lot, Lots, Pool
from crmcore.domain.money import Money
from crmcore.domain.value import Instant, Value

REMEMBERED_MAX = 100
MERITS_MAX = 400

Status: TypeAlias = Literal["active", "suspended", "closed"]
Item = TypeVar("Item")


class Earned(Value):
    """A sale that earned: its lot, and what of its points was taken back or has lapsed."""

    source: str
    amount: Money
    points: int
    lot: int
    qualifying: int
    at: Instant
    clawed: int = 0
    qualifying_clawed: int = 0
    lapsed: int = 0


class Redemption(Value):
    """What was redeemed, and what of it can still be given back."""

    name: str
    reward: str
    points: int
    left: Lots


class EndedHold(Value):
    """A hold that ended without a redemption."""

    redemption: str
    how: Literal["released", "lapsed"]


class Merit(Value):
    """Points that qualify for a tier: of the period of `earned_at`, counted from `since` on."""

    points: int
    earned_at: Instant
    since: Instant


class Tally(Value):
    """How often a rule gave points in a month, and how many."""

    rule: str
    month: date
    points: int
    count: int


class Transfer(Value):
    """Points that went to another customer, or came from one."""

    name: str
    customer: UUID
    lots: Lots
    status: Literal["in_transit", "confirmed", "returned", "arrived"]


class Adjustment(Value):
    """A correction by hand."""

    name: str
    points: int


class Grant(Value):
    """A tier by decision, for a while."""

    tier: str
    since: Instant
    until: Instant


class Referral(Value):
    """A customer who was referred by this one, and what became of it."""

    referee: UUID
    lapses_at: Instant
    status: Literal["pending", "qualified", "rewarded", "reversed"] = "pending"
    source: str = ""
    reversible_until: Instant | None = None
    lot: int = 0
    points: int = 0
    lapsed: int = 0


class Benefit(Value):
    """The latest benefit of a kind."""

    kind: str
    issued_on: date
    points: int


class Membership(Value):
    """A period that was paid for."""

    name: str
    price: Money
    since: Instant
    until: Instant
    status: Literal["paid", "cancelled", "refunded"] = "paid"
    benefits: int = 0


class Account(Value):
    """The account so far; of what is over it remembers the latest REMEMBERED_MAX of a kind."""

    customer: UUID | None = None
    lots: Lots = ()
    lots_ever: int = 0
    earned: tuple[Earned, ...] = ()
    redemptions: tuple[Redemption, ...] = ()
    holds: tuple[Hold, ...] = ()
    ended_holds: tuple[EndedHold, ...] = ()
    owed: int = 0
    owed_since: Instant | None = None
    tallies: tuple[Tally, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    sent: tuple[Tally, ...] = ()
    absorbed: tuple[UUID, ...] = ()
    status: Status = "active"
    forfeits_at: Instant | None = None
    merits: tuple[Merit, ...] = ()
    first_earned_at: Instant | None = None
    grants: tuple[Grant, ...] = ()
    referrers: tuple[UUID, ...] = ()
    referrals: tuple[Referral, ...] = ()
    benefits: tuple[Benefit, ...] = ()
    memberships: tuple[Membership, ...] = ()

    def pool(self, at: datetime) -> Pool:
        """Return the points as they are at an instant, by all that has happened by itself."""
        pool = lots.settled(self.recorded, self.lives_until(at))
        return replace(pool, lots=(), holds=()) if self.is_forfeited(at) else pool

    def is_forfeited(self, at: datetime) -> bool:
        """Tell whether the account was closed, and its grace is over."""
        return self.forfeits_at is not None and self.forfeits_at <= at

    def lives_until(self, at: datetime) -> datetime:
        """Return the last instant up to this one at which points can still become free."""
        return at if self.forfeits_at is None else min(at, self.forfeits_at)

    @property
    def recorded(self) -> Pool:
        """The points by what is recorded."""
        return Pool(lots=self.lots, holds=self.holds, owed=self.owed, owed_since=self.owed_since)

    def usable(self, at: datetime) -> int:
        """Return the points that can be spent at an instant."""
        return lots.total(lots.usable(self.pool(at).lots, at))

    def sale(self, source: str) -> Earned | None:
        """Return a sale that earned, if it is remembered."""
        return next((one for one in self.earned if one.source == source), None)

    def redemption(self, name: str) -> Redemption | None:
        """Return a redemption, if it is remembered."""
        return next((one for one in self.redemptions if one.name == name), None)


def latest(items: Iterable[Item], item: Item) -> tuple[Item, ...]:
    """Return the latest items with one more."""
    return (*items, item)[-REMEMBERED_MAX:]


def with_lots(account: Account, new: Iterable[Lot]) -> Account:
    """Return an account with more lots, whose numbers were given."""
    new = tuple(new)
    ever = max((account.lots_ever, *(lot.number for lot in new)))
    return replace(account, lots=(*account.lots, *new), lots_ever=ever)


def forgone(account: Account, parts: Lots) -> Account:
    """Return an account that knows of points that have lapsed unspent where they came from."""
    if not parts:
        return account
    gone = {part.number: part.points for part in parts}
    earned = tuple(
        replace(one, lapsed=one.lapsed + gone[one.lot]) if one.lot in gone else one
        for one in account.earned
    )
    referrals = tuple(
        replace(one, lapsed=one.lapsed + gone[one.lot]) if one.lot in gone else one
        for one in account.referrals
    )
    return replace(account, earned=earned, referrals=referrals)
