"""What others owe that counts when a customer orders: those it stands for, and those of its group.

A fold of the customer's own facts never knows it: it is told to the rules when they decide.
"""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from msgspec.structs import replace

from crmcore.domain.customer.credit import Credit, Hold, Limit
from crmcore.domain.customer.exposure import Invoices, Orders, Payments
from crmcore.domain.customer.limits import Raises
from crmcore.domain.money import Money
from crmcore.domain.value import Value


class Account(Value):
    """What is open on account, and what holds it, under names that are nobody else's."""

    orders: Orders = ()
    invoices: Invoices = ()
    payments: Payments = ()
    holds: tuple[Hold, ...] = ()


class GroupBooks(Value):
    """What decides about the orders of a group: the parent's limit, and what the others owe.

    `parent` is None for the parent itself.
    """

    parent: UUID | None = None
    credit: Credit = Credit()
    raises: Raises = Raises()
    others: Account = Account()


class Beside(Value):
    """What counts beside a customer's own: of those it is one with, of its group, of a newcomer."""

    same: Account = Account()
    group: GroupBooks | None = None
    newcomer: Account = Account()


class GroupChecked(Value):
    """What a group owes with an order, and the limit of its parent; None for the parent itself."""

    exposure: Money
    limit: Limit | None
    parent: UUID | None = None


def apart(customer: UUID, account: Account) -> Account:
    """Return an account under names that no other customer has (rules.md M2)."""
    return Account(
        orders=tuple(replace(o, name=f"{customer}/{o.name}") for o in account.orders),
        invoices=tuple(replace(i, name=f"{customer}/{i.name}") for i in account.invoices),
        payments=tuple(replace(p, name=f"{customer}/{p.name}") for p in account.payments),
        holds=tuple(replace(h, name=f"{customer}/{h.name}") for h in account.holds),
    )


def together(accounts: Iterable[Account]) -> Account:
    """Return all that is open in these accounts as one."""
    known = tuple(accounts)
    return Account(
        orders=tuple(order for one in known for order in one.orders),
        invoices=tuple(invoice for one in known for invoice in one.invoices),
        payments=tuple(payment for one in known for payment in one.payments),
        holds=tuple(hold for one in known for hold in one.holds),
    )


def open_amounts(account: Account, day: date) -> tuple[Money, ...]:
    """Return the amounts of what is open on a day: what is settled is in no currency any more."""
    paid = account.payments
    return (
        *(order.amount for order in account.orders),
        *(invoice.left for invoice in account.invoices if invoice.is_open),
        *(p.amount for p in paid if p.left.minor or not p.has_cleared(day)),
    )
