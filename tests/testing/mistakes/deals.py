"""Mistakes 10, in the rules of our own opportunities."""

from msgspec.structs import replace

from crmcore.domain import opportunity
from crmcore.domain.act import Act
from crmcore.domain.opportunity import (
    Command,
    CustomerNamed,
    Event,
    Opportunity,
    OpportunityLost,
    OpportunityReopened,
)
from crmcore.domain.pipeline import STANDARD
from crmcore.testing.rulebook import opportunity as laws
from crmcore.testing.steps import AnyDecider
from tests.testing.mistakes.port import Mistake

COMMANDS = (
    opportunity.Open | opportunity.NameCustomer | opportunity.ChangeStage | opportunity.MarkWon
    | opportunity.MarkLost | opportunity.Reopen
)  # fmt: skip
RULES = replace(opportunity.decider(opportunity.Policy()), commands=COMMANDS)


class Scored(Opportunity):
    """A deal whose probability is kept beside its outcome."""

    percent: int = 0

    @property
    def probability_percent(self) -> int:
        """The chance that this is won, as it was last written down."""
        return self.percent

    @property
    def of_its_outcome(self) -> int:
        """The chance that this is won, as it is."""
        return super().probability_percent


def edited(deal: Scored, event: Event) -> Scored:
    """Keep the chance when the deal is edited."""
    after = RULES.evolve(deal, event)
    assert isinstance(after, Scored)
    named = isinstance(event, CustomerNamed)
    return after if named else replace(after, percent=after.of_its_outcome)


def rescored(deal: Scored, event: Event) -> Scored:
    """Take the chance of the stage again whenever the deal is edited."""
    after = edited(deal, event)
    named = isinstance(event, CustomerNamed)
    return replace(after, percent=after.stage_percent) if named else after


def scored(rules: AnyDecider) -> AnyDecider:
    return replace(rules, initial=Scored())


def still_closed(deal: Opportunity, event: Event) -> Opportunity:
    """Open a deal again, and leave the day on which it was closed."""
    after = RULES.evolve(deal, event)
    return (
        replace(after, closed_on=deal.closed_on)
        if isinstance(event, OpportunityReopened)
        else after
    )


def guessed(command: Command, deal: Opportunity, act: Act) -> tuple[Event, ...]:
    """Guess that a deal that was won before is lost in the last stage that there is."""
    return tuple(
        replace(event, stage=STANDARD.stages[-1].name)
        if isinstance(event, OpportunityLost) and deal.frozen
        else event
        for event in RULES.decide(command, deal, act)
    )


MISTAKES = (
    Mistake(
        10, "O3", "editing a lost deal brings its probability back",
        scored(replace(RULES, evolve=rescored)), scored(replace(RULES, evolve=edited)),
        laws.a_deal_is_open_or_closed, 3,
    ),
    Mistake(
        10, "O1", "a deal is open and closed at once",
        replace(RULES, evolve=still_closed), RULES, laws.a_deal_is_open_or_closed, 3,
    ),
    Mistake(
        10, "O4", "the last stage of a lost deal is guessed",
        replace(RULES, decide=guessed), RULES, laws.stages_follow_each_other, 4,
    ),
)  # fmt: skip
