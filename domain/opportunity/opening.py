"""A deal is opened, or a lead is converted to one, and it belongs to a customer."""

from datetime import UTC, date
from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.lead import LIVE, AlreadyStarted, NotALead
from crmcore.domain.money import Money
from crmcore.domain.opportunity.policy import Policy
from crmcore.domain.opportunity.stages import (
    EvidenceGiven,
    entered,
    evidence_of,
    require_criteria,
    stage_named,
)
from crmcore.domain.opportunity.state import NotOpened, Opportunity, require_amount
from crmcore.domain.pipeline import Forecast, Percent
from crmcore.domain.value import Instant, Ref, Rejection, Text, Value, require

# Commands


class Open(Value, tag="opportunity.open"):
    """Open a deal, or convert a lead to one; without a stage it starts in the first.

    `evidence` names criteria that are met.
    """

    title: Text
    customer: UUID | None = None
    stage: Ref | None = None
    amount: Money | None = None
    product: Ref | None = None
    owner: Text | None = None
    expected_close: date | None = None
    evidence: Annotated[tuple[Ref, ...], Meta(max_length=20)] = ()


class NameCustomer(Value, tag="opportunity.name_customer"):
    """Say whose opportunity it is, once that is known."""

    customer: UUID


Command: TypeAlias = Open | NameCustomer


# Events


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
    entered_at: Instant | None = None


class CustomerNamed(Value, tag="opportunity.customer_named"):
    """It became known whose opportunity it is."""

    customer: UUID


Event: TypeAlias = OpportunityOpened | CustomerNamed


# Rejection


class CustomerKnown(Rejection):
    """An opportunity stays with its customer."""

    customer: UUID | None


def decide(
    command: Command, deal: Opportunity, act: Act, policy: Policy
) -> tuple[Event | EvidenceGiven, ...]:
    """Return what happens to an opportunity that becomes a deal, or a customer's."""
    if isinstance(command, Open):
        return _open(command, deal, act, policy)
    require(deal.phase != "new", NotOpened())
    require_customer(deal, command.customer)
    return () if deal.customer else (CustomerNamed(customer=command.customer),)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the deal as it was opened, or with its customer."""
    if isinstance(event, CustomerNamed):
        return replace(deal, customer=event.customer)
    return replace(
        entered(deal, event.stage, event),
        phase="open",
        customer=event.customer,
        source=event.source,
        owner=event.owner,
        pipeline=event.pipeline,
        amount=event.amount,
        expected_close=event.expected_close,
    )


def require_customer(deal: Opportunity, customer: UUID | None) -> None:
    """Reject another customer than the one that is known."""
    same = None in (deal.customer, customer) or deal.customer == customer
    require(same, CustomerKnown(customer=deal.customer))


def _open(
    command: Open, deal: Opportunity, act: Act, policy: Policy
) -> tuple[Event | EvidenceGiven, ...]:
    """Convert a live lead once, with its customer and source, or open directly (rules.md O10)."""
    require(deal.phase != "disqualified", NotALead(phase=deal.phase))
    require(deal.phase in ("new", *LIVE), AlreadyStarted(phase=deal.phase))
    require_customer(deal, command.customer)
    if command.amount:
        require_amount(command.amount, None)
    pipeline = policy.pipelines[-1]
    first = pipeline.stages[0]
    stage = stage_named(command.stage or first.name, pipeline.label, pipeline.stages)
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
        entered_at=act.effective_at.astimezone(UTC),
    )
    after = evolve(deal, opened)
    given = evidence_of(command.evidence, after, pipeline.stages)
    require_criteria(stage, None, after, given, pipeline)
    return (opened, *given)
