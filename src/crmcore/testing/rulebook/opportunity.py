"""What holds of every history of an opportunity."""

from collections.abc import Iterator
from datetime import date

from crmcore.domain import opportunity
from crmcore.domain.scoring import LeadScored
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


@law
def a_chance_is_the_stages_or_somebodys_since(_: AnyDecider, history: History) -> Iterator[str]:
    """An open deal is as likely as its stage said, or somebody since (rules.md O3)."""
    chance = stamped = 0
    for step in history.steps:
        for event in step.events:
            match event:
                case (
                    opportunity.OpportunityOpened(probability_percent=percent)
                    | opportunity.StageChanged(probability_percent=percent)
                    | opportunity.PipelineMigrated(probability_percent=percent)
                ):
                    chance = stamped = percent
                case opportunity.ProbabilityOverridden(probability_percent=percent):
                    chance = percent
                case opportunity.OverrideCleared(of="probability"):
                    chance = stamped
                case _:
                    pass
        if step.after.phase == "open" and step.after.probability_percent != chance:
            yield f"it is {step.after.probability_percent} % likely, and not {chance} %"


@law
def credit_is_whole(_: AnyDecider, history: History) -> Iterator[str]:
    """The shares of a deal come to 100 percent (rules.md O11)."""
    for event in history.events:
        if isinstance(event, opportunity.CreditSplit):
            percent = sum(share.percent for share in event.shares)
            if percent != CERTAIN:
                yield f"{event!r} comes to {percent} percent"


@law
def lines_come_to_the_amount(_: AnyDecider, history: History) -> Iterator[str]:
    """A deal with lines is worth what these come to (rules.md O12)."""
    for event in history.events:
        if isinstance(event, opportunity.LinesRevised) and event.lines:
            minor = sum(line.price.minor * line.quantity for line in event.lines)
            if event.amount is None or event.amount.minor != minor:
                yield f"{event!r} comes to {minor}"


@law
def a_behaviour_counts_once_in_its_window(_: AnyDecider, history: History) -> Iterator[str]:
    """The same behaviour of a lead counts again only after its window (rules.md O16)."""
    until: dict[str, date] = {}
    for event in history.events:
        if isinstance(event, LeadScored):
            score = event.score
            if score.scored_on < until.get(score.behaviour, score.scored_on):
                yield f"{score!r} counts too soon"
            until[score.behaviour] = score.counts_again_on


@law
def what_was_amended_is_taken_back_first(_: AnyDecider, history: History) -> Iterator[str]:
    """Whoever reopens what was won first goes back to the first amount (rules.md O6)."""
    first = won = None
    for event in history.events:
        match event:
            case opportunity.OpportunityWon(amount=amount):
                first = won = amount
            case (
                opportunity.WonAmended(amount=amount) | opportunity.AmendmentReversed(amount=amount)
            ):
                won = amount
            case opportunity.OpportunityReopened():
                if won != first:
                    yield f"it was reopened at {won}, and was won for {first} at first"
                first = won = None
            case _:
                pass


@law
def what_is_merged_away_stays_away(_: AnyDecider, history: History) -> Iterator[str]:
    """Nothing happens to an opportunity that was merged into another (rules.md O15)."""
    merged = False
    for event in history.events:
        if merged:
            yield f"{event!r} after it was merged"
        merged = merged or isinstance(event, opportunity.OpportunityMerged)


LAWS = (
    a_deal_is_open_or_closed,
    a_chance_is_the_stages_or_somebodys_since,
    credit_is_whole,
    lines_come_to_the_amount,
    a_behaviour_counts_once_in_its_window,
    what_was_amended_is_taken_back_first,
    what_is_merged_away_stays_away,
    stages_follow_each_other,
    who_goes_back_says_why,
    a_lead_converts_once,
)
