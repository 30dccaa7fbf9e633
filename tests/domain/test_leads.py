"""Leads: rules O10 and O16, and how a lead is nurtured."""

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain import opportunity
from crmcore.domain.lead import (
    LIVE,
    CaptureLead,
    DisqualifyLead,
    LeadQualified,
    LeadRecycled,
    NotALead,
    QualifyLead,
    ReasonRequired,
    RecycleLead,
)
from crmcore.domain.opportunity import MarkLost, Open, OpportunityOpened, Policy
from crmcore.domain.scoring import Behaviour, LeadScored, Score, ScoreLead, UnknownBehaviour
from crmcore.testing import History
from tests.domain.deals import ANN, DEAL, NEW, RULES, TODAY, lives

LEAD = NEW.when(CaptureLead(title="40 desks", source="trade fair", customer=ANN))
VISIT, CALL = ScoreLead(behaviour="page visited"), ScoreLead(behaviour="email answered")


def test_a_lead_that_was_given_up_is_nurtured_again_for_a_reason() -> None:
    gone = LEAD.when(DisqualifyLead(reason="no budget"))
    gone.when(RecycleLead(reason="")).rejected(ReasonRequired())
    back = gone.when(RecycleLead(reason="a new budget")).then(LeadRecycled(reason="a new budget"))
    assert back.state.phase == "recycled"
    back.when(RecycleLead(reason="again")).nothing()
    back.when(QualifyLead()).then(LeadQualified())
    DEAL.when(RecycleLead(reason="why not")).rejected(NotALead(phase="open"))


def test_a_lead_that_is_nurtured_becomes_a_deal_with_its_source() -> None:
    deal = LEAD.when(RecycleLead(reason="later"), Open(title="45 desks")).state
    assert (deal.phase, deal.source, deal.customer) == ("open", "trade fair", ANN)


def test_what_counts_for_a_lead_is_what_the_policy_says_then() -> None:
    LEAD.when(CALL).then(
        LeadScored(
            score=Score(
                behaviour="email answered",
                points=10,
                half_life_days=30,
                scored_on=TODAY,
                counts_again_on=date(2026, 3, 9),
            )
        )
    )


def test_only_a_live_lead_is_scored_and_only_for_what_counts() -> None:
    known = ("page visited", "email answered", "event attended", "demonstration asked for")
    LEAD.when(ScoreLead(behaviour="sneezed")).rejected(UnknownBehaviour(behaviours=known))
    DEAL.when(VISIT).rejected(NotALead(phase="open"))
    NEW.when(VISIT).rejected(NotALead(phase="new"))
    LEAD.when(DisqualifyLead(reason="no")).when(VISIT).rejected(NotALead(phase="disqualified"))


def test_o16_the_same_behaviour_counts_once_in_its_window() -> None:
    called = LEAD.when(CALL)
    called.when(CALL, at=date(2026, 3, 8)).nothing()
    assert len(called.when(CALL, at=date(2026, 3, 9)).events) == 1
    assert len(called.when(VISIT).events) == 1


def test_the_window_of_what_was_counted_stays_when_the_policy_changes() -> None:
    always = opportunity.decider(Policy(behaviours=(Behaviour(name="email answered", points=1),)))
    past = LEAD.when(CALL).state
    act = LEAD.when(CALL, at=date(2026, 3, 5)).steps[0].act
    assert always.decide(CALL, past, act) == ()


def test_o16_points_halve_in_each_half_life() -> None:
    score = Score(
        behaviour="b", points=40, half_life_days=30, scored_on=TODAY, counts_again_on=TODAY
    )
    left = [score.worth(TODAY + timedelta(days=days)) for days in (-1, 0, 15, 30, 45, 60, 90)]
    assert left == [40, 40, 30, 20, 15, 10, 5]
    assert score.worth(TODAY + timedelta(days=31 * 30)) == Fraction(40, 2**31)
    assert score.worth(TODAY + timedelta(days=32 * 30)) == 0


@given(st.integers(1, 1_000), st.integers(1, 400), st.integers(0, 4_000), st.integers(0, 4_000))
def test_o16_points_fade_and_never_come_back(points: int, half: int, days: int, more: int) -> None:
    score = Score(
        behaviour="b", points=points, half_life_days=half, scored_on=TODAY, counts_again_on=TODAY
    )
    early, late = (score.worth(TODAY + timedelta(days=n)) for n in (days, days + more))
    assert points >= early >= late >= 0
    assert late < early or more == 0 or early == 0


LEADS = lives(
    RULES,
    CaptureLead | ScoreLead | QualifyLead | DisqualifyLead | RecycleLead | Open | MarkLost,
    LeadScored | LeadRecycled | OpportunityOpened,
    behaviour=["page visited", "email answered", "event attended"],
    reason=["a reason"],
)


@given(LEADS)
def test_o16_every_point_is_explained_by_a_behaviour_outside_the_window_before(
    history: History,
) -> None:
    until: dict[str, date] = {}
    for step in history.steps:
        for event in step.events:
            if isinstance(event, LeadScored):
                score = event.score
                assert step.before.phase in LIVE
                assert score.scored_on == step.at.date()
                assert until.get(score.behaviour, date.min) <= score.scored_on
                until[score.behaviour] = score.counts_again_on
    scored = [event.score for event in history.events if isinstance(event, LeadScored)]
    assert list(history.state.scores) == scored


@given(LEADS)
def test_o10_a_deal_keeps_what_its_lead_was_scored_for(history: History) -> None:
    for step in history.steps:
        if step.before.phase in LIVE and step.after.phase == "open":
            assert (step.after.scores, step.after.source) == (
                step.before.scores,
                step.before.source,
            )
