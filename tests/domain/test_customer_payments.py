"""Money on account: rules CR3, CR4 and CR10, and what is given up."""

from datetime import date

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    AllocatePayment,
    CreditAccount,
    Policy,
    ReceiveOnAccount,
    ReceivePayment,
    ReversePayment,
    WriteOff,
)
from crmcore.domain.customer.acceptance import Overdue, exposure_of
from crmcore.domain.customer.ageing import Ageing, ageing
from crmcore.domain.customer.credit import CreditLimitApproved, NotAuthorised
from crmcore.domain.customer.exposure import Exposure, Part
from crmcore.domain.customer.payments import (
    AccountCredited,
    MoneyReceived,
    PaymentAllocated,
    PaymentReversed,
    Restored,
    TooMuchAllocated,
    UnknownPayment,
)
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.customer.receivables import (
    InvoiceIssued,
    InvoiceWrittenOff,
    NameTaken,
    PaymentReceived,
    TooMuchPaid,
    UnknownInvoice,
)
from crmcore.domain.customer.sales import REMEMBERED_MAX, NotPositive
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.testing import Scenario, given

TODAY, CLEARS, DUE = date(2026, 3, 2), date(2026, 3, 20), date(2026, 3, 10)
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


LIMITED = CreditLimitApproved(request="r-1", amount=usd(1_000), approved_by="gus", until=None)


def invoiced(name: str, cents: int, due_on: date = DUE) -> InvoiceIssued:
    return InvoiceIssued(invoice=name, amount=usd(cents), due_on=due_on, order=None)


OWING = given(customer.decider(Policy()), REGISTERED, LIMITED, invoiced("i-1", 500), at=TODAY)


def cheque(cents: int, clears_on: date = CLEARS) -> MoneyReceived:
    return MoneyReceived(
        payment="p-1",
        amount=usd(cents),
        instrument="cheque",
        received_on=TODAY,
        clears_on=clears_on,
    )


def allocate(cents: int, invoice: str = "i-1", payment: str = "p-1") -> AllocatePayment:
    return AllocatePayment(payment=payment, invoice=invoice, amount=usd(cents))


def exposed(scenario: Scenario, day: date = TODAY) -> Exposure:
    return exposure_of(customer.books(scenario.state, day), Policy())


def total(scenario: Scenario, day: date = TODAY) -> int:
    return exposed(scenario, day).total(Policy().counted)


# Received


def test_cr10_a_cheque_counts_when_it_clears() -> None:
    receive = ReceiveOnAccount(
        payment="p-1", amount=usd(300), instrument="cheque", clears_on=CLEARS
    )
    paid = OWING.when(receive, at=TODAY).then(cheque(300))
    assert exposed(paid, date(2026, 3, 19)) == Exposure(invoiced=500)
    assert exposed(paid, CLEARS) == Exposure(invoiced=500, unapplied=300)
    used = paid.when(allocate(200))
    used.then(PaymentAllocated(payment="p-1", invoice="i-1", amount=usd(200), left=usd(300)))
    assert exposed(used, date(2026, 3, 19)) == Exposure(invoiced=300, uncleared=200)
    assert exposed(used, CLEARS) == Exposure(invoiced=300, unapplied=100)
    assert [total(used, day) for day in (date(2026, 3, 19), CLEARS)] == [500, 200]


def test_money_that_is_there_clears_on_the_day_on_which_it_comes() -> None:
    receive = ReceiveOnAccount(payment="p-1", amount=usd(300))
    OWING.when(receive, at=TODAY).then(
        MoneyReceived(
            payment="p-1",
            amount=usd(300),
            instrument="transfer",
            received_on=TODAY,
            clears_on=TODAY,
        )
    )
    early = ReceiveOnAccount(payment="p-1", amount=usd(300), clears_on=date(2026, 3, 1))
    received = OWING.when(early, at=TODAY).state.payments[0]
    assert received.clears_on == TODAY


def test_credit_for_no_invoice_lowers_what_is_owed_at_once() -> None:
    given_back = OWING.when(CreditAccount(payment="n-1", amount=usd(50), reason="broken"), at=TODAY)
    given_back.then(
        AccountCredited(payment="n-1", amount=usd(50), credited_on=TODAY, reason="broken")
    )
    assert exposed(given_back) == Exposure(invoiced=500, unapplied=50)
    used = given_back.when(allocate(50, payment="n-1"))
    assert exposed(used) == Exposure(invoiced=450)


def test_a_payment_is_some_money_with_a_name_of_its_own() -> None:
    OWING.when(ReceiveOnAccount(payment="p-1", amount=usd(0))).rejected(NotPositive(amount=usd(0)))
    paid = OWING.given(cheque(300))
    taken = NameTaken(name="p-1")
    paid.when(ReceiveOnAccount(payment="p-1", amount=usd(301))).rejected(taken)
    paid.when(CreditAccount(payment="p-1", amount=usd(300), reason="")).rejected(taken)
    other = ReceivePayment(payment="p-1", invoice="i-1", amount=usd(1))
    paid.when(other).rejected(taken)
    euros = ReceiveOnAccount(payment="p-2", amount=Money(minor=1, currency="EUR"))
    OWING.when(euros).rejected(CurrencyMismatch)


# Allocated


def test_a_payment_settles_no_more_than_it_comes_to_or_than_is_open() -> None:
    paid = OWING.given(cheque(300), invoiced("i-2", 100))
    paid.when(allocate(301)).rejected(TooMuchAllocated(left=usd(300)))
    paid.when(allocate(101, "i-2")).rejected(TooMuchPaid(left=usd(100)))
    paid.when(allocate(0)).rejected(NotPositive(amount=usd(0)))
    paid.when(allocate(1, "i-3")).rejected(UnknownInvoice(invoice="i-3"))
    paid.when(allocate(1, payment="p-2")).rejected(UnknownPayment(payment="p-2"))
    both = paid.when(allocate(100, "i-2"), allocate(150), allocate(50))
    assert exposed(both) == Exposure(invoiced=300, uncleared=300)
    both.when(allocate(1)).rejected(TooMuchAllocated(left=usd(0)))


def test_cr4_allocating_leaves_the_exposure_as_it_is() -> None:
    paid = OWING.given(cheque(300))
    used = paid.when(allocate(200))
    days = (TODAY, date(2026, 3, 19), CLEARS, date(2026, 12, 31))
    assert [total(paid, day) for day in days] == [total(used, day) for day in days]


# Taken back


def test_cr10_a_bounce_restores_the_debt_and_its_age() -> None:
    used = OWING.given(cheque(500)).when(allocate(500))
    assert ageing(used.state.invoices, date(2026, 4, 20)) == Ageing()
    order = AcceptOrder(order="o-1", amount=usd(1))
    assert len(used.when(order, at=date(2026, 4, 20)).state.orders) == 1
    bounced = used.when(ReversePayment(payment="p-1", reason="no funds", bounced=True))
    bounced.then(
        PaymentReversed(
            payment="p-1",
            amount=usd(500),
            restored=(Restored(invoice="i-1", amount=usd(500), due_on=DUE),),
            bounced=True,
            reason="no funds",
        )
    )
    assert exposed(bounced) == exposed(OWING) == Exposure(invoiced=500)
    assert ageing(bounced.state.invoices, date(2026, 4, 20)) == Ageing(to_60=500)
    late = bounced.when(order, at=date(2026, 4, 20))
    late.rejected(Overdue(invoice="i-1", due_on=DUE))
    again = ReversePayment(payment="p-1", reason="")
    bounced.when(again).rejected(NameTaken(name="p-1"))
    bounced.when(allocate(1)).rejected(UnknownPayment(payment="p-1"))


def test_cr10_what_was_paid_for_one_invoice_is_taken_back_too() -> None:
    paid = OWING.given(invoiced("i-2", 70)).when(
        ReceivePayment(payment="p-1", invoice="i-1", amount=usd(200)),
        ReceivePayment(payment="p-1", invoice="i-2", amount=usd(70)),
        ReceivePayment(payment="p-2", invoice="i-1", amount=usd(100)),
    )
    reversed_one = paid.when(ReversePayment(payment="p-1", reason="wrong account"))
    assert exposed(reversed_one) == Exposure(invoiced=470)
    assert [payment.name for payment in reversed_one.state.payments] == ["p-2"]


def test_cr10_an_invoice_that_was_forgotten_is_owed_again_from_its_due_day() -> None:
    held = OWING.given(cheque(600)).when(allocate(500))
    names = [f"x-{n}" for n in range(REMEMBERED_MAX)]
    pays = [
        event
        for name in names
        for event in (
            invoiced(name, 1),
            PaymentReceived(payment=name, invoice=name, amount=usd(1), left=usd(0)),
        )
    ]
    later = held.given(*pays)
    assert all(invoice.name != "i-1" for invoice in later.state.invoices)
    bounced = later.when(ReversePayment(payment="p-1", reason="", bounced=True))
    assert ageing(bounced.state.invoices, date(2026, 3, 11)) == Ageing(to_30=500)


def test_what_is_left_or_has_not_cleared_is_remembered_and_the_latest_hundred_others() -> None:
    used = OWING.given(cheque(500)).when(allocate(500))
    names = [f"x-{n}" for n in range(REMEMBERED_MAX + 1)]
    later = used.given(
        *(invoiced(name, 1) for name in names),
        *(PaymentReceived(payment=n, invoice=n, amount=usd(1), left=usd(0)) for n in names),
    )
    assert [p.name for p in later.state.payments] == ["p-1", *names[1:]]
    cleared = later.given(
        MoneyReceived(
            payment="p-2",
            amount=usd(5),
            instrument="cash",
            received_on=CLEARS,
            clears_on=CLEARS,
        )
    )
    assert [p.name for p in cleared.state.payments] == [*names[1:], "p-2"]


# Given up


def test_a_manager_gives_up_what_is_open() -> None:
    write_off = WriteOff(invoice="i-1", amount=usd(200), reason="insolvent")
    OWING.when(write_off, by="bob").rejected(NotAuthorised(role="general_manager", by="bob"))
    given_up = OWING.when(write_off, by="gus", roles=["general_manager"])
    given_up.then(
        InvoiceWrittenOff(
            invoice="i-1", amount=usd(200), left=usd(300), approved_by="gus", reason="insolvent"
        )
    )
    assert exposed(given_up) == Exposure(invoiced=300)
    more = WriteOff(invoice="i-1", amount=usd(301), reason="")
    rest = given_up.when(more, by="gus", roles=["general_manager"])
    rest.rejected(TooMuchPaid(left=usd(300)))


def test_what_is_paid_of_an_invoice_in_parts_is_what_was_due_first() -> None:
    parts = (Part(due_on=DUE, minor=100), Part(due_on=date(2026, 4, 10), minor=200))
    split = InvoiceIssued(invoice="i-2", amount=usd(300), due_on=DUE, order=None, parts=parts)
    owing = given(customer.decider(Policy()), REGISTERED, LIMITED, split, at=TODAY)
    day = date(2026, 4, 5)
    order = AcceptOrder(order="o-1", amount=usd(1))
    owing.when(order, at=day).rejected(Overdue(invoice="i-2", due_on=DUE))
    assert ageing(owing.state.invoices, day) == Ageing(not_due=200, to_30=100)
    pay = ReceivePayment(payment="p-1", invoice="i-2", amount=usd(100))
    paid = owing.when(pay, at=TODAY)
    assert ageing(paid.state.invoices, day) == Ageing(not_due=200)
    assert len(paid.when(order, at=date(2026, 4, 10)).state.orders) == 1
    late = paid.when(order, at=date(2026, 4, 11))
    late.rejected(Overdue(invoice="i-2", due_on=date(2026, 4, 10)))
