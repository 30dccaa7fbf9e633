"""The whole business on one page: counts, amounts in several currencies, two dates."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from crmcore import CRM, Policies
from crmcore.domain import customer, lead, loyalty, opportunity, ticket
from crmcore.domain.customer.receivables import InvoiceDisputed
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded
from crmcore.domain.value import Value
from crmcore.policies import lens
from crmcore.projections.projection import by_customer
from crmcore.projections.summary import Receivables, Summary, Total, summarise
from tests.projections.history import ANN, BOB, bought, end, eur, fact, invoiced, paid, usd

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JANUARY, JUNE, JULY = date(2025, 1, 10), date(2025, 6, 10), date(2025, 7, 10)
NOTHING = Total(count=0, amount="0.00")
STAGES = {
    "prospect": 0, "lead": 0, "qualified": 0, "opportunity": 0,
    "new": 0, "active": 0, "reactivated": 0, "inactive": 0, "lost": 0, "closed": 0,
}  # fmt: skip


def opened(title: str, amount: Money | None, owner: UUID | None) -> opportunity.Open:
    return opportunity.Open(title=title, customer=owner, amount=amount)


def sold(name: str, amount: Money) -> customer.RecordPurchase:
    return customer.RecordPurchase(purchase=name, amount=amount)


def billed(name: str, cents: int) -> customer.IssueInvoice:
    return customer.IssueInvoice(invoice=name, amount=usd(cents))


def received(name: str, cents: int) -> customer.ReceivePayment:
    return customer.ReceivePayment(payment=f"p-{name}-{cents}", invoice=name, amount=usd(cents))


def asked_for(subject: str) -> ticket.Open:
    return ticket.Open(
        customer=ANN, subject=subject, kind="request", channel="phone", category="repair"
    )


PAST: tuple[tuple[date, int, Value], ...] = (
    (JANUARY, 10, customer.Register(code="c-1", name="Ann", kind="person")),
    (JANUARY, 11, customer.Register(code="c-2", name="Bob Inc.", kind="organisation")),
    (JANUARY, 10, sold("s-1", usd(10_000))),
    (JANUARY, 10, sold("s-2", usd(5_000))),
    (JUNE, 10, customer.ReturnPurchase(purchase="s-2", amount=usd(2_000))),
    (JUNE, 11, sold("s-1", eur(7_000))),
    (JANUARY, 20, opened("rack", usd(900), ANN)),
    (JANUARY, 21, opened("cable", None, BOB)),
    (JANUARY, 22, opened("stand", eur(400), None)),
    (JANUARY, 23, opened("lamp", usd(80), ANN)),
    (JANUARY, 24, lead.CaptureLead(title="desk", source="fair", customer=BOB)),
    (JUNE, 20, opportunity.MarkWon(amount=usd(850))),
    (JUNE, 21, opportunity.MarkLost(reason="price")),
    (JANUARY, 10, billed("i-1", 300)),
    (JANUARY, 10, billed("i-2", 200)),
    (JANUARY, 10, customer.DisputeInvoice(invoice="i-1", reason="broken")),
    (JANUARY, 10, customer.ResolveDispute(invoice="i-1", outcome="repaired")),
    (JANUARY, 10, received("i-2", 200)),
    (JUNE, 10, received("i-1", 100)),
    (JULY, 10, received("i-1", 200)),
    (JUNE, 30, asked_for("it rattles")),
    (JUNE, 31, asked_for("it squeaks")),
    (JUNE, 31, ticket.Resolve(resolution="oiled")),
    (JANUARY, 40, loyalty.Enrol(customer=ANN)),
    (JANUARY, 40, loyalty.Earn(source="s-1", amount=usd(10_000))),
)


@pytest.fixture(scope="module")
def crm() -> CRM:
    crm = CRM.in_memory(clock=lambda: NOW, policies=Policies(max_backdate_days=36_500))
    for day, to, command in PAST:
        crm.do(command, to=UUID(int=to), act=crm.act("ann", effective_at=day))
    return crm


def test_the_summary_of_an_empty_log_counts_nothing() -> None:
    assert CRM.in_memory(clock=lambda: NOW).summary() == Summary(
        as_of=NOW,
        known_at=None,
        position=0,
        facts=0,
        customers=0,
        lifecycle=STAGES,
        credit={"A": 0, "B": 0, "C": 0, "D": 0, "unrated": 0},
        abc={"A": 0, "B": 0, "C": 0, "D": 0},
        rfm={},
        currency="XXX",
        purchases=NOTHING,
        returned=NOTHING,
        opportunities={"won": NOTHING, "lost": NOTHING, "open": NOTHING},
        receivables=Receivables(invoices=0, amount="0.00", disputed=0, paid_late=0),
        tickets={},
        loyalty={"accounts": 0, "points": 0},
        other_currencies={},
    )


def test_x5_amounts_are_in_the_main_currency_and_the_others_are_listed(crm: CRM) -> None:
    summary = crm.summary()
    assert summary.currency == "USD"
    assert summary.purchases == Total(count=3, amount="150.00")
    assert summary.returned == Total(count=1, amount="20.00")
    assert summary.opportunities == {
        "won": Total(count=1, amount="8.50"),
        "lost": Total(count=1, amount="0.00"),
        "open": Total(count=2, amount="0.80"),
    }
    assert summary.other_currencies == {"EUR": {"purchases": "70.00", "open": "4.00"}}


def test_the_summary_counts_customers_tickets_and_points(crm: CRM) -> None:
    summary = crm.summary()
    assert (summary.facts, summary.position, summary.known_at) == (25, 25, NOW)
    assert summary.customers == 2
    assert summary.lifecycle == STAGES | {"inactive": 2}
    assert summary.credit == {"A": 0, "B": 0, "C": 1, "D": 0, "unrated": 1}
    # Ann's revenue is 130.00 of purchases and 5.00 of invoices; Bob's is in another currency.
    assert summary.abc == {"A": 1, "B": 0, "C": 0, "D": 1}
    assert sum(summary.rfm.values()) == 2
    assert summary.rfm["none"] == 1
    assert summary.tickets == {"open": 1, "resolved": 1}
    assert summary.loyalty == {"accounts": 1, "points": 100}


def test_an_invoice_is_paid_late_when_its_last_part_is(crm: CRM) -> None:
    paid = Receivables(invoices=2, amount="5.00", disputed=1, paid_late=1)
    assert crm.summary().receivables == paid
    early = Receivables(invoices=2, amount="5.00", disputed=1, paid_late=0)
    assert crm.summary(as_of=date(2025, 7, 9)).receivables == early


def test_the_summary_of_a_past_day_knows_nothing_of_what_came_after(crm: CRM) -> None:
    summary = crm.summary(as_of=date(2025, 6, 9))
    assert summary.facts == 16
    assert summary.returned == NOTHING
    assert summary.purchases == Total(count=2, amount="150.00")
    assert summary.other_currencies == {"EUR": {"open": "4.00"}}
    assert summary.opportunities["open"] == Total(count=4, amount="9.80")
    assert summary.lifecycle == STAGES | {"new": 1, "opportunity": 1}
    assert summary.tickets == {}
    assert crm.summary(as_of=date(2025, 1, 9)).customers == 0


def test_the_summary_knows_what_was_recorded_by_then(crm: CRM) -> None:
    summary = crm.summary(known_at=3)
    assert (summary.position, summary.facts) == (3, 3)
    assert summary.purchases == Total(count=1, amount="100.00")
    assert summary.abc == {"A": 1, "B": 0, "C": 0, "D": 1}


def test_an_invoice_is_known_by_its_customer_and_its_name() -> None:
    crm = CRM.in_memory(clock=lambda: NOW, policies=Policies(max_backdate_days=36_500))
    for to in (ANN, BOB):
        register = customer.Register(code=f"c-{to.int}", name="Ann", kind="person")
        for command in (register, billed("i-1", 100)):
            crm.do(command, to=to, act=crm.act("ann", effective_at=JANUARY))
    assert crm.summary().receivables.invoices == 2


# Single facts on one page


def page(*facts: Recorded[Any]) -> Summary:
    at = end(date(2025, 12, 31))
    population = by_customer(facts, at)
    return summarise(population, at, len(facts), None, lens(Policies(), population, at))


def deal(position: int, amount: Money) -> Recorded[Any]:
    event = opportunity.OpportunityOpened(
        title="rack",
        customer=ANN,
        source=None,
        pipeline="standard@1",
        stage="proposal",
        probability_percent=60,
        forecast="best_case",
        amount=amount,
        product=None,
        owner=None,
        expected_close=None,
    )
    return fact(JUNE, event, position, kind="opportunity", stream=UUID(int=100 + position))


def test_the_main_currency_is_that_of_most_sales_whatever_is_hoped_for() -> None:
    bought_for = (bought("s-1", 1, "EUR"), bought("s-2", 1, "EUR"), bought("s-3", 1, "CHF"))
    sales = [fact(JUNE, event, position) for position, event in enumerate(bought_for, 1)]
    hopes = [deal(position, Money(minor=1, currency="CHF")) for position in (4, 5, 6)]
    assert page(*sales, *hopes).currency == "EUR"


def test_of_currencies_with_as_many_sales_that_of_most_opportunities_is_the_main_one() -> None:
    sales = fact(JUNE, bought("s-1", 1, "EUR"), 1), fact(JUNE, bought("s-2", 1, "USD"), 2)
    assert page(*sales, deal(3, usd(1))).currency == "USD"
    assert page(*sales[::-1][:1], deal(3, eur(1)), deal(4, eur(1))).currency == "USD"


def test_of_currencies_that_are_used_as_much_the_first_in_the_alphabet_is_the_main_one() -> None:
    sales = fact(JUNE, bought("s-1", 1, "USD"), 1), fact(JUNE, bought("s-2", 1, "EUR"), 2)
    assert page(*sales).currency == "EUR"


def test_a_dispute_is_known_by_its_customer_and_its_invoice() -> None:
    one = InvoiceDisputed(invoice="i-1", reason="")
    other = InvoiceDisputed(invoice="i-2", reason="")
    disputes = (
        fact(JUNE, one, 1),
        fact(JUNE, other, 2),
        fact(JUNE, one, 3, stream=BOB, customer=BOB),
        fact(JULY, one, 4),
    )
    assert page(*disputes).receivables.disputed == 3


def test_what_is_paid_on_its_due_day_is_in_time() -> None:
    invoices = fact(JANUARY, invoiced("i-1", JUNE), 1), fact(JANUARY, invoiced("i-2", JUNE), 2)
    payments = fact(JUNE, paid("i-1"), 3), fact(JULY, paid("i-2"), 4)
    assert page(*invoices, *payments).receivables.paid_late == 1


def test_a_payment_that_takes_effect_before_its_invoice_is_not_late() -> None:
    assert page(fact(JUNE, paid("i-1"), 1)).receivables.paid_late == 0
