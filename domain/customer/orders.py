"""What a customer orders on account, as far as the credit allows, and what of it is delivered."""

from datetime import date
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.customer import acceptance
from crmcore.domain.customer.acceptance import (
    Books,
    CashOnly,
    OnHold,
    Overdue,
    OverGroupLimit,
    OverLimit,
)
from crmcore.domain.customer.beside import GroupChecked
from crmcore.domain.customer.credit import Limit
from crmcore.domain.customer.exchange import Conversion, ExchangeRate, booked, conversion
from crmcore.domain.customer.exposure import Order, Orders
from crmcore.domain.customer.policy import Policy
from crmcore.domain.customer.receivables import InvoiceIssued, NameTaken
from crmcore.domain.customer.sales import REMEMBERED_MAX, NotPositive
from crmcore.domain.money import Money
from crmcore.domain.value import Note, Ref, Rejection, Value, found, require

# Commands


class AcceptOrder(Value, tag="customer.accept_order"):
    """Accept an order on account, if the credit allows it."""

    order: Ref
    amount: Money
    deliver_on: date | None = None
    rate: ExchangeRate | None = None


class ChangeOrder(Value, tag="customer.change_order"):
    """Change what an order comes to; more than before must be allowed anew."""

    order: Ref
    amount: Money


class CancelOrder(Value, tag="customer.cancel_order"):
    """Drop what is not yet delivered or invoiced of an order."""

    order: Ref
    reason: Note


class CloseOrder(Value, tag="customer.close_order"):
    """End an order of which no more will come."""

    order: Ref


class ReopenOrder(Value, tag="customer.reopen_order"):
    """Let what was dropped of an order stand again, if the credit allows it now."""

    order: Ref


class Deliver(Value, tag="customer.deliver"):
    """Deliver an order, or a part of it."""

    order: Ref
    delivery: Ref
    amount: Money


Command: TypeAlias = AcceptOrder | ChangeOrder | CancelOrder | CloseOrder | ReopenOrder | Deliver


# Events


class OrderAccepted(Value, tag="customer.order_accepted", omit_defaults=True):
    """An order on account, with the exposure and the limit that decided it (rules.md CR5).

    Where it passed above the limit, `released` and `release_ends_on` are those of the release. Of
    the exposure, `absorbed` is owed by those for whom the customer stands; `group` is what was
    checked of its group.
    """

    order: Ref
    amount: Money
    exposure: Money
    limit: Limit
    deliver_on: date | None = None
    conversion: Conversion | None = None
    released: Money | None = None
    release_ends_on: date | None = None
    absorbed: Money | None = None
    group: GroupChecked | None = None


class OrderChanged(Value, tag="customer.order_changed", omit_defaults=True):
    """An order comes to another amount; if to more, with what decided it (rules.md CR6)."""

    order: Ref
    amount: Money
    exposure: Money | None = None
    limit: Limit | None = None
    released: Money | None = None
    release_ends_on: date | None = None
    absorbed: Money | None = None
    group: GroupChecked | None = None


class OrderCancelled(Value, tag="customer.order_cancelled"):
    """What was not yet delivered or invoiced of an order is dropped."""

    order: Ref
    amount: Money
    reason: Note


class OrderClosed(Value, tag="customer.order_closed"):
    """No more comes of an order: this much of it is dropped."""

    order: Ref
    amount: Money


class OrderReopened(Value, tag="customer.order_reopened", omit_defaults=True):
    """What was dropped of an order stands again, with what decided it (rules.md CR6)."""

    order: Ref
    amount: Money
    exposure: Money
    limit: Limit
    released: Money | None = None
    release_ends_on: date | None = None
    absorbed: Money | None = None
    group: GroupChecked | None = None


class DeliveryRecorded(Value, tag="customer.delivery_recorded"):
    """An order, or a part of it, was delivered."""

    order: Ref
    delivery: Ref
    amount: Money


Checked: TypeAlias = OrderAccepted | OrderChanged | OrderReopened
Event: TypeAlias = Checked | OrderCancelled | OrderClosed | DeliveryRecorded
Later: TypeAlias = (
    OrderChanged | OrderReopened | OrderCancelled | OrderClosed | DeliveryRecorded | InvoiceIssued
)


# Rejections


class UnknownOrder(Rejection):
    """The order is open."""

    order: str


class NotClosed(Rejection):
    """What is reopened was cancelled or closed, among the latest orders."""

    order: str


class BelowDone(Rejection):
    """An order is at least what of it is delivered or invoiced."""

    done: Money


class TooMuchDelivered(Rejection):
    """Nobody gets more than was ordered."""

    left: Money


Reason: TypeAlias = (
    NotPositive | OnHold | CashOnly | Overdue | OverLimit | OverGroupLimit | NameTaken
    | UnknownOrder | NotClosed | BelowDone | TooMuchDelivered
)  # fmt: skip


def decide(command: Command, books: Books, closed: Orders, policy: Policy) -> tuple[Event, ...]:
    """Return what happens to the orders."""
    if isinstance(command, ChangeOrder | Deliver):
        require(command.amount.minor > 0, NotPositive(amount=command.amount))
    name = command.order
    match command:
        case AcceptOrder():
            return _accept(command, books, closed, policy)
        case ChangeOrder(amount=amount):
            return _change(require_open(books.orders, name), amount, books, policy)
        case CancelOrder(reason=reason):
            dropped = _to_come(require_open(books.orders, name))
            cancelled = OrderCancelled(order=name, amount=dropped, reason=reason)
            return (cancelled,) if dropped.minor else ()
        case CloseOrder():
            dropped = _to_come(require_open(books.orders, name))
            return (OrderClosed(order=name, amount=dropped),) if dropped.minor else ()
        case ReopenOrder():
            return _reopen(name, books, closed, policy)
        case Deliver():
            return _deliver(command, books, closed, policy)
        case _:
            assert_never(command)


def _accept(
    command: AcceptOrder, books: Books, closed: Orders, policy: Policy
) -> tuple[Event, ...]:
    """Accept an order, in the currency of the account."""
    name, amount = command.order, booked(command.amount, command.rate)
    require(amount.minor > 0, NotPositive(amount=amount))
    require(all(o.name != name for o in (*books.orders, *closed)), NameTaken(name=name))
    new = Order(name=name, amount=amount, deliver_on=command.deliver_on)
    passed = acceptance.check(books, new, policy)
    return (
        OrderAccepted(
            order=name,
            amount=amount,
            exposure=passed.exposure,
            limit=passed.limit,
            deliver_on=command.deliver_on,
            conversion=conversion(command.amount, command.rate),
            released=passed.release,
            release_ends_on=passed.release_ends_on,
            absorbed=passed.absorbed,
            group=passed.group,
        ),
    )


def evolve(orders: Orders, closed: Orders, event: Event | InvoiceIssued) -> tuple[Orders, Orders]:
    """Return the open orders and the latest others after a fact."""
    if isinstance(event, OrderAccepted):
        new = Order(name=event.order, amount=event.amount, deliver_on=event.deliver_on)
        return _placed(orders, closed, _passed(new, event))
    known = next((o for o in (*orders, *closed) if o.name == event.order), None)
    return (orders, closed) if known is None else _placed(orders, closed, _after(known, event))


def _after(order: Order, event: Later) -> Order:
    """Return an order after a fact about it; what is dropped may come back, a release may not."""
    minor = event.amount.minor
    match event:
        case InvoiceIssued():  # what is invoiced is no longer ordered (rules.md CR4)
            return replace(order, invoiced=order.invoiced + minor)
        case DeliveryRecorded():
            return replace(order, delivered=order.delivered + minor)
        case OrderCancelled() | OrderClosed():
            amount = replace(order.amount, minor=order.amount.minor - minor)
            unreleased = replace(order, released=0, release_ends_on=None)
            return replace(unreleased, amount=amount, dropped=order.dropped + minor)
        case OrderReopened():
            amount = replace(order.amount, minor=order.amount.minor + minor)
            dropped = max(0, order.dropped - minor)
            return _passed(replace(order, amount=amount, dropped=dropped), event)
        case OrderChanged(amount=amount):
            return _passed(replace(order, amount=amount, dropped=0), event)
        case _:
            assert_never(event)


def _passed(order: Order, event: Checked) -> Order:
    """Return an order with the release that was used for it, if one was."""
    if event.released is None:
        return order
    return replace(order, released=event.released.minor, release_ends_on=event.release_ends_on)


def _placed(orders: Orders, closed: Orders, order: Order) -> tuple[Orders, Orders]:
    """Return the orders with this one where it belongs; of the others the latest stay."""
    others = tuple(other for other in closed if other.name != order.name)
    if not order.is_open:
        left = tuple(other for other in orders if other.name != order.name)
        return left, (*others, order)[-REMEMBERED_MAX:]
    if all(other.name != order.name for other in orders):
        return (*orders, order), others
    return tuple(order if other.name == order.name else other for other in orders), others


def _change(order: Order, amount: Money, books: Books, policy: Policy) -> tuple[Event, ...]:
    """Change an order; only more than before is a new check (rules.md CR6)."""
    done = replace(order.amount, minor=max(order.delivered, order.invoiced))
    require(done <= amount, BelowDone(done=done))
    if amount <= order.amount:
        less = OrderChanged(order=order.name, amount=amount)
        return (less,) if amount != order.amount else ()
    passed = acceptance.check(books, replace(order, amount=amount), policy)
    return (
        OrderChanged(
            order=order.name,
            amount=amount,
            exposure=passed.exposure,
            limit=passed.limit,
            released=passed.release,
            release_ends_on=passed.release_ends_on,
            absorbed=passed.absorbed,
            group=passed.group,
        ),
    )


def _reopen(name: str, books: Books, closed: Orders, policy: Policy) -> tuple[Event, ...]:
    """Reopen an order: a new check of the whole of it (rules.md CR6)."""
    dropped = (o for o in (*books.orders, *closed) if o.name == name and o.dropped)
    order = found(next(dropped, None), NotClosed(order=name))
    amount = replace(order.amount, minor=order.dropped)
    passed = acceptance.check(books, replace(order, amount=order.amount + amount), policy)
    return (
        OrderReopened(
            order=name,
            amount=amount,
            exposure=passed.exposure,
            limit=passed.limit,
            released=passed.release,
            release_ends_on=passed.release_ends_on,
            absorbed=passed.absorbed,
            group=passed.group,
        ),
    )


def _deliver(command: Deliver, books: Books, closed: Orders, policy: Policy) -> tuple[Event, ...]:
    """Deliver what is ordered, unless a hold stops deliveries; invoiced before is no matter."""
    held = books.holds_on("delivery")
    automatic = acceptance.automatic_holds(books, policy)
    held += tuple(kind for kind in automatic if kind in policy.delivery_holds)
    require(not held, OnHold(holds=held))
    known = next((o for o in (*books.orders, *closed) if o.name == command.order), None)
    order = found(known, UnknownOrder(order=command.order))
    left = replace(order.amount, minor=max(0, order.amount.minor - order.delivered))
    require(command.amount <= left, TooMuchDelivered(left=left))
    return (
        DeliveryRecorded(order=command.order, delivery=command.delivery, amount=command.amount),
    )


def require_open(orders: Orders, name: str) -> Order:
    """Return an open order by its name, or reject."""
    return found(next((o for o in orders if o.name == name), None), UnknownOrder(order=name))


def _to_come(order: Order) -> Money:
    return replace(order.amount, minor=order.to_come)
