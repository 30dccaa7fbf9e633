"""What a customer may still order at the very edge, and which order or invoice is meant."""

from datetime import date

from crmcore.domain import customer
from crmcore.domain.customer import AcceptOrder, CancelOrder, IssueInvoice, Policy, ReturnPurchase
from crmcore.domain.customer.credit import CreditLimitApproved
from crmcore.domain.customer.exposure import Order
from crmcore.domain.customer.orders import OrderAccepted, OrderCancelled
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.customer.receivables import InvoiceIssued, PaymentReceived
from crmcore.domain.customer.sales import PurchaseRecorded, PurchaseReturned
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.testing import given

DAY = date(2026, 5, 1)
REGISTERED = CustomerRegistered(code="c-1", name="Ann", kind="person")


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def eur(cents: int) -> Money:
    return Money(minor=cents, currency="EUR")


def limited_to(amount: Money) -> CreditLimitApproved:
    return CreditLimitApproved(request="r", amount=amount, approved_by="gus", until=None)


def accepted(name: str, amount: Money) -> OrderAccepted:
    return OrderAccepted(order=name, amount=amount, exposure=amount, limit="unlimited")


def invoice(name: str, amount: Money, order: str | None = None) -> InvoiceIssued:
    return InvoiceIssued(invoice=name, amount=amount, due_on=date(2026, 4, 1), order=order)


def bought(name: str, amount: Money) -> PurchaseRecorded:
    return PurchaseRecorded(
        purchase=name, bought_on=DAY, amount=amount, quantity=None, product=None
    )


KNOWN = given(customer.decider(Policy()), REGISTERED)


def test_who_registers_has_a_name_and_a_kind() -> None:
    assert (KNOWN.state.profile.name, KNOWN.state.profile.kind) == ("Ann", "person")


def test_a_limit_of_one_cent_is_a_limit() -> None:
    order = AcceptOrder(order="o", amount=usd(1))
    KNOWN.given(limited_to(usd(1))).when(order, at=DAY).then(
        OrderAccepted(order="o", amount=usd(1), exposure=usd(1), limit=usd(1))
    )


def test_an_order_with_one_cent_left_is_open() -> None:
    past = KNOWN.given(accepted("o", usd(10)), invoice("i", usd(9), order="o"))
    assert past.state.orders == (Order(name="o", amount=usd(10), invoiced=9),)


def test_the_order_that_is_named_is_cancelled_and_no_other() -> None:
    past = KNOWN.given(accepted("o-1", usd(10)), accepted("o-2", usd(20)))
    past.when(CancelOrder(order="o-2", reason="late"), at=DAY).then(
        OrderCancelled(order="o-2", amount=usd(20), reason="late")
    )


def test_an_invoice_that_was_paid_after_its_due_day_stops_nothing() -> None:
    paid = PaymentReceived(payment="p", invoice="i", amount=usd(9), left=usd(0))
    past = KNOWN.given(limited_to(usd(100)), invoice("i", usd(9)), paid)
    past.when(AcceptOrder(order="o", amount=usd(5)), at=DAY).then(
        OrderAccepted(order="o", amount=usd(5), exposure=usd(5), limit=usd(100))
    )


def test_an_open_order_settles_the_currency_of_what_is_owed() -> None:
    past = KNOWN.given(limited_to(usd(100)), accepted("o", usd(10)))
    mismatch = CurrencyMismatch(left="EUR", right="USD")
    past.when(AcceptOrder(order="o-2", amount=eur(1)), at=DAY).rejected(mismatch)
    past.when(IssueInvoice(invoice="i", amount=eur(1)), at=DAY).rejected(mismatch)


def test_what_comes_back_of_one_purchase_takes_nothing_from_another() -> None:
    back = PurchaseReturned(purchase="p-1", amount=usd(9))
    past = KNOWN.given(bought("p-1", usd(9)), bought("p-2", usd(9)), back)
    past.when(ReturnPurchase(purchase="p-2", amount=usd(9)), at=DAY).then(
        PurchaseReturned(purchase="p-2", amount=usd(9))
    )
