"""The quotes that were made for a deal, and the orders that came of it."""

from typing import TypeAlias

from msgspec.structs import replace

from crmcore.domain.opportunity.state import (
    REMEMBERED_MAX,
    AlreadyClosed,
    NotOpened,
    Opportunity,
)
from crmcore.domain.value import Ref, Value, require

# Commands


class LinkQuote(Value, tag="opportunity.link_quote"):
    """Say that a quote was made for a deal."""

    quote: Ref


class LinkOrder(Value, tag="opportunity.link_order"):
    """Say that an order came of a deal."""

    order: Ref


Command: TypeAlias = LinkQuote | LinkOrder


# Events


class QuoteLinked(Value, tag="opportunity.quote_linked"):
    """The quote was for the deal."""

    quote: Ref


class OrderLinked(Value, tag="opportunity.order_linked"):
    """The order came of the deal."""

    order: Ref


Event: TypeAlias = QuoteLinked | OrderLinked


def decide(command: Command, deal: Opportunity) -> tuple[Event, ...]:
    """Return what belongs to a deal that is open or won; the same again is nothing new."""
    lost = AlreadyClosed(outcome=deal.phase, closed_on=deal.closed_on)
    require(deal.phase != "lost", lost)
    require(deal.phase in ("open", "won"), NotOpened())
    if isinstance(command, LinkQuote):
        return () if command.quote in deal.quotes else (QuoteLinked(quote=command.quote),)
    return () if command.order in deal.orders else (OrderLinked(order=command.order),)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the deal with what belongs to it."""
    if isinstance(event, QuoteLinked):
        return replace(deal, quotes=linked(deal.quotes, event.quote))
    return replace(deal, orders=linked(deal.orders, event.order))


def linked(before: tuple[str, ...], *names: str) -> tuple[str, ...]:
    """Return names with others behind them, each once, the latest that are remembered."""
    return tuple(dict.fromkeys((*before, *names)))[-REMEMBERED_MAX:]
