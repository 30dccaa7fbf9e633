"""An account is opened, suspended, resumed and closed; what it may do depends on that."""

from typing import TypeAlias, assert_never
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, start_of, zone
from crmcore.domain.loyalty.account import Account
from crmcore.domain.loyalty.holds import HoldReleased, released
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.value import Instant, Note, Rejection, Value, require

# Commands


class Enrol(Value, tag="loyalty.enrol"):
    """Open the account of a customer."""

    customer: UUID


class Suspend(Value, tag="loyalty.suspend"):
    """Stop what a suspended account may not do."""

    reason: Note


class Resume(Value, tag="loyalty.resume"):
    """Go on with a suspended account, or with a closed one before its points are forfeited."""

    reason: Note


class Close(Value, tag="loyalty.close"):
    """End the account; its points are forfeited after a grace."""

    reason: Note


Command: TypeAlias = Enrol | Suspend | Resume | Close


# Events


class Enrolled(Value, tag="loyalty.enrolled"):
    """The account was opened."""

    customer: UUID


class AccountSuspended(Value, tag="loyalty.account_suspended"):
    """The account was suspended."""

    reason: Note


class AccountResumed(Value, tag="loyalty.account_resumed"):
    """The account is active again."""

    reason: Note


class AccountClosed(Value, tag="loyalty.account_closed"):
    """The account was closed; whatever it has is forfeited at an instant."""

    forfeits_at: Instant
    reason: Note


Event: TypeAlias = Enrolled | AccountSuspended | AccountResumed | AccountClosed


# Rejections


class NotEnrolled(Rejection):
    """A customer enrols before anything else happens to the account."""


class AlreadyEnrolled(Rejection):
    """An account belongs to one customer."""

    customer: UUID | None


class Suspended(Rejection):
    """A suspended account does what the programme lets it do."""

    activity: str


class Closed(Rejection):
    """A closed account does what the programme lets it do."""

    activity: str


Reason: TypeAlias = NotEnrolled | AlreadyEnrolled | Suspended | Closed


def decide(
    command: Command, account: Account, act: Act, policy: Policy
) -> tuple[Event | HoldReleased, ...]:
    """Return what happens to the account as a whole (rules.md L17)."""
    match command:
        case Enrol(customer=customer):
            owner = account.customer
            require(owner in (None, customer), AlreadyEnrolled(customer=owner))
            return () if owner else (Enrolled(customer=customer),)
        case Suspend(reason=reason):
            require(account.status != "closed", Closed(activity="suspend"))
            suspended = account.status == "suspended"
            return () if suspended else (AccountSuspended(reason=reason),)
        case Resume(reason=reason):
            over = account.is_forfeited(act.effective_at)
            require(not over, Closed(activity="resume"))
            return () if account.status == "active" else (AccountResumed(reason=reason),)
        case Close(reason=reason):
            return () if account.status == "closed" else _close(reason, account, act, policy)
        case _:
            assert_never(command)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after it was opened, suspended, resumed or closed."""
    match event:
        case Enrolled(customer=customer):
            return replace(account, customer=customer)
        case AccountSuspended():
            return replace(account, status="suspended")
        case AccountResumed():
            return replace(account, status="active", forfeits_at=None)
        case AccountClosed(forfeits_at=forfeits_at):
            return replace(account, status="closed", forfeits_at=forfeits_at)
        case _:
            assert_never(event)


def _close(
    reason: str, account: Account, act: Act, policy: Policy
) -> tuple[Event | HoldReleased, ...]:
    """End the holds as well: what nobody captures any more is forfeited with the rest."""
    ends_on = add_days(policy.day(act), policy.closing_grace_days)
    forfeits_at = max(act.effective_at, start_of(ends_on, zone(policy.time_zone)))
    return (*released(account, act), AccountClosed(forfeits_at=forfeits_at, reason=reason))
