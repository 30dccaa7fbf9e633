"""The lifecycle stage: rules.md 3.1, and counterexample 12 of section 4."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore import CRM, Policies
from crmcore.domain import customer
from crmcore.domain.customer import RecordPurchase, Register
from crmcore.domain.customer.profile import Blacklisted, Deactivated, InteractionLogged, Reactivated
from crmcore.domain.customer.sales import PurchaseRecorded, PurchaseReturned
from crmcore.domain.lead import LeadCaptured, LeadDisqualified, LeadQualified, LeadRecycled
from crmcore.domain.opportunity import (
    OpportunityLost,
    OpportunityMerged,
    OpportunityOpened,
    OpportunityReopened,
    OpportunityWon,
)
from crmcore.projections.lifecycle import STAGES, Policy, lifecycle
from crmcore.projections.projection import Answer, Facts
from tests.plain import buyer_stage, changes, since
from tests.projections.history import (
    ANN,
    REGISTERED,
    Dated,
    asked,
    bought,
    fact,
    history,
    invoiced,
    returned,
    start,
    usd,
)

LIFECYCLE = lifecycle(Policy())
NEW_YEAR = date(2025, 1, 1)
KNOWN: Dated = (NEW_YEAR, REGISTERED)

CAPTURED = LeadCaptured(title="Rack", source="fair", customer=ANN)
QUALIFIED = LeadQualified()
DISQUALIFIED = LeadDisqualified(reason="no money")
RECYCLED = LeadRecycled(reason="next year")
MERGED = OpportunityMerged(surviving_opportunity=UUID(int=9))
OPENED = OpportunityOpened(
    title="Rack",
    customer=ANN,
    source=None,
    pipeline="standard@1",
    stage="prospecting",
    probability_percent=10,
    forecast="pipeline",
    amount=None,
    product=None,
    owner=None,
    expected_close=None,
)
WON = OpportunityWon(amount=usd(100), order=None, closed_on=NEW_YEAR)
LOST = OpportunityLost(reason="price", stage="prospecting", closed_on=NEW_YEAR)
REOPENED = OpportunityReopened(
    reason="new budget",
    stage="prospecting",
    probability_percent=10,
    forecast="pipeline",
    amount=None,
    owner=None,
)


def stage(facts: Facts, today: date, known: int | None = None) -> str | None:
    said = asked(LIFECYCLE, facts, today, known)
    return said.answer if said else None


def deal(position: int, event: object, number: int = 1, day: date = NEW_YEAR) -> Any:  # noqa: ANN401 - a fact of any event
    return fact(day, event, position, kind="opportunity", stream=UUID(int=100 + number))


# Before the first purchase


def test_before_registration_there_is_no_stage() -> None:
    facts = history((date(2024, 12, 1), bought("p-1")), KNOWN)
    assert stage(facts, date(2024, 12, 31)) is None
    assert stage(facts, NEW_YEAR) == "new"
    assert stage([], NEW_YEAR) is None


def test_who_is_known_and_no_more_is_a_prospect() -> None:
    call = InteractionLogged(channel="phone", summary="said hello")
    said = asked(LIFECYCLE, history(KNOWN, (date(2025, 1, 2), call)), date(2026, 1, 1))
    assert said == Answer(
        question="lifecycle",
        answer="prospect",
        since=datetime(2025, 1, 1, tzinfo=UTC),
        rule="known, and neither lead nor purchase yet",
        because=(1,),
        details=(),
        next_change_at=None,
    )


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([CAPTURED], "lead"),
        ([CAPTURED, QUALIFIED], "qualified"),
        ([CAPTURED, QUALIFIED, DISQUALIFIED], "prospect"),
        ([CAPTURED, DISQUALIFIED, RECYCLED], "lead"),
        ([CAPTURED, QUALIFIED, OPENED], "opportunity"),
        ([OPENED, MERGED], "prospect"),
        ([OPENED, LOST], "prospect"),
        ([OPENED, WON], "prospect"),
        ([OPENED, LOST, REOPENED], "opportunity"),
    ],
)
def test_a_deal_brings_a_customer_as_far_as_it_has_come(events: list[Any], expected: str) -> None:
    deals = [deal(position, event) for position, event in enumerate(events, 2)]
    assert stage([*history(KNOWN), *deals], NEW_YEAR) == expected


def test_of_several_deals_the_one_that_has_come_farthest_counts() -> None:
    both = [*history(KNOWN), deal(2, OPENED, 1), deal(3, CAPTURED, 2)]
    said = asked(LIFECYCLE, both, NEW_YEAR)
    assert said is not None
    assert (said.answer, said.because) == ("opportunity", (2,))
    assert stage([*both, deal(4, LOST, 1)], NEW_YEAR) == "lead"


def test_a_purchase_outweighs_an_open_deal() -> None:
    facts = [*history(KNOWN, (NEW_YEAR, bought("p-1"))), deal(3, OPENED)]
    assert stage(facts, NEW_YEAR) == "new"


# From the first purchase on


def test_a_first_purchase_makes_a_new_customer_for_six_months() -> None:
    facts = history(KNOWN, (date(2025, 2, 10), bought("p-1")))
    said = asked(LIFECYCLE, facts, date(2025, 8, 9))
    assert said == Answer(
        question="lifecycle",
        answer="new",
        since=datetime(2025, 2, 10, tzinfo=UTC),
        rule="the first purchase was less than 6 months ago",
        because=(2,),
        details=(("purchase days", "1"), ("last purchase", "180 days ago")),
        next_change_at=datetime(2025, 8, 10, tzinfo=UTC),
    )
    assert stage(facts, date(2025, 8, 10)) == "inactive"


def test_months_end_on_the_last_day_of_a_shorter_month() -> None:
    facts = history(KNOWN, (date(2025, 8, 31), bought("p-1")))
    assert stage(facts, date(2026, 2, 27)) == "new"
    assert stage(facts, date(2026, 2, 28)) == "inactive"
    leap = history(KNOWN, (date(2027, 8, 31), bought("p-1")))
    assert stage(leap, date(2028, 2, 28)) == "new"
    assert stage(leap, date(2028, 2, 29)) == "inactive"


def test_purchases_on_two_days_within_twelve_months_make_an_active_customer() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (date(2025, 12, 31), bought("p-2")))
    said = asked(LIFECYCLE, facts, date(2025, 12, 31))
    assert said is not None
    assert (said.answer, said.because) == ("active", (2, 3))
    assert said.rule == "purchases on 2 days or more within 12 months"
    assert said.next_change_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_regression_12_who_comes_back_after_a_long_silence_is_reactivated() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (date(2026, 1, 1), bought("p-2")))
    assert stage(facts, date(2025, 12, 31)) == "inactive"
    said = asked(LIFECYCLE, facts, date(2026, 6, 30))
    assert said is not None
    assert (said.answer, said.because) == ("reactivated", (2, 3))
    assert said.rule == "bought again, and neither new nor active by these windows"
    assert said.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert said.next_change_at == datetime(2026, 7, 1, tzinfo=UTC)


def test_silence_makes_inactive_after_six_months_and_lost_after_eighteen() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (date(2025, 3, 10), bought("p-2")))
    assert stage(facts, date(2025, 9, 9)) == "active"
    inactive = asked(LIFECYCLE, facts, date(2025, 9, 10))
    assert inactive is not None
    assert (inactive.answer, inactive.rule) == ("inactive", "no purchase for 6 months")
    assert inactive.next_change_at == datetime(2026, 9, 10, tzinfo=UTC)
    assert stage(facts, date(2026, 9, 9)) == "inactive"
    lost = asked(LIFECYCLE, facts, date(2027, 1, 1))
    assert lost is not None
    assert (lost.answer, lost.rule) == ("lost", "no purchase for 18 months")
    assert (lost.because, lost.next_change_at) == ((3,), None)
    assert lost.since == datetime(2026, 9, 10, tzinfo=UTC)


def test_stages_move_both_ways() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (date(2027, 1, 1), bought("p-2")))
    days = (date(2025, 7, 1), date(2026, 7, 1), date(2027, 1, 1), date(2027, 7, 1))
    assert [stage(facts, day) for day in days] == ["inactive", "lost", "reactivated", "inactive"]


def test_purchases_of_one_day_count_once() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (NEW_YEAR, bought("p-2")))
    said = asked(LIFECYCLE, facts, date(2025, 1, 2))
    assert said is not None
    assert (said.answer, said.details[0]) == ("new", ("purchase days", "1"))


def test_a_purchase_of_nothing_counts_for_nothing() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1", 0)))
    assert stage(facts, NEW_YEAR) == "prospect"
    again = history(KNOWN, (NEW_YEAR, bought("p-1")), (date(2025, 5, 1), bought("p-2", 0)))
    assert stage(again, date(2025, 7, 1)) == "inactive"


def test_an_invoice_counts_like_a_purchase() -> None:
    facts = history(KNOWN, (NEW_YEAR, invoiced("i-1", due_on=date(2025, 2, 1))))
    assert stage(facts, NEW_YEAR) == "new"
    note = customer.receivables.CreditNoteIssued(
        invoice="i-1", amount=usd(1_000), left=usd(0), reason="broken"
    )
    after = [*facts, fact(date(2025, 1, 9), note, 3)]
    assert [stage(after, date(2025, 1, 8)), stage(after, date(2025, 1, 9))] == ["new", "prospect"]


def test_what_came_back_whole_disappears_from_that_day_only() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (date(2025, 2, 1), returned("p-1")))
    assert stage(facts, date(2025, 1, 31)) == "new"
    said = asked(LIFECYCLE, facts, date(2025, 2, 1))
    assert said is not None
    assert (said.answer, said.since) == ("prospect", datetime(2025, 2, 1, tzinfo=UTC))


def test_what_came_back_in_part_still_counts() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (date(2025, 2, 1), returned("p-1", 999)))
    assert stage(facts, date(2025, 2, 1)) == "new"
    rest = [*facts, fact(date(2025, 2, 2), returned("p-1", 1), 4)]
    assert stage(rest, date(2025, 2, 2)) == "prospect"


def test_a_return_takes_nothing_from_an_invoice_of_the_same_name() -> None:
    facts = history(
        KNOWN,
        (NEW_YEAR, invoiced("n-1", due_on=date(2025, 2, 1))),
        (date(2025, 3, 1), bought("n-1")),
        (date(2025, 3, 2), returned("n-1")),
    )
    assert stage(facts, date(2025, 3, 1)) == "active"
    assert stage(facts, date(2025, 3, 2)) == "new"


def test_a_return_of_what_nobody_knows_takes_nothing() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (NEW_YEAR, returned("p-0")))
    assert stage(facts, NEW_YEAR) == "new"


def test_a_backdated_purchase_changes_answers_for_a_later_known_at_only() -> None:
    facts = history(KNOWN, (date(2025, 3, 1), bought("p-1")), (date(2025, 2, 1), bought("p-2")))
    assert stage(facts, date(2025, 2, 15), known=2) == "prospect"
    assert stage(facts, date(2025, 2, 15), known=3) == "new"
    assert stage(facts, date(2025, 3, 1), known=2) == "new"
    assert stage(facts, date(2025, 3, 1), known=3) == "active"


@pytest.mark.parametrize("event", [Deactivated(reason="moved"), Blacklisted(reason="fraud")])
def test_whoever_we_part_with_is_closed_until_taken_back(event: object) -> None:
    facts = history(
        KNOWN,
        (NEW_YEAR, bought("p-1")),
        (date(2025, 2, 1), event),
        (date(2025, 3, 1), Reactivated(reason="all is well")),
    )
    closed = asked(LIFECYCLE, facts, date(2025, 2, 28))
    assert closed is not None
    assert (closed.answer, closed.because, closed.next_change_at) == ("closed", (3,), None)
    assert stage(facts, date(2025, 3, 1)) == "new"


def test_a_day_is_one_of_the_business() -> None:
    shanghai = lifecycle(Policy(time_zone="Asia/Shanghai"))
    facts = history(KNOWN, (date(2025, 2, 10), bought("p-1")))
    said = asked(shanghai, facts, date(2025, 2, 10))
    assert said is not None
    assert said.next_change_at == datetime(2025, 8, 9, 16, tzinfo=UTC)


def test_the_windows_are_the_policys() -> None:
    hasty = lifecycle(
        Policy(new_window_months=1, active_days_min=3, inactive_after_months=2, lost_after_months=3)
    )
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (date(2025, 1, 2), bought("p-2")))
    days = (date(2025, 1, 31), date(2025, 2, 1), date(2025, 3, 2), date(2025, 4, 2))
    said = [answer.answer for day in days if (answer := asked(hasty, facts, day))]
    assert said == ["new", "reactivated", "inactive", "lost"]
    thrice = [*facts, fact(date(2025, 1, 3), bought("p-3"), 4)]
    frequent = asked(hasty, thrice, date(2025, 1, 3))
    assert frequent is not None
    assert (frequent.answer, frequent.because) == ("active", (2, 3, 4))


# Properties over generated histories, each day judged by plain sentences as well

CLOSING = (Deactivated, Blacklisted)
PHASES: dict[object, str] = {
    LeadCaptured: "lead",
    LeadRecycled: "lead",
    LeadQualified: "qualified",
    OpportunityOpened: "opportunity",
    OpportunityReopened: "opportunity",
}
GAPS = st.sampled_from([0, 0, 1, 27, 28, 30, 31, 59, 89, 150, 181, 182, 184, 185, 365, 366, 550])
EVENTS = st.sampled_from(
    ["buy"] * 6
    + ["buy nothing", "return", "return part"]
    + [Deactivated(reason=""), Blacklisted(reason=""), Reactivated(reason="")]
    + [CAPTURED, QUALIFIED, QUALIFIED, DISQUALIFIED, RECYCLED]
    + [OPENED, WON, LOST, REOPENED, MERGED]
)
SLOT = st.none() | st.tuples(EVENTS, GAPS)


@st.composite
def lives(draw: st.DrawFn) -> tuple[Facts, date]:
    """A customer's facts, and a day on or after one of them.

    A purchase may be backdated, a return refers to a purchase before it.
    """
    day = date(2024, 1, 1) + timedelta(days=draw(st.integers(0, 400)))
    facts = [fact(day, REGISTERED, 1)]
    purchases: list[str] = []
    for what, gap in filter(None, draw(st.lists(SLOT, min_size=8, max_size=8))):
        position, back = len(facts) + 1, timedelta(days=gap if gap % 2 else 0)
        day += timedelta(days=gap)
        match what:
            case "buy" | "buy nothing":
                purchases.append(f"p-{position}")
                sale = bought(purchases[-1], 1_000 if what == "buy" else 0)
                facts.append(fact(day - back, sale, position))
            case "return" | "return part" if purchases:
                cents = 1_000 if what == "return" else 400
                facts.append(fact(day, returned(purchases.pop(), cents), position))
            case str():
                pass
            case Deactivated() | Blacklisted() | Reactivated():
                facts.append(fact(day, what, position))
            case _:
                facts.append(deal(position, what, number=gap % 2, day=day))
    today = draw(st.sampled_from(facts)).effective_at.date() + timedelta(days=draw(GAPS) - 1)
    return facts, today


def plain_stage(facts: Facts, known: date, today: date) -> str | None:
    """The stage on a day from the facts of another day or before, read off without a fold."""
    seen = [f for f in facts if f.effective_at.date() <= min(known, today)]
    seen.sort(key=lambda f: (f.effective_at, f.position))
    if REGISTERED not in [f.event for f in seen]:
        return None
    standing = [f.event for f in seen if isinstance(f.event, (*CLOSING, Reactivated))]
    if standing and not isinstance(standing[-1], Reactivated):
        return "closed"
    back: Counter[str] = Counter()
    for event in (f.event for f in seen if isinstance(f.event, PurchaseReturned)):
        back[event.purchase] += event.amount.minor
    sold = [f for f in seen if isinstance(f.event, PurchaseRecorded)]
    kept = [f for f in sold if f.event.amount.minor > back[f.event.purchase]]
    if kept:
        return buyer_stage({f.effective_at.date() for f in kept}, today)
    deals = {f.stream: PHASES.get(type(f.event)) for f in seen if f.stream.kind == "opportunity"}
    ladder = ("opportunity", "qualified", "lead", "prospect")
    return next(phase for phase in ladder if phase in (*deals.values(), "prospect"))


@given(lives())
def test_everybody_is_in_exactly_one_stage_that_of_the_sentences(
    life: tuple[Facts, date],
) -> None:
    facts, today = life
    said = stage(facts, today)
    assert said == plain_stage(facts, today, today)
    assert said in (None, *STAGES)


@given(lives())
def test_an_answer_holds_from_since_until_its_next_change(life: tuple[Facts, date]) -> None:
    facts, today = life
    said = asked(LIFECYCLE, facts, today)
    if said is None:
        return
    began = since(lambda day: plain_stage(facts, today, day), today)
    ends = changes(lambda day: plain_stage(facts, today, day), today, days=600)
    assert said.since == start(began)
    assert said.next_change_at == (start(ends) if ends else None)


def test_every_stage_occurs() -> None:
    seen: set[str | None] = set()

    @settings(max_examples=300)
    @given(lives())
    def collect(life: tuple[Facts, date]) -> None:
        seen.add(stage(*life))

    collect()
    assert seen == {None, *STAGES}


DAYS = st.integers(0, 1_500).map(lambda days: date(2024, 1, 1) + timedelta(days=days))


def recorded(days: list[date]) -> tuple[CRM, list[Answer | None]]:
    """A CRM that heard of a purchase a day, and what it said of each day when it had."""
    patient = Policies(max_backdate_days=36_500)
    crm = CRM.in_memory(clock=lambda: start(date(2040, 1, 1)), policies=patient)
    crm.do(
        Register(code="c-1", name="Ann", kind="person"),
        to=ANN,
        act=crm.act("ann", effective_at=days[0]),
    )
    said = []
    for number, day in enumerate(days):
        sale = RecordPurchase(purchase=f"p-{number}", amount=usd(100))
        crm.do(sale, to=ANN, act=crm.act("ann", effective_at=day))
        said.append(crm.lifecycle(ANN, as_of=day))
    return crm, said


@given(st.lists(DAYS, min_size=1, max_size=8))
def test_what_is_recorded_later_never_changes_what_was_known(days: list[date]) -> None:
    crm, said = recorded(days)
    again = [crm.lifecycle(ANN, as_of=day, known_at=n) for n, day in enumerate(days, 2)]
    assert again == said


@given(st.sets(DAYS, min_size=1, max_size=8))
def test_what_takes_effect_later_never_changes_a_past_day(days: set[date]) -> None:
    crm, said = recorded(sorted(days))
    assert [crm.lifecycle(ANN, as_of=day) for day in sorted(days)] == said


def test_a_window_that_ends_on_the_day_of_the_next_purchase_does_not_interrupt() -> None:
    facts = history(
        (date(2025, 1, 1), REGISTERED),
        (date(2025, 1, 10), bought("a")),
        (date(2025, 3, 3), bought("b")),
        (date(2025, 9, 3), bought("c")),
    )
    answer = asked(lifecycle(Policy()), facts, date(2025, 9, 3))
    assert answer is not None
    assert (answer.answer, answer.since) == ("active", start(date(2025, 3, 3)))


# What it says


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        (CAPTURED, "no purchase yet, a lead is open"),
        (QUALIFIED, "no purchase yet, a lead is qualified"),
        (OPENED, "no purchase yet, an opportunity is open"),
        (Deactivated(reason=""), "the customer was deactivated or blacklisted"),
    ],
)
def test_a_stage_says_the_rule_that_set_it(event: object, rule: str) -> None:
    said = asked(LIFECYCLE, history(KNOWN, (NEW_YEAR, event)), NEW_YEAR)
    assert said is not None
    assert said.rule == rule


def test_a_closed_customer_is_not_looked_at_again() -> None:
    facts = history(KNOWN, (NEW_YEAR, bought("p-1")), (NEW_YEAR, Deactivated(reason="")))
    known = LIFECYCLE.initial
    for one in facts:
        known = LIFECYCLE.apply(known, one)
    assert LIFECYCLE.next_look(known, start(NEW_YEAR)) is None


def test_an_active_customer_is_so_because_of_the_latest_purchases_that_make_it_so() -> None:
    facts = history(
        KNOWN,
        (date(2025, 1, 10), bought("p-1")),
        (date(2025, 2, 10), bought("p-2")),
        (date(2025, 3, 10), bought("p-3")),
    )
    said = asked(LIFECYCLE, facts, date(2025, 4, 1))
    assert said is not None
    assert (said.answer, said.because) == ("active", (3, 4))


def test_who_came_back_is_reactivated_because_of_the_last_two_purchases() -> None:
    facts = history(
        KNOWN,
        (date(2021, 1, 10), bought("p-1")),
        (date(2023, 1, 10), bought("p-2")),
        (date(2025, 1, 10), bought("p-3")),
    )
    said = asked(LIFECYCLE, facts, date(2025, 4, 1))
    assert said is not None
    assert (said.answer, said.because) == ("reactivated", (3, 4))
