"""Who is in charge of a customer: one owner, or the pool from which anybody may claim it."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, day_of, start_of, zone
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.timeline import Timeline, tiled
from crmcore.domain.value import Instant, Note, Rejection, Text, Value, require

SALES_MANAGER = "sales_manager"

How: TypeAlias = Literal["claimed", "assigned", "transferred"]
Lapse: TypeAlias = Literal["no_follow_up", "no_deal"]
Days: TypeAlias = Annotated[int, Meta(ge=0, le=3_650)]


class Policy(Value):
    """When a customer goes back to the pool, and how long who wants it waits, in days.

    Without follow-up it goes back after `follow_up_days`, without any deal after `deal_days`.
    """

    follow_up_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    deal_days: Annotated[int, Meta(ge=1, le=3_650)] = 180
    reminder_days: Days = 3
    won_are_exempt: bool = True
    cooldown_days: Days = 30
    new_wait_days: Days = 1
    time_zone: str = "UTC"

    def after(self, at: datetime, days: int) -> datetime:
        """Return the start of the business day so many days after that of an instant."""
        where = zone(self.time_zone)
        return start_of(add_days(day_of(at, where), days), where)


# Commands


class ClaimFromPool(Value, tag="customer.claim_from_pool"):
    """Take charge of a customer of the pool.

    `lapsed` names who was in charge, where nobody has recorded yet that the time was up.
    """

    lapsed: Text | None = None


class AssignOwner(Value, tag="customer.assign_owner"):
    """Put somebody in charge of a customer of the pool; until a day it will not go back."""

    owner: Text
    protected_until: date | None = None
    lapsed: Text | None = None


class TransferOwner(Value, tag="customer.transfer_owner"):
    """Hand a customer over from who is in charge to somebody else."""

    owner: Text
    to: Text


class ReleaseToPool(Value, tag="customer.release_to_pool"):
    """Give a customer back to the pool."""

    owner: Text
    reason: Note


class RecycleToPool(Value, tag="customer.recycle_to_pool"):
    """Record that the time of who was in charge is up."""

    owner: Text


Command: TypeAlias = ClaimFromPool | AssignOwner | TransferOwner | ReleaseToPool | RecycleToPool


# Events


class OwnerAssigned(Value, tag="customer.owner_assigned"):
    """Somebody is in charge from an instant on; `won` says that the customer had bought by then."""

    owner: Text
    how: How
    at: Instant
    protected_until: Instant | None
    won: bool


class ReleasedToPool(Value, tag="customer.released_to_pool"):
    """The customer was given back to the pool."""

    owner: Text
    reason: Note
    at: Instant


class RecycledToPool(Value, tag="customer.recycled_to_pool"):
    """The customer went back to the pool by itself, at this instant and by this rule."""

    owner: Text
    rule: Lapse
    at: Instant


class FollowedUp(Value, tag="customer.followed_up"):
    """Whoever is in charge looked after the customer; the time for the next follow-up runs anew."""

    at: Instant


class DealMade(Value, tag="customer.deal_made"):
    """Whoever is in charge made the customer buy, for the first time since."""

    at: Instant


Event: TypeAlias = OwnerAssigned | ReleasedToPool | RecycledToPool | FollowedUp | DealMade


# Rejections


class NotInPool(Rejection):
    """Who is claimed or assigned is in the pool."""

    owner: str


class OtherOwner(Rejection):
    """A command names who is in charge, and who was until the time was up."""

    owner: str | None


class NotOwner(Rejection):
    """A customer is handed over or given back by who is in charge of it, or by a sales manager."""

    owner: str


class Cooldown(Rejection):
    """Who was in charge waits for a while before claiming the customer again."""

    until: Instant


class NewlyPooled(Rejection):
    """Who has just come back to the pool is not claimed yet."""

    until: Instant


class NotSalesManager(Rejection):
    """Who puts others in charge is a sales manager."""

    role: str
    by: str


class NotDue(Rejection):
    """A customer goes back to the pool by itself when the time is up."""

    due: Instant | None


Reason: TypeAlias = (
    NotInPool | OtherOwner | NotOwner | Cooldown | NewlyPooled | NotSalesManager | NotDue
)


# State


class Former(Value):
    """Who was in charge, and until when."""

    owner: str
    until: datetime


class Ownership(Value):
    """Who is in charge since when, or nobody; and who was, the latest REMEMBERED_MAX of them."""

    owner: str | None = None
    since: datetime | None = None
    protected_until: datetime | None = None
    followed_up_at: datetime | None = None
    won: bool = False
    former: tuple[Former, ...] = ()

    def as_of(self, at: datetime) -> datetime:
        """Return an instant, or the later one since which it has been as it is."""
        return at if self.since is None else max(at, self.since)


def recycle_due(known: Ownership, policy: Policy) -> tuple[datetime, Lapse] | None:
    """Return when a customer goes back to the pool by itself, and why (rules.md C4).

    That is when nobody has followed up for long and no protection lasts, or when there was no deal.
    """
    if known.owner is None or known.since is None or (known.won and policy.won_are_exempt):
        return None
    latest = max(known.since, known.followed_up_at or known.since)
    quiet = policy.after(latest, policy.follow_up_days)
    due: tuple[datetime, Lapse] = max(quiet, known.protected_until or quiet), "no_follow_up"
    return due if known.won else min(due, (policy.after(known.since, policy.deal_days), "no_deal"))


def reminder_due(known: Ownership, policy: Policy) -> datetime | None:
    """Return when to remind who is in charge that the time is nearly up (rules.md C4)."""
    due = recycle_due(known, policy)
    return due and policy.after(due[0], -policy.reminder_days)


def in_charge(known: Ownership, policy: Policy, at: datetime) -> str | None:
    """Return who is in charge at an instant, whether or not the end of it was recorded.

    The instant is one at which the state holds: no later change is known.
    """
    due = recycle_due(known, policy)
    return None if due is not None and due[0] <= at else known.owner


def owners(events: Iterable[Any]) -> Timeline[str | None]:
    """Return who was in charge when by these facts of a customer, None for the pool (C2)."""
    changes: list[tuple[datetime, str | None]] = []
    for event in events:
        match event:
            case OwnerAssigned(owner=owner, at=at):
                changes.append((at, owner))
            case ReleasedToPool(at=at) | RecycledToPool(at=at):
                changes.append((at, None))
            case _:
                pass
    return tiled(None, changes)


def decide(
    command: Command, known: Ownership, act: Act, policy: Policy, *, won: bool
) -> tuple[Event, ...]:
    """Return how the owner changes; who is in charge is named, so that nobody is overlooked."""
    at = known.as_of(act.effective_at)
    holder = in_charge(known, policy, at)
    match command:
        case ClaimFromPool(lapsed=lapsed):
            pooled = _pooled(known, lapsed, holder, policy)
            _require_waited(_after(known, pooled), act.by, at, policy)
            return (*pooled, _assigned(act.by, "claimed", at, won=won))
        case AssignOwner(owner=owner, protected_until=day, lapsed=lapsed):
            _require_manager(act)
            until = None if day is None else start_of(day, zone(policy.time_zone))
            pooled = _pooled(known, lapsed, holder, policy)
            return (*pooled, _assigned(owner, "assigned", at, until, won=won))
        case TransferOwner(owner=owner, to=to):
            _require_owner(owner, holder, act)
            return () if to == owner else (_assigned(to, "transferred", at, won=won),)
        case ReleaseToPool(owner=owner, reason=reason):
            _require_owner(owner, holder, act)
            return (ReleasedToPool(owner=owner, reason=reason, at=at),)
        case RecycleToPool(owner=owner):
            require(known.owner == owner, OtherOwner(owner=known.owner))
            due = recycle_due(known, policy)
            require(holder is None, NotDue(due=due and due[0]))
            return _pooled(known, owner, holder, policy)
        case _:
            assert_never(command)


def followed_up(known: Ownership, act: Act, policy: Policy) -> tuple[FollowedUp, ...]:
    """Return that the customer was looked after, if somebody is in charge of it."""
    holder = in_charge(known, policy, act.effective_at)
    return () if holder is None else (FollowedUp(at=act.effective_at),)


def dealt(known: Ownership, act: Act, policy: Policy) -> tuple[DealMade, ...]:
    """Return that the customer has bought from who is in charge now, if that is news.

    A deal that is dated back to somebody else's time is theirs.
    """
    at = act.effective_at
    if known.won or known.since is None or at < known.since:
        return ()
    return () if in_charge(known, policy, at) is None else (DealMade(at=at),)


def evolve(known: Ownership, event: Event) -> Ownership:
    """Return who is in charge after a fact."""
    match event:
        case FollowedUp(at=at):
            return replace(known, followed_up_at=max(at, known.followed_up_at or at))
        case DealMade():
            return replace(known, won=known.owner is not None)
        case OwnerAssigned(owner=owner, at=at, protected_until=until, won=won):
            return replace(_left(known, at), owner=owner, protected_until=until, won=won)
        case ReleasedToPool(at=at) | RecycledToPool(at=at):
            return _left(known, at)
        case _:
            assert_never(event)


def _pooled(
    known: Ownership, lapsed: str | None, holder: str | None, policy: Policy
) -> tuple[RecycledToPool, ...]:
    """Return what brought a customer to the pool, if that is not recorded yet."""
    require(holder is None, NotInPool(owner=holder or ""))
    require(lapsed == known.owner, OtherOwner(owner=known.owner))
    due = recycle_due(known, policy)
    if due is None or known.owner is None:
        return ()
    return (RecycledToPool(owner=known.owner, rule=due[1], at=due[0]),)


def _after(known: Ownership, events: Iterable[Event]) -> Ownership:
    for event in events:
        known = evolve(known, event)
    return known


def _require_waited(known: Ownership, who: str, at: datetime, policy: Policy) -> None:
    """Who was in charge waits, and so does everybody for the newly pooled (rules.md C3)."""
    if known.since is not None:
        free = policy.after(known.since, policy.new_wait_days)
        require(free <= at, NewlyPooled(until=free))
    for one in known.former:
        free = policy.after(one.until, policy.cooldown_days)
        require(one.owner != who or free <= at, Cooldown(until=free))


def _require_manager(act: Act) -> None:
    require(SALES_MANAGER in act.roles, NotSalesManager(role=SALES_MANAGER, by=act.by))


def _require_owner(named: str, holder: str | None, act: Act) -> None:
    require(named == holder, OtherOwner(owner=holder))
    require(act.by == holder or SALES_MANAGER in act.roles, NotOwner(owner=named))


def _assigned(
    owner: str, how: How, at: datetime, until: datetime | None = None, *, won: bool
) -> OwnerAssigned:
    return OwnerAssigned(owner=owner, how=how, at=at, protected_until=until, won=won)


def _left(known: Ownership, at: datetime) -> Ownership:
    """Return the pool since an instant; who was in charge is among the former, the last of them."""
    former = known.former
    if known.owner is not None:
        others = tuple(one for one in former if one.owner != known.owner)
        former = (*others, Former(owner=known.owner, until=at))[-REMEMBERED_MAX:]
    return Ownership(since=at, followed_up_at=known.followed_up_at, former=former)
