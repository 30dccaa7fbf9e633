"""A membership is paid for in periods that follow each other; it is renewed, ended or refunded."""

from datetime import date, datetime
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, add_months, day_of, start_of, zone
from crmcore.domain.loyalty.account import Account, Membership, latest
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.money import Money
from crmcore.domain.value import Instant, Ref, Rejection, Value, found, require

# Commands


class BuyMembership(Value, tag="loyalty.buy_membership"):
    """Buy a period: from now on, behind the one there is, or from the start of a day."""

    membership: Ref
    price: Money
    starts_on: date | None = None


class RenewMembership(Value, tag="loyalty.renew_membership"):
    """Buy a period that follows the last one without a gap, also a little late."""

    membership: Ref
    price: Money


class CancelMembership(Value, tag="loyalty.cancel_membership"):
    """End a period: when it is over, or now and for a part of the price."""

    membership: Ref


class RefundMembership(Value, tag="loyalty.refund_membership"):
    """Give the price of a period back, soon after it began."""

    membership: Ref


Command: TypeAlias = BuyMembership | RenewMembership | CancelMembership | RefundMembership


# Events


class MembershipBought(Value, tag="loyalty.membership_bought"):
    """A period was paid for."""

    membership: Ref
    price: Money
    since: Instant
    until: Instant


class MembershipRenewed(Value, tag="loyalty.membership_renewed"):
    """A period was paid for that follows the last one."""

    membership: Ref
    price: Money
    since: Instant
    until: Instant


class MembershipCancelled(Value, tag="loyalty.membership_cancelled"):
    """A period ends for good, and so much of its price goes back."""

    membership: Ref
    until: Instant
    refund: Money


class MembershipRefunded(Value, tag="loyalty.membership_refunded"):
    """A period is over, and its price goes back but for the benefits that came of it."""

    membership: Ref
    until: Instant
    refund: Money


Event: TypeAlias = MembershipBought | MembershipRenewed | MembershipCancelled | MembershipRefunded


# Rejections


class NegativePrice(Rejection):
    """A membership costs nothing or more."""

    price: Money


class MembershipReused(Rejection):
    """A period has a name of its own."""

    membership: str


class MembershipOverlap(Rejection):
    """A period begins when the last one is over."""

    until: Instant


class MembershipLapsed(Rejection):
    """A membership is renewed before it has lapsed for longer than the grace."""

    until: Instant | None


class UnknownMembership(Rejection):
    """What is cancelled or refunded is a paid period that is not over."""

    membership: str


class RefundLate(Rejection):
    """A membership is refunded soon after it began."""

    until: Instant


Reason: TypeAlias = (
    NegativePrice | MembershipReused | MembershipOverlap | MembershipLapsed | UnknownMembership
    | RefundLate
)  # fmt: skip


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens to a membership (rules.md L20)."""
    match command:
        case BuyMembership() | RenewMembership():
            return _paid(command, account, act, policy)
        case CancelMembership():
            return _cancelled(_found(account, command.membership), act, policy)
        case RefundMembership():
            return _refunded(_found(account, command.membership), act, policy)
        case _:
            assert_never(command)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after a period was paid for, ended or refunded."""
    match event:
        case MembershipBought() | MembershipRenewed():
            paid = Membership(
                name=event.membership, price=event.price, since=event.since, until=event.until
            )
            return replace(account, memberships=latest(account.memberships, paid))
        case MembershipCancelled(membership=name, until=until):
            return _ended(account, name, until, is_refund=False)
        case MembershipRefunded(membership=name, until=until):
            return _ended(account, name, until, is_refund=True)
        case _:
            assert_never(event)


def _paid(
    command: BuyMembership | RenewMembership, account: Account, act: Act, policy: Policy
) -> tuple[Event, ...]:
    name, price = command.membership, command.price
    require(price.minor >= 0, NegativePrice(price=price))
    if before := next((one for one in account.memberships if one.name == name), None):
        require(before.price == price, MembershipReused(membership=name))
        return ()
    is_new = isinstance(command, BuyMembership)
    covered = max((one.until for one in account.memberships), default=None)
    if isinstance(command, BuyMembership):
        since = _first_instant(command, covered, act, policy)
    else:
        since = _renewed_from(covered, act, policy)
    where = zone(policy.time_zone)
    until = start_of(add_months(day_of(since, where), policy.membership_months), where)
    kind = MembershipBought if is_new else MembershipRenewed
    return (kind(membership=name, price=price, since=since, until=until),)


def _first_instant(
    command: BuyMembership, covered: datetime | None, act: Act, policy: Policy
) -> datetime:
    """Return when a period begins: buying during one extends it."""
    if command.starts_on is None:
        return max(act.effective_at, covered or act.effective_at)
    since = start_of(command.starts_on, zone(policy.time_zone))
    if covered is not None:
        require(covered <= since, MembershipOverlap(until=covered))
    return since


def _renewed_from(covered: datetime | None, act: Act, policy: Policy) -> datetime:
    """Return the end of the last period, which may be over for a grace."""
    until = found(covered, MembershipLapsed(until=None))
    where = zone(policy.time_zone)
    ends_on = add_days(day_of(until, where), policy.membership_grace_days)
    in_time = act.effective_at < max(until, start_of(ends_on, where))
    require(in_time, MembershipLapsed(until=until))
    return until


def _cancelled(paid: Membership, act: Act, policy: Policy) -> tuple[Event, ...]:
    if paid.status == "cancelled":
        return ()
    is_open = paid.status == "paid" and act.effective_at < paid.until
    require(is_open, UnknownMembership(membership=paid.name))
    refund, until = replace(paid.price, minor=0), paid.until
    if policy.membership_cancel == "pro_rata":
        where = zone(policy.time_zone)
        until = start_of(add_days(policy.day(act), 1), where)
        until = max(paid.since, min(paid.until, until))
        first, last, now = (day_of(at, where) for at in (paid.since, paid.until, until))
        days = max(1, (last - first).days)
        refund = replace(paid.price, minor=paid.price.minor * (last - now).days // days)
    return (MembershipCancelled(membership=paid.name, until=until, refund=refund),)


def _refunded(paid: Membership, act: Act, policy: Policy) -> tuple[Event, ...]:
    if paid.status == "refunded":
        return ()
    require(paid.status == "paid", UnknownMembership(membership=paid.name))
    where = zone(policy.time_zone)
    ends_on = add_days(day_of(paid.since, where), policy.membership_refund_days)
    late = start_of(ends_on, where)
    require(act.effective_at < late, RefundLate(until=late))
    used = paid.benefits * policy.minor_units_paid_by_point
    kept = used if policy.membership_refund_takes_back_benefits else 0
    refund = replace(paid.price, minor=max(0, paid.price.minor - kept))
    until = max(paid.since, min(paid.until, act.effective_at))
    return (MembershipRefunded(membership=paid.name, until=until, refund=refund),)


def _found(account: Account, name: str) -> Membership:
    one = next((one for one in account.memberships if one.name == name), None)
    return found(one, UnknownMembership(membership=name))


def _ended(account: Account, name: str, until: datetime, *, is_refund: bool) -> Account:
    memberships = tuple(
        replace(one, until=until, status="refunded" if is_refund else "cancelled")
        if one.name == name
        else one
        for one in account.memberships
    )
    return replace(account, memberships=memberships)
