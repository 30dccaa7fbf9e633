"""What a customer buys, orders, owes and pays: rules X5, CR3, CR4 and CR5."""

from datetime import date

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    CancelOrder,
    Command,
    DisputeInvoice,
    IssueCreditNote,
    IssueInvoice,
    Policy,
    ReceivePayment,
    RecordPurchase,
    ResolveDispute,
    ReturnPurchase,
    Terms,
)
from crmcore.domain.customer.credit import CreditLimitApproved, HoldPlaced
from crmcore.domain.customer.orders import (
    OnHold,
    Order,
    OrderAccepted,
    OrderCancelled,
    Overdue,
    OverLimit,
    UnknownOrder,
    exposure,
)
from crmcore.domain.customer.profile import (
    Blacklisted,
    CustomerRegistered,
    Deactivated,
    NotActive,
    TermsChanged,
)
from crmcore.domain.customer.receivables import (
    CreditNoteIssued,
    DisputeResolved,
    InvoiceDisputed,
    InvoiceIssued,
    NameTaken,
    NotDisputed,
    PaymentReceived,
    TooMuchPaid,
    UnknownInvoice,
)
from crmcore.domain.customer.sales import (
    REMEMBERED_MAX,
    NotPositive,
    PurchaseNameTaken,
    PurchaseRecorded,
    PurchaseReturned,
    TooMuchReturned,
    UnknownPurchase,
)
from crmcore.domain.money import CurrencyMismatch, Money
from tests.spec import TODAY, Spec

CUSTOMER = customer.decider(Policy())
KNOWN = Spec(CUSTOMER, CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation"))
MAY_1 = date(2026, 5, 1)


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def eur(cents: int) -> Money:
    return Money(minor=cents, currency="EUR")


def bought(name: str, amount: Money) -> PurchaseRecorded:
    return PurchaseRecorded(
        purchase=name, bought_on=TODAY, amount=amount, quantity=None, product=None
    )


def invoiced(
    name: str, cents: int, due_on: date = MAY_1, order: str | None = None
) -> InvoiceIssued:
    return InvoiceIssued(invoice=name, amount=usd(cents), due_on=due_on, order=order)


def accepted(name: str, cents: int) -> OrderAccepted:
    return OrderAccepted(order=name, amount=usd(cents), exposure=usd(cents), limit=usd(1_000))


def order(cents: int, name: str = "o-1") -> AcceptOrder:
    return AcceptOrder(order=name, amount=usd(cents))


def invoice(cents: int, name: str = "i-1", of: str | None = None) -> IssueInvoice:
    return IssueInvoice(invoice=name, amount=usd(cents), order=of)


def pay(cents: int, name: str = "i-1") -> ReceivePayment:
    return ReceivePayment(payment="p-1", invoice=name, amount=usd(cents))


def owed(spec: Spec[Command, customer.Customer, customer.Event]) -> int:
    return exposure(spec.state.orders, spec.state.invoices)


# Purchases


def test_a_purchase_is_written_down_with_what_is_known_about_it() -> None:
    command = RecordPurchase(purchase="p-1", amount=usd(900), quantity=3, product="CD")
    assert KNOWN.when(command) == (
        PurchaseRecorded(
            purchase="p-1", bought_on=TODAY, amount=usd(900), quantity=3, product="CD"
        ),
    )


def test_a_purchase_of_nothing_is_a_fact_and_of_less_is_none() -> None:
    assert KNOWN.when(RecordPurchase(purchase="p-1", amount=usd(0))) == (bought("p-1", usd(0)),)
    KNOWN.rejects(RecordPurchase(purchase="p-1", amount=usd(-1)), NotPositive(amount=usd(-1)))


def test_whoever_was_parted_with_still_buys_for_cash() -> None:
    listed = KNOWN.given(Blacklisted(reason="fraud"))
    assert listed.when(RecordPurchase(purchase="p-1", amount=usd(1))) != ()


def test_goods_come_back_in_parts_up_to_what_was_paid() -> None:
    sold = KNOWN.given(bought("p-1", usd(900)))
    back = PurchaseReturned(purchase="p-1", amount=usd(400))
    assert sold.when(ReturnPurchase(purchase="p-1", amount=usd(400))) == (back,)
    half = sold.given(back)
    half.rejects(ReturnPurchase(purchase="p-1", amount=usd(501)), TooMuchReturned(left=usd(500)))
    assert half.when(ReturnPurchase(purchase="p-1", amount=usd(500))) != ()


def test_x4_the_same_purchase_again_changes_nothing() -> None:
    sold = KNOWN.given(bought("p-1", usd(900)))
    again = RecordPurchase(purchase="p-1", amount=usd(900))
    taken = PurchaseNameTaken(purchase="p-1", amount=usd(900))
    assert sold.when(again) == ()
    sold.rejects(again, taken, on=date(2026, 3, 3))
    sold.rejects(RecordPurchase(purchase="p-1", amount=usd(901)), taken)
    sold.rejects(RecordPurchase(purchase="p-1", amount=eur(900)), taken)


def test_only_what_was_bought_comes_back_and_for_some_money() -> None:
    sold = KNOWN.given(bought("p-1", usd(900)))
    sold.rejects(ReturnPurchase(purchase="p-2", amount=usd(1)), UnknownPurchase(purchase="p-2"))
    sold.rejects(ReturnPurchase(purchase="p-1", amount=usd(0)), NotPositive(amount=usd(0)))
    sold.rejects(
        ReturnPurchase(purchase="p-1", amount=eur(1)), CurrencyMismatch(left="EUR", right="USD")
    )


def test_the_latest_hundred_purchases_can_come_back() -> None:
    many = KNOWN.given(*(bought(f"p-{n}", usd(1)) for n in range(REMEMBERED_MAX + 1)))
    many.rejects(ReturnPurchase(purchase="p-0", amount=usd(1)), UnknownPurchase(purchase="p-0"))
    assert many.when(ReturnPurchase(purchase="p-1", amount=usd(1))) != ()
    assert len(many.state.purchases) == REMEMBERED_MAX == 100


# Orders on account

LIMITED = KNOWN.given(
    CreditLimitApproved(request="r-1", amount=usd(1_000), approved_by="gus", until=None)
)


def test_cr5_an_order_within_the_limit_is_accepted_with_what_decided_it() -> None:
    owing = LIMITED.given(accepted("o-1", 300), invoiced("i-1", 200))
    assert owing.when(order(500, "o-2")) == (
        OrderAccepted(order="o-2", amount=usd(500), exposure=usd(1_000), limit=usd(1_000)),
    )


def test_cr5_an_order_beyond_the_limit_is_not() -> None:
    owing = LIMITED.given(accepted("o-1", 300), invoiced("i-1", 200))
    owing.rejects(order(501, "o-2"), OverLimit(exposure=usd(1_001), limit=usd(1_000)))


def test_cr5_the_policy_may_tolerate_a_little_more() -> None:
    tolerant = Spec(customer.decider(Policy(tolerance_percent=10)), *LIMITED.past)
    assert tolerant.when(order(1_100)) != ()
    tolerant.rejects(order(1_101), OverLimit(exposure=usd(1_101), limit=usd(1_000)))


def test_cr5_whoever_owes_overdue_money_gets_nothing_more() -> None:
    owing = LIMITED.given(invoiced("i-1", 200))
    assert owing.when(order(1), on=MAY_1) != ()
    owing.rejects(order(1), Overdue(invoice="i-1", due_on=MAY_1), on=date(2026, 5, 2))
    graced = Spec(customer.decider(Policy(overdue_grace_days=3)), *owing.past)
    assert graced.when(order(1), on=date(2026, 5, 4)) != ()
    graced.rejects(order(1), Overdue(invoice="i-1", due_on=MAY_1), on=date(2026, 5, 5))


def test_cr5_a_disputed_invoice_is_not_overdue() -> None:
    disputed = LIMITED.given(invoiced("i-1", 200), InvoiceDisputed(invoice="i-1", reason=""))
    assert disputed.when(order(1), on=date(2026, 5, 2)) != ()
    resolved = disputed.given(DisputeResolved(invoice="i-1", outcome=""))
    resolved.rejects(order(1), Overdue, on=date(2026, 5, 2))


def test_cr5_a_customer_on_hold_gets_nothing_on_account() -> None:
    held = LIMITED.given(HoldPlaced(hold="h-1", reason=""))
    held.rejects(order(1), OnHold(holds=("h-1",)))


@pytest.mark.parametrize(
    ("event", "status"),
    [(Deactivated(reason=""), "deactivated"), (Blacklisted(reason=""), "blacklisted")],
)
def test_only_an_active_customer_orders(event: customer.Event, status: str) -> None:
    LIMITED.given(event).rejects(order(1), NotActive(status=status))


def test_an_order_is_for_some_money_and_has_a_name_of_its_own() -> None:
    LIMITED.rejects(order(0), NotPositive(amount=usd(0)))
    LIMITED.given(accepted("o-1", 1)).rejects(order(1), NameTaken(name="o-1"))


def test_x5_currencies_never_mix_on_account() -> None:
    euros = AcceptOrder(order="o-2", amount=eur(1))
    LIMITED.rejects(euros, CurrencyMismatch)
    LIMITED.given(accepted("o-1", 1)).rejects(euros, CurrencyMismatch)
    owing = LIMITED.given(invoiced("i-1", 1))
    owing.rejects(euros, CurrencyMismatch)
    owing.rejects(IssueInvoice(invoice="i-2", amount=eur(1)), CurrencyMismatch)
    owing.rejects(ReceivePayment(payment="p-1", invoice="i-1", amount=eur(1)), CurrencyMismatch)
    paid = owing.given(PaymentReceived(payment="p-1", invoice="i-1", amount=usd(1), left=usd(0)))
    assert paid.when(IssueInvoice(invoice="i-2", amount=eur(1))) != ()


def test_what_is_not_yet_invoiced_of_an_order_is_cancelled() -> None:
    partly = LIMITED.given(accepted("o-1", 300), invoiced("i-1", 100, order="o-1"))
    cancelled = OrderCancelled(order="o-1", amount=usd(200), reason="late")
    assert partly.when(CancelOrder(order="o-1", reason="late")) == (cancelled,)
    assert owed(partly.given(cancelled)) == 100


def test_only_an_open_order_is_cancelled() -> None:
    LIMITED.rejects(CancelOrder(order="o-1", reason=""), UnknownOrder(order="o-1"))
    done = LIMITED.given(accepted("o-1", 300), invoiced("i-1", 300, order="o-1"))
    done.rejects(CancelOrder(order="o-1", reason=""), UnknownOrder(order="o-1"))


# Exposure


def test_cr3_exposure_is_what_is_ordered_or_invoiced_and_not_paid() -> None:
    owing = LIMITED.given(accepted("o-1", 300), accepted("o-2", 50), invoiced("i-1", 200))
    assert owed(owing) == 550
    less = owing.given(
        PaymentReceived(payment="p-1", invoice="i-1", amount=usd(150), left=usd(50)),
        CreditNoteIssued(invoice="i-1", amount=usd(20), left=usd(30), reason=""),
    )
    assert owed(less) == 380


def test_regression_8_an_invoice_is_not_counted_on_top_of_its_order() -> None:
    ordered = LIMITED.given(accepted("o-1", 60), accepted("o-2", 7))
    partly = ordered.after(invoice(40, of="o-1"))
    assert (owed(ordered), owed(partly)) == (67, 67)
    assert partly.state.orders == (Order(name="o-1", left=usd(20)), Order(name="o-2", left=usd(7)))
    wholly = partly.after(invoice(20, "i-2", of="o-1"))
    assert owed(wholly) == 67
    assert wholly.state.orders == (Order(name="o-2", left=usd(7)),)


def test_regression_8_a_cancelled_order_is_checked_again_when_it_comes_back() -> None:
    full = LIMITED.given(accepted("o-1", 900))
    swapped = full.after(CancelOrder(order="o-1", reason=""), order(800, "o-2"))
    swapped.rejects(order(900, "o-1"), OverLimit(exposure=usd(1_700), limit=usd(1_000)))


def test_regression_8_a_limit_of_nothing_is_not_unlimited() -> None:
    nothing = KNOWN.given(
        CreditLimitApproved(request="r-1", amount=usd(0), approved_by="gus", until=None)
    )
    nothing.rejects(order(1), customer.orders.CashOnly())


def test_cr4_what_is_invoiced_beyond_an_order_adds_to_the_exposure() -> None:
    ordered = LIMITED.given(accepted("o-1", 60))
    assert owed(ordered.after(invoice(100, of="o-1"))) == 100
    assert owed(ordered.after(invoice(100))) == 160


# Invoices


def test_an_invoice_is_due_when_it_says_so() -> None:
    stated = IssueInvoice(invoice="i-1", amount=usd(5), due_on=MAY_1)
    assert KNOWN.when(stated) == (invoiced("i-1", 5),)


def test_an_invoice_is_due_by_the_terms_of_the_customer_or_of_the_policy() -> None:
    assert KNOWN.when(invoice(5)) == (invoiced("i-1", 5, date(2026, 4, 1)),)
    prompt = KNOWN.given(TermsChanged(terms=Terms(payment_days=7)))
    assert prompt.when(invoice(5)) == (invoiced("i-1", 5, date(2026, 3, 9)),)
    at_once = KNOWN.given(TermsChanged(terms=Terms(payment_days=0)))
    assert at_once.when(invoice(5)) == (invoiced("i-1", 5, date(2026, 3, 2)),)


def test_only_an_open_order_is_invoiced() -> None:
    LIMITED.rejects(invoice(5, of="o-1"), UnknownOrder(order="o-1"))
    invoiced_order = LIMITED.given(accepted("o-1", 5))
    assert invoiced_order.when(invoice(5, of="o-1")) == (
        invoiced("i-1", 5, date(2026, 4, 1), order="o-1"),
    )


def test_an_invoice_is_for_some_money_and_has_a_name_of_its_own() -> None:
    KNOWN.rejects(invoice(0), NotPositive(amount=usd(0)))
    owing = KNOWN.given(invoiced("i-1", 5))
    owing.rejects(invoice(5), NameTaken(name="i-1"))
    owing.after(pay(5)).rejects(invoice(5), NameTaken(name="i-1"))


def test_every_open_invoice_is_remembered_and_the_latest_hundred_paid_ones() -> None:
    names = [f"i-{n}" for n in range(REMEMBERED_MAX + 2)]
    owing = KNOWN.given(*(invoiced(name, 5) for name in names))
    paid = owing.after(*(pay(5, name) for name in names[1:]))
    assert [i.name for i in paid.state.invoices] == ["i-0", *names[2:]]


def test_an_invoice_is_paid_in_parts_up_to_what_is_open() -> None:
    owing = KNOWN.given(invoiced("i-1", 500), invoiced("i-2", 70))
    part = PaymentReceived(payment="p-1", invoice="i-1", amount=usd(200), left=usd(300))
    assert owing.when(pay(200)) == (part,)
    rest = owing.given(part)
    rest.rejects(pay(301), TooMuchPaid(left=usd(300)))
    rest.rejects(pay(0), NotPositive(amount=usd(0)))
    done = rest.after(pay(300))
    assert [i.name for i in done.state.invoices if i.is_open] == ["i-2"]
    assert owed(done) == 70
    done.rejects(pay(1), UnknownInvoice(invoice="i-1"))


def test_a_credit_note_takes_back_part_of_an_invoice() -> None:
    owing = KNOWN.given(invoiced("i-1", 500))
    note = IssueCreditNote(invoice="i-1", amount=usd(500), reason="broken")
    assert owing.when(note) == (
        CreditNoteIssued(invoice="i-1", amount=usd(500), left=usd(0), reason="broken"),
    )
    assert owed(owing.after(note)) == 0
    more = IssueCreditNote(invoice="i-1", amount=usd(501), reason="broken")
    owing.rejects(more, TooMuchPaid(left=usd(500)))


def test_an_open_invoice_is_disputed_once_and_resolved_once() -> None:
    owing = KNOWN.given(invoiced("i-1", 500), invoiced("i-2", 70))
    raised = InvoiceDisputed(invoice="i-1", reason="broken")
    ended = DisputeResolved(invoice="i-1", outcome="repaired")
    dispute = DisputeInvoice(invoice="i-1", reason="broken")
    resolve = ResolveDispute(invoice="i-1", outcome="repaired")
    assert owing.when(dispute) == (raised,)
    assert owing.given(raised).when(dispute) == ()
    assert owing.given(raised).when(resolve) == (ended,)
    assert [i.disputed for i in owing.given(raised).state.invoices] == [True, False]
    owing.rejects(resolve, NotDisputed(invoice="i-1"))
    owing.given(raised, ended).rejects(resolve, NotDisputed(invoice="i-1"))
    KNOWN.rejects(dispute, UnknownInvoice(invoice="i-1"))
