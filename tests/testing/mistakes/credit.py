"""Mistakes 8 with credit: what counts as owed, what is checked again, and what a limit of 0 is."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated, Literal, TypeAlias, assert_never

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import customer as customers
from crmcore.domain.act import Act
from crmcore.domain.customer import (
    AcceptOrder,
    ApproveLimit,
    Customer,
    IssueInvoice,
    RecordInvestigation,
    Register,
    RequestLimit,
)
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.customer.receivables import InvoiceIssued
from crmcore.domain.money import Money
from crmcore.domain.value import Ref, Rejection, Value, require
from crmcore.testing import History, law
from crmcore.testing.rulebook import account as laws
from crmcore.testing.steps import AnyDecider
from tests.testing.mistakes.port import Mistake, small

# Those who grant credit, sell and invoice: of all commands of a customer they are a few.
RULES = replace(
    customers.decider(customers.Policy()),
    commands=(
        Register | RecordInvestigation | RequestLimit | ApproveLimit | AcceptOrder | IssueInvoice
    ),
)
LIMIT = 100


def on_top_of_its_order(customer: Customer, event: customers.Event) -> Customer:
    """Leave what is invoiced of an order in the order, too."""
    after = RULES.evolve(customer, event)
    return replace(after, orders=customer.orders) if isinstance(event, InvoiceIssued) else after


def nothing_is_unlimited(
    command: customers.Command, customer: Customer, act: Act
) -> tuple[customers.Event, ...]:
    """Take a limit of nothing for none that could be exceeded."""
    limit = customer.credit.limit
    if isinstance(limit, Money) and limit.minor == 0 and isinstance(command, AcceptOrder):
        customer = replace(customer, credit=replace(customer.credit, limit="unlimited"))
    return tuple(
        replace(event, limit=limit) if isinstance(event, OrderAccepted) else event
        for event in RULES.decide(command, customer, act)
    )


# Orders of a customer with a limit, which are delivered, or closed and reopened.


class Accept(Value, tag="orders.accept"):
    order: Ref
    amount: Annotated[int, Meta(ge=1, le=10**6)]


class Deliver(Value, tag="orders.deliver"):
    order: Ref


class Close(Value, tag="orders.close"):
    order: Ref


class Reopen(Value, tag="orders.reopen"):
    order: Ref


class Accepted(Value, tag="orders.accepted"):
    order: Ref
    amount: int
    exposure: int


class Delivered(Value, tag="orders.delivered"):
    order: Ref


class Closed(Value, tag="orders.closed"):
    order: Ref


class Reopened(Value, tag="orders.reopened"):
    order: Ref


class OverLimit(Rejection):
    """What is open stays within the limit."""

    amount: int


class UnknownOrder(Rejection):
    """An order is open before it is delivered or closed, and closed before it is reopened."""

    order: str


class Order(Value):
    name: str
    amount: int
    status: Literal["open", "delivered", "closed"] = "open"


class Orders(Value):
    orders: tuple[Order, ...] = ()

    def exposure(self, delivered_times: int) -> int:
        """Return what is owed, with what is delivered as many times as it is counted."""
        times = {"open": 1, "delivered": delivered_times, "closed": 0}
        return sum(times[order.status] * order.amount for order in self.orders)


Command: TypeAlias = Accept | Deliver | Close | Reopen
Event: TypeAlias = Accepted | Delivered | Closed | Reopened
STATUS: dict[type, Literal["open", "delivered", "closed"]] = {
    Delivered: "delivered", Closed: "closed", Reopened: "open"
}  # fmt: skip


def decide(
    command: Command, orders: Orders, _: Act, *, checks_again: bool, delivered_times: int
) -> tuple[Event, ...]:
    exposure, name = orders.exposure(delivered_times), command.order
    order = next((order for order in orders.orders if order.name == name), None)
    status = order.status if order else None
    match command:
        case Accept(amount=amount):
            if order is not None:
                return ()
            require(exposure + amount <= LIMIT, OverLimit(amount=exposure))
            return (Accepted(order=name, amount=amount, exposure=exposure + amount),)
        case Deliver():
            require(status == "open", UnknownOrder(order=name))
            return (Delivered(order=name),)
        case Close():
            require(status == "open", UnknownOrder(order=name))
            return (Closed(order=name),)
        case Reopen():
            require(status == "closed", UnknownOrder(order=name))
            amount = order.amount if order else 0
            fits = exposure + amount <= LIMIT
            require(fits or not checks_again, OverLimit(amount=exposure))
            return (Reopened(order=name),)
        case _:
            assert_never(command)


def evolve(orders: Orders, event: Event) -> Orders:
    if isinstance(event, Accepted):
        order = Order(name=event.order, amount=event.amount)
        return Orders(orders=(*orders.orders, order))
    status = STATUS[type(event)]
    return Orders(
        orders=tuple(
            replace(order, status=status) if order.name == event.order else order
            for order in orders.orders
        )
    )


@law
def what_is_open_is_within_the_limit(_: AnyDecider, history: History) -> Iterator[str]:
    """An order that is accepted or reopened is within the limit (rules.md CR6)."""
    for event, exposure in _owed(history.events):
        if exposure > LIMIT:
            yield f"after {event!r} {exposure} are open"


@law
def what_is_delivered_counts_once(_: AnyDecider, history: History) -> Iterator[str]:
    """An order counts once, whether it is delivered or not (rules.md CR4)."""
    for event, exposure in _owed(history.events):
        if isinstance(event, Accepted) and event.exposure != exposure:
            yield f"{event!r} was decided on another exposure than {exposure}"


def _owed(events: Iterable[Event]) -> Iterator[tuple[Event, int]]:
    """Yield each fact, with what is ordered and not closed after it."""
    amounts, closed = dict[str, int](), set[str]()
    for event in events:
        if isinstance(event, Accepted):
            amounts[event.order] = event.amount
        if isinstance(event, Closed):
            closed.add(event.order)
        if isinstance(event, Reopened):
            closed.discard(event.order)
        yield event, sum(amounts[name] for name in amounts.keys() - closed)


def orders(*, checks_again: bool = True, delivered_times: int = 1) -> AnyDecider:
    decides = partial(decide, checks_again=checks_again, delivered_times=delivered_times)
    return small(Orders(), decides, evolve, Command, Event, OverLimit | UnknownOrder)


RIGHT = orders()


MISTAKES = (
    Mistake(
        8, "CR4", "what is invoiced counts on top of its order",
        replace(RULES, evolve=on_top_of_its_order), RULES, laws.exposure_is_what_is_open, 7,
    ),
    Mistake(
        8, "CR4", "what is delivered counts on top of its order",
        orders(delivered_times=2), RIGHT, what_is_delivered_counts_once, 3,
    ),
    Mistake(
        8, "CR6", "an order that is closed and reopened evades the limit",
        orders(checks_again=False), RIGHT, what_is_open_is_within_the_limit, 4,
    ),
    Mistake(
        8, "CR1", "a limit of nothing is no limit",
        replace(RULES, decide=nothing_is_unlimited), RULES, laws.exposure_stays_within_the_limit, 5,
    ),
)  # fmt: skip
