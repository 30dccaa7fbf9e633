"""What a customer may still order at the very edge, and which order or invoice is meant."""

from datetime import date

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    AllocatePayment,
    CancelOrder,
    ChangeOrder,
    CloseOrder,
    CreditAccount,
    Deliver,
    IssueInvoice,
    Policy,
    ReceivePayment,
    ReturnPurchase,
    ReversePayment,
)
from crmcore.domain.customer.credit import CreditLimitApproved
from crmcore.domain.customer.exposure import Invoice, Order
from crmcore.domain.customer.orders import (
    DeliveryRecorded,
    OrderAccepted,
    OrderCancelled,
    OrderClosed,
    TooMuchDelivered,
)
from crmcore.domain.customer.payments import (
    AccountCredited,
    MoneyReceived,
    PaymentAllocated,
    PaymentReversed,
    Restored,
)
from crmcore.domain.customer.profile import Blacklisted, CustomerRegistered
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


def closed(name: str, amount: Money) -> OrderClosed:
    return OrderClosed(order=name, amount=amount)


def invoice(
    name: str, amount: Money, order: str | None = None, due_on: date = date(2026, 4, 1)
) -> InvoiceIssued:
    return InvoiceIssued(invoice=name, amount=amount, due_on=due_on, order=order)


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


# Orders


def test_the_order_that_is_named_is_delivered_and_no_more_than_it() -> None:
    past = KNOWN.given(accepted("o-1", usd(10)), accepted("o-2", usd(20)))
    deliver = Deliver(order="o-2", delivery="d-1", amount=usd(20))
    done = past.when(deliver).then(DeliveryRecorded(order="o-2", delivery="d-1", amount=usd(20)))
    more = Deliver(order="o-2", delivery="d-2", amount=usd(1))
    done.when(more).rejected(TooMuchDelivered(left=usd(0)))


def test_an_order_of_who_was_parted_with_is_closed() -> None:
    listed = KNOWN.given(accepted("o", usd(10)), Blacklisted(reason="fraud"))
    listed.when(CloseOrder(order="o")).then(OrderClosed(order="o", amount=usd(10)))


def test_x8_what_is_said_of_an_order_that_nobody_knows_changes_no_order() -> None:
    past = KNOWN.given(accepted("o-1", usd(10)), accepted("o-2", usd(9)), closed("o-2", usd(9)))
    same = past.given(closed("o-3", usd(1)), invoice("i", usd(1), order="o-3"))
    assert (same.state.orders, same.state.closed_orders) == (
        past.state.orders,
        past.state.closed_orders,
    )
    assert [order.name for order in same.state.closed_orders] == ["o-2"]


# One currency

MISMATCH = CurrencyMismatch(left="USD", right="EUR")
DOLLARS = AcceptOrder(order="o", amount=usd(1))


def euros_received(clears_on: date = DAY) -> MoneyReceived:
    return MoneyReceived(
        payment="p",
        amount=eur(9),
        instrument="cheque",
        received_on=DAY,
        clears_on=clears_on,
    )


def used(amount: Money, left: Money) -> PaymentAllocated:
    return PaymentAllocated(payment="p", invoice="i", amount=amount, left=left)


def test_x5_money_that_settles_nothing_yet_settles_the_currency() -> None:
    past = KNOWN.given(limited_to(usd(100)), euros_received())
    past.when(DOLLARS, at=DAY).rejected(MISMATCH)
    given_back = CreditAccount(payment="n", amount=usd(1), reason="")
    past.when(given_back, at=DAY).rejected(MISMATCH)


def test_x5_money_that_has_not_cleared_settles_the_currency_until_it_has() -> None:
    clears_on = date(2026, 5, 20)
    past = KNOWN.given(
        limited_to(usd(100)), invoice("i", eur(9)), euros_received(clears_on), used(eur(9), eur(0))
    )
    past.when(DOLLARS, at=date(2026, 5, 19)).rejected(MISMATCH)
    assert len(past.when(DOLLARS, at=clears_on).state.orders) == 1


def test_x5_an_order_changes_in_its_currency() -> None:
    past = KNOWN.given(limited_to(usd(100)), accepted("o", usd(10)))
    past.when(ChangeOrder(order="o", amount=eur(9)), at=DAY).rejected(CurrencyMismatch)


# Payments


def credited(name: str, amount: Money) -> AccountCredited:
    return AccountCredited(payment=name, amount=amount, credited_on=DAY, reason="")


def test_the_payment_that_is_named_settles_and_no_other() -> None:
    past = KNOWN.given(invoice("i", usd(9)), credited("n-1", usd(5)), credited("n-2", usd(7)))
    settled = past.when(AllocatePayment(payment="n-2", invoice="i", amount=usd(4)))
    assert [(p.name, p.left) for p in settled.state.payments] == [("n-1", usd(5)), ("n-2", usd(3))]


def test_cr10_what_settled_nothing_is_taken_back_whole() -> None:
    past = KNOWN.given(euros_received())
    back = past.when(ReversePayment(payment="p", reason="no funds"))
    back.then(
        PaymentReversed(payment="p", amount=eur(9), restored=(), bounced=False, reason="no funds")
    )
    assert back.state.payments == ()


def test_cr10_each_invoice_is_owed_again_since_its_own_due_day() -> None:
    owing = KNOWN.given(invoice("i-1", usd(9)), invoice("i-2", usd(8), due_on=date(2026, 6, 1)))
    pay = ReceivePayment(payment="p", invoice="i-1", amount=usd(3))
    back = owing.when(pay, at=DAY).when(ReversePayment(payment="p", reason="error"))
    back.then(
        PaymentReversed(
            payment="p",
            amount=usd(3),
            restored=(Restored(invoice="i-1", amount=usd(3), due_on=date(2026, 4, 1)),),
            bounced=False,
            reason="error",
        )
    )
    assert back.state.invoices == owing.state.invoices
    assert [invoice.name for invoice in back.state.invoices] == ["i-1", "i-2"]


def test_cr10_what_is_owed_again_of_a_forgotten_invoice_is_owed_with_all_others() -> None:
    again = PaymentReversed(
        payment="p",
        amount=usd(3),
        restored=(Restored(invoice="i-1", amount=usd(3), due_on=DAY),),
        bounced=True,
        reason="",
    )
    back = KNOWN.given(invoice("i-2", usd(9)), again)
    assert back.state.invoices == (
        Invoice(name="i-2", left=usd(9), due_on=date(2026, 4, 1)),
        Invoice(name="i-1", left=usd(3), due_on=DAY),
    )


def test_x8_a_payment_for_an_invoice_that_nobody_knows_settles_nothing() -> None:
    paid = PaymentReceived(payment="p", invoice="i", amount=usd(9), left=usd(0))
    assert KNOWN.given(paid).state.payments == ()
