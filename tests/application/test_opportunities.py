"""Opportunities asked of a CRM: O7, O8, O9, O13, O15 and O16, over each store."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from crmcore import CRM, NotFound, Rejected
from crmcore.domain import opportunity
from crmcore.domain.customer import Register
from crmcore.domain.lead import CaptureLead
from crmcore.domain.opportunity import (
    ChangeStage,
    LinkQuote,
    MarkWon,
    MergedAway,
    NotBetween,
    Open,
    RecordPassage,
)
from crmcore.domain.scoring import ScoreLead
from tests.application.acting import ADA, day, usd

DEAL, OTHER = UUID(int=20), UUID(int=21)
MARCH = (date(2026, 3, 1), date(2026, 4, 1))


def do(crm: CRM, command: opportunity.Command, on: date, to: UUID = DEAL) -> None:
    crm.do(command, to=to, act=crm.act("ann", effective_at=on))


def worth(minor: int) -> Open:
    return Open(title="desks", amount=usd(minor), expected_close=date(2026, 3, 20))


def test_o8_a_forecast_is_asked_as_of_a_day_as_known_then(crm: CRM) -> None:
    do(crm, worth(1_000), day(2))
    do(crm, ChangeStage(to_stage="negotiation"), day(10))
    known = crm.position()
    do(crm, MarkWon(amount=usd(900)), date(2026, 3, 1))
    [then] = crm.forecast(*MARCH, as_of=day(5)).by_category
    assert (then.what, then.weighted) == ("pipeline", usd(100))
    [before] = crm.forecast(*MARCH, known_at=known).by_category
    assert (before.what, before.weighted) == ("commit", usd(800))
    [now] = crm.forecast(*MARCH).by_category
    assert (now.what, now.weighted) == ("closed", usd(900))
    assert [row.weighted for row in crm.pipeline(as_of=day(5)).total] == [usd(100)]
    assert crm.pipeline().total == ()
    rate = crm.win_rate(*MARCH)
    assert (rate.won, rate.lost, rate.cycle_days) == (1, 0, 27)
    assert crm.win_rate(*MARCH, as_of=day(5)).won == 0


def test_o9_an_outlook_says_when_it_changes(crm: CRM) -> None:
    do(crm, worth(1_000), day(2))
    said = crm.outlook(DEAL)
    assert said is not None
    assert (said.answer, said.next_change_at) == ("on track", datetime(2026, 3, 21, tzinfo=UTC))
    assert crm.outlook(DEAL, as_of=day(1)) is None
    late = crm.outlook(DEAL, as_of=date(2026, 3, 21))
    assert late is not None
    assert late.answer == "slipped"


def test_o16_a_lead_is_scored_as_of_a_day(crm: CRM) -> None:
    do(crm, CaptureLead(title="desks", source="fair"), day(1))
    assert crm.lead_score(DEAL) is None
    do(crm, ScoreLead(behaviour="event attended"), day(1))
    said, later = crm.lead_score(DEAL, as_of=day(2)), crm.lead_score(DEAL, as_of=date(2026, 3, 3))
    assert said is not None
    assert later is not None
    assert (said.answer, later.answer) == ("19", "10")
    assert later.details == (("event attended on 2026-02-01", "10 of 20 are left"),)


def test_o13_a_stage_that_is_recorded_late_lies_between_its_neighbours(crm: CRM) -> None:
    do(crm, worth(1_000), day(2))
    do(crm, ChangeStage(to_stage="proposal"), day(10))
    do(crm, RecordPassage(stage="engaging"), day(5))
    with pytest.raises(Rejected) as caught:
        do(crm, RecordPassage(stage="engaging"), day(1))
    assert caught.value.code == NotBetween.__name__
    assert crm.opportunity(DEAL).stage == "proposal"
    said = crm.outlook(DEAL, as_of=day(12))
    assert said is not None
    times = [text for name, text in said.details if name.startswith("time in ")]
    assert [text.partition(",")[0] for text in times] == ["3 days", "5 days", "2 days"]
    assert crm.verify().problems == ()


def test_o15_two_opportunities_become_one_in_one_act(crm: CRM) -> None:
    crm.do(Register(code="a", name="Ada", kind="person"), to=ADA, act=crm.act("ann"))
    do(crm, worth(1_000), day(2))
    do(crm, Open(title="desks", customer=ADA, amount=usd(1_100)), day(2), OTHER)
    do(crm, LinkQuote(quote="q-1"), day(3), OTHER)
    act = crm.act("ann", command_id=UUID(int=99))
    receipt = crm.merge_opportunities(OTHER, into=DEAL, act=act)
    again = crm.merge_opportunities(OTHER, into=DEAL, act=act)
    assert (again.facts, again.replayed) == (receipt.facts, True)
    deal, gone = crm.opportunity(DEAL), crm.opportunity(OTHER)
    assert (deal.amount, deal.customer, deal.quotes) == (usd(1_000), ADA, ("q-1",))
    assert (gone.phase, gone.merged_into) == ("merged", DEAL)
    assert [row.amount for row in crm.pipeline().total] == [usd(1_000)]
    stage = crm.lifecycle(ADA)
    assert stage is not None
    assert stage.answer == "opportunity"


def test_o15_what_two_are_worth_together_is_said(crm: CRM) -> None:
    do(crm, worth(1_000), day(2))
    do(crm, worth(1_100), day(2), OTHER)
    crm.merge_opportunities(OTHER, into=DEAL, act=crm.act("ann"), amount=usd(2_100))
    assert crm.opportunity(DEAL).amount == usd(2_100)


def test_o15_nothing_is_merged_into_itself_or_round_in_a_ring(crm: CRM) -> None:
    do(crm, worth(1_000), day(2))
    do(crm, worth(1_100), day(2), OTHER)
    with pytest.raises(Rejected) as caught:
        crm.merge_opportunities(DEAL, into=DEAL, act=crm.act("ann"))
    assert caught.value.code == MergedAway.__name__
    crm.merge_opportunities(OTHER, into=DEAL, act=crm.act("ann"))
    with pytest.raises(Rejected):
        crm.merge_opportunities(DEAL, into=OTHER, act=crm.act("ann"))
    assert crm.opportunity(DEAL).phase == "open"


def test_a_merge_may_be_asked_of_the_one_that_goes_on(crm: CRM) -> None:
    do(crm, worth(1_000), day(2))
    do(crm, worth(1_100), day(2), OTHER)
    held = opportunity.held_by(crm.opportunity(OTHER))
    do(crm, opportunity.Absorb(absorbed_opportunity=OTHER, held=held), day(5))
    assert crm.opportunity(OTHER).merged_into == DEAL
    with pytest.raises(NotFound):
        crm.merge_opportunities(UUID(int=98), into=DEAL, act=crm.act("ann"))
