"""Who else may see a customer or work on it: granted for a while, or denied."""

from datetime import date, datetime
from typing import Literal, TypeAlias, assert_never

from crmcore.domain.act import Act
from crmcore.domain.calendar import start_of, zone
from crmcore.domain.customer.ownership import SALES_MANAGER, Ownership, Policy, in_charge
from crmcore.domain.value import Instant, Rejection, Text, Value, require

Level: TypeAlias = Literal["read", "write"]
Authority: TypeAlias = Literal["owner", "sales_manager"]


# Commands


class GrantAccess(Value, tag="customer.grant_access"):
    """Let somebody see the customer, or work on it, up to the start of a day or for good."""

    who: Text
    level: Level
    until: date | None = None


class DenyAccess(Value, tag="customer.deny_access"):
    """Keep somebody away, whatever is granted."""

    who: Text
    until: date | None = None


class RevokeAccess(Value, tag="customer.revoke_access"):
    """End what was granted to somebody, and what was denied."""

    who: Text


Command: TypeAlias = GrantAccess | DenyAccess | RevokeAccess


# Events


class AccessGranted(Value, tag="customer.access_granted"):
    """Somebody may see the customer or work on it, by whose authority and until when."""

    who: Text
    level: Level
    until: Instant | None
    at: Instant
    granted_by: Text
    authority: Authority


class AccessDenied(Value, tag="customer.access_denied"):
    """Somebody may not, whatever is granted."""

    who: Text
    until: Instant | None
    at: Instant
    denied_by: Text
    authority: Authority


class AccessRevoked(Value, tag="customer.access_revoked"):
    """Nothing is granted or denied to somebody any more."""

    who: Text
    at: Instant
    revoked_by: Text
    authority: Authority


Event: TypeAlias = AccessGranted | AccessDenied | AccessRevoked


# Rejections


class NotInCharge(Rejection):
    """Access is granted, denied and revoked by who is in charge then, or by a sales manager."""

    by: str
    role: str


class LapsedBefore(Rejection):
    """What is granted or denied lasts for a while."""

    until: Instant


Reason: TypeAlias = NotInCharge | LapsedBefore


# State


class Grant(Value):
    """What somebody may, or that they may not, up to but without an instant."""

    who: str
    level: Level | Literal["none"]
    until: datetime | None

    def lasts(self, at: datetime) -> bool:
        """Tell whether it has not lapsed by an instant."""
        return self.until is None or at < self.until


Grants: TypeAlias = tuple[Grant, ...]  # those that had not lapsed when the last one was changed


def may(
    grants: Grants, known: Ownership, policy: Policy, who: str, what: Level, at: datetime
) -> bool:
    """Tell whether somebody may see a customer or work on it at an instant (rules.md C5).

    Who is denied may not, whatever is granted; who is in charge may, and who was granted it.
    """
    own = [grant for grant in grants if grant.who == who and grant.lasts(at)]
    if any(grant.level == "none" for grant in own):
        return False
    if in_charge(known, policy, at) == who:
        return True
    return any(grant.level in {what, "write"} for grant in own)


def decide(
    command: Command, grants: Grants, known: Ownership, act: Act, policy: Policy
) -> tuple[Event, ...]:
    """Return who may what; what is so already is nothing to do."""
    at = act.effective_at
    authority = _authority(known, act, policy)
    match command:
        case GrantAccess(who=who, level=level, until=day):
            until = _until(day, at, policy)
            if Grant(who=who, level=level, until=until) in grants:
                return ()
            return (
                AccessGranted(
                    who=who,
                    level=level,
                    until=until,
                    at=at,
                    granted_by=act.by,
                    authority=authority,
                ),
            )
        case DenyAccess(who=who, until=day):
            until = _until(day, at, policy)
            if Grant(who=who, level="none", until=until) in grants:
                return ()
            return (
                AccessDenied(who=who, until=until, at=at, denied_by=act.by, authority=authority),
            )
        case RevokeAccess(who=who):
            if all(grant.who != who or not grant.lasts(at) for grant in grants):
                return ()
            return (AccessRevoked(who=who, at=at, revoked_by=act.by, authority=authority),)
        case _:
            assert_never(command)


def evolve(grants: Grants, event: Event) -> Grants:
    """Return what is granted and denied after a fact, without what has lapsed by then."""
    lasting = tuple(grant for grant in grants if grant.lasts(event.at))
    match event:
        case AccessGranted(who=who, level=level, until=until):
            return _with(lasting, Grant(who=who, level=level, until=until))
        case AccessDenied(who=who, until=until):
            return _with(lasting, Grant(who=who, level="none", until=until))
        case AccessRevoked(who=who):
            return tuple(grant for grant in lasting if grant.who != who)
        case _:
            assert_never(event)


def _with(grants: Grants, grant: Grant) -> Grants:
    """Return grants with one more, in the place of the one of the same level for the same user."""
    new = (grant.who, grant.level)
    return (*(other for other in grants if (other.who, other.level) != new), grant)


def _authority(known: Ownership, act: Act, policy: Policy) -> Authority:
    """Return by what authority somebody decides now (rules.md C5)."""
    if in_charge(known, policy, act.effective_at) == act.by:
        return "owner"
    require(SALES_MANAGER in act.roles, NotInCharge(by=act.by, role=SALES_MANAGER))
    return "sales_manager"


def _until(day: date | None, at: datetime, policy: Policy) -> datetime | None:
    if day is None:
        return None
    until = start_of(day, zone(policy.time_zone))
    require(at < until, LapsedBefore(until=until))
    return until
