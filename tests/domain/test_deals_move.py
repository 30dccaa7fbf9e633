"""How deals move: rules O2, O3, O5, O13 and O14."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore import testing
from crmcore.domain import opportunity
from crmcore.domain.lead import ReasonRequired
from crmcore.domain.opportunity import (
    AlreadyClosed,
    ChangeStage,
    ClearOverride,
    CriteriaUnmet,
    DealHeld,
    DealResumed,
    Entry,
    EvidenceGiven,
    ForecastOverridden,
    GiveEvidence,
    LinkQuote,
    MapNotTotal,
    MarkLost,
    MarkWon,
    MigratePipeline,
    Move,
    NotBetween,
    NotOpened,
    OnHold,
    Open,
    OpportunityOpened,
    OverrideCleared,
    OverrideForecast,
    OverrideProbability,
    PipelineMigrated,
    Policy,
    ProbabilityOverridden,
    PutOnHold,
    RecordPassage,
    Reopen,
    Resume,
    Revalue,
    StageChanged,
    StagePassed,
    UnknownCriterion,
    UnknownPipeline,
    UnknownStage,
)
from crmcore.domain.pipeline import STANDARD, Stage
from crmcore.testing import History
from tests.domain.deals import (
    ASKED,
    ASKING,
    DEAL,
    NEW,
    NOW,
    POLICY,
    RULES,
    TALK,
    TODAY,
    lives,
    to,
    usd,
)

# Criteria


def test_a_deal_enters_a_stage_whose_criteria_are_met() -> None:
    TALK.when(to("test")).rejected(CriteriaUnmet(to_stage="test", unmet=("budget",)))
    moved = TALK.when(to("test", "", "budget")).then(
        EvidenceGiven(evidence=("budget",)),
        StageChanged(
            from_stage="talk",
            to_stage="test",
            direction="forward",
            reason="",
            probability_percent=30,
            forecast="pipeline",
            entered_at=NOW,
        ),
    )
    assert moved.state.evidence == ("budget",)


def test_a_deal_skips_stages_whose_criteria_are_met() -> None:
    ready = TALK.when(LinkQuote(quote="q-1"), Revalue(amount=usd(5)))
    ready.when(to("offer")).rejected(CriteriaUnmet(to_stage="offer", unmet=("budget",)))
    assert ready.when(to("offer", "", "budget")).state.stage == "offer"
    unmet = CriteriaUnmet(to_stage="sign", unmet=("budget", "lawyer"))
    ready.when(to("sign")).rejected(unmet)


def test_what_a_deal_has_meets_the_criteria_that_are_called_so() -> None:
    tested = TALK.when(to("test", "", "budget"))
    tested.when(to("offer")).rejected(CriteriaUnmet(to_stage="offer", unmet=("quote", "amount")))
    priced = tested.when(Revalue(amount=usd(5)))
    priced.when(to("offer")).rejected(CriteriaUnmet(to_stage="offer", unmet=("quote",)))
    assert priced.when(LinkQuote(quote="q-1"), to("offer")).state.stage == "offer"


def test_where_a_pipeline_skips_freely_only_the_stage_that_is_entered_asks() -> None:
    free = replace(ASKING, skips_freely=True)
    rules = opportunity.decider(Policy(pipelines=(free,)))
    deal = testing.given(rules, *TALK.events, at=TODAY)
    assert deal.when(to("sign", "", "lawyer")).state.stage == "sign"
    deal.when(to("sign")).rejected(CriteriaUnmet(to_stage="sign", unmet=("lawyer",)))


def test_a_deal_opens_in_a_stage_whose_criteria_are_met() -> None:
    later = Open(title="40 desks", stage="test")
    new = testing.given(ASKED, at=TODAY)
    new.when(later).rejected(CriteriaUnmet(to_stage="test", unmet=("budget",)))
    opened = new.when(replace(later, evidence=("budget",)))
    assert [type(event) for event in opened.events] == [OpportunityOpened, EvidenceGiven]
    assert opened.state.stage == "test"


def test_evidence_is_of_what_the_pipeline_asks_for_and_is_given_once() -> None:
    asked = ("budget", "quote", "amount", "lawyer")
    TALK.when(GiveEvidence(evidence=("moon",))).rejected(UnknownCriterion(evidence=asked))
    given_once = TALK.when(GiveEvidence(evidence=("lawyer", "budget", "lawyer")))
    given_once.then(EvidenceGiven(evidence=("lawyer", "budget")))
    given_once.when(GiveEvidence(evidence=("budget",))).nothing()
    more = given_once.when(GiveEvidence(evidence=("budget", "quote")))
    more.then(EvidenceGiven(evidence=("quote",)))
    assert more.state.evidence == ("lawyer", "budget", "quote")


def test_who_goes_back_needs_no_criteria_and_goes_on_by_them() -> None:
    back = TALK.when(to("test", "", "budget")).when(to("talk", "a new buyer"))
    assert (back.state.stage, back.state.regressions) == ("talk", 1)
    assert back.when(to("test")).state.regressions == 1


def test_a_deal_whose_stage_is_gone_from_its_pipeline_is_asked_from_the_start() -> None:
    shorter = replace(ASKING, stages=ASKING.stages[1:])
    deal = testing.given(opportunity.decider(Policy(pipelines=(shorter,))), *TALK.events, at=TODAY)
    deal.when(to("test")).rejected(CriteriaUnmet(to_stage="test", unmet=("budget",)))


EVIDENCE = [("budget",), ("lawyer",), ("quote", "amount"), ()]
ASKED_DEALS = lives(
    ASKED,
    Open | ChangeStage | GiveEvidence | LinkQuote | Revalue | MarkLost,
    StageChanged | EvidenceGiven,
    evidence=EVIDENCE,
    reason=["a reason"],
    to_stage=[stage.name for stage in ASKING.stages],
    stage=[None],
)
CRITERIA = {
    "talk": set[str](),
    "test": {"budget"},
    "offer": {"budget", "quote", "amount"},
    "sign": {"budget", "quote", "amount", "lawyer"},
}


@given(ASKED_DEALS)
def test_o5_no_stage_is_entered_or_skipped_whose_criteria_are_not_met(history: History) -> None:
    for step in history.steps:
        for event in step.events:
            if isinstance(event, StageChanged) and event.direction == "forward":
                has = set(step.after.evidence)
                has |= {"amount"} if step.before.amount else set()
                has |= {"quote"} if step.before.quotes else set()
                skipped = CRITERIA[event.to_stage] - CRITERIA[event.from_stage]
                assert skipped <= has


# What somebody says of its chance


def test_a_chance_is_overridden_until_the_next_stage() -> None:
    said = OverrideProbability(probability_percent=35, reason="a hunch")
    sure = DEAL.when(said).then(ProbabilityOverridden(probability_percent=35, reason="a hunch"))
    assert sure.state.probability_percent == 35
    sure.when(said).nothing()
    assert sure.when(to("proposal")).state.probability_percent == 60


def test_an_override_is_cleared() -> None:
    sure = DEAL.when(
        OverrideProbability(probability_percent=35), OverrideForecast(forecast="commit")
    )
    cleared = sure.when(ClearOverride(of="probability")).then(OverrideCleared(of="probability"))
    assert (cleared.state.probability_percent, cleared.state.forecast) == (10, "commit")
    cleared.when(ClearOverride(of="probability")).nothing()
    both = cleared.when(ClearOverride(of="forecast")).then(OverrideCleared(of="forecast"))
    assert both.state.forecast == "pipeline"
    both.when(ClearOverride(of="forecast")).nothing()
    assert sure.when(ClearOverride(of="forecast")).state.probability_percent == 35


def test_o8_somebodys_place_in_the_forecast_is_apart_from_the_stages() -> None:
    said = OverrideForecast(forecast="best_case", reason="they smiled")
    placed = DEAL.when(said).then(ForecastOverridden(forecast="best_case", reason="they smiled"))
    placed.when(said).nothing()
    moved = placed.when(to("negotiation")).state
    assert (moved.forecast, moved.stage_forecast) == ("best_case", "commit")
    assert moved.probability_percent == 80


def test_a_deal_that_is_reopened_is_as_likely_as_somebody_said_before() -> None:
    lost = DEAL.when(OverrideProbability(probability_percent=35), MarkLost(reason="no"))
    assert lost.state.probability_percent == 0
    assert lost.when(Reopen(reason="yes")).state.probability_percent == 35


# On hold


def test_a_deal_on_hold_is_in_no_forecast_and_does_not_move() -> None:
    DEAL.when(PutOnHold(reason=" ")).rejected(ReasonRequired())
    held = DEAL.when(PutOnHold(reason="a merger")).then(DealHeld(reason="a merger"))
    assert (held.state.phase, held.state.forecast) == ("open", "omitted")
    assert held.state.probability_percent == 10
    held.when(PutOnHold(reason="still")).nothing()
    held.when(to("proposal")).rejected(OnHold())
    held.when(to("prospecting")).nothing()


def test_a_deal_on_hold_goes_on_or_is_closed() -> None:
    held = DEAL.when(PutOnHold(reason="a merger"))
    resumed = held.when(Resume()).then(DealResumed())
    assert resumed.state.forecast == "pipeline"
    resumed.when(Resume()).nothing()
    won = held.when(MarkWon(amount=usd(1))).state
    assert (won.phase, won.forecast) == ("won", "closed")
    NEW.when(Resume()).rejected(NotOpened())


# A stage that is recorded late


def at(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


MOVED = DEAL.when(to("proposal"), at=date(2026, 3, 12)).when(
    to("negotiation"), at=date(2026, 3, 20)
)
ENGAGED = RecordPassage(stage="engaging")


def test_o13_a_stage_that_is_recorded_late_lies_between_two_changes() -> None:
    late = MOVED.when(ENGAGED, at=date(2026, 3, 9))
    late.then(StagePassed(stage="engaging", entered_at=at(9)))
    assert late.state.stage == "negotiation"
    assert late.state.entries == (
        Entry(stage="prospecting", at=at(2)),
        Entry(stage="engaging", at=at(9)),
        Entry(stage="proposal", at=at(12)),
        Entry(stage="negotiation", at=at(20)),
    )
    late.when(ENGAGED, at=date(2026, 3, 10)).nothing()


@pytest.mark.parametrize("day", [1, 2, 12, 20, 21])
def test_o13_a_stage_that_is_recorded_late_is_at_no_change_and_outside_of_none(day: int) -> None:
    no = NotBetween(effective_at=at(day), first=at(2), last=at(20))
    MOVED.when(ENGAGED, at=date(2026, 3, day)).rejected(no)


def test_a_stage_that_is_recorded_late_is_one_of_the_pipelines() -> None:
    names = tuple(stage.name for stage in STANDARD.stages)
    unknown = UnknownStage(pipeline="standard@1", stages=names)
    MOVED.when(RecordPassage(stage="moon"), at=date(2026, 3, 9)).rejected(unknown)
    NEW.when(ENGAGED).rejected(NotOpened())
    nothing = NotBetween(effective_at=NOW, first=None, last=None)
    old = replace(DEAL.events[0], entered_at=None)
    testing.given(RULES, old, at=TODAY).when(ENGAGED).rejected(nothing)


def test_what_was_stored_without_its_time_has_no_stages_before_it() -> None:
    old = replace(MOVED.events[0], entered_at=None, to_stage="proposal")
    moved = DEAL.given(old).state
    assert (moved.stage, moved.entries) == ("proposal", ())


def test_clocks_that_differ_a_little_do_not_turn_stages_round() -> None:
    early = replace(MOVED.events[0], entered_at=at(1))
    assert [entry.at for entry in DEAL.given(early).state.entries] == [NOW, NOW]


@given(st.lists(st.tuples(st.sampled_from(STANDARD.stages), st.integers(3, 28)), max_size=6))
def test_o13_the_order_in_which_late_stages_are_recorded_changes_no_state(
    late: list[tuple[Stage, int]],
) -> None:
    passed = {day: StagePassed(stage=stage.name, entered_at=at(day)) for stage, day in late}
    moved = [*DEAL.events, *MOVED.events]
    here, there = (
        testing.given(RULES, *moved, *order).state
        for order in (passed.values(), reversed(passed.values()))
    )
    assert here == there
    assert [e.at for e in here.entries] == sorted(e.at for e in here.entries)


# Other pipelines

TOTAL = (
    Move(from_stage="talk", to_stage="prospecting"),
    Move(from_stage="test", to_stage="engaging"),
    Move(from_stage="offer", to_stage="proposal"),
    Move(from_stage="sign", to_stage="negotiation"),
)
HOME = MigratePipeline(to_pipeline="standard@1", moves=TOTAL)


def test_a_deal_goes_over_to_another_pipeline() -> None:
    tested = TALK.when(to("test", "", "budget"), OverrideProbability(probability_percent=77))
    moved = tested.when(HOME).then(
        PipelineMigrated(
            from_pipeline="asking@1",
            to_pipeline="standard@1",
            from_stage="test",
            to_stage="engaging",
            probability_percent=40,
            forecast="pipeline",
            entered_at=NOW,
        )
    )
    assert (moved.state.pipeline, moved.state.probability_percent) == ("standard@1", 40)
    assert moved.state.evidence == ("budget",)
    moved.when(HOME).nothing()


def test_o14_the_map_of_a_migration_is_total() -> None:
    asked = MapNotTotal(from_stages=("offer", "sign", "talk", "test"))
    TALK.when(replace(HOME, moves=TOTAL[:3])).rejected(asked)
    TALK.when(replace(HOME, moves=(*TOTAL, TOTAL[0]))).rejected(asked)
    gone = testing.given(RULES, *TALK.events, at=TODAY)
    gone.when(replace(HOME, moves=TOTAL[1:])).rejected(MapNotTotal(from_stages=("talk",)))
    assert gone.when(replace(HOME, moves=TOTAL[:1])).state.stage == "prospecting"


def test_a_migration_leads_to_stages_that_there_are() -> None:
    moon = (*TOTAL[:3], Move(from_stage="sign", to_stage="moon"))
    names = tuple(stage.name for stage in STANDARD.stages)
    unknown = UnknownStage(pipeline="standard@1", stages=names)
    TALK.when(replace(HOME, moves=moon)).rejected(unknown)
    nowhere = UnknownPipeline(pipelines=("standard@1", "asking@1"))
    TALK.when(replace(HOME, to_pipeline="moon@1")).rejected(nowhere)
    lost = TALK.when(MarkLost(reason="no"))
    lost.when(HOME).rejected(AlreadyClosed(outcome="lost", closed_on=TODAY))


MIGRATED = lives(
    ASKED,
    Open | ChangeStage | MigratePipeline | MarkLost,
    PipelineMigrated | StageChanged,
    moves=[TOTAL, TOTAL[1:]],
    to_pipeline=["standard@1", "asking@1"],
    evidence=EVIDENCE,
    reason=["a reason"],
)


@given(MIGRATED)
def test_o14_a_deal_stays_in_its_pipeline_until_it_is_migrated(history: History) -> None:
    stages = {one.label: {stage.name for stage in one.stages} for one in POLICY.pipelines}
    pipeline = ""
    for step in history.steps:
        for event in step.events:
            if isinstance(event, OpportunityOpened):
                pipeline = event.pipeline
            if isinstance(event, PipelineMigrated):
                assert event.from_pipeline == pipeline != event.to_pipeline
                assert Move(from_stage=event.from_stage, to_stage=event.to_stage) in TOTAL
                pipeline = event.to_pipeline
        assert step.after.pipeline == pipeline
        assert step.after.stage in stages.get(pipeline, {""})
