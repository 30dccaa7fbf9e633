"""A deal goes over to another pipeline, such as a newer version of its own."""

from datetime import UTC
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.opportunity.policy import Policy
from crmcore.domain.opportunity.stages import entered, stage_named
from crmcore.domain.opportunity.state import Opportunity, require_open
from crmcore.domain.pipeline import Forecast, Percent
from crmcore.domain.value import Instant, Ref, Rejection, Text, Value, require


class Move(Value):
    """To which stage of another pipeline the deals of a stage go."""

    from_stage: Ref
    to_stage: Ref


class MigratePipeline(Value, tag="opportunity.migrate_pipeline"):
    """Take a deal over to another pipeline; the moves say so for every stage that it might be in.

    So the same command is right for every deal of a pipeline.
    """

    to_pipeline: Text
    moves: Annotated[tuple[Move, ...], Meta(max_length=100)]


class PipelineMigrated(Value, tag="opportunity.pipeline_migrated"):
    """The deal went over to another pipeline, and took what its stage there said."""

    from_pipeline: Text
    to_pipeline: Text
    from_stage: Ref
    to_stage: Ref
    probability_percent: Percent
    forecast: Forecast
    entered_at: Instant | None


class UnknownPipeline(Rejection):
    """A deal goes over to a pipeline that there is."""

    pipelines: tuple[str, ...]


class MapNotTotal(Rejection):
    """The moves of a migration say of each stage once where its deals go."""

    from_stages: tuple[str, ...]


def decide(
    command: MigratePipeline, deal: Opportunity, act: Act, policy: Policy
) -> tuple[PipelineMigrated, ...]:
    """Return where an open deal goes: its map is total, and leads to stages (rules.md O14)."""
    require_open(deal)
    known = {pipeline.label: pipeline for pipeline in policy.pipelines}
    require(command.to_pipeline in known, UnknownPipeline(pipelines=tuple(known)))
    target = known[command.to_pipeline]
    if target.label == deal.pipeline:
        return ()
    froms = [move.from_stage for move in command.moves]
    asked = {stage.name for stage in policy.stages(deal.pipeline)} | {deal.stage}
    total = len(froms) == len(set(froms)) and set(froms) >= asked
    require(total, MapNotTotal(from_stages=tuple(sorted(asked))))
    goes = {
        move.from_stage: stage_named(move.to_stage, target.label, target.stages)
        for move in command.moves
    }
    to = goes[deal.stage]
    migrated = PipelineMigrated(
        from_pipeline=deal.pipeline,
        to_pipeline=target.label,
        from_stage=deal.stage,
        to_stage=to.name,
        probability_percent=to.probability_percent,
        forecast=to.forecast,
        entered_at=act.effective_at.astimezone(UTC),
    )
    return (migrated,)


def evolve(deal: Opportunity, event: PipelineMigrated) -> Opportunity:
    """Return the deal in its new pipeline."""
    return replace(entered(deal, event.to_stage, event), pipeline=event.to_pipeline)
