"""Of what is done the latest hundred are remembered, of what is open all; names stay taken (X4)."""

from datetime import date
from itertools import chain

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import AcceptOrder, IssueInvoice, Policy
from crmcore.domain.customer.credit import CreditLimitApproved
from crmcore.domain.customer.orders import DeliveryRecorded, OrderAccepted, OrderClosed
from crmcore.domain.customer.payments import MoneyReceived, PaymentAllocated
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.customer.receivables import InvoiceIssued, NameTaken, PaymentReceived
from crmcore.domain.customer.sales import REMEMBERED_MAX
from crmcore.domain.money import Money
from crmcore.testing import Scenario, given

TODAY, CLEARS = date(2026, 3, 2), date(2026, 3, 20)
NAMES = [f"x-{number}" for number in range(REMEMBERED_MAX + 2)]


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


KNOWN = given(
    customer.decider(Policy()),
    CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation"),
    CreditLimitApproved(request="r-1", amount="unlimited", approved_by="gus", until=None),
    at=TODAY,
)


def invoice(name: str, cents: int = 1) -> InvoiceIssued:
    return InvoiceIssued(invoice=name, amount=usd(cents), due_on=CLEARS, order=None)


def paid(name: str, cents: int = 1, left: int = 0) -> PaymentReceived:
    return PaymentReceived(payment=name, invoice=name, amount=usd(cents), left=usd(left))


def cheque(name: str, cents: int, clears_on: date = CLEARS) -> MoneyReceived:
    return MoneyReceived(
        payment=name,
        amount=usd(cents),
        instrument="cheque",
        received_on=min(clears_on, CLEARS),
        clears_on=clears_on,
    )


def used(name: str) -> PaymentAllocated:
    return PaymentAllocated(payment=name, invoice=name, amount=usd(1), left=usd(0))


def remembered(scenario: Scenario) -> tuple[list[str], list[str]]:
    state = scenario.state
    return [one.name for one in state.payments], [one.name for one in state.invoices]


def test_of_payments_for_one_invoice_the_latest_hundred_are_remembered() -> None:
    past = KNOWN.given(*(invoice(name) for name in NAMES), *map(paid, NAMES))
    assert len(NAMES) == 102
    assert remembered(past) == (NAMES[2:], NAMES[2:])


def test_what_has_a_cent_left_is_remembered_for_good() -> None:
    open_ = [cheque("open", 2, TODAY), invoice("open", 2), used("open")]
    many = chain.from_iterable(
        (invoice(name), cheque(name, 1, TODAY), used(name)) for name in NAMES
    )
    past = KNOWN.given(*open_, *many)
    assert remembered(past) == (["open", *NAMES[2:]], ["open", *NAMES[2:]])


def test_many_payments_may_be_forgotten_at_once() -> None:
    past = KNOWN.given(
        *(invoice(name) for name in NAMES),
        *(cheque(name, 1, date(2026, 4, 1)) for name in NAMES),
        *(used(name) for name in NAMES),
    )
    assert remembered(past)[0] == NAMES
    later = MoneyReceived(
        payment="later",
        amount=usd(5),
        instrument="cash",
        received_on=date(2026, 4, 1),
        clears_on=date(2026, 4, 1),
    )
    assert remembered(past.given(later))[0] == [*NAMES[2:], "later"]


@pytest.mark.parametrize("cut", [(), (OrderClosed(order="o-1", amount=usd(5)),)])
def test_x4_an_orders_name_is_taken_however_much_was_said_since(
    cut: tuple[customer.Event, ...],
) -> None:
    accepted = OrderAccepted(order="o-1", amount=usd(5), exposure=usd(5), limit="unlimited")
    past = KNOWN.given(accepted, *cut, *(invoice(name) for name in NAMES))
    past.when(AcceptOrder(order="o-1", amount=usd(5))).rejected(NameTaken(name="o-1"))


def test_x4_an_invoices_name_is_taken_however_much_was_said_since() -> None:
    deliveries = (DeliveryRecorded(order="o-1", delivery=n, amount=usd(1)) for n in NAMES)
    past = KNOWN.given(invoice("i-1"), *deliveries)
    past.when(IssueInvoice(invoice="i-1", amount=usd(1))).rejected(NameTaken(name="i-1"))
