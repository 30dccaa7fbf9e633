"""The rules of opportunities: each concept decides for itself, and here they meet."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, assert_never, get_args

from msgspec.structs import replace

from crmcore.domain import lead, scoring
from crmcore.domain.act import Act
from crmcore.domain.decider import Decider
from crmcore.domain.money import CurrencyMismatch
from crmcore.domain.opportunity import (
    chances,
    closing,
    holding,
    links,
    merging,
    migrating,
    opening,
    passing,
    stages,
    state,
    team,
    worth,
)
from crmcore.domain.opportunity.migrating import MapNotTotal, MigratePipeline, PipelineMigrated
from crmcore.domain.opportunity.opening import CustomerKnown
from crmcore.domain.opportunity.passing import NotBetween, RecordPassage, StagePassed
from crmcore.domain.opportunity.policy import Policy
from crmcore.domain.opportunity.state import REMEMBERED_MAX, Opportunity
from crmcore.domain.scoring import LeadScored, ScoreLead, UnknownBehaviour

Command: TypeAlias = (
    stages.Command | worth.Command | closing.Command | opening.Command | chances.Command
    | team.Command | links.Command | holding.Command | merging.Command
    | RecordPassage | MigratePipeline | lead.Command | ScoreLead
)  # fmt: skip
Event: TypeAlias = (
    stages.Event | worth.Event | closing.Event | opening.Event | chances.Event
    | team.Event | links.Event | holding.Event | merging.Event
    | StagePassed | PipelineMigrated | lead.Event | LeadScored
)  # fmt: skip
Reason: TypeAlias = (
    state.Reason | stages.Reason | worth.Reason | closing.Reason | CustomerKnown | team.Reason
    | merging.Reason | NotBetween | migrating.UnknownPipeline | MapNotTotal | lead.Reason
    | UnknownBehaviour | CurrencyMismatch
)  # fmt: skip


def decide(command: Command, deal: Opportunity, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens when this command meets this opportunity."""
    if isinstance(command, merging.Command):
        return merging.decide(command, deal)
    merging.require_own(deal)
    if isinstance(command, lead.Command):
        return lead.decide(command, deal.phase)
    if isinstance(command, ScoreLead):
        scores, today = deal.scores, policy.day(act)
        return scoring.decide(command, deal.phase, scores, today, policy.scoring)
    return _decide_on_deal(command, deal, act, policy)


def _decide_on_deal(
    command: stages.Command | worth.Command | closing.Command | opening.Command | chances.Command
    | team.Command | links.Command | holding.Command | RecordPassage | MigratePipeline,
    deal: Opportunity,
    act: Act,
    policy: Policy,
) -> tuple[Event, ...]:  # fmt: skip
    if isinstance(command, stages.Command):
        return stages.decide(command, deal, act, policy)
    if isinstance(command, worth.Command):
        return worth.decide(command, deal)
    if isinstance(command, closing.Command):
        return closing.decide(command, deal, act, policy)
    if isinstance(command, opening.Command):
        return opening.decide(command, deal, act, policy)
    if isinstance(command, chances.Command):
        return chances.decide(command, deal)
    if isinstance(command, team.Command):
        return team.decide(command, deal)
    if isinstance(command, links.Command):
        return links.decide(command, deal)
    if isinstance(command, holding.Command):
        return holding.decide(command, deal)
    if isinstance(command, RecordPassage):
        return passing.decide(command, deal, act, policy)
    return migrating.decide(command, deal, act, policy)


def _of_a_lead(deal: Opportunity, event: lead.Event | LeadScored) -> Opportunity:
    """Return the opportunity after a fact of its first phase."""
    match event:
        case lead.LeadCaptured(customer=customer, source=source):
            return replace(deal, phase="lead", customer=customer, source=source)
        case lead.LeadQualified():
            return replace(deal, phase="qualified")
        case lead.LeadDisqualified():
            return replace(deal, phase="disqualified")
        case lead.LeadRecycled():
            return replace(deal, phase="recycled")
        case LeadScored(score=score):
            return replace(deal, scores=(*deal.scores, score)[-REMEMBERED_MAX:])
        case _:
            assert_never(event)


# The part that each fact is of: one look for every fact of a long history.
_EVOLVE: Mapping[type, Callable[[Opportunity, Any], Opportunity]] = {
    kind: part
    for part, events in (
        (stages.evolve, stages.Event),
        (worth.evolve, worth.Event),
        (closing.evolve, closing.Event),
        (opening.evolve, opening.Event),
        (chances.evolve, chances.Event),
        (team.evolve, team.Event),
        (links.evolve, links.Event),
        (holding.evolve, holding.Event),
        (merging.evolve, merging.Event),
        (passing.evolve, StagePassed),
        (migrating.evolve, PipelineMigrated),
        (_of_a_lead, lead.Event | LeadScored),
    )
    for kind in get_args(events) or (events,)
}


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the opportunity after a fact. No rules here: what happened, happened."""
    return _EVOLVE[type(event)](deal, event)


def decider(policy: Policy) -> Decider[Command, Opportunity, Event]:
    """Return the rules of opportunities under this policy."""
    return Decider(
        kind="opportunity",
        initial=Opportunity(),
        decide=partial(decide, policy=policy),
        evolve=evolve,
        customer=lambda _, deal: deal.customer,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=_threads,
    )


def _threads(event: Event) -> tuple[str, ...]:
    """Return what an event belongs to: all but a stage that is recorded late keeps its order."""
    return () if isinstance(event, StagePassed) else ("opportunity",)
