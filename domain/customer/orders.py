"""What a customer orders on account, as far as the credit allows."""

from datetime import date
from fractions import Fraction
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.customer.credit import Credit, Limit, Policy
from crmcore.domain.customer.receivables import InvoiceIssued, Invoices, NameTaken, overdue, owed
from crmcore.domain.customer.sales import NotPositive
from crmcore.domain.money import Money
from crmcore.domain.value import Note, Ref, Rejected, Rejection, Value, found, require

# Commands


class AcceptOrder(Value, tag="customer.accept_order"):
    """Accept an order on account, if the credit allows it."""

    order: Ref
    amount: Money


class CancelOrder(Value, tag="customer.cancel_order"):
    """Drop what is not yet invoiced of an order."""

    order: Ref
    reason: Note


Command: TypeAlias = AcceptOrder | CancelOrder


# Events


class OrderAccepted(Value, tag="customer.order_accepted"):
    """An order on account, with the exposure and the limit that decided it (rules.md CR5)."""

    order: Ref
    amount: Money
    exposure: Money
    limit: Limit


class OrderCancelled(Value, tag="customer.order_cancelled"):
    """What was not yet invoiced of an order is dropped."""

    order: Ref
    amount: Money
    reason: Note


Event: TypeAlias = OrderAccepted | OrderCancelled


# Rejections


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


class UnknownOrder(Rejection):
    """The order is open."""

    order: str


Reason: TypeAlias = NotPositive | OnHold | CashOnly | Overdue | OverLimit | NameTaken | UnknownOrder


# State


class Order(Value):
    """What of an order is not yet invoiced."""

    name: str
    left: Money


Orders: TypeAlias = tuple[Order, ...]


def exposure(orders: Orders, invoices: Invoices) -> int:
    """Return what a customer owes or has ordered, in minor units (rules.md CR3, first form)."""
    return sum(order.left.minor for order in orders) + owed(invoices)


def decide(
    command: Command, orders: Orders, invoices: Invoices, credit: Credit, day: date, policy: Policy
) -> tuple[Event, ...]:
    """Return what happens to the orders."""
    match command:
        case AcceptOrder(order=name, amount=amount):
            require(amount.minor > 0, NotPositive(amount=amount))
            require(all(o.name != name for o in orders), NameTaken(name=name))
            limit = allowed(credit, invoices, day, policy)
            total = Money(minor=exposure(orders, invoices), currency=amount.currency) + amount
            if isinstance(limit, Money):
                most = limit.times(Fraction(100 + policy.tolerance_percent, 100))
                require(total <= most, OverLimit(exposure=total, limit=limit))
            return (OrderAccepted(order=name, amount=amount, exposure=total, limit=limit),)
        case CancelOrder(order=name, reason=reason):
            left = require_open(orders, name).left
            return (OrderCancelled(order=name, amount=left, reason=reason),)
        case _:
            assert_never(command)


def evolve(orders: Orders, event: Event | InvoiceIssued) -> Orders:
    """Return the open orders after a fact; what is invoiced is no longer an order (CR4)."""
    match event:
        case OrderAccepted(order=name, amount=amount):
            return (*orders, Order(name=name, left=amount))
        case OrderCancelled(order=name):
            return tuple(order for order in orders if order.name != name)
        case InvoiceIssued(order=name, amount=amount):
            after = (
                replace(o, left=replace(o.left, minor=o.left.minor - amount.minor))
                if o.name == name
                else o
                for o in orders
            )
            return tuple(order for order in after if order.left.minor > 0)
        case _:
            assert_never(event)


def allowed(credit: Credit, invoices: Invoices, day: date, policy: Policy) -> Limit:
    """Return the limit for something on account, or reject where there is none (rules.md CR5)."""
    require(not credit.holds, OnHold(holds=credit.holds))
    limit: Limit = found(credit.limit_on(day), CashOnly())
    require(not isinstance(limit, Money) or limit.minor > 0, CashOnly())
    for late in overdue(invoices, day, policy.overdue_grace_days):
        raise Rejected(Overdue(invoice=late.name, due_on=late.due_on))
    return limit


def require_open(orders: Orders, name: str) -> Order:
    """Return an open order by its name, or reject."""
    return found(next((o for o in orders if o.name == name), None), UnknownOrder(order=name))
