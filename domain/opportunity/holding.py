"""A deal is put on hold, and goes on."""

from typing import TypeAlias

from msgspec.structs import replace

from crmcore.domain.lead import require_reason
from crmcore.domain.opportunity.state import Opportunity, require_open
from crmcore.domain.value import Note, Value

# Commands


class PutOnHold(Value, tag="opportunity.put_on_hold"):
    """Leave a deal where it is for the time being; nobody expects it in a forecast."""

    reason: Note


class Resume(Value, tag="opportunity.resume"):
    """Go on with a deal that is on hold."""


Command: TypeAlias = PutOnHold | Resume


# Events


class DealHeld(Value, tag="opportunity.held"):
    """The deal stayed where it was, and was in no forecast."""

    reason: Note


class DealResumed(Value, tag="opportunity.resumed"):
    """The deal went on."""


Event: TypeAlias = DealHeld | DealResumed


def decide(command: Command, deal: Opportunity) -> tuple[Event, ...]:
    """Return whether an open deal rests or goes on; the same again is nothing new."""
    require_open(deal)
    if isinstance(command, Resume):
        return (DealResumed(),) if deal.is_on_hold else ()
    require_reason(command.reason)
    return () if deal.is_on_hold else (DealHeld(reason=command.reason),)


def evolve(deal: Opportunity, event: Event) -> Opportunity:
    """Return the deal at rest or not."""
    return replace(deal, is_on_hold=isinstance(event, DealHeld))
