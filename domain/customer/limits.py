"""What raises a customer's limit for a while: temporary limits, and securities."""

from datetime import date
from typing import Literal, TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer.credit import (
    AlreadyOver,
    Credit,
    Limit,
    LimitRevoked,
    require_authority,
    require_currency,
    require_to_come,
)
from crmcore.domain.customer.policy import Policy
from crmcore.domain.customer.sales import REMEMBERED_MAX, NotPositive
from crmcore.domain.money import Money
from crmcore.domain.value import Note, Ref, Rejection, Value, require

SecurityKind: TypeAlias = Literal["insurance", "guarantee", "deposit"]

# Commands


class GrantTemporaryLimit(Value, tag="customer.grant_temporary_limit"):
    """Raise the limit by an amount, from a day until its last day."""

    amount: Money
    starts_on: date
    ends_on: date


class PledgeSecurity(Value, tag="customer.pledge_security"):
    """Write down a security; the limit is higher by it while it holds."""

    security: Ref
    kind: SecurityKind
    amount: Money
    ends_on: date | None = None


class ReleaseSecurity(Value, tag="customer.release_security"):
    """Give a security back."""

    security: Ref
    reason: Note


Command: TypeAlias = GrantTemporaryLimit | PledgeSecurity | ReleaseSecurity


# Events


class TemporaryLimitGranted(Value, tag="customer.temporary_limit_granted"):
    """The limit is higher by this much, from a day until its last day."""

    amount: Money
    starts_on: date
    ends_on: date
    approved_by: str


class SecurityPledged(Value, tag="customer.security_pledged"):
    """The limit is higher by this much while the security holds."""

    security: Ref
    kind: SecurityKind
    amount: Money
    ends_on: date | None
    approved_by: str


class SecurityReleased(Value, tag="customer.security_released"):
    """The security was given back."""

    security: Ref
    reason: Note


Event: TypeAlias = TemporaryLimitGranted | SecurityPledged | SecurityReleased


# Rejections


class EndsBeforeStart(Rejection):
    """What is granted for a while ends no earlier than it starts."""

    starts_on: date
    ends_on: date


Reason: TypeAlias = NotPositive | EndsBeforeStart | AlreadyOver


# State


class Raises(Value):
    """What raises the limit: the latest temporary limits, and the latest securities."""

    temporary: tuple[TemporaryLimitGranted, ...] = ()
    securities: tuple[SecurityPledged, ...] = ()


def limit_on(credit: Credit, raises: Raises, day: date) -> Limit | None:
    """Return the limit in force on a day: the one decided, and what raises it (rules.md CR2).

    Where no limit was decided there is none to raise (CR1).
    """
    base = credit.limit_on(day)
    if not isinstance(base, Money):
        return base
    temporary = (t.amount for t in raises.temporary if t.starts_on <= day <= t.ends_on)
    secured = (s.amount for s in raises.securities if s.ends_on is None or day <= s.ends_on)
    more = sum(m.minor for m in (*temporary, *secured) if m.currency == base.currency)
    return replace(base, minor=base.minor + more)


def decide(
    command: Command, raises: Raises, credit: Credit, act: Act, policy: Policy
) -> tuple[Event, ...]:
    """Return what raises the limit from now on."""
    if isinstance(command, ReleaseSecurity):
        there = any(s.security == command.security for s in raises.securities)
        released = SecurityReleased(security=command.security, reason=command.reason)
        return (released,) if there else ()
    require(command.amount.minor > 0, NotPositive(amount=command.amount))
    require_currency(command.amount, credit)
    require_to_come(command.ends_on, policy.day(act))
    require_authority(act, command.amount, policy)
    if isinstance(command, PledgeSecurity):
        pledged = SecurityPledged(
            security=command.security,
            kind=command.kind,
            amount=command.amount,
            ends_on=command.ends_on,
            approved_by=act.by,
        )
        return () if pledged in raises.securities else (pledged,)
    starts_on, ends_on = command.starts_on, command.ends_on
    require(starts_on <= ends_on, EndsBeforeStart(starts_on=starts_on, ends_on=ends_on))
    return (
        TemporaryLimitGranted(
            amount=command.amount, starts_on=starts_on, ends_on=ends_on, approved_by=act.by
        ),
    )


def evolve(raises: Raises, event: Event | LimitRevoked) -> Raises:
    """Return what raises the limit after a fact; a security of a known name takes its place."""
    match event:
        case TemporaryLimitGranted():
            granted = (*raises.temporary, event)[-REMEMBERED_MAX:]
            return replace(raises, temporary=granted)
        case SecurityPledged(security=name):
            others = (s for s in raises.securities if s.security != name)
            return replace(raises, securities=(*others, event)[-REMEMBERED_MAX:])
        case SecurityReleased(security=name):
            kept = tuple(s for s in raises.securities if s.security != name)
            return replace(raises, securities=kept)
        case LimitRevoked():
            return replace(raises, temporary=())
        case _:
            assert_never(event)
