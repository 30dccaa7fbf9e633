"""Whether something may be sold on account: holds, the limit, what is overdue, the exposure.

The rule that decides is the rule that answers: the projection asks the same functions.
"""

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import TypeAlias

from msgspec.structs import replace

from crmcore.domain.customer.ageing import due_next, overdue
from crmcore.domain.customer.beside import Account, GroupBooks, GroupChecked, open_amounts, together
from crmcore.domain.customer.credit import Credit, Limit, Scope
from crmcore.domain.customer.exposure import (
    Exposure,
    Invoices,
    Order,
    Orders,
    Payments,
    exposure,
)
from crmcore.domain.customer.limits import Raises, limit_on
from crmcore.domain.customer.policy import AutomaticHold, Policy
from crmcore.domain.customer.releases import Releases
from crmcore.domain.money import Money, one_currency
from crmcore.domain.value import Rejected, Rejection, Value, found, require


class OnHold(Rejection):
    """A customer on hold gets nothing on account."""

    holds: tuple[str, ...]


class CashOnly(Rejection):
    """Without a credit limit a customer pays at once."""


class Overdue(Rejection):
    """Whoever owes overdue money gets nothing more on account."""

    invoice: str
    due_on: date


class OverLimit(Rejection):
    """What a customer owes with this order stays within the limit."""

    exposure: Money
    limit: Money


class OverGroupLimit(Rejection):
    """What a group owes with this order stays within its parent's limit; without one, nothing."""

    exposure: Money
    limit: Limit | None


Reason: TypeAlias = OnHold | CashOnly | Overdue | OverLimit | OverGroupLimit


class Books(Value):
    """What decides about an order on a day; `same` is of those the customer is one with."""

    day: date
    orders: Orders = ()
    invoices: Invoices = ()
    payments: Payments = ()
    credit: Credit = Credit()
    raises: Raises = Raises()
    releases: Releases = Releases()
    customer_class: str | None = None
    is_cash_only: bool = False
    same: Account = Account()
    group: GroupBooks | None = None

    @property
    def limit(self) -> Limit | None:
        """The limit in force."""
        return limit_on(self.credit, self.raises, self.day)

    @property
    def all_invoices(self) -> Invoices:
        """The invoices, and those of whom the customer is one with."""
        return (*self.invoices, *self.same.invoices)

    def holds_on(self, scope: Scope) -> tuple[str, ...]:
        """Return the names of the holds of a scope that are in force; the strongest wins (M3)."""
        others = Credit(holds=self.same.holds).holds_on(self.day, scope)
        return (*self.credit.holds_on(self.day, scope), *others)


class Passed(Value):
    """What let an order pass: the exposure with it, the limit, and a release if it took one."""

    exposure: Money
    limit: Limit
    release: Money | None = None
    release_ends_on: date | None = None
    absorbed: Money | None = None
    group: GroupChecked | None = None


def exposure_of(books: Books, policy: Policy) -> Exposure:
    """Return the exposure on the day of the books."""
    return _exposure(together((_own(books), books.same)), books, policy)


def check(books: Books, order: Order, policy: Policy) -> Passed:
    """Return what lets an order stand as it would be, in place of what it is, or reject (CR5).

    A hold that somebody placed stops it in any case, and so does having no limit.
    """
    held = books.holds_on("order")
    require(not held, OnHold(holds=held))
    limit: Limit = found(None if books.is_cash_only else books.limit, CashOnly())
    others = tuple(other for other in books.orders if other.name != order.name)
    after = replace(books, orders=(*others, order))
    total = replace(order.amount, minor=exposure_of(after, policy).total(policy.counted))
    absorbed, group = _of_absorbed(books, order, policy), of_group(books, total, policy)
    passed = Passed(exposure=total, limit=limit, absorbed=absorbed, group=group)
    release = books.releases.of_order(order.name, books.day)
    if release is not None and order.amount <= release.amount:
        return replace(passed, release=release.amount, release_ends_on=release.ends_on)
    if not _is_covered(order, books.day):
        _require_within(books, after, limit, total, policy)
        _require_in_group(group, policy)
    return passed


def automatic_holds(books: Books, policy: Policy) -> tuple[AutomaticHold, ...]:
    """Return the holds that are there by themselves, without those that were released (CR13)."""
    return tuple(
        kind
        for kind in _reasons_to_hold(books, policy)
        if kind in policy.automatic_holds and not books.releases.suppress(kind, books.day)
    )


def is_over_limit(books: Books, policy: Policy) -> bool:
    """Tell whether more is owed than the limit in force allows (rules.md CR7)."""
    limit, total = books.limit, exposure_of(books, policy).total(policy.counted)
    return isinstance(limit, Money) and total > most(limit, policy).minor


def _own(books: Books) -> Account:
    return Account(orders=books.orders, invoices=books.invoices, payments=books.payments)


def _exposure(account: Account, books: Books, policy: Policy) -> Exposure:
    return exposure(account.orders, account.invoices, account.payments, books.day, policy)


def _of_absorbed(books: Books, order: Order, policy: Policy) -> Money | None:
    """Return what those owe for whom the customer stands, None if it stands for nobody (M3)."""
    if books.same == Account():
        return None
    owed = _exposure(books.same, books, policy).total(policy.counted)
    return replace(order.amount, minor=owed)


def of_group(books: Books, total: Money, policy: Policy) -> GroupChecked | None:
    """Return what the group owes in all, and the limit of its parent, None without a group."""
    group = books.group
    if group is None:
        return None
    for amount in open_amounts(group.others, books.day):
        one_currency(total, amount)
    others = _exposure(group.others, books, policy).total(policy.counted)
    limit = limit_on(group.credit, group.raises, books.day)
    owed = replace(total, minor=total.minor + others)
    return GroupChecked(exposure=owed, limit=limit, parent=group.parent)


def _require_in_group(group: GroupChecked | None, policy: Policy) -> None:
    """Reject what is more than the group may owe in all (rules.md CR14)."""
    if group is None or group.limit == "unlimited":
        return
    over = OverGroupLimit(exposure=group.exposure, limit=group.limit)
    limit = found(group.limit if isinstance(group.limit, Money) else None, over)
    require(group.exposure <= most(limit, policy), over)


def most(limit: Money, policy: Policy) -> Money:
    """Return the limit with its tolerance."""
    return limit.times(Fraction(100 + policy.tolerance_percent, 100))


def _reasons_to_hold(books: Books, policy: Policy) -> Iterator[AutomaticHold]:
    if overdue(
        books.all_invoices, books.day, max(policy.overdue_grace_days, policy.overdue_hold_days)
    ):
        yield "overdue"
    if is_over_limit(books, policy):
        yield "over_limit"
    looked = books.credit.investigated_until
    if looked is not None and looked < books.day:
        yield "investigation"
    if books.customer_class == "D":
        yield "class_d"


def _is_covered(order: Order, day: date) -> bool:
    """Tell whether a release that was used for this order covers it as it would be (CR9)."""
    until = order.release_ends_on
    return until is not None and day <= until and order.amount.minor <= order.released


def _require_within(books: Books, after: Books, limit: Limit, total: Money, policy: Policy) -> None:
    require(not isinstance(limit, Money) or limit.minor > 0, CashOnly())
    if not books.releases.suppress("overdue", books.day):
        for late in overdue(books.all_invoices, books.day, policy.overdue_grace_days):
            raise Rejected(Overdue(invoice=late.name, due_on=due_next(late)))
    # What is overdue or above the limit is told with its figures, here and below.
    told = ("overdue", "over_limit")
    held = tuple(kind for kind in automatic_holds(books, policy) if kind not in told)
    require(not held, OnHold(holds=held))
    if isinstance(limit, Money):
        require(total <= most(limit, policy), OverLimit(exposure=total, limit=limit))
    there = exposure_of(after, policy)
    for sub in policy.sub_limits:
        full = replace(total, minor=there.of(sub.bucket))
        require(full <= sub.amount, OverLimit(exposure=full, limit=sub.amount))
