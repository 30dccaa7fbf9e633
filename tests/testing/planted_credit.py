"""Bugs that are planted in the rules of credit and trade, in the form of `planted.py`."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from crmcore.domain import customer
from crmcore.domain.act import Act
from crmcore.domain.customer import orders, payments, receivables, reminders
from crmcore.domain.money import MINOR_MAX
from tests.testing.planted import (
    BILLING,
    CUSTOMER,
    SELLING,
    Planted,
    among,
    believing,
    changed,
    deciding,
    evolving,
)

POLICY = customer.Policy()
RAISING = (
    customer.Register | customer.RecordInvestigation | customer.RequestLimit
    | customer.ApproveLimit | customer.AcceptOrder | customer.ChangeOrder
)  # fmt: skip


def _counts_deliveries_twice(known: customer.Customer, event: Any) -> customer.Customer:  # noqa: ANN401 - any event
    after: customer.Customer = CUSTOMER.evolve(known, event)
    if not isinstance(event, orders.DeliveryRecorded):
        return after
    minor = event.amount.minor
    more = (
        replace(o, amount=replace(o.amount, minor=min(MINOR_MAX, o.amount.minor + minor)))
        for o in after.orders
    )
    return replace(after, orders=tuple(more))


def _raises_unchecked(command: Any, known: customer.Customer, act: Act) -> tuple[Any, ...]:  # noqa: ANN401 - any command
    if not isinstance(command, customer.ChangeOrder):
        return CUSTOMER.decide(command, known, act)
    free = replace(known, credit=replace(known.credit, limit="unlimited", limit_until=None))
    events = CUSTOMER.decide(command, free, act)
    limit = customer.books(known, POLICY.day(act)).limit
    return tuple(
        replace(event, limit=limit) if isinstance(event, orders.Checked) else event
        for event in events
    )


def _restores_too_little(_: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    if not isinstance(event, payments.PaymentReversed):
        return event
    less = (
        replace(one, amount=replace(one.amount, minor=one.amount.minor - 1))
        for one in event.restored
    )
    return replace(event, restored=tuple(less))


def _skips_a_level(_: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, reminders.ReminderSent):
        items = tuple(replace(item, level=item.level + 1) for item in event.invoices)
        return replace(event, invoices=items, level=event.level + 1)
    return event


def _reminds_again(known: customer.Customer, _: Act) -> customer.Customer:
    never = (replace(invoice, reminded_on=None) for invoice in known.invoices)
    return replace(known, invoices=tuple(never))


def _gives_up_more(_: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, receivables.InvoiceWrittenOff):
        return replace(event, amount=replace(event.amount, minor=event.amount.minor + 1))
    return event


def _leaves_it_open(_: customer.Customer, event: Any) -> Any:  # noqa: ANN401 - any event
    if isinstance(event, payments.PaymentAllocated):
        return replace(event, left=replace(event.left, minor=event.left.minor + 1))
    return event


def _forgets_the_group(known: customer.Customer, _: Act) -> customer.Customer:
    return replace(known, group=customer.group.Membership())


IN_A_GROUP = SELLING | customer.AdmitMember | customer.JoinGroup
TRADE = (
    SELLING | customer.Deliver | customer.ChangeOrder | customer.CloseOrder | customer.ReopenOrder
)


PLANTED_CREDIT: Sequence[Planted] = (
    Planted(
        "counts deliveries twice",
        "CR4",
        among(TRADE, evolving(CUSTOMER, _counts_deliveries_twice)),
        7,
    ),
    Planted(
        "raises orders above the limit",
        "CR6",
        among(RAISING, deciding(CUSTOMER, _raises_unchecked)),
        6,
    ),
    Planted(
        "restores too little after a bounce",
        "CR10",
        among(BILLING, changed(CUSTOMER, _restores_too_little)),
        4,
    ),
    Planted(
        "skips a level of reminders", "CR12", among(BILLING, changed(CUSTOMER, _skips_a_level)), 3
    ),
    Planted(
        "reminds too soon",
        "CR12",
        among(BILLING, believing(CUSTOMER, customer.RemindCustomer, _reminds_again)),
        4,
    ),
    Planted(
        "gives up more than it says", "CR3", among(BILLING, changed(CUSTOMER, _gives_up_more)), 3
    ),
    Planted(
        "forgets the group of an order",
        "CR14",
        among(IN_A_GROUP, believing(CUSTOMER, customer.AcceptOrder, _forgets_the_group)),
        6,
    ),
    Planted(
        "settles an invoice and leaves it open",
        "CR4",
        among(BILLING, changed(CUSTOMER, _leaves_it_open)),
        4,
    ),
)
