"""What may still be sold on account, what is owed and how old it is: for the credit projection.

The rule that accepts orders is asked itself, so that no answer differs from what an order meets.
"""

from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID

from crmcore.domain import customer
from crmcore.domain.act import Act
from crmcore.domain.calendar import add_days, day_of, start_of, zone
from crmcore.domain.customer import AcceptOrder, Customer
from crmcore.domain.customer.acceptance import (
    Books,
    automatic_holds,
    exposure_of,
    is_over_limit,
    most,
    of_group,
)
from crmcore.domain.customer.ageing import ageing, open_parts
from crmcore.domain.customer.beside import Account, open_amounts
from crmcore.domain.customer.exposure import Orders, Payments
from crmcore.domain.customer.limits import Raises
from crmcore.domain.customer.policy import BUCKETS
from crmcore.domain.customer.reminders import level_of
from crmcore.domain.money import Money
from crmcore.domain.value import Rejected
from crmcore.projections.projection import Details

AGES = {
    "not_due": "not due",
    "to_30": "1 to 30 days late",
    "to_60": "31 to 60 days late",
    "to_90": "61 to 90 days late",
    "beyond_90": "more than 90 days late",
    "disputed": "disputed",
}
AGE_ENDS = (0, 30, 60, 90)
WARN_PERCENT = 80


def account(known: Customer, at: datetime, policy: customer.Policy) -> Details:
    """Return what holds of the account at an instant, and when that changes by itself."""
    today = day_of(at, zone(policy.time_zone))
    now = _told(known, today, policy)
    for day in _ends(customer.books(known, today), policy):
        if _told(known, day, policy) != now:
            instant = start_of(day, zone(policy.time_zone))
            return (*now, ("account changes at", instant.isoformat()))
    return now


def _told(known: Customer, day: date, policy: customer.Policy) -> Details:
    """Return status, limit, exposure and age on a day; what is nothing is left out."""
    books = customer.books(known, day)
    currency = _currency(books)
    there = exposure_of(books, policy)
    total = Money(minor=there.total(policy.counted), currency=currency or "XXX")
    status = _meets(known, total.currency, day, policy)
    limit = books.limit
    details = [("status", status), ("limit", str(limit or "none"))]
    if currency:
        details.append(("exposure", str(total)))
    if status == "ok" and (rooms := list(_rooms(books, total, policy))):
        details.append(("headroom", str(min(rooms))))
    details += _group(books, total, policy)
    if states := ", ".join(_states(known, books, status, policy)):
        details.append(("states", states))
    ages = ageing(books.invoices, day)
    parts: dict[str, int] = {bucket: there.of(bucket) for bucket in BUCKETS}
    parts |= {name: getattr(ages, field) for field, name in AGES.items()}
    details += [
        (name, str(Money(minor=minor, currency=total.currency)))
        for name, minor in parts.items()
        if minor
    ]
    if level := level_of(books.invoices):
        details.append(("reminder level", str(level)))
    return tuple(details)


def _rooms(books: Books, total: Money, policy: customer.Policy) -> Iterator[Money]:
    """Yield what more may be owed, by the limit of the customer and by that of its group."""
    if isinstance(books.limit, Money):
        yield most(books.limit, policy) - total
    checked = of_group(books, total, policy)
    if checked is not None and isinstance(checked.limit, Money):
        yield most(checked.limit, policy) - checked.exposure


def _group(books: Books, total: Money, policy: customer.Policy) -> Details:
    """Return what the group owes and may owe in all, nothing without a group (rules.md CR14)."""
    try:
        checked = of_group(books, total, policy)
    except Rejected:  # what is open in the group is in several currencies: the status says so
        return ()
    if checked is None:
        return ()
    limit = str(checked.limit or "none")
    return (("group limit", limit), ("group exposure", str(checked.exposure)))


def _currency(books: Books) -> str | None:
    """Return the currency of what is open, else of the limit, if there is any."""
    own = Account(orders=books.orders, invoices=books.invoices, payments=books.payments)
    amounts = list(open_amounts(own, books.day))
    if books.group is not None:
        amounts += open_amounts(books.group.others, books.day)
    if isinstance(books.limit, Money):
        amounts.append(books.limit)
    return amounts[0].currency if amounts else None


def _meets(known: Customer, currency: str, day: date, policy: customer.Policy) -> str:
    """Return what the smallest order would meet on a day: the rule itself is asked."""
    at = start_of(day, zone(policy.time_zone))
    act = Act(by="credit", effective_at=at, command_id=UUID(int=0))
    smallest = AcceptOrder(order="", amount=Money(minor=1, currency=currency))
    try:
        customer.decide(smallest, known, act, policy)
    except Rejected as refusal:
        return refusal.code
    return "ok"


def _states(known: Customer, books: Books, status: str, policy: customer.Policy) -> Iterator[str]:
    """Yield the states of rules.md 3.2, worst first; nothing where all is well."""
    automatic = automatic_holds(books, policy)
    if known.profile.status == "blacklisted":
        yield "blacklisted"
    if any(books.credit.holds_on(books.day, scope) for scope in ("order", "delivery")):
        yield "manual_hold"
    if "class_d" in automatic:
        yield "class_d_hold"
    if "overdue" in automatic:
        yield "overdue_hold"
    if is_over_limit(books, policy):
        yield "over_limit"
    if "investigation" in automatic:
        yield "investigation_due"
    if _is_near_limit(books, policy):
        yield "warning"
    if status == "CashOnly":
        yield "cash_only"


def _is_near_limit(books: Books, policy: customer.Policy) -> bool:
    """Tell whether four fifths of the limit are used, and no more than the whole."""
    limit, total = books.limit, exposure_of(books, policy).total(policy.counted)
    return (
        isinstance(limit, Money)
        and limit.minor != 0
        and total * 100 >= limit.minor * WARN_PERCENT
        and not is_over_limit(books, policy)
    )


def _ends(books: Books, policy: customer.Policy) -> list[date]:
    """Return the later days on which something of the account may begin or end, in order."""
    return sorted(dict.fromkeys(day for day in _all_ends(books, policy) if day > books.day))


def _all_ends(books: Books, policy: customer.Policy) -> Iterator[date]:
    grace, hold = policy.overdue_grace_days, policy.overdue_hold_days
    for invoice in books.invoices:
        for part in open_parts(invoice):
            for days in (*AGE_ENDS, grace, max(grace, hold)):
                yield add_days(part.due_on, days + 1)
    yield from _moves(books, books.orders, books.payments, policy)
    yield from (granted.starts_on for granted in books.raises.temporary)
    for until in _last_days(books):
        if until:
            yield add_days(until, 1)
    if group := books.group:
        yield from _moves(books, group.others.orders, group.others.payments, policy)
        yield from (granted.starts_on for granted in group.raises.temporary)
        for until in (group.credit.limit_until, *_raised_until(group.raises)):
            if until:
                yield add_days(until, 1)


def _moves(
    books: Books, orders: Orders, payments: Payments, policy: customer.Policy
) -> Iterator[date]:
    """Yield the days on which money clears, and those from which an order counts."""
    for payment in payments:
        if payment.clears_on:
            yield payment.clears_on
    for order in orders:
        day, horizon = order.deliver_on, policy.horizon_days
        if day and horizon is not None and add_days(books.day, horizon) < day:
            yield add_days(day, -horizon)


def _last_days(books: Books) -> Iterator[date | None]:
    """Yield the last days of what was granted, found, or put on hold for a while."""
    yield books.credit.limit_until
    yield books.credit.investigated_until
    yield from (hold.ends_on for hold in books.credit.holds)
    yield from _raised_until(books.raises)
    yield from (release.ends_on for release in books.releases.holds)


def _raised_until(raises: Raises) -> Iterator[date | None]:
    """Yield the last days of what raises a limit."""
    yield from (granted.ends_on for granted in raises.temporary)
    yield from (security.ends_on for security in raises.securities)
