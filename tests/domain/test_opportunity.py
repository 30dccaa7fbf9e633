"""Opportunities: rules O1, O2, O3, O4, O5, O6, O10 and O12, and what must never come back."""

from datetime import UTC, date, datetime
from typing import get_args
from uuid import UUID

from hypothesis import given
from msgspec.structs import replace

from crmcore import testing
from crmcore.domain import opportunity
from crmcore.domain.lead import (
    AlreadyStarted,
    CaptureLead,
    DisqualifyLead,
    LeadCaptured,
    LeadDisqualified,
    LeadQualified,
    NotALead,
    QualifyLead,
    ReasonRequired,
)
from crmcore.domain.money import Money
from crmcore.domain.opportunity import (
    AlreadyClosed,
    BackwardNotAllowed,
    ChangeStage,
    Command,
    CurrencyFrozen,
    CustomerKnown,
    CustomerNamed,
    Event,
    Line,
    LinesRevised,
    MarkLost,
    MarkWon,
    Move,
    NameCustomer,
    NegativeAmount,
    NotClosed,
    NotOpened,
    Open,
    Opportunity,
    OpportunityLost,
    OpportunityOpened,
    OpportunityReopened,
    OpportunityWon,
    OverrideCleared,
    Policy,
    ProbabilityOverridden,
    RecordPassage,
    Reopen,
    Reschedule,
    Rescheduled,
    Revalue,
    Revalued,
    StageChanged,
    StagePassed,
    UnknownStage,
    WonAmended,
)
from crmcore.domain.pipeline import STANDARD, Pipeline, Stage
from crmcore.testing import History, histories, vacuous
from crmcore.testing.deriving import Overrides

ANN, BOB = UUID(int=10), UUID(int=11)
DEALS = opportunity.decider(Policy())
TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
STAGES = ["prospecting", "engaging", "proposal", "negotiation"]


def usd(dollars: int) -> Money:
    return Money(minor=dollars * 100, currency="USD")


def eur(euros: int) -> Money:
    return Money(minor=euros * 100, currency="EUR")


def to(stage: str, reason: str = "") -> ChangeStage:
    return ChangeStage(to_stage=stage, reason=reason)


NEW = testing.given(DEALS, at=TODAY)
LEAD = NEW.when(CaptureLead(title="40 desks", source="trade fair", customer=ANN))
DEAL = NEW.when(Open(title="40 desks", customer=ANN, amount=usd(900), owner="bob"))
PROPOSAL = DEAL.when(to("proposal"))
WON = PROPOSAL.when(MarkWon(amount=usd(800)))
LOST = PROPOSAL.when(MarkLost(reason="too dear"))

# What comes of `Open(title="40 desks")`.
OPENED = OpportunityOpened(
    title="40 desks",
    customer=None,
    source=None,
    pipeline="standard@1",
    stage="prospecting",
    probability_percent=10,
    forecast="pipeline",
    amount=None,
    product=None,
    owner=None,
    expected_close=None,
    entered_at=NOW,
)


def test_a_lead_is_captured() -> None:
    NEW.when(CaptureLead(title="40 desks", source="trade fair")).then(
        LeadCaptured(title="40 desks", source="trade fair", customer=None),
    )


def test_an_opportunity_starts_once() -> None:
    again = CaptureLead(title="50 desks", source="web")
    LEAD.when(again).rejected(AlreadyStarted(phase="lead"))
    DEAL.when(again).rejected(AlreadyStarted(phase="open"))
    DEAL.when(Open(title="50 desks")).rejected(AlreadyStarted(phase="open"))
    LOST.when(Open(title="50 desks")).rejected(AlreadyStarted(phase="lost"))


def test_a_lead_is_qualified_once() -> None:
    LEAD.when(QualifyLead()).then(LeadQualified()).when(QualifyLead()).nothing()


def test_a_lead_is_given_up_for_a_reason() -> None:
    LEAD.when(DisqualifyLead(reason="a student")).then(LeadDisqualified(reason="a student"))
    LEAD.when(DisqualifyLead(reason=" \n")).rejected(ReasonRequired())


def test_a_lead_that_was_given_up_stays_given_up() -> None:
    gone = LEAD.when(DisqualifyLead(reason="a student"))
    for command in (QualifyLead(), DisqualifyLead(reason="again"), Open(title="40 desks")):
        gone.when(command).rejected(NotALead(phase="disqualified"))


def test_a_deal_is_no_lead() -> None:
    DEAL.when(QualifyLead()).rejected(NotALead(phase="open"))
    NEW.when(DisqualifyLead(reason="a student")).rejected(NotALead(phase="new"))


def test_a_deal_opens_in_the_first_stage() -> None:
    NEW.when(Open(title="40 desks")).then(OPENED)


def test_a_deal_opens_in_a_stage_that_is_named() -> None:
    opened = NEW.when(
        Open(
            title="40 desks",
            customer=ANN,
            stage="negotiation",
            amount=usd(900),
            product="desk",
            owner="bob",
            expected_close=date(2026, 6, 30),
        ),
    )
    opened.then(
        OpportunityOpened(
            title="40 desks",
            customer=ANN,
            source=None,
            pipeline="standard@1",
            stage="negotiation",
            probability_percent=80,
            forecast="commit",
            amount=usd(900),
            product="desk",
            owner="bob",
            expected_close=date(2026, 6, 30),
            entered_at=NOW,
        ),
    )
    assert DEALS.customer(UUID(int=1), opened.state) == ANN


def test_a_converted_lead_keeps_its_customer_and_source() -> None:
    LEAD.when(QualifyLead()).when(Open(title="45 desks")).then(
        replace(OPENED, title="45 desks", customer=ANN, source="trade fair"),
    )
    LEAD.when(Open(title="45 desks", customer=BOB)).rejected(CustomerKnown(customer=ANN))


def test_a_stage_belongs_to_the_pipeline() -> None:
    unknown = UnknownStage(pipeline="standard@1", stages=tuple(STAGES))
    NEW.when(Open(title="40 desks", stage="moon")).rejected(unknown)
    DEAL.when(to("moon")).rejected(unknown)


def test_the_customer_of_a_deal_is_named_later() -> None:
    nobodys = NEW.when(Open(title="40 desks"))
    named = nobodys.when(NameCustomer(customer=ANN)).then(CustomerNamed(customer=ANN))
    assert named.state.customer == ANN


def test_an_opportunity_stays_with_its_customer() -> None:
    DEAL.when(NameCustomer(customer=ANN)).nothing()
    DEAL.when(NameCustomer(customer=BOB)).rejected(CustomerKnown(customer=ANN))


def test_a_deal_is_opened_before_anything_else_happens() -> None:
    NEW.when(NameCustomer(customer=ANN)).rejected(NotOpened())
    NEW.when(Revalue(amount=usd(1))).rejected(NotOpened())
    LEAD.when(MarkWon(amount=usd(1))).rejected(NotOpened())


def test_a_deal_moves_on() -> None:
    DEAL.when(to("proposal")).then(
        StageChanged(
            from_stage="prospecting",
            to_stage="proposal",
            direction="forward",
            reason="",
            probability_percent=60,
            forecast="best_case",
            entered_at=NOW,
        ),
    )
    PROPOSAL.when(to("proposal")).nothing()


def test_a_deal_goes_back_for_a_reason() -> None:
    PROPOSAL.when(to("engaging")).rejected(ReasonRequired())
    PROPOSAL.when(to("engaging", "new buyer")).then(
        StageChanged(
            from_stage="proposal",
            to_stage="engaging",
            direction="back",
            reason="new buyer",
            probability_percent=40,
            forecast="pipeline",
            entered_at=NOW,
        ),
    )


def test_a_deal_goes_back_only_where_that_is_allowed() -> None:
    back = to("prospecting", "new buyer")
    PROPOSAL.when(back).rejected(BackwardNotAllowed(to_stage="prospecting"))


def test_a_deal_is_revalued_and_rescheduled() -> None:
    DEAL.when(Revalue(amount=eur(950))).then(Revalued(amount=eur(950)))
    DEAL.when(Revalue(amount=usd(900))).nothing()
    june = Reschedule(expected_close=date(2026, 6, 30))
    moved = DEAL.when(june).then(Rescheduled(expected_close=date(2026, 6, 30)))
    moved.when(june).nothing()


def test_a_deal_is_worth_nothing_or_more() -> None:
    for command in (Revalue(amount=usd(-1)), MarkWon(amount=usd(-1))):
        DEAL.when(command).rejected(NegativeAmount())
    NEW.when(Open(title="40 desks", amount=usd(-1))).rejected(NegativeAmount())
    DEAL.when(Revalue(amount=usd(0))).then(Revalued(amount=usd(0)))


def test_a_deal_is_won_on_the_business_day() -> None:
    in_shanghai = opportunity.decider(Policy(time_zone="Asia/Shanghai"))
    evening = datetime(2026, 3, 2, 20, tzinfo=UTC)
    deal = testing.given(in_shanghai, *DEAL.events)
    deal.when(MarkWon(amount=usd(800), order="o-1"), at=evening).then(
        OpportunityWon(amount=usd(800), order="o-1", closed_on=date(2026, 3, 3)),
    )


def test_a_deal_is_lost_for_a_reason() -> None:
    DEAL.when(MarkLost(reason="")).rejected(ReasonRequired())
    DEAL.when(MarkLost(reason="too dear"), at=TODAY).then(
        OpportunityLost(reason="too dear", stage="prospecting", closed_on=TODAY),
    )


def test_a_closed_deal_does_not_change() -> None:
    for command in (to("engaging", "why not"), Revalue(amount=usd(1)), MarkWon(amount=usd(1))):
        WON.when(command).rejected(AlreadyClosed(outcome="won", closed_on=TODAY))
    for late in (Reschedule(expected_close=TODAY), MarkLost(reason="again")):
        LOST.when(late).rejected(AlreadyClosed(outcome="lost", closed_on=TODAY))


def test_a_deal_closes_in_its_own_currency() -> None:
    DEAL.when(MarkWon(amount=eur(800))).rejected(CurrencyFrozen(currency="USD"))


def test_a_closed_deal_keeps_its_currency_when_it_is_reopened() -> None:
    for closed in (WON, LOST):
        again = closed.when(Reopen(reason="they called"))
        again.when(Revalue(amount=eur(1))).rejected(CurrencyFrozen(currency="USD"))
    unvalued = NEW.when(Open(title="40 desks"), MarkWon(amount=eur(5)), Reopen(reason="a mistake"))
    unvalued.when(MarkWon(amount=usd(5))).rejected(CurrencyFrozen(currency="EUR"))


def test_a_closed_deal_reopens_as_it_was() -> None:
    WON.when(Reopen(reason="not paid")).then(
        OpportunityReopened(
            reason="not paid",
            stage="proposal",
            probability_percent=60,
            forecast="best_case",
            amount=usd(900),
            owner="bob",
        ),
    )
    WON.when(Reopen(reason="")).rejected(ReasonRequired())


def test_only_a_closed_deal_reopens() -> None:
    for never_closed in (NEW, LEAD, DEAL):
        never_closed.when(Reopen(reason="why not")).rejected(NotClosed())


def test_the_first_phase_is_stored_under_the_name_of_the_opportunity() -> None:
    for kind in (*get_args(Command), *get_args(Event)):
        assert kind.__struct_config__.tag.startswith("opportunity.")


# A newer pipeline takes new deals; the old one changed its mind about proposals.
NEWER = Policy(
    pipelines=(
        replace(
            STANDARD,
            stages=tuple(replace(stage, probability_percent=99) for stage in STANDARD.stages),
        ),
        Pipeline(
            name="quick",
            version=2,
            stages=(Stage(name="talk", probability_percent=50, forecast="commit"),),
        ),
    )
)


def test_a_deal_stays_in_the_pipeline_it_was_opened_in() -> None:
    newer = opportunity.decider(NEWER)
    testing.given(newer, at=TODAY).when(Open(title="40 desks")).then(
        replace(
            OPENED, pipeline="quick@2", stage="talk", probability_percent=50, forecast="commit"
        ),
    )
    old = UnknownStage(pipeline="standard@1", stages=tuple(STAGES))
    testing.given(newer, *DEAL.events).when(to("talk")).rejected(old)
    gone = UnknownStage(pipeline="standard@1", stages=())
    without_old = opportunity.decider(Policy(pipelines=NEWER.pipelines[1:]))
    testing.given(without_old, *DEAL.events).when(to("talk")).rejected(gone)


def test_o3_what_a_stage_stamped_stays_when_the_pipeline_changes() -> None:
    later = testing.given(opportunity.decider(NEWER), *DEAL.events, *PROPOSAL.events, at=TODAY)
    edited = later.when(Revalue(amount=usd(1)), MarkLost(reason="too dear"), Reopen(reason="no"))
    assert edited.state.probability_percent == 60
    assert edited.when(to("negotiation")).state.probability_percent == 99


# What other systems got wrong.


def test_regression_10_editing_a_lost_deal_does_not_bring_its_probability_back() -> None:
    assert LOST.given(CustomerNamed(customer=ANN)).state.probability_percent == 0
    LOST.when(Revalue(amount=usd(1))).rejected(AlreadyClosed(outcome="lost", closed_on=TODAY))


def test_regression_10_no_deal_is_open_and_closed_at_once() -> None:
    assert (WON.state.phase, WON.state.closed_on, WON.state.won) == ("won", TODAY, usd(800))
    again = WON.when(Reopen(reason="not paid")).state
    assert (again.phase, again.closed_on, again.won) == ("open", None, None)


def test_regression_10_a_deal_once_won_is_lost_in_its_own_last_stage() -> None:
    WON.when(Reopen(reason="not paid")).when(MarkLost(reason="no money")).then(
        OpportunityLost(reason="no money", stage="proposal", closed_on=TODAY),
    )


# Every history keeps the rules.


HISTORIES = histories(DEALS, overrides={"reason": ["a reason", ""]})


@given(HISTORIES)
def test_o1_a_deal_is_open_or_won_or_lost_and_looks_it(history: History) -> None:
    for step in history.steps:
        deal = step.after
        looks = (deal.probability_percent, deal.forecast, deal.won is None, deal.lost_because)
        match deal.phase:
            case "won":
                assert looks == (100, "closed", False, None)
                assert deal.closed_on is not None
            case "lost":
                assert looks == (0, "omitted", True, "a reason")
                assert deal.closed_on is not None
            case "open":
                assert looks[2:] == (True, None)
                assert deal.closed_on is None
            case _:
                assert looks == (0, "omitted", True, None)
                assert deal.stage == "" or deal.phase == "merged"


@given(HISTORIES)
def test_o2_an_open_deal_is_neither_certain_nor_hopeless(history: History) -> None:
    for step in history.steps:
        assert (0 < step.after.probability_percent < 100) == (step.after.phase == "open")


@given(HISTORIES)
def test_o3_the_probability_is_what_the_stage_said_at_entry_or_somebody_since(
    history: History,
) -> None:
    said = {"prospecting": 10, "engaging": 40, "proposal": 60, "negotiation": 80}
    stage, overridden = "", None
    for step in history.steps:
        for event in step.events:
            match event:
                case OpportunityOpened(stage=entered) | StageChanged(to_stage=entered):
                    stage, overridden = entered, None
                    assert event.probability_percent == said[stage]
                case OpportunityReopened(stage=last):
                    assert (last, event.probability_percent) == (stage, said[stage])
                case ProbabilityOverridden(probability_percent=percent):
                    overridden = percent
                case OverrideCleared(of="probability"):
                    overridden = None
                case _:
                    pass
        if step.after.phase == "open":
            assert step.after.probability_percent == (overridden or said[stage])


@given(HISTORIES)
def test_o4_stages_follow_each_other_and_a_lost_deal_keeps_the_last(history: History) -> None:
    stage = ""
    for event in history.events:
        match event:
            case OpportunityOpened(stage=first):
                stage = first
            case StageChanged(from_stage=left, to_stage=entered):
                assert left == stage != entered
                stage = entered
            case OpportunityLost(stage=last) | OpportunityReopened(stage=last):
                assert last == stage
            case _:
                pass


@given(HISTORIES)
def test_o5_a_deal_goes_back_for_a_reason_where_that_is_allowed(history: History) -> None:
    for event in history.events:
        if isinstance(event, StageChanged):
            back = STAGES.index(event.to_stage) < STAGES.index(event.from_stage)
            assert event.direction == ("back" if back else "forward")
            assert not back or (event.reason == "a reason" and event.to_stage != "prospecting")
    moves = [event for event in history.events if isinstance(event, StageChanged)]
    assert history.state.regressions == sum(move.direction == "back" for move in moves)


@given(HISTORIES)
def test_o6_a_reopened_deal_is_what_it_was_before_it_closed(history: History) -> None:
    before = DEALS.initial
    for step in history.steps:
        match step.events:
            case (OpportunityWon() | OpportunityLost(), *_):
                before = step.before
            case (*_, OpportunityReopened()):
                now = replace(step.after, customer=before.customer, frozen=before.frozen)
                assert replace(now, quotes=before.quotes, orders=before.orders) == before
            case _:
                pass


@given(HISTORIES)
def test_o10_a_lead_converts_at_most_once_and_keeps_what_was_known(history: History) -> None:
    happened = history.events
    opened = [event for event in happened if isinstance(event, OpportunityOpened)]
    captured = [event for event in happened if isinstance(event, LeadCaptured)]
    assert len(opened) <= 1
    assert len(captured) <= 1
    for deal in opened:
        assert deal.source == (captured[0].source if captured else None)
        if captured and captured[0].customer:
            assert deal.customer == captured[0].customer


@given(HISTORIES)
def test_o12_the_currency_is_frozen_when_a_deal_closes(history: History) -> None:
    frozen = None
    for step in history.steps:
        for event in step.events:
            if isinstance(event, OpportunityWon | Revalued | WonAmended) and frozen:
                assert event.amount.currency == frozen
            if isinstance(event, LinesRevised) and event.lines and frozen:
                assert event.amount is not None
                assert event.amount.currency == frozen
            if isinstance(event, OpportunityWon):
                frozen = event.amount.currency
            if isinstance(event, OpportunityLost) and step.before.amount:
                frozen = step.before.amount.currency


@given(HISTORIES, HISTORIES)
def test_any_fact_can_be_applied_to_any_opportunity(history: History, other: History) -> None:
    for deal in (DEALS.initial, DEALS.fold(history.events)):
        for event in other.events:
            assert isinstance(DEALS.evolve(deal, event), Opportunity)


# Two pipelines, one of which asks for evidence, so that deals can go from one to the other.
TWO = Policy(
    pipelines=(
        STANDARD,
        Pipeline(
            name="asking",
            version=1,
            stages=(
                Stage(name="talk", probability_percent=20, forecast="pipeline", allow_back=False),
                Stage(
                    name="offer",
                    probability_percent=70,
                    forecast="commit",
                    criteria=("budget", "owner"),
                ),
            ),
        ),
    )
)
MOVES = [
    (Move(from_stage="talk", to_stage="engaging"), Move(from_stage="offer", to_stage="proposal")),
    (Move(from_stage="talk", to_stage="engaging"),),
]
DESK, TAXI = Line(line="desk", price=usd(900)), Line(line="taxi", price=eur(50))
REBATE = Line(line="rebate", price=usd(-100))
LINES = [(DESK, REBATE), (DESK, TAXI), (DESK, DESK), (REBATE,), ()]
LATE = {RecordPassage, StagePassed}  # histories that are generated go on in their order


def test_every_event_and_every_rejection_occurs() -> None:
    asked: Overrides = {"moves": MOVES, "evidence": [("budget",), ("moon",)], "lines": LINES}
    assert vacuous(opportunity.decider(TWO), LATE, overrides=asked) == []
