"""Amounts from another currency, and a new value for what is open of them: rule CR15."""

from datetime import date
from fractions import Fraction

from hypothesis import given as generated
from hypothesis import strategies as st

from crmcore.domain import customer
from crmcore.domain.customer import (
    AcceptOrder,
    AllocatePayment,
    ExchangeRate,
    IssueInvoice,
    Policy,
    ReceiveOnAccount,
    RevalueInvoice,
)
from crmcore.domain.customer.acceptance import OverLimit, exposure_of
from crmcore.domain.customer.ageing import open_parts
from crmcore.domain.customer.credit import CreditLimitApproved
from crmcore.domain.customer.exchange import Conversion, booked
from crmcore.domain.customer.exposure import Exposure, Invoice, Part
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.customer.payments import MoneyReceived
from crmcore.domain.customer.profile import CustomerRegistered
from crmcore.domain.customer.receivables import (
    InvoiceIssued,
    InvoiceRevalued,
    NotConverted,
    PaymentReceived,
    UnknownInvoice,
)
from crmcore.domain.customer.sales import NotPositive
from crmcore.domain.money import MINOR_MAX, CurrencyMismatch, Money
from crmcore.testing import Scenario, given

TODAY, DUE = date(2026, 3, 2), date(2026, 4, 1)
REGISTERED = CustomerRegistered(code="c-1", name="Ann Ltd.", kind="organisation")


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


def eur(cents: int) -> Money:
    return Money(minor=cents, currency="EUR")


def rate(numerator: int, denominator: int = 100, currency: str = "USD") -> ExchangeRate:
    return ExchangeRate(
        numerator=numerator,
        denominator=denominator,
        currency=currency,
        source="ECB",
        quoted_on=TODAY,
    )


LIMITED = CreditLimitApproved(request="r-1", amount=usd(1_000), approved_by="gus", until=None)
KNOWN = given(customer.decider(Policy()), REGISTERED, LIMITED, at=TODAY)


def exposed(scenario: Scenario) -> Exposure:
    return exposure_of(customer.books(scenario.state, TODAY), Policy())


def test_cr15_an_order_from_another_currency_is_booked_by_the_rate_in_its_fact() -> None:
    order = AcceptOrder(order="o-1", amount=eur(500), rate=rate(110))
    KNOWN.when(order).then(
        OrderAccepted(
            order="o-1",
            amount=usd(550),
            exposure=usd(550),
            limit=usd(1_000),
            conversion=Conversion(original=eur(500), rate=rate(110)),
        )
    )
    dear = AcceptOrder(order="o-1", amount=eur(500), rate=rate(201))
    KNOWN.when(dear).rejected(OverLimit(exposure=usd(1_005), limit=usd(1_000)))
    to_pounds = AcceptOrder(order="o-1", amount=eur(500), rate=rate(80, currency="GBP"))
    KNOWN.when(to_pounds).rejected(CurrencyMismatch)
    KNOWN.when(AcceptOrder(order="o-1", amount=eur(500))).rejected(CurrencyMismatch)


def test_cr15_invoices_and_payments_are_booked_in_the_currency_of_the_account() -> None:
    said = Conversion(original=eur(100), rate=rate(110))
    billed = KNOWN.when(IssueInvoice(invoice="i-1", amount=eur(100), rate=rate(110)), at=TODAY)
    billed.then(
        InvoiceIssued(invoice="i-1", amount=usd(110), due_on=DUE, order=None, conversion=said)
    )
    paid = billed.when(ReceiveOnAccount(payment="p-1", amount=eur(100), rate=rate(110)), at=TODAY)
    paid.then(
        MoneyReceived(
            payment="p-1",
            amount=usd(110),
            instrument="transfer",
            received_on=TODAY,
            clears_on=TODAY,
            conversion=said,
        )
    )
    settled = paid.when(AllocatePayment(payment="p-1", invoice="i-1", amount=usd(110)))
    assert exposed(settled) == Exposure()


def test_cr15_a_new_rate_changes_what_is_open_by_a_fact_and_never_by_itself() -> None:
    billed = KNOWN.when(IssueInvoice(invoice="i-1", amount=eur(100), rate=rate(110)))
    revalue = RevalueInvoice(invoice="i-1", rate=rate(121))
    higher = billed.when(revalue)
    higher.then(InvoiceRevalued(invoice="i-1", before=usd(110), left=usd(121), rate=rate(121)))
    assert exposed(higher) == Exposure(invoiced=121)
    higher.when(revalue).nothing()
    back = higher.when(RevalueInvoice(invoice="i-1", rate=rate(110)))
    back.then(InvoiceRevalued(invoice="i-1", before=usd(121), left=usd(110), rate=rate(110)))
    tiny = billed.when(RevalueInvoice(invoice="i-1", rate=rate(1, 10**9)))
    assert exposed(tiny) == Exposure(invoiced=1)


def test_only_what_was_converted_is_revalued_in_the_same_currency() -> None:
    plain = KNOWN.given(InvoiceIssued(invoice="i-1", amount=usd(5), due_on=DUE, order=None))
    plain.when(RevalueInvoice(invoice="i-1", rate=rate(1))).rejected(NotConverted(invoice="i-1"))
    unknown = RevalueInvoice(invoice="i-2", rate=rate(1))
    plain.when(unknown).rejected(UnknownInvoice(invoice="i-2"))
    billed = KNOWN.when(IssueInvoice(invoice="i-1", amount=eur(100), rate=rate(110)))
    pounds = RevalueInvoice(invoice="i-1", rate=rate(80, currency="GBP"))
    billed.when(pounds).rejected(CurrencyMismatch(left="USD", right="GBP"))


def test_what_is_worth_nothing_after_rounding_is_no_amount() -> None:
    none = IssueInvoice(invoice="i-1", amount=eur(1), rate=rate(1, 1_000))
    KNOWN.when(none).rejected(NotPositive(amount=usd(0)))


def test_the_parts_of_an_invoice_share_in_its_new_value() -> None:
    issued = InvoiceIssued(
        invoice="i-1",
        amount=usd(100),
        due_on=TODAY,
        order=None,
        parts=(Part(due_on=TODAY, minor=33), Part(due_on=DUE, minor=67)),
        conversion=Conversion(original=eur(100), rate=rate(100)),
    )
    revalued = KNOWN.given(issued).when(RevalueInvoice(invoice="i-1", rate=rate(150)))
    parts = list(open_parts(revalued.state.invoices[0]))
    assert parts == [Part(due_on=TODAY, minor=49), Part(due_on=DUE, minor=101)]


def test_the_invoice_that_is_named_is_revalued_and_stays_whole_where_it_is_whole() -> None:
    converted = Conversion(original=eur(100), rate=rate(100))
    issued = [
        InvoiceIssued(invoice=n, amount=usd(100), due_on=TODAY, order=None, conversion=converted)
        for n in ("i-1", "i-2")
    ]
    revalued = KNOWN.given(*issued).when(RevalueInvoice(invoice="i-2", rate=rate(150)))
    assert revalued.state.invoices == (
        Invoice(name="i-1", left=usd(100), due_on=TODAY, rate=rate(100)),
        Invoice(name="i-2", left=usd(150), due_on=TODAY, rate=rate(150)),
    )


def test_the_last_cent_of_an_invoice_in_parts_has_its_new_value() -> None:
    issued = InvoiceIssued(
        invoice="i-1",
        amount=usd(100),
        due_on=TODAY,
        order=None,
        parts=(Part(due_on=TODAY, minor=33), Part(due_on=DUE, minor=67)),
        conversion=Conversion(original=eur(100), rate=rate(100)),
    )
    paid = PaymentReceived(payment="p-1", invoice="i-1", amount=usd(99), left=usd(1))
    dearer = KNOWN.given(issued, paid).when(RevalueInvoice(invoice="i-1", rate=rate(500)))
    assert list(open_parts(dearer.state.invoices[0])) == [Part(due_on=DUE, minor=5)]
    assert dearer.state.invoices[0].parts == (Part(due_on=DUE, minor=5),)


@generated(st.integers(0, MINOR_MAX), st.integers(1, 10**9), st.integers(1, 10**9))
def test_cr15_what_is_booked_is_the_nearest_minor_unit(
    minor: int, numerator: int, denominator: int
) -> None:
    amount = booked(eur(minor), rate(numerator, denominator))
    assert amount.currency == "USD"
    exact = Fraction(minor * numerator, denominator)
    too_much = exact > MINOR_MAX
    assert amount.minor > MINOR_MAX if too_much else abs(amount.minor - exact) <= Fraction(1, 2)
