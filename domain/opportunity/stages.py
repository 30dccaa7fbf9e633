"""A deal moves through the stages of its pipeline, each of which it enters by its criteria."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Protocol, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.lead import require_reason
from crmcore.domain.opportunity.policy import Policy
from crmcore.domain.opportunity.state import (
    REMEMBERED_MAX,
    Entry,
    Opportunity,
    UnknownStage,
    require_open,
)
from crmcore.domain.pipeline import Forecast, Percent, Pipeline, Stage
from crmcore.domain.value import Instant, Note, Ref, Rejection, Value, found, require

Criteria: TypeAlias = Annotated[tuple[Ref, ...], Meta(min_length=1, max_length=20)]


# Commands


class ChangeStage(Value, tag="opportunity.change_stage"):
    """Move a deal on, or back for a reason; `evidence` names criteria that are met."""

    to_stage: Ref
    reason: Note = ""
    evidence: Annotated[tuple[Ref, ...], Meta(max_length=20)] = ()


class GiveEvidence(Value, tag="opportunity.give_evidence"):
    """Say that criteria of the pipeline are met."""

    evidence: Criteria


Command: TypeAlias = ChangeStage | GiveEvidence


# Events


class StageChanged(Value, tag="opportunity.stage_changed"):
    """The deal entered a stage and took the chance and forecast that the stage had then."""

    from_stage: Ref
    to_stage: Ref
    direction: Literal["forward", "back"]
    reason: Note
    probability_percent: Percent
    forecast: Forecast
    entered_at: Instant | None = None


class EvidenceGiven(Value, tag="opportunity.evidence_given"):
    """More criteria were met."""

    evidence: Criteria


Event: TypeAlias = StageChanged | EvidenceGiven


# Rejections


class BackwardNotAllowed(Rejection):
    """A deal goes back only to a stage that allows it."""

    to_stage: str


class CriteriaUnmet(Rejection):
    """A deal enters a stage, and skips one, whose criteria are met."""

    to_stage: str
    unmet: tuple[str, ...]


class UnknownCriterion(Rejection):
    """Evidence is of criteria that the pipeline asks for."""

    evidence: tuple[str, ...]


class OnHold(Rejection):
    """A deal on hold is resumed before it moves."""


Reason: TypeAlias = BackwardNotAllowed | CriteriaUnmet | UnknownCriterion | OnHold


class Entering(Protocol):
    """What an event says of the stage that a deal enters by it."""

    @property
    def probability_percent(self) -> int:
        """The chance that the stage said."""

    @property
    def forecast(self) -> Forecast:
        """The place in the forecast that the stage said."""

    @property
    def entered_at(self) -> datetime | None:
        """When, as far as the fact says."""


def decide(command: Command, deal: Opportunity, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return the stage that a deal enters, or the criteria that it meets."""
    require_open(deal)
    if isinstance(command, GiveEvidence):
        return evidence_of(command.evidence, deal, policy.stages(deal.pipeline))
    return _change_stage(command, deal, act, policy)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the deal in its stage, or with its evidence."""
    if isinstance(event, EvidenceGiven):
        return replace(deal, evidence=(*deal.evidence, *event.evidence))
    moved = entered(deal, event.to_stage, event)
    back = event.direction == "back"
    return replace(moved, regressions=deal.regressions + 1) if back else moved


def stage_named(name: str, pipeline: str, stages: tuple[Stage, ...]) -> Stage:
    """Return a stage of a pipeline, or reject its name."""
    names = tuple(stage.name for stage in stages)
    named = next((stage for stage in stages if stage.name == name), None)
    return found(named, UnknownStage(pipeline=pipeline, stages=names))


def evidence_of(
    said: tuple[str, ...], deal: Opportunity, stages: tuple[Stage, ...]
) -> tuple[EvidenceGiven, ...]:
    """Return the evidence that is new; only what the pipeline asks for is any."""
    asked = tuple(dict.fromkeys(name for stage in stages for name in stage.criteria))
    require(set(said) <= set(asked), UnknownCriterion(evidence=asked))
    news = tuple(name for name in dict.fromkeys(said) if name not in deal.evidence)
    return (EvidenceGiven(evidence=news),) if news else ()


def require_criteria(
    to: Stage,
    left: str | None,
    deal: Opportunity,
    given: tuple[EvidenceGiven, ...],
    pipeline: Pipeline,
) -> None:
    """Reject a step to a stage, over others, whose criteria are not met (rules.md O5)."""
    names = [stage.name for stage in pipeline.stages]
    start = names.index(left) + 1 if left in names else 0
    skipped = () if pipeline.skips_freely else pipeline.stages[start : names.index(to.name)]
    met = (*deal.met, *(name for event in given for name in event.evidence))
    asked = dict.fromkeys(name for stage in (*skipped, to) for name in stage.criteria)
    unmet = tuple(name for name in asked if name not in met)
    require(not unmet, CriteriaUnmet(to_stage=to.name, unmet=unmet))


def entered(deal: Opportunity, stage: str, event: Entering) -> Opportunity:
    """Return a deal in a stage that it enters: what was overridden before is over (rules.md O3)."""
    return replace(
        deal,
        stage=stage,
        stage_percent=event.probability_percent,
        stage_forecast=event.forecast,
        override_percent=None,
        entries=_entries(deal.entries, stage, event.entered_at),
    )


def _entries(before: tuple[Entry, ...], stage: str, at: datetime | None) -> tuple[Entry, ...]:
    """Return the stages with the one entered last; without its time those before say nothing.

    Clocks differ a little: nothing is entered before what was entered earlier.
    """
    if at is None:
        return ()
    latest = max((at, *(entry.at for entry in before[-1:])))
    return (*before, Entry(stage=stage, at=latest))[-REMEMBERED_MAX:]


def _change_stage(
    command: ChangeStage, deal: Opportunity, act: Act, policy: Policy
) -> tuple[Event, ...]:
    """Stamp what the stage says now; it stays when the pipeline changes (rules.md O3, O5)."""
    stages = policy.stages(deal.pipeline)
    to = stage_named(command.to_stage, deal.pipeline, stages)
    if to.name == deal.stage:
        return ()
    require(not deal.is_on_hold, OnHold())
    given = evidence_of(command.evidence, deal, stages)
    back = any(stage.name == deal.stage for stage in stages[stages.index(to) :])
    if back:
        require(to.allow_back, BackwardNotAllowed(to_stage=to.name))
        require_reason(command.reason)
    else:
        pipeline = next(one for one in policy.pipelines if one.label == deal.pipeline)
        require_criteria(to, deal.stage, deal, given, pipeline)
    changed = StageChanged(
        from_stage=deal.stage,
        to_stage=to.name,
        direction="back" if back else "forward",
        reason=command.reason,
        probability_percent=to.probability_percent,
        forecast=to.forecast,
        entered_at=act.effective_at.astimezone(UTC),
    )
    return (*given, changed)
