"""What a customer buys, orders, owes and pays: rules X5, CR3, CR4 and CR5."""

from datetime import date

import pytest

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    CancelOrder,
    DisputeInvoice,
    IssueCreditNote,
    IssueInvoice,
    Policy,
    ReceivePayment,
    RecordPurchase,
    ReopenOrder,
    ResolveDispute,
    ReturnPurchase,
    Terms,
)
from crmcore.domain.customer.acceptance import CashOnly, OnHold, Overdue, OverLimit, exposure_of
from crmcore.domain.customer.credit import CreditLimitApproved, HoldPlaced
from crmcore.domain.customer.exposure import Order
from crmcore.domain.customer.orders import (
    OrderAccepted,
    OrderCancelled,
    OrderReopened,
    UnknownOrder,
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
from crmcore.testing import Scenario, given

CUSTOMER = customer.decider(Policy())
TODAY, MAY_1 = date(2026, 3, 2), date(2026, 5, 1)
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")
KNOWN = given(CUSTOMER, REGISTERED, at=TODAY)


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


def accepted(name: str, cents: int, exposure: int | None = None) -> OrderAccepted:
    owed = usd(cents if exposure is None else exposure)
    return OrderAccepted(order=name, amount=usd(cents), exposure=owed, limit=usd(1_000))


def order(cents: int, name: str = "o-1") -> AcceptOrder:
    return AcceptOrder(order=name, amount=usd(cents))


def invoice(cents: int, name: str = "i-1", of: str | None = None) -> IssueInvoice:
    return IssueInvoice(invoice=name, amount=usd(cents), order=of)


def pay(cents: int, name: str = "i-1", payment: str = "p-1") -> ReceivePayment:
    return ReceivePayment(payment=payment, invoice=name, amount=usd(cents))


def owed(scenario: Scenario) -> int:
    policy = Policy()
    return exposure_of(customer.books(scenario.state, TODAY), policy).total(policy.counted)


# Purchases


def test_a_purchase_is_written_down_with_what_is_known_about_it() -> None:
    bought_today = RecordPurchase(purchase="p-1", amount=usd(900), quantity=3, product="CD")
    KNOWN.when(bought_today, at=TODAY).then(
        PurchaseRecorded(
            purchase="p-1", bought_on=TODAY, amount=usd(900), quantity=3, product="CD"
        ),
    )


def test_a_purchase_of_nothing_is_a_fact_and_of_less_is_none() -> None:
    KNOWN.when(RecordPurchase(purchase="p-1", amount=usd(0))).then(bought("p-1", usd(0)))
    less = RecordPurchase(purchase="p-1", amount=usd(-1))
    KNOWN.when(less).rejected(NotPositive(amount=usd(-1)))


def test_whoever_was_parted_with_still_buys_for_cash() -> None:
    listed = KNOWN.given(Blacklisted(reason="fraud"))
    listed.when(RecordPurchase(purchase="p-1", amount=usd(1))).then(bought("p-1", usd(1)))


def test_goods_come_back_in_parts_up_to_what_was_paid() -> None:
    sold = KNOWN.given(bought("p-1", usd(900)))
    half = sold.when(ReturnPurchase(purchase="p-1", amount=usd(400)))
    half.then(PurchaseReturned(purchase="p-1", amount=usd(400)))
    too_much = ReturnPurchase(purchase="p-1", amount=usd(501))
    half.when(too_much).rejected(TooMuchReturned(left=usd(500)))
    half.when(ReturnPurchase(purchase="p-1", amount=usd(500))).then(
        PurchaseReturned(purchase="p-1", amount=usd(500)),
    )


def test_x4_the_same_purchase_again_changes_nothing() -> None:
    sold = KNOWN.given(bought("p-1", usd(900)))
    again = RecordPurchase(purchase="p-1", amount=usd(900))
    taken = PurchaseNameTaken(purchase="p-1", amount=usd(900))
    sold.when(again, at=TODAY).nothing()
    sold.when(again, at=date(2026, 3, 3)).rejected(taken)
    sold.when(RecordPurchase(purchase="p-1", amount=usd(901))).rejected(taken)
    sold.when(RecordPurchase(purchase="p-1", amount=eur(900))).rejected(taken)


def test_only_what_was_bought_comes_back_and_for_some_money() -> None:
    sold = KNOWN.given(bought("p-1", usd(900)))
    unknown = ReturnPurchase(purchase="p-2", amount=usd(1))
    sold.when(unknown).rejected(UnknownPurchase(purchase="p-2"))
    nothing = ReturnPurchase(purchase="p-1", amount=usd(0))
    sold.when(nothing).rejected(NotPositive(amount=usd(0)))
    euros = ReturnPurchase(purchase="p-1", amount=eur(1))
    sold.when(euros).rejected(CurrencyMismatch(left="EUR", right="USD"))


def test_the_latest_hundred_purchases_can_come_back() -> None:
    many = KNOWN.given(*(bought(f"p-{n}", usd(1)) for n in range(REMEMBERED_MAX + 1)))
    oldest = ReturnPurchase(purchase="p-0", amount=usd(1))
    many.when(oldest).rejected(UnknownPurchase(purchase="p-0"))
    many.when(ReturnPurchase(purchase="p-1", amount=usd(1))).then(
        PurchaseReturned(purchase="p-1", amount=usd(1)),
    )
    assert len(many.state.purchases) == REMEMBERED_MAX == 100


# Orders on account

GRANTED = CreditLimitApproved(request="r-1", amount=usd(1_000), approved_by="gus", until=None)
LIMITED = KNOWN.given(GRANTED)


def test_cr5_an_order_within_the_limit_is_accepted_with_what_decided_it() -> None:
    owing = LIMITED.given(accepted("o-1", 300), invoiced("i-1", 200))
    owing.when(order(500, "o-2")).then(
        OrderAccepted(order="o-2", amount=usd(500), exposure=usd(1_000), limit=usd(1_000)),
    )


def test_cr5_an_order_beyond_the_limit_is_not() -> None:
    owing = LIMITED.given(accepted("o-1", 300), invoiced("i-1", 200))
    beyond = OverLimit(exposure=usd(1_001), limit=usd(1_000))
    owing.when(order(501, "o-2")).rejected(beyond)


def test_cr5_the_policy_may_tolerate_a_little_more() -> None:
    tolerant = given(customer.decider(Policy(tolerance_percent=10)), REGISTERED, GRANTED)
    tolerant.when(order(1_100)).then(accepted("o-1", 1_100))
    beyond = OverLimit(exposure=usd(1_101), limit=usd(1_000))
    tolerant.when(order(1_101)).rejected(beyond)


def test_cr5_whoever_owes_overdue_money_gets_nothing_more() -> None:
    overdue = Overdue(invoice="i-1", due_on=MAY_1)
    owing = LIMITED.given(invoiced("i-1", 200))
    owing.when(order(1), at=MAY_1).then(accepted("o-1", 1, exposure=201))
    owing.when(order(1), at=date(2026, 5, 2)).rejected(overdue)
    lenient = customer.decider(Policy(overdue_grace_days=3))
    graced = given(lenient, REGISTERED, GRANTED, invoiced("i-1", 200))
    graced.when(order(1), at=date(2026, 5, 4)).then(accepted("o-1", 1, exposure=201))
    graced.when(order(1), at=date(2026, 5, 5)).rejected(overdue)


def test_cr5_a_disputed_invoice_is_not_overdue() -> None:
    disputed = LIMITED.given(invoiced("i-1", 200), InvoiceDisputed(invoice="i-1", reason=""))
    disputed.when(order(1), at=date(2026, 5, 2)).then(accepted("o-1", 1, exposure=201))
    resolved = disputed.given(DisputeResolved(invoice="i-1", outcome=""))
    overdue = Overdue(invoice="i-1", due_on=MAY_1)
    resolved.when(order(1), at=date(2026, 5, 2)).rejected(overdue)


def test_cr5_a_customer_on_hold_gets_nothing_on_account() -> None:
    held = LIMITED.given(HoldPlaced(hold="h-1", reason=""))
    held.when(order(1)).rejected(OnHold(holds=("h-1",)))


@pytest.mark.parametrize(
    ("event", "status"),
    [(Deactivated(reason=""), "deactivated"), (Blacklisted(reason=""), "blacklisted")],
)
def test_only_an_active_customer_orders(event: customer.Event, status: str) -> None:
    LIMITED.given(event).when(order(1)).rejected(NotActive(status=status))


def test_an_order_is_for_some_money_and_has_a_name_of_its_own() -> None:
    LIMITED.when(order(0)).rejected(NotPositive(amount=usd(0)))
    LIMITED.given(accepted("o-1", 1)).when(order(2)).rejected(NameTaken(name="o-1"))


def test_x5_currencies_never_mix_on_account() -> None:
    euros = AcceptOrder(order="o-2", amount=eur(1))
    bill = IssueInvoice(invoice="i-2", amount=eur(1))
    payment = ReceivePayment(payment="p-1", invoice="i-1", amount=eur(1))
    LIMITED.when(euros).rejected(CurrencyMismatch)
    LIMITED.given(accepted("o-1", 1)).when(euros).rejected(CurrencyMismatch)
    owing = LIMITED.given(invoiced("i-1", 1))
    for command in (euros, bill, payment):
        owing.when(command).rejected(CurrencyMismatch)
    paid = owing.given(PaymentReceived(payment="p-1", invoice="i-1", amount=usd(1), left=usd(0)))
    paid.when(bill).then(
        InvoiceIssued(invoice="i-2", amount=eur(1), due_on=date(2026, 4, 1), order=None),
    )


def test_what_is_not_yet_invoiced_of_an_order_is_cancelled() -> None:
    partly = LIMITED.given(accepted("o-1", 300), invoiced("i-1", 100, order="o-1"))
    cancelled = partly.when(CancelOrder(order="o-1", reason="late"))
    cancelled.then(OrderCancelled(order="o-1", amount=usd(200), reason="late"))
    assert owed(cancelled) == 100


def test_only_an_open_order_is_cancelled() -> None:
    cancel = CancelOrder(order="o-1", reason="")
    LIMITED.when(cancel).rejected(UnknownOrder(order="o-1"))
    done = LIMITED.given(accepted("o-1", 300), invoiced("i-1", 300, order="o-1"))
    done.when(cancel).rejected(UnknownOrder(order="o-1"))


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
    partly = ordered.when(invoice(40, of="o-1"))
    assert (owed(ordered), owed(partly)) == (67, 67)
    assert partly.state.orders == (
        Order(name="o-1", amount=usd(60), invoiced=40),
        Order(name="o-2", amount=usd(7)),
    )
    wholly = partly.when(invoice(20, "i-2", of="o-1"))
    assert owed(wholly) == 67
    assert wholly.state.orders == (Order(name="o-2", amount=usd(7)),)


def test_regression_8_a_cancelled_order_is_checked_again_when_it_comes_back() -> None:
    full = LIMITED.given(accepted("o-1", 900))
    swapped = full.when(CancelOrder(order="o-1", reason=""), order(800, "o-2"))
    beyond = OverLimit(exposure=usd(1_700), limit=usd(1_000))
    swapped.when(ReopenOrder(order="o-1")).rejected(beyond)
    swapped.when(order(901, "o-1")).rejected(NameTaken(name="o-1"))
    swapped.when(order(900, "o-1")).nothing()  # it was accepted once, and is cancelled (X4)
    freed = swapped.when(CancelOrder(order="o-2", reason=""))
    freed.when(ReopenOrder(order="o-1")).then(
        OrderReopened(order="o-1", amount=usd(900), exposure=usd(900), limit=usd(1_000))
    )


def test_regression_8_a_limit_of_nothing_is_not_unlimited() -> None:
    nothing = KNOWN.given(
        CreditLimitApproved(request="r-1", amount=usd(0), approved_by="gus", until=None)
    )
    nothing.when(order(1)).rejected(CashOnly())


def test_cr4_what_is_invoiced_beyond_an_order_adds_to_the_exposure() -> None:
    ordered = LIMITED.given(accepted("o-1", 60))
    assert owed(ordered.when(invoice(100, of="o-1"))) == 100
    assert owed(ordered.when(invoice(100))) == 160


# Invoices


def test_an_invoice_is_due_when_it_says_so() -> None:
    stated = IssueInvoice(invoice="i-1", amount=usd(5), due_on=MAY_1)
    KNOWN.when(stated).then(invoiced("i-1", 5, due_on=MAY_1))


def test_an_invoice_is_due_by_the_terms_of_the_customer_or_of_the_policy() -> None:
    KNOWN.when(invoice(5), at=TODAY).then(invoiced("i-1", 5, due_on=date(2026, 4, 1)))
    prompt = KNOWN.given(TermsChanged(terms=Terms(payment_days=7)))
    prompt.when(invoice(5), at=TODAY).then(invoiced("i-1", 5, due_on=date(2026, 3, 9)))
    at_once = KNOWN.given(TermsChanged(terms=Terms(payment_days=0)))
    at_once.when(invoice(5), at=TODAY).then(invoiced("i-1", 5, due_on=date(2026, 3, 2)))


def test_only_an_open_order_is_invoiced() -> None:
    LIMITED.when(invoice(5, of="o-1")).rejected(UnknownOrder(order="o-1"))
    LIMITED.given(accepted("o-1", 5)).when(invoice(5, of="o-1"), at=TODAY).then(
        invoiced("i-1", 5, due_on=date(2026, 4, 1), order="o-1"),
    )


def test_an_invoice_is_for_some_money_and_has_a_name_of_its_own() -> None:
    KNOWN.when(invoice(0)).rejected(NotPositive(amount=usd(0)))
    owing = KNOWN.given(invoiced("i-1", 5))
    owing.when(invoice(6)).rejected(NameTaken(name="i-1"))
    owing.when(pay(5)).when(invoice(6)).rejected(NameTaken(name="i-1"))


def test_every_open_invoice_is_remembered_and_the_latest_hundred_paid_ones() -> None:
    names = [f"i-{n}" for n in range(REMEMBERED_MAX + 2)]
    owing = KNOWN.given(*(invoiced(name, 5) for name in names))
    paid = owing.when(*(pay(5, name) for name in names[1:]))
    assert [i.name for i in paid.state.invoices] == ["i-0", *names[2:]]


def test_an_invoice_is_paid_in_parts_up_to_what_is_open() -> None:
    owing = KNOWN.given(invoiced("i-1", 500), invoiced("i-2", 70))
    rest = owing.when(pay(200))
    rest.then(PaymentReceived(payment="p-1", invoice="i-1", amount=usd(200), left=usd(300)))
    rest.when(pay(301, payment="p-2")).rejected(TooMuchPaid(left=usd(300)))
    rest.when(pay(0, payment="p-2")).rejected(NotPositive(amount=usd(0)))
    done = rest.when(pay(300, payment="p-2"))
    assert [i.name for i in done.state.invoices if i.is_open] == ["i-2"]
    assert owed(done) == 70
    done.when(pay(1, payment="p-3")).rejected(UnknownInvoice(invoice="i-1"))


def test_a_credit_note_takes_back_part_of_an_invoice() -> None:
    owing = KNOWN.given(invoiced("i-1", 500))
    noted = owing.when(IssueCreditNote(invoice="i-1", amount=usd(500), reason="broken"))
    noted.then(CreditNoteIssued(invoice="i-1", amount=usd(500), left=usd(0), reason="broken"))
    assert owed(noted) == 0
    more = IssueCreditNote(invoice="i-1", amount=usd(501), reason="broken")
    owing.when(more).rejected(TooMuchPaid(left=usd(500)))


def test_an_open_invoice_is_disputed_once_and_resolved_once() -> None:
    owing = KNOWN.given(invoiced("i-1", 500), invoiced("i-2", 70))
    dispute = DisputeInvoice(invoice="i-1", reason="broken")
    resolve = ResolveDispute(invoice="i-1", outcome="repaired")
    raised = owing.when(dispute).then(InvoiceDisputed(invoice="i-1", reason="broken"))
    raised.when(dispute).nothing()
    ended = raised.when(resolve).then(DisputeResolved(invoice="i-1", outcome="repaired"))
    assert [i.disputed for i in raised.state.invoices] == [True, False]
    owing.when(resolve).rejected(NotDisputed(invoice="i-1"))
    ended.when(resolve).rejected(NotDisputed(invoice="i-1"))
    KNOWN.when(dispute).rejected(UnknownInvoice(invoice="i-1"))
