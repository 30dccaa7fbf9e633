"""A lead: the first phase of an opportunity, in which somebody showed interest."""

from typing import Literal, TypeAlias, assert_never
from uuid import UUID

from crmcore.domain.value import Note, Rejection, Text, Value, require

Phase: TypeAlias = Literal[
    "new", "lead", "qualified", "recycled", "disqualified", "open", "won", "lost", "merged"
]

LIVE: tuple[Phase, ...] = ("lead", "qualified", "recycled")
"""The phases of a lead that may still become a deal."""


# Commands: what somebody wants.


class CaptureLead(Value, tag="opportunity.capture_lead"):
    """Keep a first sign of interest."""

    title: Text
    source: Text
    customer: UUID | None = None


class QualifyLead(Value, tag="opportunity.qualify_lead"):
    """Find a lead worth pursuing."""


class DisqualifyLead(Value, tag="opportunity.disqualify_lead"):
    """Give a lead up."""

    reason: Note


class RecycleLead(Value, tag="opportunity.recycle_lead"):
    """Put a lead back to be nurtured, also one that was given up."""

    reason: Note


Command: TypeAlias = CaptureLead | QualifyLead | DisqualifyLead | RecycleLead


# Events: what happened. A tag is the stored name and never changes.


class LeadCaptured(Value, tag="opportunity.lead_captured"):
    """Somebody showed interest."""

    title: Text
    source: Text
    customer: UUID | None


class LeadQualified(Value, tag="opportunity.lead_qualified"):
    """The lead is worth pursuing."""


class LeadDisqualified(Value, tag="opportunity.lead_disqualified"):
    """The lead was given up."""

    reason: Note


class LeadRecycled(Value, tag="opportunity.lead_recycled"):
    """The lead is nurtured until it is worth pursuing."""

    reason: Note


Event: TypeAlias = LeadCaptured | LeadQualified | LeadDisqualified | LeadRecycled


# Rejections: the rules that can say no.


class AlreadyStarted(Rejection):
    """An opportunity starts once, as a lead or as a deal, and a lead converts once."""

    phase: str


class NotALead(Rejection):
    """A live lead is qualified, scored, given up or converted."""

    phase: str


class ReasonRequired(Rejection):
    """Who gives up, goes back, puts off, amends or reopens says why."""


Reason: TypeAlias = AlreadyStarted | NotALead | ReasonRequired


def decide(command: Command, phase: Phase) -> tuple[Event, ...]:
    """Return what happens when this command meets an opportunity in this phase."""
    match command:
        case CaptureLead(title=title, source=source, customer=customer):
            require(phase == "new", AlreadyStarted(phase=phase))
            return (LeadCaptured(title=title, source=source, customer=customer),)
        case QualifyLead():
            require(phase in LIVE, NotALead(phase=phase))
            return () if phase == "qualified" else (LeadQualified(),)
        case DisqualifyLead(reason=reason):
            require(phase in LIVE, NotALead(phase=phase))
            require_reason(reason)
            return (LeadDisqualified(reason=reason),)
        case RecycleLead(reason=reason):
            require(phase in (*LIVE, "disqualified"), NotALead(phase=phase))
            require_reason(reason)
            return () if phase == "recycled" else (LeadRecycled(reason=reason),)
        case _:
            assert_never(command)


def require_reason(reason: str) -> None:
    """Reject a reason that says nothing."""
    require(bool(reason.strip()), ReasonRequired())
