"""An opportunity: a lead becomes a deal, which moves through a pipeline until it is won or lost."""

from datetime import date
from functools import partial
from typing import Annotated, Literal, TypeAlias, assert_never
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain import lead
from crmcore.domain.act import Act
from crmcore.domain.calendar import day_of, zone
from crmcore.domain.decider import Decider
from crmcore.domain.lead import AlreadyStarted, NotALead, Phase, require_reason
from crmcore.domain.money import Money
from crmcore.domain.pipeline import STANDARD, Forecast, Percent, Pipeline, Stage
from crmcore.domain.value import Note, Ref, Rejection, Text, Value, found, require


class Policy(Value):
    """Pipelines, the newest last: it takes new deals, a deal stays in the one it was opened in."""

    pipelines: Annotated[tuple[Pipeline, ...], Meta(min_length=1)] = (STANDARD,)
    time_zone: str = "UTC"


# Commands: what somebody wants. Those of the first phase are in crmcore.domain.lead.


class ChangeStage(Value, tag="opportunity.change_stage"):
    """Move a deal on, or back for a reason."""

    to_stage: Ref
    reason: Note = ""


class Revalue(Value, tag="opportunity.revalue"):
    """Say what a deal is worth now."""

    amount: Money


class Reschedule(Value, tag="opportunity.reschedule"):
    """Say when a deal is expected to close now."""

    expected_close: date


class MarkWon(Value, tag="opportunity.mark_won"):
    """Close a deal: the customer buys."""

    amount: Money
    order: Ref | None = None


class MarkLost(Value, tag="opportunity.mark_lost"):
    """Close a deal: the customer does not buy."""

    reason: Note


class Reopen(Value, tag="opportunity.reopen"):
    """Go on with a closed deal."""

    reason: Note


class NameCustomer(Value, tag="opportunity.name_customer"):
    """Say whose opportunity it is, once that is known."""

    customer: UUID


class Open(Value, tag="opportunity.open"):
    """Open a deal, or convert a lead to one; without a stage it starts in the first."""

    title: Text
    customer: UUID | None = None
    stage: Ref | None = None
    amount: Money | None = None
    product: Ref | None = None
    owner: Text | None = None
    expected_close: date | None = None


Command: TypeAlias = (
    ChangeStage | Revalue | Reschedule | MarkWon | MarkLost | Reopen | NameCustomer | Open
    | lead.Command
)  # fmt: skip


# Events: what happened. A tag is the stored name and never changes.


class StageChanged(Value, tag="opportunity.stage_changed"):
    """The deal entered a stage and took the chance and forecast that the stage had then."""

    from_stage: Ref
    to_stage: Ref
    direction: Literal["forward", "back"]
    reason: Note
    probability_percent: Percent
    forecast: Forecast


class Revalued(Value, tag="opportunity.revalued"):
    """The deal was worth another amount."""

    amount: Money


class Rescheduled(Value, tag="opportunity.rescheduled"):
    """The deal was expected to close on another day."""

    expected_close: date


class OpportunityWon(Value, tag="opportunity.won"):
    """The customer bought."""

    amount: Money
    order: Ref | None
    closed_on: date


class OpportunityLost(Value, tag="opportunity.lost"):
    """The deal was lost, in this stage."""

    reason: Note
    stage: Ref
    closed_on: date


class OpportunityReopened(Value, tag="opportunity.reopened"):
    """The deal went on as it was before it closed."""

    reason: Note
    stage: Ref
    probability_percent: Percent
    forecast: Forecast
    amount: Money | None
    owner: Text | None


class CustomerNamed(Value, tag="opportunity.customer_named"):
    """It became known whose opportunity it is."""

    customer: UUID


class OpportunityOpened(Value, tag="opportunity.opened"):
    """A deal was opened in a pipeline; one that was a lead keeps the lead's source."""

    title: Text
    customer: UUID | None
    source: Text | None
    pipeline: Text
    stage: Ref
    probability_percent: Percent
    forecast: Forecast
    amount: Money | None
    product: Ref | None
    owner: Text | None
    expected_close: date | None


Event: TypeAlias = (
    StageChanged | Revalued | Rescheduled | OpportunityWon | OpportunityLost
    | OpportunityReopened | CustomerNamed | OpportunityOpened | lead.Event
)  # fmt: skip


# Rejections: the rules that can say no.


class NotOpened(Rejection):
    """A deal is opened before it changes or closes."""


class AlreadyClosed(Rejection):
    """A deal that is closed is reopened before it changes."""

    outcome: str
    closed_on: date | None


class NotClosed(Rejection):
    """A deal is closed before it is reopened."""


class UnknownStage(Rejection):
    """A deal moves within its pipeline."""

    pipeline: str
    stages: tuple[str, ...]


class BackwardNotAllowed(Rejection):
    """A deal goes back only to a stage that allows it."""

    to_stage: str


class CurrencyFrozen(Rejection):
    """A deal closes in its own currency and keeps that currency from then on."""

    currency: str | None


class NegativeAmount(Rejection):
    """A deal is worth nothing or more."""


class CustomerKnown(Rejection):
    """An opportunity stays with its customer."""

    customer: UUID | None


Reason: TypeAlias = (
    NotOpened | AlreadyClosed | NotClosed | UnknownStage | BackwardNotAllowed | CurrencyFrozen
    | NegativeAmount | CustomerKnown | lead.Reason
)  # fmt: skip


# State: only what the next decision needs.


class Opportunity(Value):
    """The opportunity so far; closing changes nothing that reopening has to restore."""

    phase: Phase = "new"
    customer: UUID | None = None
    source: str | None = None
    owner: str | None = None
    pipeline: str = ""
    stage: str = ""
    stage_percent: int = 0
    stage_forecast: Forecast = "pipeline"
    amount: Money | None = None
    expected_close: date | None = None
    won: Money | None = None
    lost_because: str | None = None
    closed_on: date | None = None
    frozen: str | None = None

    @property
    def probability_percent(self) -> int:
        """The chance that this is won (rules.md O1)."""
        return {"open": self.stage_percent, "won": 100}.get(self.phase, 0)

    @property
    def forecast(self) -> str:
        """The place in the forecast (rules.md O1)."""
        return {"open": self.stage_forecast, "won": "closed"}.get(self.phase, "omitted")

    @property
    def currency(self) -> str | None:
        """The currency in which the deal closes."""
        return self.amount.currency if self.amount else self.frozen


def decide(command: Command, deal: Opportunity, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens when this command meets this opportunity."""
    if isinstance(command, ChangeStage | Revalue | Reschedule | MarkWon | MarkLost):
        _require_open(deal)
    closed_on = day_of(act.effective_at, zone(policy.time_zone))
    match command:
        case ChangeStage():
            return _change_stage(command, deal, policy)
        case Revalue(amount=amount):
            _require_amount(amount, deal.frozen)
            return () if amount == deal.amount else (Revalued(amount=amount),)
        case Reschedule(expected_close=day):
            return () if day == deal.expected_close else (Rescheduled(expected_close=day),)
        case MarkWon(amount=amount, order=order):
            _require_amount(amount, deal.currency)
            return (OpportunityWon(amount=amount, order=order, closed_on=closed_on),)
        case MarkLost(reason=reason):
            require_reason(reason)
            return (OpportunityLost(reason=reason, stage=deal.stage, closed_on=closed_on),)
        case Reopen():
            return _reopen(command, deal)
        case NameCustomer(customer=customer):
            require(deal.phase != "new", NotOpened())
            _require_customer(deal, customer)
            return () if deal.customer else (CustomerNamed(customer=customer),)
        case Open():
            return _open(command, deal, policy)
        case lead.CaptureLead() | lead.QualifyLead() | lead.DisqualifyLead():
            return lead.decide(command, deal.phase)
        case _:
            assert_never(command)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the opportunity after a fact. No rules here: what happened, happened."""
    match event:
        case StageChanged(to_stage=stage):
            return _entered(deal, event, stage)
        case Revalued(amount=amount):
            return replace(deal, amount=amount)
        case Rescheduled(expected_close=day):
            return replace(deal, expected_close=day)
        case OpportunityWon(amount=amount, closed_on=day):
            return replace(deal, phase="won", won=amount, closed_on=day, frozen=amount.currency)
        case OpportunityLost(reason=reason, closed_on=day):
            lost = replace(deal, phase="lost", lost_because=reason, closed_on=day)
            return replace(lost, frozen=deal.currency)
        case OpportunityReopened(stage=stage, amount=amount, owner=owner):
            back = replace(_entered(deal, event, stage), phase="open", amount=amount, owner=owner)
            return replace(back, won=None, lost_because=None, closed_on=None)
        case CustomerNamed(customer=customer):
            return replace(deal, customer=customer)
        case OpportunityOpened(stage=stage):
            return replace(
                _entered(deal, event, stage),
                phase="open",
                customer=event.customer,
                source=event.source,
                owner=event.owner,
                pipeline=event.pipeline,
                amount=event.amount,
                expected_close=event.expected_close,
            )
        case lead.LeadCaptured(customer=customer, source=source):
            return replace(deal, phase="lead", customer=customer, source=source)
        case lead.LeadQualified():
            return replace(deal, phase="qualified")
        case lead.LeadDisqualified():
            return replace(deal, phase="disqualified")
        case _:
            assert_never(event)


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
        threads=lambda _: ("opportunity",),
    )


def _require_open(deal: Opportunity) -> None:
    closed = AlreadyClosed(outcome=deal.phase, closed_on=deal.closed_on)
    require(deal.phase not in ("won", "lost"), closed)
    require(deal.phase == "open", NotOpened())


def _require_customer(deal: Opportunity, customer: UUID | None) -> None:
    same = None in (deal.customer, customer) or deal.customer == customer
    require(same, CustomerKnown(customer=deal.customer))


def _require_amount(amount: Money, currency: str | None) -> None:
    require(amount.minor >= 0, NegativeAmount())
    require(currency in (None, amount.currency), CurrencyFrozen(currency=currency))


def _open(command: Open, deal: Opportunity, policy: Policy) -> tuple[Event, ...]:
    """Convert a live lead once, with its customer and source, or open directly (rules.md O10)."""
    require(deal.phase != "disqualified", NotALead(phase=deal.phase))
    require(deal.phase in ("new", "lead", "qualified"), AlreadyStarted(phase=deal.phase))
    _require_customer(deal, command.customer)
    if command.amount:
        _require_amount(command.amount, None)
    pipeline = policy.pipelines[-1]
    stage = _stage(command.stage or pipeline.stages[0].name, pipeline.label, pipeline.stages)
    opened = OpportunityOpened(
        title=command.title,
        customer=deal.customer or command.customer,
        source=deal.source,
        pipeline=pipeline.label,
        stage=stage.name,
        probability_percent=stage.probability_percent,
        forecast=stage.forecast,
        amount=command.amount,
        product=command.product,
        owner=command.owner,
        expected_close=command.expected_close,
    )
    return (opened,)


def _stage(name: str, pipeline: str, stages: tuple[Stage, ...]) -> Stage:
    names = tuple(stage.name for stage in stages)
    named = next((stage for stage in stages if stage.name == name), None)
    return found(named, UnknownStage(pipeline=pipeline, stages=names))


def _change_stage(command: ChangeStage, deal: Opportunity, policy: Policy) -> tuple[Event, ...]:
    """Stamp what the stage says now; it stays when the pipeline changes (rules.md O3, O5)."""
    stages = next((p.stages for p in policy.pipelines if p.label == deal.pipeline), ())
    to = _stage(command.to_stage, deal.pipeline, stages)
    if to.name == deal.stage:
        return ()
    back = any(stage.name == deal.stage for stage in stages[stages.index(to) :])
    if back:
        require(to.allow_back, BackwardNotAllowed(to_stage=to.name))
        require_reason(command.reason)
    return (
        StageChanged(
            from_stage=deal.stage,
            to_stage=to.name,
            direction="back" if back else "forward",
            reason=command.reason,
            probability_percent=to.probability_percent,
            forecast=to.forecast,
        ),
    )


def _reopen(command: Reopen, deal: Opportunity) -> tuple[Event, ...]:
    """Go on as before closing; what closed the deal stays in history (rules.md O6)."""
    require(deal.phase in ("won", "lost"), NotClosed())
    require_reason(command.reason)
    reopened = OpportunityReopened(
        reason=command.reason,
        stage=deal.stage,
        probability_percent=deal.stage_percent,
        forecast=deal.stage_forecast,
        amount=deal.amount,
        owner=deal.owner,
    )
    return (reopened,)


def _entered(
    deal: Opportunity, event: StageChanged | OpportunityReopened | OpportunityOpened, stage: str
) -> Opportunity:
    percent, forecast = event.probability_percent, event.forecast
    return replace(deal, stage=stage, stage_percent=percent, stage_forecast=forecast)
