"""What there is to say of deals: rules O4, O8, O9, and how leads are scored (O16)."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore import testing
from crmcore.domain import opportunity
from crmcore.domain.lead import CaptureLead, QualifyLead
from crmcore.domain.opportunity import (
    ChangeStage,
    LinkQuote,
    MarkLost,
    MarkWon,
    Open,
    OpportunityLost,
    OpportunityMerged,
    Policy,
    PutOnHold,
    RecordPassage,
    Reopen,
    Reschedule,
    Resume,
    Revalue,
    StageChanged,
)
from crmcore.domain.pipeline import STANDARD, Pipeline, Stage
from crmcore.domain.recorded import Stream
from crmcore.domain.scoring import LeadScored, Score
from crmcore.projections.deals import (
    Deal,
    deals_of,
    next_action,
    outlook,
    stages_of,
    time_in_stage,
)
from crmcore.projections.lead_score import lead_score
from crmcore.projections.projection import Answer, Facts, in_effect
from crmcore.testing import History, facts_on, said_on
from crmcore.testing.dating import fact_on
from tests.domain.deals import ASKING, RULES, lives, to, usd
from tests.projections.history import end, start

DEAL = UUID(int=100)
POLICY = Policy()


def march(day: int) -> date:
    return date(2026, 3, day)


def test_of_a_deal_that_nobody_spoke_of_there_is_nothing_to_say() -> None:
    assert outlook(POLICY).judge(Deal(), start(march(1))) is None


def facts_of(
    *commands: tuple[date, opportunity.Command], policy: Policy = POLICY, deal: UUID = DEAL
) -> Facts:
    """The facts that commands on days lead to, in the order in which they are asked."""
    scenario = testing.given(opportunity.decider(policy))
    dated: list[tuple[date, Any]] = []
    for day, command in commands:
        scenario = scenario.when(command, at=day)
        dated += [(day, event) for event in scenario.events]
    return [
        fact_on(day, event, position, stream=Stream(kind="opportunity", id=deal))
        for position, (day, event) in enumerate(dated, 1)
    ]


def deal_of(facts: Facts, day: date) -> Deal:
    return deals_of(facts, end(day))[DEAL]


def says(facts: Facts, day: date, policy: Policy = POLICY) -> Answer:
    said = said_on(outlook(policy), facts, day)
    assert said is not None
    return said


OPENED = (march(2), Open(title="desks", amount=usd(900), expected_close=march(20)))
MOVED = (march(10), to("proposal"))

# Stages


def test_o4_the_stages_of_a_deal_follow_each_other_until_now() -> None:
    facts = facts_of(OPENED, MOVED, (march(12), MarkLost(reason="no")))
    stages = stages_of(deal_of(facts, march(30)), start(march(30)))
    assert [(one.what, one.since, one.until) for one in stages] == [
        ("prospecting", start(march(2)), start(march(10))),
        ("proposal", start(march(10)), start(march(12))),
        ("lost", start(march(12)), start(march(30))),
    ]


def test_o4_a_deal_that_was_lost_and_goes_on_has_its_stage_twice() -> None:
    again: list[tuple[date, opportunity.Command]] = [
        (march(12), MarkLost(reason="no")),
        (march(15), Reopen(reason="yes")),
    ]
    deal = deal_of(facts_of(OPENED, MOVED, *again), march(20))
    assert time_in_stage(deal, start(march(20))) == {
        "prospecting": timedelta(days=8),
        "proposal": timedelta(days=7),
        "lost": timedelta(days=3),
    }


def test_o13_a_stage_that_is_recorded_late_takes_its_time_from_the_one_before() -> None:
    late = (march(5), RecordPassage(stage="engaging"))
    facts = facts_of(OPENED, MOVED, late, (march(6), Revalue(amount=usd(5))))
    assert time_in_stage(deal_of(facts, march(30)), start(march(12))) == {
        "prospecting": timedelta(days=3),
        "engaging": timedelta(days=5),
        "proposal": timedelta(days=2),
    }
    known_before = time_in_stage(deal_of(facts[:2], march(30)), start(march(12)))
    assert known_before["prospecting"] == timedelta(days=8)


def test_a_lead_has_no_stages_and_what_is_merged_stays_merged() -> None:
    lead = facts_of((march(2), CaptureLead(title="a", source="b")))
    assert stages_of(deal_of(lead, march(9)), end(march(9))) == ()
    gone = OpportunityMerged(surviving_opportunity=UUID(int=9))
    stream = Stream(kind="opportunity", id=DEAL)
    merged = [*facts_of(OPENED), fact_on(march(4), gone, 2, stream=stream)]
    assert time_in_stage(deal_of(merged, march(9)), start(march(9))) == {
        "prospecting": timedelta(days=2),
        "merged": timedelta(days=5),
    }
    lead_gone = [*lead, fact_on(march(4), gone, 2, stream=stream)]
    assert deal_of(lead_gone, march(9)).places == ()


LIVES = lives(
    RULES,
    Open | ChangeStage | MarkWon | MarkLost | Reopen | Reschedule,
    StageChanged | OpportunityLost,
    reason=["a reason"],
    to_stage=[stage.name for stage in STANDARD.stages],
    stage=[None],
)


def recorded(history: History) -> Facts:
    facts = [(step.at, event) for step in history.steps for event in step.events]
    stream = Stream(kind="opportunity", id=DEAL)
    dated = [(at, fact_on(march(1), e, n, stream=stream)) for n, (at, e) in enumerate(facts, 1)]
    return [replace(fact, effective_at=at) for at, fact in dated]


@given(LIVES, st.integers(0, 100))
def test_o4_stages_tile_the_age_of_a_deal_and_a_lost_one_keeps_its_last(
    history: History, days: int
) -> None:
    facts = recorded(history)
    if not facts:
        return
    as_of = facts[-1].effective_at + timedelta(days=days)
    deal = deals_of(facts, as_of)[DEAL]
    stages = stages_of(deal, as_of)
    assert stages[0].since == facts[0].effective_at
    assert stages[-1].until == as_of
    assert all(one.until == two.since for one, two in pairwise(stages))
    total = sum(time_in_stage(deal, as_of).values(), timedelta())
    assert total == as_of - facts[0].effective_at
    last = facts[-1].event
    if isinstance(last, OpportunityLost):
        assert stages[-1].what == "lost"
        assert [p for _, p in deal.places if p not in ("won", "lost")][-1] == last.stage


# Slipped and rotting

ROTS = Policy(
    pipelines=(
        Pipeline(
            name="short",
            version=1,
            stages=(
                Stage(name="talk", probability_percent=10, forecast="pipeline", days_max=10),
                Stage(name="sign", probability_percent=90, forecast="commit"),
            ),
        ),
    )
)


def test_o9_a_deal_past_its_day_has_slipped_until_it_is_rescheduled() -> None:
    facts = facts_of(OPENED, (march(25), Reschedule(expected_close=march(28))))
    on_track = says(facts, march(20))
    assert (on_track.answer, on_track.next_change_at) == ("on track", start(march(21)))
    slipped = says(facts, march(21))
    assert (slipped.answer, slipped.since) == ("slipped", start(march(21)))
    assert (slipped.because, slipped.next_change_at) == ((1,), None)
    assert slipped.rule == "it is open, and was expected to close on 2026-03-20"
    assert says(facts, march(25)).next_change_at == start(march(29))
    again = says(facts, march(30))
    assert (again.answer, again.because) == ("slipped", (2,))


def test_o9_a_deal_too_long_in_a_stage_is_rotting() -> None:
    never = replace(OPENED[1], expected_close=None)
    facts = facts_of((march(2), never), (march(20), to("sign")), policy=ROTS)
    assert says(facts, march(12), ROTS).next_change_at == start(march(13))
    rotting = says(facts, march(13), ROTS)
    assert (rotting.answer, rotting.since, rotting.because) == ("rotting", start(march(13)), (1,))
    assert rotting.rule == "it is in talk for longer than that stage allows"
    moved = says(facts, march(20), ROTS)
    assert (moved.answer, moved.because, moved.next_change_at) == ("on track", (2,), None)


def test_o9_a_deal_may_slip_and_rot() -> None:
    facts = facts_of((march(2), replace(OPENED[1], expected_close=march(5))), policy=ROTS)
    assert says(facts, march(6), ROTS).next_change_at == start(march(13))
    assert says(facts, march(13), ROTS).answer == "slipped and rotting"


def test_o9_a_deal_on_hold_or_over_neither_slips_nor_rots() -> None:
    held = facts_of(OPENED, (march(5), PutOnHold(reason="x")), (march(25), Resume()))
    assert (says(held, march(22)).answer, says(held, march(22)).next_change_at) == ("on hold", None)
    assert says(held, march(22)).because == (2,)
    assert says(held, march(25)).answer == "slipped"
    won = facts_of(OPENED, (march(5), MarkWon(amount=usd(5))))
    over = says(won, march(30))
    assert (over.answer, over.rule, over.because) == ("won", "this is its phase", (2,))
    assert over.next_change_at is None
    assert said_on(outlook(POLICY), [], march(1)) is None


def test_o9_how_often_and_how_far_a_deal_was_put_off() -> None:
    days = [march(20), march(25), march(24), march(30), march(30)]
    facts = facts_of(
        (march(2), Open(title="desks")),
        *((march(3 + n), Reschedule(expected_close=day)) for n, day in enumerate(days)),
    )
    deal = deal_of(facts, march(30))
    assert (deal.pushes, deal.days_pushed) == (2, 11)
    assert deal_of(facts, march(4)).pushes == 1


@given(LIVES, st.integers(0, 400))
def test_o9_an_outlook_stays_until_it_says_that_it_changes(history: History, days: int) -> None:
    facts = recorded(history)
    if not facts:
        return
    as_of = facts[-1].effective_at + timedelta(days=days)
    said = testing.said_on(outlook(POLICY), facts, as_of.date())
    assert said is not None
    known = deals_of(facts, as_of)[DEAL].state
    due, today = known.expected_close, as_of.date()
    late = known.phase == "open" and due is not None and due < today
    assert ("slipped" in said.answer) == late
    if known.phase == "open" and not late and due is not None:
        assert said.next_change_at == start(min(due, date(9998, 12, 30)) + timedelta(days=1))


# What comes next


@pytest.mark.parametrize(
    ("commands", "action"),
    [
        ([CaptureLead(title="a", source="b")], "qualify it"),
        ([CaptureLead(title="a", source="b"), QualifyLead()], "open it"),
        ([Open(title="a")], "meet budget"),
        ([Open(title="a"), to("test", "", "budget")], "meet quote, amount"),
        ([Open(title="a"), to("test", "", "budget"), LinkQuote(quote="q")], "meet amount"),
        ([Open(title="a"), to("test", "", "budget"), PutOnHold(reason="x")], "resume it"),
        ([Open(title="a", expected_close=date(2026, 3, 1))], "reschedule it"),
        ([Open(title="a"), MarkLost(reason="no")], "none"),
    ],
)
def test_what_is_to_be_done_next(commands: list[opportunity.Command], action: str) -> None:
    policy = Policy(pipelines=(ASKING,))
    facts = facts_of(*((march(2), command) for command in commands), policy=policy)
    assert next_action(deal_of(facts, march(2)), end(march(2)), policy) == action


def test_a_deal_moves_to_its_next_stage_and_ends_behind_the_last() -> None:
    deal = deal_of(facts_of(OPENED), march(2))
    assert next_action(deal, end(march(2)), POLICY) == "move it to engaging"
    last = deal_of(facts_of(OPENED, (march(3), to("negotiation"))), march(3))
    assert next_action(last, end(march(3)), POLICY) == "win or lose it"
    assert next_action(deal, end(march(2)), ROTS) == "win or lose it"


def test_the_figures_behind_an_outlook() -> None:
    back = (march(11), to("engaging", "a new buyer"))
    pushed = (march(12), Reschedule(expected_close=march(30)))
    said = says(facts_of(OPENED, MOVED, back, pushed), march(12))
    assert said.question == "outlook"
    assert said.details == (
        ("next action", "move it to proposal"),
        ("stage", "engaging"),
        ("time in prospecting", "8 days, 0:00:00"),
        ("time in proposal", "1 day, 0:00:00"),
        ("time in engaging", "1 day, 23:59:59.999999"),
        ("probability", "40 %"),
        ("forecast", "pipeline"),
        ("went back", "1"),
        ("put off", "1 times, 10 days"),
    )
    lead = says(facts_of((march(2), CaptureLead(title="a", source="b"))), march(2))
    assert (lead.answer, lead.details) == ("lead", (("next action", "qualify it"),))


# Scores


def scored(day: date, points: int, behaviour: str = "call", half: int = 10) -> tuple[date, Any]:
    score = Score(
        behaviour=behaviour,
        points=points,
        half_life_days=half,
        scored_on=day,
        counts_again_on=day,
    )
    return day, LeadScored(score=score)


SCORED = facts_on(scored(march(2), 40), scored(march(12), 8, "visit"))


def points_on(day: date, policy: Policy = POLICY) -> str | None:
    said = said_on(lead_score(policy), SCORED, day)
    return said.answer if said else None


def test_o16_a_score_is_the_sum_of_what_is_left_of_points() -> None:
    days = [march(1), march(2), march(7), march(11), march(12), march(22), date(2027, 3, 2)]
    assert [points_on(day) for day in days] == [None, "40", "30", "22", "28", "14", "0"]


def test_o16_a_score_is_capped_and_explained() -> None:
    few = Policy(score_max=25)
    assert points_on(march(12), few) == "25"
    said = said_on(lead_score(few), SCORED, march(22))
    assert said is not None
    assert said.details == (
        ("call on 2026-03-02", "10 of 40 are left"),
        ("visit on 2026-03-12", "4 of 8 are left"),
    )
    assert (said.question, said.because) == ("lead score", (1, 2))
    assert said.rule == "points for what was done, which fade, up to 25"
    gone = said_on(lead_score(few), SCORED, date(2027, 3, 2))
    assert gone is not None
    assert (gone.because, gone.details) == ((), ())


def test_o16_the_day_on_which_a_score_falls_is_known() -> None:
    said = said_on(lead_score(Policy(score_max=25)), SCORED, march(12))
    assert said is not None
    assert said.next_change_at == start(march(15))  # 40 * 1/2 * 17/20 + 8 * 17/20 = 23.8
    over = said_on(lead_score(POLICY), SCORED, date(2027, 3, 2))
    assert over is not None
    assert over.next_change_at is None


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(1, 20), st.integers(1, 9)), min_size=1, max_size=3
    ),
    st.integers(0, 40),
    st.integers(1, 30),
)
def test_o16_a_score_never_rises_by_itself_and_falls_when_it_says(
    given_points: list[tuple[int, int, int]], days: int, most: int
) -> None:
    facts = facts_on(*(scored(march(1) + timedelta(n), p, half=h) for n, p, h in given_points))
    last = max(fact.effective_at for fact in facts).date() + timedelta(days)
    projection = lead_score(Policy(score_max=most))
    said = said_on(projection, facts, last)
    assert said is not None
    now = int(said.answer)
    assert 0 <= now <= most
    if said.next_change_at is None:
        assert now == 0
        return
    falls = said.next_change_at.date()
    before, after = (said_on(projection, facts, falls - timedelta(n)) for n in (1, 0))
    assert before is not None
    assert after is not None
    assert (before.answer, int(after.answer) < now) == (said.answer, True)


def test_only_the_latest_hundred_scores_count() -> None:
    facts = facts_on(*(scored(march(2), 1) for _ in range(101)))
    said = said_on(lead_score(Policy(score_max=1_000)), facts, march(2))
    assert said is not None
    assert (said.answer, said.because[0]) == ("100", 2)


# As of a date


@given(LIVES, st.integers(0, 30))
def test_o8_what_is_known_later_changes_no_deal_of_before(history: History, number: int) -> None:
    facts = recorded(history)
    if number >= len(facts):
        return
    as_of = facts[number].effective_at
    until = [fact for fact in facts if fact.effective_at <= as_of]
    assert deals_of(facts, as_of) == deals_of(until, datetime(9000, 1, 1, tzinfo=UTC))
    assert in_effect(facts, as_of) == until
