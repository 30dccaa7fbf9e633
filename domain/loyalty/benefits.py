"""A present for a birthday or an anniversary, once in twelve months, whatever date is told."""

from datetime import date
from typing import Literal, TypeAlias

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, add_months
from crmcore.domain.lots import Lot
from crmcore.domain.loyalty.account import Account, Benefit, with_lots
from crmcore.domain.loyalty.earning import new_lot
from crmcore.domain.loyalty.policy import Policy
from crmcore.domain.value import Rejection, Value, require

ONCE_IN_MONTHS = 12
LEAP_DAY = (2, 29)

Kind: TypeAlias = Literal["birthday", "anniversary"]

# Commands


class IssueBenefit(Value, tag="loyalty.issue_benefit"):
    """Give the points for a birthday or an anniversary of a date."""

    kind: Kind
    date_of: date


Command: TypeAlias = IssueBenefit


# Events


class BenefitIssued(Value, tag="loyalty.benefit_issued"):
    """Points were given for a day that comes once a year."""

    kind: Kind
    due_on: date
    issued_on: date
    lot: Lot


Event: TypeAlias = BenefitIssued


# Rejections


class NotDue(Rejection):
    """A benefit is given from its day on, and for a while."""

    due_on: date


class BenefitRepeated(Rejection):
    """A benefit is given once in twelve months."""

    next_on: date


Reason: TypeAlias = NotDue | BenefitRepeated


def decide(command: Command, account: Account, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return the benefit, if its day has come and the last one is a year ago (rules.md L19)."""
    day, of = policy.day(act), command.date_of
    this_year = day_in(of, day.year, policy)
    due_on = this_year if this_year <= day else day_in(of, day.year - 1, policy)
    is_due = of <= due_on and day < add_days(due_on, policy.benefit_days)
    coming = day_in(of, due_on.year + 1, policy)
    require(is_due, NotDue(due_on=max(of, coming)))
    last = next((one for one in account.benefits if one.kind == command.kind), None)
    if last is not None:
        next_on = add_months(last.issued_on, ONCE_IN_MONTHS)
        require(next_on <= day, BenefitRepeated(next_on=next_on))
    lot = new_lot(account, policy.benefit_points, act, policy)
    return (BenefitIssued(kind=command.kind, due_on=due_on, issued_on=day, lot=lot),)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after a benefit; a membership of that time remembers its points."""
    lot = event.lot
    others = tuple(one for one in account.benefits if one.kind != event.kind)
    issued = Benefit(kind=event.kind, issued_on=event.issued_on, points=lot.points)
    memberships = tuple(
        replace(paid, benefits=paid.benefits + lot.points)
        if paid.since <= lot.vests_at < paid.until
        else paid
        for paid in account.memberships
    )
    after = replace(account, benefits=(*others, issued), memberships=memberships)
    return with_lots(after, (lot,))


def day_in(of: date, year: int, policy: Policy) -> date:
    """Return the day of a year on which a date returns; 29 February is in each of them."""
    if (of.month, of.day) != LEAP_DAY:
        return of.replace(year=year)
    day = add_months(of.replace(year=year, month=1), 1)
    if day.day == LEAP_DAY[1] or policy.leap_day == "28 Feb":
        return day
    return add_days(day, 1)
