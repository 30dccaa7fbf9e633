"""What holds of every history of an opportunity."""

from collections.abc import Iterator

from crmcore.domain import opportunity
from crmcore.testing.laws import invariant, law
from crmcore.testing.living import History
from crmcore.testing.steps import AnyDecider

CERTAIN = 100


@invariant("state")
def a_deal_is_open_or_closed(deal: opportunity.Opportunity) -> bool:
    """The probability and the forecast are those of the outcome, which is one (rules.md O1, O2)."""
    closed = (deal.won is not None, deal.lost_because is not None, deal.closed_on is not None)
    match deal.phase:
        case "open":
            return 0 < deal.probability_percent < CERTAIN and closed == (False, False, False)
        case "won":
            looks = (deal.probability_percent, deal.forecast)
            return looks == (CERTAIN, "closed") and closed == (True, False, True)
        case "lost":
            looks = (deal.probability_percent, deal.forecast)
            return looks == (0, "omitted") and closed == (False, True, True)
        case _:
            return deal.probability_percent == 0 and closed == (False, False, False)


@law
def stages_follow_each_other(_: AnyDecider, history: History) -> Iterator[str]:
    """A deal leaves the stage it is in, and is lost or reopened in it (rules.md O4, O6)."""
    stage: str | None = None
    for event in history.events:
        match event:
            case (
                opportunity.StageChanged(from_stage=left)
                | opportunity.PipelineMigrated(from_stage=left)
                | opportunity.OpportunityLost(stage=left)
                | opportunity.OpportunityReopened(stage=left)
            ) if left != stage:
                yield f"{event!r}, but it was in {stage!r}"
            case _:
                pass
        if isinstance(event, opportunity.OpportunityOpened):
            stage = event.stage
        if isinstance(event, opportunity.StageChanged | opportunity.PipelineMigrated):
            stage = event.to_stage


@law
def who_goes_back_says_why(_: AnyDecider, history: History) -> Iterator[str]:
    """Going back, losing and reopening have a reason (rules.md O1, O5, O6)."""
    for event in history.events:
        went_back = isinstance(event, opportunity.StageChanged) and event.direction == "back"
        ended = isinstance(event, opportunity.OpportunityLost | opportunity.OpportunityReopened)
        if (went_back or ended) and not event.reason.strip():
            yield f"{event!r} has no reason"


@law
def a_lead_converts_once(_: AnyDecider, history: History) -> Iterator[str]:
    """An opportunity is opened at most once (rules.md O10)."""
    opened = [e for e in history.events if isinstance(e, opportunity.OpportunityOpened)]
    yield from (f"{event!r} is one too many" for event in opened[1:])


LAWS = (
    a_deal_is_open_or_closed,
    stages_follow_each_other,
    who_goes_back_says_why,
    a_lead_converts_once,
)
