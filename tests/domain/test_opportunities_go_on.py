"""What an opportunity holds as it goes on: facts say what is so from then on."""

from datetime import date
from uuid import UUID

from crmcore.domain import opportunity
from crmcore.domain.lead import DisqualifyLead, LeadCaptured, LeadDisqualified, LeadQualified
from crmcore.domain.money import Money
from crmcore.domain.opportunity import (
    OpportunityLost,
    OpportunityOpened,
    OpportunityReopened,
    Policy,
    Revalued,
)
from crmcore.testing import given

ANN = UUID(int=10)
RULES = opportunity.decider(Policy())


def usd(cents: int) -> Money:
    return Money(minor=cents, currency="USD")


OPENED = OpportunityOpened(
    title="bar",
    customer=ANN,
    source="fair",
    pipeline="standard@1",
    stage="proposal",
    probability_percent=60,
    forecast="best_case",
    amount=usd(500),
    product=None,
    owner="ann",
    expected_close=date(2026, 6, 30),
)
OPEN = given(RULES, OPENED)


def test_a_deal_holds_where_it_came_from_and_when_it_may_close() -> None:
    assert (OPEN.state.source, OPEN.state.expected_close) == ("fair", date(2026, 6, 30))


def test_a_deal_is_worth_what_was_said_last() -> None:
    assert OPEN.given(Revalued(amount=usd(700))).state.amount == usd(700)


def test_an_open_deal_is_forecast_as_its_stage_says() -> None:
    assert (OPEN.state.forecast, OPEN.state.probability_percent) == ("best_case", 60)


def test_a_deal_that_is_reopened_is_what_its_reopening_says() -> None:
    lost = OpportunityLost(reason="price", stage="proposal", closed_on=date(2026, 3, 2))
    reopened = OpportunityReopened(
        reason="a new budget",
        stage="negotiation",
        probability_percent=80,
        forecast="commit",
        amount=usd(300),
        owner="eve",
    )
    deal = OPEN.given(lost, reopened).state
    assert (deal.phase, deal.stage, deal.amount, deal.owner) == (
        "open",
        "negotiation",
        usd(300),
        "eve",
    )
    assert (deal.lost_because, deal.closed_on) == (None, None)


def test_a_lead_that_was_found_good_can_still_be_given_up() -> None:
    lead = LeadCaptured(title="bar", source="fair", customer=None)
    given(RULES, lead, LeadQualified()).when(DisqualifyLead(reason="no budget")).then(
        LeadDisqualified(reason="no budget")
    )
