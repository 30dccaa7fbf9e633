"""A ticket: a customer's request or complaint is answered, resolved, and closed for good."""

from datetime import UTC, timedelta
from functools import partial
from typing import Annotated, Literal, TypeAlias, assert_never
from uuid import UUID

from msgspec import Meta
from msgspec.structs import asdict, replace

from crmcore.domain.act import Act
from crmcore.domain.calendar import zone
from crmcore.domain.decider import Decider
from crmcore.domain.value import Instant, Note, Ref, Rejection, Text, Value, found, require

Words: TypeAlias = Annotated[Note, Meta(min_length=1)]
Kind: TypeAlias = Literal["request", "complaint"]
Severity: TypeAlias = Literal["low", "normal", "high", "urgent"]
Party: TypeAlias = Literal["customer", "third_party"]
Satisfaction: TypeAlias = Annotated[int, Meta(ge=1, le=5)]


class Policy(Value):
    """How long a resolution can be questioned and rated."""

    reopen_days: Annotated[int, Meta(ge=1, le=3_650)] = 14
    feedback_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    time_zone: str = "UTC"


# Commands: what somebody wants.


class Reply(Value, tag="ticket.reply"):
    """Answer the customer, as a person."""

    text: Words


class RecordCustomerReply(Value, tag="ticket.record_customer_reply"):
    """Keep what the customer said."""

    text: Words


class AddNote(Value, tag="ticket.add_note"):
    """Keep a remark that the customer does not see."""

    text: Words


class Assign(Value, tag="ticket.assign"):
    """Put one person in charge."""

    to: Text


class Pause(Value, tag="ticket.pause"):
    """Wait for somebody outside."""

    waiting_for: Party


class Resume(Value, tag="ticket.resume"):
    """Stop waiting."""


class Resolve(Value, tag="ticket.resolve"):
    """Propose that the matter is settled."""

    resolution: Words
    root_cause: Words | None = None


class Reopen(Value, tag="ticket.reopen"):
    """Take the matter up again."""

    reason: Words


class Close(Value, tag="ticket.close"):
    """Settle the matter for good; a root cause that was found late is given here."""

    root_cause: Words | None = None


class RecordFeedback(Value, tag="ticket.record_feedback"):
    """Keep how satisfied the customer is with the resolution."""

    csat: Satisfaction
    comment: Note = ""


class Open(Value, tag="ticket.open"):
    """Take up what a customer asks for or complains about."""

    customer: UUID
    subject: Text
    kind: Kind
    channel: Ref
    category: Ref
    severity: Severity = "normal"


Command: TypeAlias = (
    Reply | RecordCustomerReply | AddNote | Assign | Pause | Resume
    | Resolve | Reopen | Close | RecordFeedback | Open
)  # fmt: skip


# Events: what happened. A tag is the stored name and never changes.


class AgentReplied(Value, tag="ticket.agent_replied"):
    """A person answered the customer; the first such answer is the first response."""

    text: Words
    first_response: bool


class CustomerReplied(Value, tag="ticket.customer_replied"):
    """The customer said something."""

    text: Words


class NoteAdded(Value, tag="ticket.note_added"):
    """Somebody remarked something that the customer does not see."""

    text: Words


class Assigned(Value, tag="ticket.assigned"):
    """One person is in charge, in place of whoever was."""

    to: Text


class Paused(Value, tag="ticket.paused"):
    """The ticket waits for somebody outside."""

    waiting_for: Party


class Resumed(Value, tag="ticket.resumed"):
    """The ticket waits no longer."""


class Resolved(Value, tag="ticket.resolved"):
    """The matter is settled unless somebody reopens it in time."""

    resolution: Words
    root_cause: Words | None
    reopen_until: Instant
    feedback_until: Instant


class Reopened(Value, tag="ticket.reopened"):
    """The matter was taken up again."""

    reason: Words


class Closed(Value, tag="ticket.closed"):
    """The matter is settled for good."""

    root_cause: Words | None


class FeedbackRecorded(Value, tag="ticket.feedback_recorded"):
    """The customer rated the resolution."""

    csat: Satisfaction
    comment: Note


class Opened(Value, tag="ticket.opened"):
    """A customer asked for something or complained."""

    customer: UUID
    subject: Text
    kind: Kind
    channel: Ref
    category: Ref
    severity: Severity


Event: TypeAlias = (
    AgentReplied | CustomerReplied | NoteAdded | Assigned | Paused | Resumed
    | Resolved | Reopened | Closed | FeedbackRecorded | Opened
)  # fmt: skip


# Rejections: the rules that can say no.


class NotOpened(Rejection):
    """A ticket is opened before anything else happens to it."""


class AlreadyOpened(Rejection):
    """A ticket is opened once."""


class TicketClosed(Rejection):
    """A closed ticket stays closed; what comes up later is a ticket of its own."""


class AlreadyResolved(Rejection):
    """A resolved ticket is reopened before work on it goes on."""


class NotResolved(Rejection):
    """A ticket is resolved before it is reopened, closed or rated."""


class ReopenWindowOver(Rejection):
    """A resolved ticket is reopened in time; what comes up later is a ticket of its own."""

    reopen_until: Instant


class RootCauseMissing(Rejection):
    """A complaint is closed with its root cause."""


class FeedbackTwice(Rejection):
    """A resolution is rated once."""


class FeedbackLate(Rejection):
    """A resolution is rated in time."""

    feedback_until: Instant


Reason: TypeAlias = (
    NotOpened | AlreadyOpened | TicketClosed | AlreadyResolved | NotResolved
    | ReopenWindowOver | RootCauseMissing | FeedbackTwice | FeedbackLate
)  # fmt: skip


# State: only what the next decision needs.


class Resolution(Value):
    """How the current cycle ended, and until when it can be questioned."""

    reopen_until: Instant
    feedback_until: Instant
    root_cause: str | None
    rated: bool = False


class Ticket(Value):
    """The ticket so far; it is pending on its customer, or on hold for a third party."""

    status: Literal["new", "open", "pending", "on_hold", "resolved", "closed"] = "new"
    customer: UUID | None = None
    kind: Kind = "request"
    assignee: str | None = None
    responded: bool = False
    resolution: Resolution | None = None


def decide(command: Command, ticket: Ticket, act: Act, policy: Policy) -> tuple[Event, ...]:
    """Return what happens when this command meets this ticket."""
    require(ticket.status != "new" or isinstance(command, Open), NotOpened())
    works = isinstance(command, Pause | Resume | Resolve)
    require(not works or ticket.status != "resolved", AlreadyResolved())
    looks_back = isinstance(command, Close | RecordFeedback | Open)
    require(looks_back or ticket.status != "closed", TicketClosed())
    match command:
        case Reply(text=text):
            return (AgentReplied(text=text, first_response=not ticket.responded),)
        case RecordCustomerReply():
            return _customer_replied(command, ticket, act)
        case AddNote(text=text):
            return (NoteAdded(text=text),)
        case Assign(to=to):
            return () if to == ticket.assignee else (Assigned(to=to),)
        case Pause(waiting_for=party):
            return () if ticket.status == _waiting(party) else (Paused(waiting_for=party),)
        case Resume():
            return () if ticket.status == "open" else (Resumed(),)
        case Resolve():
            return _resolve(command, act, policy)
        case Reopen(reason=reason):
            return _reopen(reason, ticket, act)
        case Close():
            return _close(command, ticket)
        case RecordFeedback():
            return _rate(command, ticket, act)
        case Open():
            require(ticket.status == "new", AlreadyOpened())
            return (Opened(**asdict(command)),)
        case _:
            assert_never(command)


def evolve(ticket: Ticket, event: Event) -> Ticket:
    """Return the ticket after a fact. No rules here: what happened, happened."""
    match event:
        case AgentReplied():
            return replace(ticket, responded=True)
        case CustomerReplied() | NoteAdded():
            return ticket
        case Assigned(to=to):
            return replace(ticket, assignee=to)
        case Paused(waiting_for=party):
            return replace(ticket, status=_waiting(party))
        case Resumed():
            return replace(ticket, status="open")
        case Resolved(reopen_until=reopen_until, feedback_until=feedback_until, root_cause=cause):
            resolution = Resolution(
                reopen_until=reopen_until, feedback_until=feedback_until, root_cause=cause
            )
            return replace(ticket, status="resolved", resolution=resolution)
        case Reopened():
            return replace(ticket, status="open", resolution=None)
        case Closed():
            return replace(ticket, status="closed")
        case FeedbackRecorded():
            rated = replace(ticket.resolution, rated=True) if ticket.resolution else None
            return replace(ticket, resolution=rated)
        case Opened(customer=customer, kind=kind):
            return replace(ticket, status="open", customer=customer, kind=kind)
        case _:
            assert_never(event)


def decider(policy: Policy) -> Decider[Command, Ticket, Event]:
    """Return the rules of tickets under this policy."""
    return Decider(
        kind="ticket",
        initial=Ticket(),
        decide=partial(decide, policy=policy),
        evolve=evolve,
        customer=lambda _, ticket: ticket.customer,
        commands=Command,
        events=Event,
        rejections=Reason,
        threads=lambda _: ("ticket",),
    )


def _customer_replied(command: RecordCustomerReply, ticket: Ticket, act: Act) -> tuple[Event, ...]:
    """Whoever we waited for has spoken; a matter that comes up again in time is reopened."""
    said = CustomerReplied(text=command.text)
    if ticket.status == "resolved":
        return (said, *_reopen("the customer replied", ticket, act))
    return (said, Resumed()) if ticket.status == "pending" else (said,)


def _resolve(command: Resolve, act: Act, policy: Policy) -> tuple[Event, ...]:
    where = zone(policy.time_zone)
    local = act.effective_at.astimezone(where)
    resolved = Resolved(
        resolution=command.resolution,
        root_cause=command.root_cause,
        reopen_until=(local + timedelta(days=policy.reopen_days)).astimezone(UTC),
        feedback_until=(local + timedelta(days=policy.feedback_days)).astimezone(UTC),
    )
    return (resolved,)


def _reopen(reason: str, ticket: Ticket, act: Act) -> tuple[Event, ...]:
    """Take the matter up again inside the window; later it is another ticket (rules.md T8)."""
    until = found(ticket.resolution, NotResolved()).reopen_until
    require(act.effective_at < until, ReopenWindowOver(reopen_until=until))
    return (Reopened(reason=reason),)


def _close(command: Close, ticket: Ticket) -> tuple[Event, ...]:
    """Close a complaint only when its root cause is known (rules.md T14)."""
    if ticket.status == "closed":
        return ()
    resolution = found(ticket.resolution, NotResolved())
    cause = command.root_cause or resolution.root_cause
    require(ticket.kind != "complaint" or cause is not None, RootCauseMissing())
    return (Closed(root_cause=cause),)


def _rate(command: RecordFeedback, ticket: Ticket, act: Act) -> tuple[Event, ...]:
    """Rate a resolution once, inside the window (rules.md T13)."""
    resolution = found(ticket.resolution, NotResolved())
    require(not resolution.rated, FeedbackTwice())
    until = resolution.feedback_until
    require(act.effective_at < until, FeedbackLate(feedback_until=until))
    return (FeedbackRecorded(csat=command.csat, comment=command.comment),)


def _waiting(party: Party) -> Literal["pending", "on_hold"]:
    return "pending" if party == "customer" else "on_hold"
