"""The credit level: rules.md 3.2 with its laws, and CR1, CR2 and CR5 as a customer meets them."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore import CRM, Policies, Rejected
from crmcore.domain import customer
from crmcore.domain.customer import AcceptOrder, Command
from crmcore.domain.customer.credit import CreditInvestigated, CreditLimitApproved, GradeOverridden
from crmcore.domain.customer.profile import Blacklisted, CustomerRegistered, Reactivated
from crmcore.domain.customer.receivables import (
    CreditNoteIssued,
    DisputeResolved,
    InvoiceDisputed,
    InvoiceIssued,
    PaymentReceived,
)
from crmcore.domain.money import Money
from crmcore.domain.recorded import Recorded
from crmcore.projections.credit import GRADES, Policy, credit
from crmcore.projections.projection import Answer, Facts
from tests.plain import changes, later, since
from tests.projections.history import (
    ANN,
    REGISTERED,
    Dated,
    asked,
    bought,
    eur,
    fact,
    history,
    invoiced,
    paid,
    start,
    usd,
)

CREDIT = credit(Policy())
NEW_YEAR = date(2025, 1, 1)
KNOWN: Dated = (NEW_YEAR, REGISTERED)
OLD: Dated = (date(2020, 1, 1), REGISTERED)

# 100.00 paid in terms, and 300.00 paid ten days late.
MIXED: tuple[Dated, ...] = (
    (date(2025, 1, 2), invoiced("i-1", date(2025, 2, 1), 10_000)),
    (date(2025, 1, 20), paid("i-1", 10_000)),
    (date(2025, 1, 21), invoiced("i-2", date(2025, 3, 1), 30_000)),
    (date(2025, 3, 11), paid("i-2", 30_000)),
)
# Ten invoices of 1000.00, each paid on its day.
GOOD = tuple(
    dated
    for n in range(10)
    for dated in (
        (date(2025, 1, 2), invoiced(f"g-{n}", date(2025, 2, 1), 100_000)),
        (date(2025, 2, 1), paid(f"g-{n}", 100_000)),
    )
)
FULL_MARKS: Dated = (
    date(2025, 1, 1),
    CreditInvestigated(score=100, findings="", valid_until=date(2026, 1, 1)),
)


def found(score: int, until: date) -> CreditInvestigated:
    return CreditInvestigated(score=score, findings="", valid_until=until)


def said(today: date, *dated: Dated) -> Answer:
    answer = asked(CREDIT, history(*dated), today)
    assert answer is not None
    return answer


def grade(today: date, *dated: Dated) -> str:
    return said(today, *dated).answer


def detail(answer: Answer, name: str) -> str | None:
    return dict(answer.details).get(name)


# The score by hand


def test_the_score_weighs_punctuality_lateness_and_tenure() -> None:
    # In terms 1 of 2: 500. Average: 10 days x 300.00 of 30 days x 400.00, so 750. Longest: 10 of
    # 90 days, so 888. Tenure: 90 of 1095 days, so 82. Not investigated, so weights 40 20 15 10:
    # (20000 + 15000 + 13320 + 820) / 85 = 578.
    answer = said(date(2025, 4, 1), KNOWN, *MIXED)
    assert (answer.answer, answer.rule) == ("C", "the score is 578 of 1000")
    assert answer.because == (2, 4)
    assert answer.details[:2] == (("computed", "C"), ("score", "578 of 1000"))


def test_an_investigation_counts_while_it_holds() -> None:
    # The same with 15 x 900 of 15: (49140 + 13500) / 100 = 626.
    investigated = (date(2025, 3, 12), found(90, date(2025, 4, 1)))
    answer = said(date(2025, 4, 1), KNOWN, *MIXED, investigated)
    assert (answer.answer, answer.rule) == ("B", "the score is 626 of 1000")
    assert answer.because == (2, 4, 6)
    assert answer.since == datetime(2025, 3, 12, tzinfo=UTC)
    assert answer.next_change_at == datetime(2025, 4, 2, tzinfo=UTC)
    assert grade(date(2025, 4, 2), KNOWN, *MIXED, investigated) == "C"


def test_who_always_pays_in_terms_for_years_has_full_marks() -> None:
    answer = said(date(2025, 6, 1), OLD, *GOOD, FULL_MARKS)
    assert (answer.answer, detail(answer, "score")) == ("A", "1000 of 1000")
    assert answer.next_change_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_what_is_overdue_adds_its_days_and_not_its_amount() -> None:
    # In terms 10 of 11: 909. Average: 9 days x 1000.00 of 30 days x 10000.00, so 970. Longest: 9
    # of 90 days, so 900. (36360 + 19400 + 13500 + 15000 + 10000) / 100 = 942.
    late = (date(2025, 2, 2), invoiced("i-1", date(2025, 3, 1), 100_000))
    answer = said(date(2025, 3, 10), OLD, *GOOD, FULL_MARKS, late)
    assert (answer.answer, detail(answer, "score")) == ("A", "942 of 1000")


def test_who_paid_nothing_and_owes_has_nothing_but_tenure_and_patience() -> None:
    # In terms 0, average 0, longest 1 of 90 days: 988. (14820 + 10 x 54) / 85 = 180.
    late = (date(2025, 2, 2), invoiced("i-1", date(2025, 3, 1)))
    assert detail(said(date(2025, 3, 2), KNOWN, late), "score") == "180 of 1000"


def test_x5_lateness_is_averaged_in_each_currency_and_the_worst_counts() -> None:
    # In terms 1 of 2: 500. Average: nothing late in euros, all of 45 days in dollars: 0. Longest:
    # 45 of 90 days, so 500. Tenure: 151 of 1095 days, so 137. (20000 + 0 + 7500 + 1370) / 85.
    in_euros = invoiced("e-1", date(2025, 4, 30), 9_000_000, "EUR")
    payment = PaymentReceived(payment="p", invoice="e-1", amount=eur(9_000_000), left=eur(0))
    answer = said(
        date(2025, 6, 1),
        KNOWN,
        (NEW_YEAR, invoiced("i-1", date(2025, 2, 1), 100)),
        (date(2025, 3, 18), paid("i-1", 100)),
        (date(2025, 4, 1), in_euros),
        (date(2025, 4, 30), payment),
    )
    assert detail(answer, "score") == "339 of 1000"


# Gates and exceptions


def test_without_an_investigation_nobody_is_better_than_b() -> None:
    answer = said(date(2025, 6, 1), OLD, *GOOD)
    assert (answer.answer, detail(answer, "score")) == ("B", "1000 of 1000")
    assert answer.rule == "without an investigation that holds, B at best"


def test_who_is_overdue_for_more_than_90_days_is_not_better_than_c() -> None:
    # In terms 10 of 11: 909. Average: 91 days x 1.00 of 30 days x 10000.00, so 999. Longest: 0.
    # (36360 + 19980 + 0 + 15000 + 10000) / 100 = 813.
    late = (date(2025, 2, 2), invoiced("i-1", date(2025, 3, 1), 100))
    before = said(date(2025, 5, 30), OLD, *GOOD, FULL_MARKS, late)
    assert (before.answer, before.next_change_at) == ("A", datetime(2025, 5, 31, tzinfo=UTC))
    answer = said(date(2025, 5, 31), OLD, *GOOD, FULL_MARKS, late)
    assert (answer.answer, detail(answer, "score")) == ("C", "813 of 1000")
    assert answer.rule == "overdue for more than 90 days, C at best"


def test_a_blacklisted_customer_has_grade_d_until_taken_back() -> None:
    listed = (date(2025, 6, 1), Blacklisted(reason="fraud"))
    back = (date(2025, 7, 1), Reactivated(reason="a mistake"))
    answer = said(date(2025, 6, 30), OLD, *GOOD, listed, back)
    assert (answer.answer, answer.because) == ("D", (22,))
    assert answer.rule == "a blacklisted customer has grade D"
    assert (detail(answer, "score"), detail(answer, "status")) == ("-", "NotActive")
    assert grade(date(2025, 7, 1), OLD, *GOOD, listed, back) == "B"


def test_the_general_managers_grade_stands_beside_the_computed_one() -> None:
    override = GradeOverridden(grade="A", until=date(2025, 6, 30), reason="a bank stands in")
    answer = said(date(2025, 6, 30), KNOWN, *MIXED, (date(2025, 4, 1), override))
    assert (answer.answer, detail(answer, "computed")) == ("A", "C")
    assert answer.rule == "set by the general manager until 2025-06-30: a bank stands in"
    assert answer.because == (6,)
    assert answer.since == datetime(2025, 4, 1, tzinfo=UTC)
    assert answer.next_change_at == datetime(2025, 7, 1, tzinfo=UTC)
    assert grade(date(2025, 7, 1), KNOWN, *MIXED, (date(2025, 4, 1), override)) == "C"


def test_a_customer_without_payments_and_investigation_is_unrated() -> None:
    answer = said(date(2025, 2, 1), KNOWN, (NEW_YEAR, invoiced("i-1", date(2025, 2, 1))))
    assert (answer.answer, answer.because) == ("unrated", ())
    assert answer.rule == (
        "nothing that was due in 12 months is paid, nothing is overdue, and no investigation holds"
    )
    assert answer.next_change_at == datetime(2025, 2, 2, tzinfo=UTC)
    assert grade(date(2025, 2, 2), KNOWN, (NEW_YEAR, invoiced("i-1", date(2025, 2, 1)))) == "C"


def test_before_registration_there_is_no_grade() -> None:
    facts = history((date(2024, 12, 1), invoiced("i-1", date(2025, 2, 1))), KNOWN)
    assert asked(CREDIT, facts, date(2024, 12, 31)) is None
    assert asked(CREDIT, facts, NEW_YEAR) is not None


def test_what_is_no_customers_fact_changes_no_grade() -> None:
    elsewhere = fact(date(2025, 5, 1), bought("p-1"), 2, kind="ticket")
    answer = asked(CREDIT, [*history(KNOWN), elsewhere], date(2025, 6, 1))
    assert answer is not None
    assert answer.answer == "unrated"


def test_a_disputed_invoice_is_not_overdue_until_the_dispute_ends() -> None:
    dated = (
        KNOWN,
        (NEW_YEAR, invoiced("i-1", date(2025, 2, 1))),
        (date(2025, 1, 9), InvoiceDisputed(invoice="i-1", reason="broken")),
        (date(2025, 5, 1), DisputeResolved(invoice="i-1", outcome="it was not")),
    )
    assert grade(date(2025, 4, 30), *dated) == "unrated"
    assert grade(date(2025, 5, 1), *dated) == "C"


def test_an_invoice_leaves_the_window_twelve_months_after_it_was_due() -> None:
    answer = said(date(2026, 2, 28), KNOWN, *MIXED)
    assert (answer.answer, answer.because) == ("C", (4,))
    assert answer.next_change_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert grade(date(2026, 3, 1), KNOWN, *MIXED) == "unrated"


def test_every_invoice_that_leaves_the_window_may_change_the_grade() -> None:
    # With the late one 299, without it 801 until the good one leaves too, and 237 from then on.
    dated = (
        KNOWN,
        (NEW_YEAR, found(10, date(2026, 12, 31))),
        (NEW_YEAR, invoiced("late", date(2025, 2, 1), 100_000)),
        (date(2025, 4, 2), paid("late", 100_000)),
        (date(2025, 4, 3), invoiced("good", date(2025, 5, 1))),
        (date(2025, 5, 1), paid("good")),
    )
    answers = [said(day, *dated) for day in (date(2026, 1, 15), date(2026, 2, 1))]
    assert [(answer.answer, answer.next_change_at) for answer in answers] == [
        ("C", datetime(2026, 2, 1, tzinfo=UTC)),
        ("A", datetime(2026, 5, 1, tzinfo=UTC)),
    ]


def test_each_day_of_an_overdue_invoice_may_change_the_grade() -> None:
    # In terms 909, average 0, investigation 80, full tenure: 58360 and 15 for each thousandth of
    # the longest. 80 of 90 days leave 111, so 600; 81 days leave 100, so 598.
    dated = (
        OLD,
        *GOOD,
        (NEW_YEAR, found(80, date(2026, 1, 1))),
        (date(2025, 2, 2), invoiced("huge", date(2025, 3, 1), 1_000_000_000)),
    )
    answer = said(date(2025, 4, 1), *dated)
    assert (answer.answer, answer.next_change_at) == ("B", datetime(2025, 5, 21, tzinfo=UTC))
    assert grade(date(2025, 5, 20), *dated) == "B"
    assert grade(date(2025, 5, 21), *dated) == "C"


def test_invoices_that_have_left_the_window_are_forgotten_at_the_next_payment() -> None:
    later_one = (
        (date(2026, 3, 1), invoiced("i-3", date(2026, 4, 1))),
        (date(2026, 3, 2), paid("i-3")),
    )
    # All in terms, tenure 425 of 1095 days, so 388: (40000 + 20000 + 15000 + 3880) / 85 = 928.
    answer = said(date(2026, 3, 2), KNOWN, *MIXED, *later_one)
    assert (answer.because, detail(answer, "score")) == ((6,), "928 of 1000")


def test_a_credit_note_settles_what_it_leaves_nothing_of() -> None:
    part = CreditNoteIssued(invoice="i-1", amount=usd(600), left=usd(400), reason="")
    dated = (
        KNOWN,
        (NEW_YEAR, invoiced("i-1", date(2025, 2, 1))),
        (date(2025, 1, 9), part),
        (date(2025, 2, 2), paid("i-1", 400)),
    )
    assert detail(said(date(2025, 2, 2), *dated), "exposure") is None
    assert grade(date(2025, 2, 1), *dated) == "unrated"
    assert said(date(2025, 2, 2), *dated).because == (2,)


def test_an_invoice_is_settled_by_the_last_payment_in_effect_not_the_last_recorded() -> None:
    dated = (
        KNOWN,
        (NEW_YEAR, invoiced("i-1", date(2025, 2, 1), 100)),
        (date(2025, 3, 3), paid("i-1", 60, left=40)),
        (date(2025, 1, 20), paid("i-1", 40, left=0)),
    )
    assert grade(date(2025, 1, 31), *dated) == "unrated"
    overdue = said(date(2025, 3, 2), *dated)
    assert (overdue.answer, detail(overdue, "exposure")) == ("C", "0.60 USD")
    # Settled 30 days late: (0 + 0 + 15 x 666 + 10 x 55) / 85 = 124.
    assert detail(said(date(2025, 3, 3), *dated), "score") == "124 of 1000"


def test_the_weights_are_the_policys() -> None:
    blind = Policy(
        paid_in_terms_weight=0,
        average_late_weight=0,
        longest_late_weight=0,
        investigation_weight=0,
        tenure_weight=0,
    )
    answer = asked(credit(blind), history(KNOWN, *MIXED), date(2025, 4, 1))
    assert answer is not None
    assert detail(answer, "score") == "0 of 1000"


# What an order would meet


def limited(cents: int, until: date | None = None) -> Dated:
    approved = CreditLimitApproved(request="r-1", amount=usd(cents), approved_by="gus", until=until)
    return (NEW_YEAR, approved)


def met(today: date, *dated: Dated, policy: Policy | None = None) -> dict[str, str]:
    answer = asked(credit(policy or Policy()), history(KNOWN, *dated), today)
    assert answer is not None
    wanted = ("status", "limit", "exposure", "headroom")
    return {name: value for name, value in answer.details if name in wanted}


def test_cr1_three_different_nothings() -> None:
    unlimited = CreditLimitApproved(
        request="r-1", amount="unlimited", approved_by="gus", until=None
    )
    assert met(NEW_YEAR) == {"status": "CashOnly", "limit": "none"}
    assert met(NEW_YEAR, limited(0)) == {
        "status": "CashOnly",
        "limit": "0.00 USD",
        "exposure": "0.00 USD",
    }
    assert met(NEW_YEAR, (NEW_YEAR, unlimited)) == {"status": "ok", "limit": "unlimited"}


def test_cr2_a_limit_that_lapsed_is_none() -> None:
    lapsing = limited(100, until=date(2025, 3, 31))
    assert met(date(2025, 3, 31), lapsing)["status"] == "ok"
    assert met(date(2025, 4, 1), lapsing) == {"status": "CashOnly", "limit": "none"}


OWED: Dated = (NEW_YEAR, invoiced("i-1", date(2025, 2, 1), 100))


def test_headroom_is_what_is_left_of_the_limit() -> None:
    assert met(NEW_YEAR, limited(101), OWED) == {
        "status": "ok",
        "limit": "1.01 USD",
        "exposure": "1.00 USD",
        "headroom": "0.01 USD",
    }


def test_who_owes_the_whole_limit_is_over_it_with_the_next_order() -> None:
    assert met(NEW_YEAR, limited(100), OWED) == {
        "status": "OverLimit",
        "limit": "1.00 USD",
        "exposure": "1.00 USD",
    }


def test_the_tolerance_is_part_of_the_headroom() -> None:
    tolerant = Policy(acceptance=customer.Policy(tolerance_percent=10))
    assert met(NEW_YEAR, limited(100), OWED, policy=tolerant) == {
        "status": "ok",
        "limit": "1.00 USD",
        "exposure": "1.00 USD",
        "headroom": "0.10 USD",
    }


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (customer.credit.HoldPlaced(hold="h-1", reason=""), "OnHold"),
        (invoiced("i-2", date(2024, 12, 31), 1), "Overdue"),
        (Blacklisted(reason=""), "NotActive"),
        (customer.profile.Deactivated(reason=""), "NotActive"),
        (customer.orders.OrderAccepted(order="o-1", amount=usd(900), exposure=usd(1_000),
                                       limit=usd(1_000)), "OverLimit"),
        (invoiced("e-1", NEW_YEAR, 1, "EUR"), "CurrencyMismatch"),
    ],
)  # fmt: skip
def test_the_status_names_the_rule_that_would_say_no(event: Any, status: str) -> None:  # noqa: ANN401 - any event
    assert met(NEW_YEAR, limited(1_000), OWED, (NEW_YEAR, event))["status"] == status


CLOCK = datetime(2030, 1, 1, tzinfo=UTC)
CENTS = st.sampled_from([1, 50, 100, 150])
ORDERS = st.one_of(
    st.builds(customer.LowerLimit, amount=CENTS.map(usd)),
    st.builds(customer.AcceptOrder, order=st.sampled_from("ab"), amount=CENTS.map(usd)),
    st.builds(customer.CancelOrder, order=st.sampled_from("ab"), reason=st.just("")),
    st.builds(
        customer.IssueInvoice,
        invoice=st.sampled_from("cd"),
        amount=CENTS.map(usd),
        order=st.sampled_from(["a", "b", None]),
    ),
    st.builds(
        customer.ReceivePayment,
        payment=st.just("p"),
        invoice=st.sampled_from("cd"),
        amount=CENTS.map(usd),
    ),
    st.builds(customer.DisputeInvoice, invoice=st.sampled_from("cd"), reason=st.just("")),
    st.builds(
        customer.Deliver,
        order=st.sampled_from("ab"),
        delivery=st.just("d"),
        amount=CENTS.map(usd),
    ),
    st.builds(customer.ChangeOrder, order=st.sampled_from("ab"), amount=CENTS.map(usd)),
    st.builds(customer.ReopenOrder, order=st.sampled_from("ab")),
    st.builds(
        customer.ReceiveOnAccount,
        payment=st.sampled_from("pq"),
        amount=CENTS.map(usd),
        clears_on=st.sampled_from([None, date(2025, 1, 20), date(2025, 3, 9)]),
    ),
    st.builds(
        customer.AllocatePayment,
        payment=st.sampled_from("pq"),
        invoice=st.sampled_from("cd"),
        amount=CENTS.map(usd),
    ),
    st.builds(customer.ReversePayment, payment=st.sampled_from("pq"), reason=st.just("")),
    st.builds(
        customer.GrantTemporaryLimit,
        amount=CENTS.map(usd),
        starts_on=st.just(date(2025, 1, 10)),
        ends_on=st.just(date(2025, 2, 10)),
    ),
    st.builds(customer.PlaceHold, hold=st.just("h"), reason=st.just("")),
    st.builds(customer.ReleaseHold, hold=st.just("h"), reason=st.just("")),
    st.builds(customer.Deactivate, reason=st.just("")),
    st.builds(customer.Reactivate, reason=st.just("")),
)


def trading(steps: list[tuple[Command, int]], until: date | None) -> tuple[CRM, date]:
    """A customer with a limit after some trade, and its last day; what is refused is left out."""
    tolerant = Policies(
        max_backdate_days=36_500,
        customer=customer.Policy(tolerance_percent=7, overdue_grace_days=3),
    )
    crm = CRM.in_memory(clock=lambda: CLOCK, policies=tolerant)
    opening: list[tuple[Command, str]] = [
        (customer.Register(code="c-1", name="Ann", kind="person"), "ann"),
        (customer.RecordInvestigation(score=80, findings=""), "ann"),
        (customer.RequestLimit(request="r-1", amount=usd(200)), "ann"),
        (customer.ApproveLimit(request="r-1", amount=usd(200), until=until), "gus"),
    ]
    for command, by in opening:
        act = crm.act(by, roles=["general_manager"], effective_at=NEW_YEAR)
        crm.do(command, to=ANN, act=act)
    day = NEW_YEAR
    for command, gap in steps:
        day += timedelta(days=gap)
        act = crm.act("ann", roles=["general_manager"], effective_at=day)
        crm.carry_out([(act, [(command, ANN)])])
    return crm, day


def meets(crm: CRM, day: date, amount: Money) -> str:
    """What an order of this amount meets on a day; one that is accepted is gone with the CRM."""
    try:
        crm.do(AcceptOrder(order="z", amount=amount), to=ANN, act=crm.act("ann", effective_at=day))
    except Rejected as refusal:
        return refusal.code
    return "ok"


@given(
    st.lists(st.tuples(ORDERS, st.sampled_from([0, 1, 5, 29, 30, 33, 34])), max_size=10),
    st.none() | st.just(date(2025, 3, 1)),
)
def test_cr5_status_and_headroom_are_what_an_order_meets(
    steps: list[tuple[Command, int]], until: date | None
) -> None:
    crm, day = trading(steps, until)
    answer = crm.credit(ANN, as_of=day)
    assert answer is not None
    status, headroom = detail(answer, "status"), detail(answer, "headroom")
    if headroom is None:
        assert meets(crm, day, usd(1)) == status != "ok"
    else:
        cents = int(headroom.removesuffix(" USD").replace(".", ""))
        assert meets(crm, day, usd(cents + 1)) == "OverLimit"
        assert meets(crm, day, usd(cents)) == status == "ok"


# Properties over generated histories, each day graded by plain sentences as well

GAPS = st.sampled_from([0, 1, 7, 29, 30, 31, 91, 150, 365])
TRADE = ("invoice", "pay", "invoice", "pay", "pay part", "dispute", "resolve")
DECISIONS = ("investigate", "override", "blacklist", "reactivate")
SLOT = st.none() | st.tuples(
    st.sampled_from(TRADE + DECISIONS), GAPS, st.sampled_from([1, 100, 10_000])
)


@st.composite
def lives(draw: st.DrawFn, *, disputes: bool = True) -> tuple[Facts, date]:
    """A customer's facts, and a day on or after one of them."""
    day = date(2021, 1, 1) + timedelta(days=draw(st.sampled_from([0, 700])))
    facts = [fact(day, REGISTERED, 1)]
    left: dict[str, int] = {}
    for what, gap, size in filter(None, draw(st.lists(SLOT, min_size=9, max_size=9))):
        day += timedelta(days=gap)
        name = next(iter(left), "")
        event: object = None
        match what:
            case "invoice":
                name = f"i-{len(facts)}"
                left[name] = 2 * size
                event = invoiced(name, day + timedelta(days=30), 2 * size)
            case "pay" | "pay part" if left:
                cents = left[name] if what == "pay" else (left[name] + 1) // 2
                left[name] -= cents
                event = paid(name, cents, left[name])
                left = {open_one: cents for open_one, cents in left.items() if cents}
            case "dispute" if left and disputes:
                event = InvoiceDisputed(invoice=name, reason="")
            case "resolve" if left and disputes:
                event = DisputeResolved(invoice=name, outcome="")
            case "investigate":
                event = found(min(size, 90), later(day, 12))
            case "override":
                event = GradeOverridden(grade="A", until=day + timedelta(days=90), reason="")
            case "blacklist":
                event = Blacklisted(reason="")
            case "reactivate":
                event = Reactivated(reason="")
            case _:
                pass
        if event is not None:
            facts.append(fact(day, event, len(facts) + 1))
    today = draw(st.sampled_from(facts)).effective_at.date() + timedelta(days=draw(GAPS))
    return facts, today


def plain_grade(facts: Facts, known: date, today: date) -> str | None:
    """The grade on a day from the facts of another day or before, read off without a fold."""
    seen = [f for f in facts if f.effective_at.date() <= min(known, today)]
    seen.sort(key=lambda f: (f.effective_at, f.position))
    events = [f.event for f in seen]
    if REGISTERED not in events:
        return None
    overrides = [e for e in events if isinstance(e, GradeOverridden)]
    if overrides and today <= overrides[-1].until:
        return overrides[-1].grade
    standing = [e for e in events if isinstance(e, Blacklisted | Reactivated)]
    if standing and isinstance(standing[-1], Blacklisted):
        return "D"
    judged = plain_judged(seen, today)
    marks = [e for e in events if isinstance(e, CreditInvestigated)]
    mark = marks[-1].score if marks and today <= marks[-1].valid_until else None
    if not judged and mark is None:
        return "unrated"
    return plain_score(seen, judged, mark, today)


def plain_judged(seen: list[Recorded[Any]], today: date) -> list[tuple[int, int, bool]]:
    """Days late, cents, and whether it is paid, of every invoice that counts."""
    judged = []
    for issued in (f.event for f in seen if isinstance(f.event, InvoiceIssued)):
        about = [f for f in seen if getattr(f.event, "invoice", "") == issued.invoice]
        payments = [f for f in about if isinstance(f.event, PaymentReceived)]
        objections = [f for f in about if isinstance(f.event, InvoiceDisputed | DisputeResolved)]
        if sum(f.event.amount.minor for f in payments) == issued.amount.minor:
            late = (payments[-1].effective_at.date() - issued.due_on).days
            if today < later(issued.due_on, 12):
                judged.append((max(late, 0), issued.amount.minor, True))
        elif objections and isinstance(objections[-1].event, InvoiceDisputed):
            continue
        elif issued.due_on < today:
            judged.append(((today - issued.due_on).days, issued.amount.minor, False))
    return judged


def plain_score(
    seen: list[Recorded[Any]], judged: list[tuple[int, int, bool]], mark: int | None, today: date
) -> str:
    began = next(f for f in seen if isinstance(f.event, CustomerRegistered)).effective_at.date()
    points = {10: min(1000, 1000 * (today - began).days // 1095)}
    if judged:
        allowed = 30 * sum(cents for _, cents, is_paid in judged if is_paid)
        lateness = sum(days * cents for days, cents, _ in judged)
        points[40] = 1000 * len([1 for days, _, _ in judged if days == 0]) // len(judged)
        points[20] = 1000 * (allowed - lateness) // allowed if lateness < allowed else 0
        longest = max(days for days, _, _ in judged)
        points[15] = 1000 * (90 - longest) // 90 if longest < 90 else 0
    total, weights = sum(weight * part for weight, part in points.items()), sum(points)
    if mark is not None:
        total, weights = total + 15 * mark * 10, weights + 15
    if any(days > 90 and not is_paid for days, _, is_paid in judged) or total // weights < 600:
        return "C"
    return "A" if total // weights >= 800 and mark is not None else "B"


@given(lives())
def test_everybody_has_exactly_one_grade_that_of_the_sentences(life: tuple[Facts, date]) -> None:
    facts, today = life
    answer = asked(CREDIT, facts, today)
    assert (answer.answer if answer else None) == plain_grade(facts, today, today)


@given(lives())
def test_an_answer_holds_from_since_until_its_next_change(life: tuple[Facts, date]) -> None:
    facts, today = life
    answer = asked(CREDIT, facts, today)
    assert answer is not None
    began = since(lambda day: plain_grade(facts, today, day), today)
    ends = changes(lambda day: plain_grade(facts, today, day), today, days=1_200)
    assert answer.since == start(began)
    assert answer.next_change_at == (start(ends) if ends else None)


def test_every_grade_occurs() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=300)
    @given(lives())
    def collect(life: tuple[Facts, date]) -> None:
        answer = asked(CREDIT, *life)
        seen[answer.answer if answer else "none"] += 1

    collect()
    assert set(seen) == set(GRADES)


# Unrated is neither good nor bad: worse than B, better than C.
RANKS = {"D": 0, "C": 1, "unrated": 2, "B": 3, "A": 4}


def rank(facts: Facts, today: date) -> int:
    answer = asked(CREDIT, facts, today)
    assert answer is not None
    return RANKS[answer.answer]


@given(lives(disputes=False), st.data())
def test_paying_earlier_never_worsens_the_grade(
    life: tuple[Facts, date], data: st.DataObject
) -> None:
    facts, today = life
    payments = [f for f in facts if isinstance(f.event, PaymentReceived)]
    for payment in payments:
        issued = next(f for f in facts if getattr(f.event, "invoice", 0) == payment.event.invoice)
        most = (payment.effective_at - issued.effective_at).days
        earlier = payment.effective_at - timedelta(days=data.draw(st.integers(0, most)))
        sooner = [replace(f, effective_at=earlier) if f is payment else f for f in facts]
        assert rank(sooner, today) >= rank(facts, today)


@given(lives(), st.integers(1, 120), st.sampled_from([1, 200, 1_000_000]))
def test_an_unpaid_overdue_invoice_never_improves_the_grade(
    life: tuple[Facts, date], days: int, cents: int
) -> None:
    facts, today = life
    due_on = today - timedelta(days=days)
    more = [*facts, fact(due_on, invoiced("more", due_on, cents), len(facts) + 1)]
    assert rank(more, today) <= rank(facts, today)


def test_regression_owing_more_raised_the_average() -> None:
    # 100 small invoices in terms and a big one 30 days late make a C; one more, bigger and overdue
    # since yesterday, used to dilute the average to a B.
    dated: list[Dated] = [KNOWN]
    for n in range(100):
        dated.append((NEW_YEAR, invoiced(f"s-{n}", date(2025, 2, 1), 1)))
        dated.append((NEW_YEAR, paid(f"s-{n}", 1)))
    dated.append((NEW_YEAR, invoiced("big", date(2025, 2, 1), 100_000)))
    dated.append((date(2025, 3, 3), paid("big", 100_000)))
    assert grade(date(2025, 3, 5), *dated) == "C"
    bigger = (date(2025, 3, 4), invoiced("bigger", date(2025, 3, 4), 100_000_000))
    assert grade(date(2025, 3, 5), *dated, bigger) == "C"


def test_regression_who_paid_earlier_left_the_window_earlier() -> None:
    # A bad payer's one good invoice counts until 2026-02-01, whether paid on its day or before.
    def year_later(paid_on: date) -> str:
        return grade(
            date(2026, 1, 15),
            OLD,
            (NEW_YEAR, invoiced("i-1", date(2025, 2, 1), 100_000)),
            (paid_on, paid("i-1", 100_000)),
            (date(2025, 12, 1), invoiced("i-2", date(2025, 12, 31))),
            (date(2026, 1, 5), paid("i-2")),
        )

    assert year_later(date(2025, 2, 1)) == "B"
    assert year_later(date(2025, 1, 10)) == "B"


# What is at an edge


def test_the_question_is_named_credit() -> None:
    assert said(NEW_YEAR, KNOWN).question == "credit"


def test_an_invoice_that_was_taken_back_whole_is_settled() -> None:
    # In terms, never late: 1000 each. Tenure: 151 of 1095 days, so 137. 76370 / 85 = 898.
    invoice = (date(2025, 1, 2), invoiced("i-1", date(2025, 2, 1)))
    note = CreditNoteIssued(invoice="i-1", amount=usd(1_000), left=usd(0), reason="")
    answer = said(date(2025, 6, 1), KNOWN, invoice, (date(2025, 1, 20), note))
    assert (answer.answer, detail(answer, "score")) == ("B", "898 of 1000")


def test_an_invoice_that_is_paid_in_part_is_overdue_whatever_else_is_open() -> None:
    # In terms 0, average 0, longest 28 of 90 days: 688. Tenure: 59 of 1095 days, so 53.
    # (10320 + 530) / 85 = 127.
    answer = said(
        date(2025, 3, 1),
        KNOWN,
        (date(2025, 1, 2), invoiced("i-1", date(2025, 2, 1))),
        (date(2025, 1, 2), invoiced("i-2", date(2025, 9, 1))),
        (date(2025, 1, 20), paid("i-1", 400, left=600)),
    )
    assert (answer.rule, answer.because) == ("the score is 127 of 1000", (2,))


def test_a_score_that_reaches_the_threshold_is_enough() -> None:
    answer = asked(credit(Policy(a_score=1000)), history(OLD, *GOOD, FULL_MARKS), date(2025, 6, 1))
    assert answer is not None
    assert answer.answer == "A"


def test_what_has_left_the_window_is_forgotten_when_something_is_paid() -> None:
    facts = history(
        KNOWN,
        (date(2025, 1, 2), invoiced("i-1", date(2025, 2, 1))),
        (date(2025, 1, 2), invoiced("i-2", date(2025, 2, 2))),
        (date(2025, 1, 3), paid("i-1")),
        (date(2025, 1, 3), paid("i-2")),
        (date(2026, 1, 2), invoiced("i-3", date(2026, 2, 2))),
        (date(2026, 2, 1), paid("i-3")),
    )
    standing = CREDIT.initial
    for one in facts:
        standing = CREDIT.apply(standing, one)
    assert [invoice.name for invoice in standing.settled] == ["i-2", "i-3"]
    assert standing.unpaid == ()


def test_a_short_dip_is_seen_although_the_grade_is_the_same_again_soon() -> None:
    # Lateness is at its worst on the second day: 10 x 500 then 0. Tenure gains 90 x 10 a day.
    # 1 February (5000 + 27900) / 100 = 329, the 2nd 288, the 6th 324, and the 7th 333.
    dipping = credit(
        Policy(
            paid_in_terms_weight=0,
            average_late_weight=0,
            longest_late_weight=10,
            investigation_weight=0,
            tenure_weight=90,
            longest_late_days_max=2,
            tenure_days_full=100,
            b_score=329,
        )
    )
    facts = history(KNOWN, (date(2025, 1, 2), invoiced("i-1", date(2025, 1, 31))))
    answers = [asked(dipping, facts, date(2025, 2, day)) for day in (1, 3, 10)]
    told = [(one.answer, one.since.date()) for one in answers if one is not None]
    changing = [one.next_change_at for one in answers[:2] if one is not None]
    assert told == [
        ("B", date(2025, 2, 1)),
        ("C", date(2025, 2, 2)),
        ("B", date(2025, 2, 7)),
    ]
    assert changing == [start(date(2025, 2, 2)), start(date(2025, 2, 7))]


def test_on_the_last_day_that_there_is_nothing_will_change() -> None:
    overdue = (date(9998, 12, 2), invoiced("i-1", date(9998, 12, 20)))
    answer = said(date(9998, 12, 31), (date(9998, 12, 1), REGISTERED), overdue)
    assert (answer.answer, answer.next_change_at) == ("C", None)


def test_a_c_by_its_score_is_not_explained_by_a_gate() -> None:
    # Nothing in terms, late without end: only tenure, 151 of 1095 days, so 137. 1370 / 85 = 16.
    overdue = (date(2025, 1, 2), invoiced("i-1", date(2025, 2, 1)))
    answer = said(date(2025, 6, 1), KNOWN, overdue)
    assert (answer.answer, answer.rule) == ("C", "the score is 16 of 1000")


def test_who_owes_a_cent_and_paid_nothing_has_no_average() -> None:
    # In terms 0, average 0, longest 1 of 90 days: 988. Tenure: 32 of 1095 days, so 29.
    # (14820 + 290) / 85 = 177.
    cent = (date(2025, 1, 2), invoiced("i-1", date(2025, 2, 1), 1))
    assert said(date(2025, 2, 2), KNOWN, cent).rule == "the score is 177 of 1000"


def test_an_investigation_alone_holds_until_it_lapses() -> None:
    answer = said(date(2025, 6, 1), OLD, FULL_MARKS)
    assert (answer.answer, answer.next_change_at) == ("A", start(date(2026, 1, 2)))


def test_the_gate_is_named_while_nothing_else_will_change() -> None:
    by_tenure = credit(
        Policy(
            paid_in_terms_weight=0,
            average_late_weight=0,
            longest_late_weight=0,
            investigation_weight=0,
        )
    )
    facts = history(OLD, (date(2025, 1, 2), invoiced("i-1", date(2025, 2, 1))))
    answer = asked(by_tenure, facts, date(2025, 5, 2))  # 90 days late
    assert answer is not None
    assert (answer.answer, answer.next_change_at) == ("B", start(date(2025, 5, 3)))


def test_the_next_look_is_at_the_day_that_changes_something() -> None:
    standing = CREDIT.initial
    for one in history(OLD, FULL_MARKS):
        standing = CREDIT.apply(standing, one)
    assert CREDIT.next_look(standing, start(date(2025, 6, 1))) == start(date(2026, 1, 2))


def test_a_short_dip_of_the_average_is_seen_too() -> None:
    # 20.00 paid in time, 10.00 overdue: a day late the average is 500, two days late 0. The days
    # and scores are those of the dip above; 27 January (10000 + 23400) / 100 = 334.
    dipping = credit(
        Policy(
            paid_in_terms_weight=0,
            average_late_weight=10,
            longest_late_weight=0,
            investigation_weight=0,
            tenure_weight=90,
            average_late_days_max=1,
            longest_late_days_max=1,
            tenure_days_full=100,
            b_score=329,
        )
    )
    facts = history(
        KNOWN,
        (date(2025, 1, 2), invoiced("i-1", date(2025, 1, 20), 2_000)),
        (date(2025, 1, 10), paid("i-1", 2_000)),
        (date(2025, 1, 11), invoiced("i-2", date(2025, 1, 31))),
    )
    answers = [asked(dipping, facts, date(2025, 2, day)) for day in (1, 3, 10)]
    told = [(one.answer, one.since.date()) for one in answers if one is not None]
    assert told == [
        ("B", date(2025, 1, 27)),
        ("C", date(2025, 2, 2)),
        ("B", date(2025, 2, 7)),
    ]
