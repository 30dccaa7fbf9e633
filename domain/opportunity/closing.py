"""A deal is won or lost, what was won is amended, and a closed deal goes on."""

from datetime import date
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.customer.exchange import ExchangeRate, booked
from crmcore.domain.lead import require_reason
from crmcore.domain.money import Money
from crmcore.domain.opportunity.links import linked
from crmcore.domain.opportunity.policy import Policy
from crmcore.domain.opportunity.state import Opportunity, require_amount, require_open
from crmcore.domain.pipeline import Forecast, Percent
from crmcore.domain.value import Note, Ref, Rejection, Text, Value, found, require

# Commands


class MarkWon(Value, tag="opportunity.mark_won"):
    """Close a deal: the customer buys. A rate books the amount in another currency as well."""

    amount: Money
    order: Ref | None = None
    rate: ExchangeRate | None = None


class MarkLost(Value, tag="opportunity.mark_lost"):
    """Close a deal: the customer does not buy."""

    reason: Note
    competitor: Text | None = None
    notes: Note = ""


class AmendWon(Value, tag="opportunity.amend_won"):
    """Correct the amount for which a deal was won."""

    amount: Money
    reason: Note


class Reopen(Value, tag="opportunity.reopen"):
    """Go on with a closed deal."""

    reason: Note


Command: TypeAlias = MarkWon | MarkLost | AmendWon | Reopen


# Events


class OpportunityWon(Value, tag="opportunity.won"):
    """The customer bought."""

    amount: Money
    order: Ref | None
    closed_on: date


class WonBooked(Value, tag="opportunity.won_booked"):
    """What was won came to so much in another currency, by a rate."""

    amount: Money
    rate: ExchangeRate


class OpportunityLost(Value, tag="opportunity.lost"):
    """The deal was lost, in this stage."""

    reason: Note
    stage: Ref
    closed_on: date
    competitor: Text | None = None
    notes: Note = ""


class WonAmended(Value, tag="opportunity.won_amended"):
    """The deal turned out to be won for another amount."""

    before: Money
    amount: Money
    reason: Note


class AmendmentReversed(Value, tag="opportunity.amendment_reversed"):
    """The deal was again won for what was said at first, since it is reopened."""

    amount: Money


class OpportunityReopened(Value, tag="opportunity.reopened"):
    """The deal went on as it was before it closed."""

    reason: Note
    stage: Ref
    probability_percent: Percent
    forecast: Forecast
    amount: Money | None
    owner: Text | None


Event: TypeAlias = (
    OpportunityWon | WonBooked | OpportunityLost | WonAmended | AmendmentReversed
    | OpportunityReopened
)  # fmt: skip


# Rejections


class NotClosed(Rejection):
    """A deal is closed before it is reopened."""


class NotWon(Rejection):
    """A deal is won before what was won is amended."""


Reason: TypeAlias = NotClosed | NotWon


def decide(command: Command, deal: Opportunity, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return how a deal ends, or goes on (rules.md O1, O6)."""
    match command:
        case MarkWon(amount=amount, order=order, rate=rate):
            require_open(deal)
            require_amount(amount, deal.currency)
            won = OpportunityWon(amount=amount, order=order, closed_on=policy.day(act))
            return (won, *_booked(amount, rate))
        case MarkLost(reason=reason):
            require_open(deal)
            require_reason(reason)
            lost = OpportunityLost(
                reason=reason,
                stage=deal.stage,
                closed_on=policy.day(act),
                competitor=command.competitor,
                notes=command.notes,
            )
            return (lost,)
        case AmendWon():
            return _amend(command, deal)
        case Reopen(reason=reason):
            return _reopen(reason, deal)
        case _:
            assert_never(command)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the deal as it ended, or as it was before."""
    match event:
        case OpportunityWon(amount=amount, order=order, closed_on=day):
            orders = linked(deal.orders, order) if order else deal.orders
            closed = replace(deal, phase="won", closed_on=day, frozen=amount.currency)
            return replace(closed, won=amount, won_at_first=amount, orders=orders)
        case WonBooked(amount=amount, rate=rate):
            return replace(deal, booked=amount, rate=rate)
        case OpportunityLost(reason=reason, closed_on=day):
            lost = replace(deal, phase="lost", lost_because=reason, closed_on=day)
            return replace(lost, frozen=deal.currency)
        case WonAmended(amount=amount) | AmendmentReversed(amount=amount):
            return replace(deal, won=amount)
        case OpportunityReopened(amount=amount, owner=owner):
            back = replace(deal, phase="open", amount=amount, owner=owner)
            back = replace(back, won=None, won_at_first=None, rate=None, booked=None)
            back = replace(back, lost_because=None, closed_on=None, stage=event.stage)
            percent, forecast = event.probability_percent, event.forecast
            return replace(back, stage_percent=percent, stage_forecast=forecast)
        case _:
            assert_never(event)


def _booked(amount: Money, rate: ExchangeRate | None) -> tuple[WonBooked, ...]:
    """Return what was won in another currency: the rate is in the fact (rules.md O12, X5)."""
    return () if rate is None else (WonBooked(amount=booked(amount, rate), rate=rate),)


def _amend(command: AmendWon, deal: Opportunity) -> tuple[Event, ...]:
    before, amount = found(deal.won, NotWon()), command.amount
    require_reason(command.reason)
    require_amount(amount, deal.frozen)
    if amount == before:
        return ()
    amended = WonAmended(before=before, amount=amount, reason=command.reason)
    return (amended, *_booked(amount, deal.rate))


def _reopen(reason: str, deal: Opportunity) -> tuple[Event, ...]:
    """Go on as before closing; what closed the deal stays in history (rules.md O6)."""
    require(deal.phase in ("won", "lost"), NotClosed())
    require_reason(reason)
    first = deal.won_at_first
    reversed_first = (
        () if first is None or first == deal.won else (AmendmentReversed(amount=first),)
    )
    reopened = OpportunityReopened(
        reason=reason,
        stage=deal.stage,
        probability_percent=deal.stage_percent,
        forecast=deal.stage_forecast,
        amount=deal.amount,
        owner=deal.owner,
    )
    return (*reversed_first, reopened)
