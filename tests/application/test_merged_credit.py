"""What merged customers owe together decides about their orders: M3."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from crmcore import CRM, Rejected
from crmcore.domain import customer
from crmcore.domain.customer import TaxId
from crmcore.domain.customer.acceptance import OnHold, Overdue, OverLimit
from crmcore.domain.customer.merging import Redirected
from crmcore.domain.customer.orders import OrderAccepted
from crmcore.domain.money import CurrencyMismatch, Money
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value
from tests.application.acting import usd
from tests.application.trading import details, do, met, order, refused

ADA, BOB, CEM = (UUID(int=number) for number in (7, 8, 9))
ALL = (ADA, BOB, CEM)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
BOSS = ("general_manager",)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


def opened(clock: Clock | None = None) -> CRM:
    """Return customers with a limit of 10.00 each."""
    crm = CRM.in_memory(clock=clock or Clock())
    for number, who in enumerate(ALL):
        register = customer.Register(code=f"c-{number}", name=f"C {number}", kind="person")
        limited(crm, register, who)
    return crm


def limited(crm: CRM, register: Value, who: UUID, cents: int = 1_000) -> None:
    do(crm, register, who)
    do(crm, customer.RecordInvestigation(score=80, findings=""), who)
    do(crm, customer.RequestLimit(request="r", amount=usd(cents)), who)
    boss = crm.act("gus", roles=BOSS)
    crm.do(customer.ApproveLimit(request="r", amount=usd(cents)), to=who, act=boss)


def invoice(cents: int, name: str = "i", due_on: date | None = None) -> customer.IssueInvoice:
    return customer.IssueInvoice(invoice=name, amount=usd(cents), due_on=due_on)


def merge(crm: CRM, absorbed: UUID, into: UUID) -> None:
    crm.merge(absorbed, into=into, act=crm.act("ann"))


def test_m3_what_the_absorbed_owes_counts_against_the_limit_of_the_survivor() -> None:
    crm = opened()
    do(crm, order(600), ADA)
    merge(crm, ADA, BOB)
    over = refused(crm, order(401), BOB)
    assert over == OverLimit(exposure=usd(1_001), limit=usd(1_000))
    [accepted, *_] = do(crm, order(400), BOB)
    assert isinstance(accepted, OrderAccepted)
    assert (accepted.exposure, accepted.absorbed) == (usd(1_000), usd(600))
    more = customer.ChangeOrder(order="o", amount=usd(401))
    assert isinstance(refused(crm, more, BOB), OverLimit)


def test_m3_what_is_paid_of_the_absorbed_makes_room_and_what_bounces_takes_it() -> None:
    crm = opened()
    do(crm, invoice(1_000), ADA)
    merge(crm, ADA, BOB)
    assert isinstance(refused(crm, order(1), BOB), OverLimit)
    do(crm, customer.ReceivePayment(payment="p", invoice="i", amount=usd(700)), ADA)
    assert details(crm, BOB)["headroom"] == "7.00 USD"
    do(crm, order(300), BOB)
    do(crm, customer.ReversePayment(payment="p", reason="bounced", bounced=True), ADA)
    assert isinstance(refused(crm, order(1, "o-2"), BOB), OverLimit)
    assert "over_limit" in details(crm, BOB)["states"]


def test_m3_what_was_absorbed_by_way_of_others_counts_until_the_merge_ends() -> None:
    crm = opened()
    do(crm, invoice(300), ADA)
    do(crm, invoice(500), BOB)
    merge(crm, ADA, BOB)
    merge(crm, BOB, CEM)
    assert refused(crm, order(201), CEM) == OverLimit(exposure=usd(1_001), limit=usd(1_000))
    crm.unmerge(BOB, act=crm.act("ann"))
    do(crm, order(1_000), CEM)
    assert refused(crm, order(201), BOB) == OverLimit(exposure=usd(1_001), limit=usd(1_000))


def test_m3_an_absorbed_customer_ends_what_was_open_and_begins_nothing() -> None:
    crm = opened()
    do(crm, order(600), ADA)
    do(crm, customer.PlaceHold(hold="h", reason="", scope="delivery"), ADA)
    merge(crm, ADA, BOB)
    do(crm, customer.ReleaseHold(hold="h", reason=""), ADA)
    do(crm, customer.Deliver(order="o", delivery="d", amount=usd(600)), ADA)
    bill = customer.IssueInvoice(invoice="i", amount=usd(600), order="o")
    do(crm, bill, ADA)
    do(crm, customer.ReceivePayment(payment="p", invoice="i", amount=usd(600)), ADA)
    assert details(crm, BOB)["headroom"] == "10.00 USD"
    gone = Redirected(surviving_customer=BOB)
    for command in (
        order(1, "o-2"),
        invoice(1, "i-2"),
        customer.ChangeOrder(order="o", amount=usd(1)),
        customer.ReopenOrder(order="o"),
        customer.RequestLimit(request="r-2", amount=usd(1)),
        customer.PlaceHold(hold="h-2", reason=""),
    ):
        assert refused(crm, command, ADA) == gone


def test_m3_the_strongest_hold_wins_whosever_it_is() -> None:
    crm = opened()
    do(crm, order(100), ADA)
    do(crm, customer.PlaceHold(hold="h", reason=""), ADA)
    merge(crm, ADA, BOB)
    assert refused(crm, order(1), BOB) == OnHold(holds=(f"{ADA}/h",))
    do(crm, customer.PlaceHold(hold="d", reason="", scope="delivery"), BOB)
    delivery = customer.Deliver(order="o", delivery="d", amount=usd(1))
    assert refused(crm, delivery, ADA) == OnHold(holds=(f"{BOB}/d",))
    do(crm, customer.ReleaseHold(hold="d", reason=""), BOB)
    do(crm, delivery, ADA)


def test_m3_overdue_debt_of_the_absorbed_stops_orders_of_the_survivor() -> None:
    crm = opened()
    yesterday = START.date() - timedelta(days=1)
    do(crm, invoice(1, due_on=yesterday), ADA)
    merge(crm, ADA, BOB)
    assert refused(crm, order(1), BOB) == Overdue(invoice=f"{ADA}/i", due_on=yesterday)
    assert details(crm, BOB)["status"] == "Overdue"


def test_m3_what_raises_the_limit_of_the_absorbed_does_not_raise_the_survivors() -> None:
    crm = opened()
    boss = crm.act("gus", roles=BOSS)
    until = START.date() + timedelta(days=9)
    raised = customer.GrantTemporaryLimit(amount=usd(500), starts_on=START.date(), ends_on=until)
    crm.do(raised, to=ADA, act=boss)
    merge(crm, ADA, BOB)
    assert details(crm, BOB)["limit"] == "10.00 USD"
    assert isinstance(refused(crm, order(1_001), BOB), OverLimit)


def test_m3_customers_whose_amounts_are_in_two_currencies_are_not_merged() -> None:
    crm = opened()
    euros = Money(minor=1, currency="EUR")
    do(crm, customer.IssueInvoice(invoice="i", amount=euros), ADA)
    for into in (BOB, CEM):
        do(crm, invoice(1), into)
        no = refused(crm, customer.MergeInto(surviving_customer=into), ADA)
        assert no == CurrencyMismatch(left="EUR", right="USD")
    assert crm.resolve(ADA) == ADA
    do(crm, customer.ReceivePayment(payment="p", invoice="i", amount=euros), ADA)
    merge(crm, ADA, BOB)
    other = customer.IssueInvoice(invoice="e", amount=euros)
    assert refused(crm, other, BOB) == CurrencyMismatch(left="EUR", right="USD")


def test_m3_the_survivor_invoices_in_the_currency_of_what_it_absorbed() -> None:
    crm = CRM.in_memory(clock=Clock())
    for who in (ADA, BOB):
        do(crm, customer.Register(code=f"c-{who}", name="C", kind="person"), who)
    do(crm, invoice(1), ADA)
    merge(crm, ADA, BOB)
    other = customer.IssueInvoice(invoice="e", amount=Money(minor=1, currency="EUR"))
    assert refused(crm, other, BOB) == CurrencyMismatch(left="EUR", right="USD")


def test_m3_the_worse_grade_holds_until_the_survivor_is_looked_into() -> None:
    crm = opened()
    crm.do(customer.Blacklist(reason=""), to=ADA, act=crm.act("ann"))
    before = crm.credit(BOB)
    act = crm.act("ann")
    merged = crm.merge(ADA, into=BOB, act=act)
    assert crm.merge(ADA, into=BOB, act=act).facts == merged.facts
    after = crm.credit(BOB)
    assert before is not None
    assert after is not None
    assert (before.answer, after.answer) == ("C", "D")
    assert after.rule == f"when {ADA} was absorbed, the worse grade of the two was D"
    [absorbed] = [f for f in crm.history(BOB) if isinstance(f.event, customer.merging.Absorbed)]
    assert after.because == (absorbed.position,)
    do(crm, customer.RecordInvestigation(score=80, findings=""), BOB)
    again = crm.credit(BOB)
    assert again is not None
    assert again.answer == before.answer


def test_m3_the_worse_grade_goes_with_the_merge_that_brought_it() -> None:
    crm = opened()
    do(crm, customer.Blacklist(reason=""), ADA)
    merge(crm, ADA, BOB)
    merge(crm, BOB, CEM)
    assert [one.answer for one in (crm.credit(BOB), crm.credit(CEM)) if one] == ["D", "D"]
    crm.unmerge(BOB, act=crm.act("ann"))
    crm.unmerge(ADA, act=crm.act("ann"))
    assert [one.answer for one in (crm.credit(BOB), crm.credit(CEM)) if one] == ["C", "C"]


def test_m3_who_has_no_grade_brings_none() -> None:
    crm = opened()
    new = UUID(int=10)
    do(crm, customer.Register(code="n", name="N", kind="person"), new)
    merge(crm, new, BOB)
    [absorbed] = [
        fact.event
        for fact in crm.stream(Stream(kind="customer", id=BOB))
        if isinstance(fact.event, customer.merging.Absorbed)
    ]
    assert absorbed.grade == "C"
    other = UUID(int=11)
    do(crm, customer.Register(code="o", name="O", kind="person"), other)
    newer = UUID(int=12)
    do(crm, customer.Register(code="p", name="P", kind="person"), newer)
    merge(crm, newer, other)
    said = crm.credit(other)
    assert said is not None
    assert said.answer == "unrated"


TRADE = st.sampled_from(
    [
        order(300, "o-1"),
        order(450, "o-2"),
        invoice(200, "i-1"),
        customer.IssueInvoice(invoice="i-2", amount=usd(300), order="o-1"),
        invoice(5, "late", due_on=date(2026, 3, 1)),
        customer.ReceivePayment(payment="late-p", invoice="late", amount=usd(5)),
        customer.ReceivePayment(payment="p-1", invoice="i-1", amount=usd(120)),
        customer.ReversePayment(payment="p-1", reason="", bounced=True),
        customer.Deliver(order="o-1", delivery="d", amount=usd(100)),
        customer.CancelOrder(order="o-2", reason=""),
        customer.ReopenOrder(order="o-2"),
        customer.ReceiveOnAccount(payment="p-2", amount=usd(250), clears_on=date(2026, 3, 5)),
        customer.AllocatePayment(payment="p-2", invoice="i-1", amount=usd(50)),
        customer.PlaceHold(hold="h", reason=""),
        customer.ReleaseHold(hold="h", reason=""),
        customer.VerifyTaxId(tax_id=TaxId(country="DE", number="DE136695976")),
    ]
)
HAPPENS = st.tuples(TRADE, st.sampled_from(ALL))
MERGE = st.tuples(st.sampled_from(ALL), st.sampled_from([*ALL, None]))
STORY = st.lists(HAPPENS | MERGE, min_size=3, max_size=14)


@given(STORY)
def test_m3_at_every_instant_an_order_meets_what_the_answer_says(story: Sequence[Any]) -> None:
    crm = opened()
    for number, (what, who) in enumerate(story):
        act = crm.act("ann")
        try:
            if isinstance(what, Value):
                crm.do(what, to=who, act=act)
            elif who is None:
                crm.unmerge(what, act=act)
            else:
                crm.merge(what, into=who, act=act)
        except Rejected:
            continue
        for one in ALL:
            assert_agreed(crm, one, f"try-{number}")


def assert_agreed(crm: CRM, who: UUID, name: str) -> None:
    """Ask for the least order, as the answer does; it is cancelled if it was accepted."""
    said = details(crm, who)
    code, accepted = met(crm, order(1, name), who)
    assert said["status"] == code
    if accepted is None:
        return
    before = said.get("exposure", "0.00 USD")
    assert str(accepted.exposure - usd(1)) == before
    assert details(crm, who)["exposure"] == str(accepted.exposure)
    room = 1_000 - accepted.exposure.minor
    assert said["headroom"] == str(usd(room + 1))
    do(crm, customer.CancelOrder(order=name, reason=""), who)
    assert isinstance(refused(crm, order(room + 2, f"{name}+"), who), OverLimit)
