"""A stage that a deal had passed is recorded late, between two that are recorded."""

from datetime import UTC

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.opportunity.policy import Policy
from crmcore.domain.opportunity.stages import stage_named
from crmcore.domain.opportunity.state import REMEMBERED_MAX, Entry, NotOpened, Opportunity
from crmcore.domain.value import Instant, Ref, Rejection, Value, require


class RecordPassage(Value, tag="opportunity.record_passage"):
    """Say that a deal had entered a stage when this takes effect, between two other stages."""

    stage: Ref


class StagePassed(Value, tag="opportunity.stage_passed"):
    """The deal had been in a stage since then, until the next that is recorded."""

    stage: Ref
    entered_at: Instant


class NotBetween(Rejection):
    """What is recorded late lies between two changes of stage that are recorded."""

    effective_at: Instant
    first: Instant | None
    last: Instant | None


def decide(
    command: RecordPassage, deal: Opportunity, act: Act, policy: Policy
) -> tuple[StagePassed, ...]:
    """Return the stage that was passed; what is recorded stays in its order (rules.md O13)."""
    require(bool(deal.pipeline), NotOpened())
    stage = stage_named(command.stage, deal.pipeline, policy.stages(deal.pipeline))
    at = act.effective_at.astimezone(UTC)
    instants = [entry.at for entry in deal.entries]
    first, last = min(instants, default=None), max(instants, default=None)
    between = first is not None and last is not None and first < at < last and at not in instants
    require(between, NotBetween(effective_at=at, first=first, last=last))
    before = [entry.stage for entry in deal.entries if entry.at < at]
    if before[-1] == stage.name:
        return ()
    return (StagePassed(stage=stage.name, entered_at=at),)


def evolve(deal: Opportunity, event: StagePassed) -> Opportunity:
    """Return the deal, which is in the stage it was in, with one more that it had passed."""
    passed = Entry(stage=event.stage, at=event.entered_at)
    entries = sorted((*deal.entries, passed), key=lambda entry: entry.at)
    return replace(deal, entries=tuple(entries[-REMEMBERED_MAX:]))
