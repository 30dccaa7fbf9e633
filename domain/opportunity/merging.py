"""Two opportunities turn out to be one: one goes on, with the evidence and papers of both."""

from typing import Annotated, TypeAlias, assert_never
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from crmcore.domain.lead import LIVE
from crmcore.domain.money import Money
from crmcore.domain.opportunity.links import linked
from crmcore.domain.opportunity.opening import require_customer
from crmcore.domain.opportunity.state import (
    REMEMBERED_MAX,
    Opportunity,
    require_amount,
    require_open,
)
from crmcore.domain.opportunity.worth import WorthItsLines
from crmcore.domain.value import Ref, Rejection, Value, require

Names: TypeAlias = Annotated[tuple[Ref, ...], Meta(max_length=100)]


class Held(Value):
    """What an opportunity brings along when it is merged into another; its amount is for show."""

    customer: UUID | None = None
    amount: Money | None = None
    evidence: Names = ()
    quotes: Names = ()
    orders: Names = ()


# Commands


class MergeInto(Value, tag="opportunity.merge_into"):
    """Let another opportunity go on in the place of this one.

    The other is worth what it was, or what `amount` says that both are worth together.
    """

    surviving_opportunity: UUID
    held: Held
    amount: Money | None = None


class Absorb(Value, tag="opportunity.absorb"):
    """Go on in the place of another opportunity."""

    absorbed_opportunity: UUID
    held: Held
    amount: Money | None = None


Command: TypeAlias = MergeInto | Absorb


# Events


class OpportunityMerged(Value, tag="opportunity.merged"):
    """Another opportunity went on in the place of this one."""

    surviving_opportunity: UUID


class OpportunityAbsorbed(Value, tag="opportunity.absorbed"):
    """The deal went on in the place of another, and was worth so much from then on."""

    absorbed_opportunity: UUID
    held: Held
    amount: Money | None


Event: TypeAlias = OpportunityMerged | OpportunityAbsorbed


# Rejections


class MergedAway(Rejection):
    """What was merged into another goes on there."""

    surviving_opportunity: UUID | None


class Stale(Rejection):
    """Who merges knows what is brought along."""

    held: Held


Reason: TypeAlias = MergedAway | Stale


def held_by(deal: Opportunity) -> Held:
    """Return what an opportunity brings along."""
    return Held(
        customer=deal.customer,
        amount=deal.amount,
        evidence=deal.evidence,
        quotes=deal.quotes,
        orders=deal.orders,
    )


def decide(command: Command, deal: Opportunity) -> tuple[Event, ...]:
    """Return what a merge does to either side: nothing is added up by itself (rules.md O15)."""
    match command:
        case MergeInto(surviving_opportunity=other) if deal.merged_into == other:
            return ()
        case MergeInto(surviving_opportunity=other, held=held):
            require_own(deal)
            if deal.phase not in LIVE:
                require_open(deal)
            require(held == held_by(deal), Stale(held=held_by(deal)))
            return (OpportunityMerged(surviving_opportunity=other),)
        case Absorb(absorbed_opportunity=other) if other in deal.absorbed:
            return ()
        case Absorb(absorbed_opportunity=other, held=held, amount=amount):
            require_own(deal)
            require_open(deal)
            require_customer(deal, held.customer)
            if amount:
                require(not deal.lines, WorthItsLines(lines=len(deal.lines)))
                require_amount(amount, deal.frozen)
            worth = deal.amount if amount is None else amount
            return (OpportunityAbsorbed(absorbed_opportunity=other, held=held, amount=worth),)
        case _:
            assert_never(command)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the opportunity that is merged away, or the one that goes on."""
    if isinstance(event, OpportunityMerged):
        return replace(deal, phase="merged", merged_into=event.surviving_opportunity)
    held = event.held
    more = tuple(name for name in held.evidence if name not in deal.evidence)
    return replace(
        deal,
        customer=deal.customer or held.customer,
        amount=event.amount,
        evidence=(*deal.evidence, *more),
        quotes=linked(deal.quotes, *held.quotes),
        orders=linked(deal.orders, *held.orders),
        absorbed=(*deal.absorbed, event.absorbed_opportunity)[-REMEMBERED_MAX:],
    )


def require_own(deal: Opportunity) -> None:
    """Reject what is asked of an opportunity that goes on elsewhere."""
    merged = deal.merged_into
    require(merged is None, MergedAway(surviving_opportunity=merged))
