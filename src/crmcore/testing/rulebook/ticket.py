"""What holds of every history of a ticket."""

from collections.abc import Iterator

from crmcore.domain import ticket
from crmcore.testing.laws import law
from crmcore.testing.living import History
from crmcore.testing.steps import AnyDecider


@law
def the_first_response_is_the_first(_: AnyDecider, history: History) -> Iterator[str]:
    """The first reply of a person is the first response, and no other (rules.md T6)."""
    marks = [e.first_response for e in history.events if isinstance(e, ticket.AgentReplied)]
    if marks != [number == 0 for number in range(len(marks))]:
        yield f"replies are marked {marks}"


@law
def closed_is_final(_: AnyDecider, history: History) -> Iterator[str]:
    """Nothing but feedback comes to a closed ticket (rules.md T8)."""
    closed = False
    for event in history.events:
        if closed and not isinstance(event, ticket.FeedbackRecorded):
            yield f"{event!r} after it was closed"
        closed = closed or isinstance(event, ticket.Closed)


@law
def a_complaint_closes_with_its_cause(_: AnyDecider, history: History) -> Iterator[str]:
    """A complaint is closed with its root cause (rules.md T14)."""
    complaint = any(isinstance(e, ticket.Opened) and e.kind == "complaint" for e in history.events)
    for event in history.events:
        if complaint and isinstance(event, ticket.Closed) and not event.root_cause:
            yield "it was closed without a root cause"


@law
def a_resolution_is_questioned_in_time(_: AnyDecider, history: History) -> Iterator[str]:
    """A resolution is reopened and rated in its windows, and rated once (rules.md T8, T13)."""
    resolved: ticket.Resolved | None = None
    rated = False
    for step in history.steps:
        for event in step.events:
            match event:
                case ticket.Resolved():
                    resolved, rated = event, False
                case ticket.Reopened() if resolved is None or step.at >= resolved.reopen_until:
                    yield f"it was reopened at {step.at}, too late"
                case ticket.FeedbackRecorded():
                    if resolved is None or rated or step.at >= resolved.feedback_until:
                        yield f"it was rated at {step.at}, too late or twice"
                    rated = True
                case _:
                    pass


LAWS = (
    the_first_response_is_the_first,
    closed_is_final,
    a_complaint_closes_with_its_cause,
    a_resolution_is_questioned_in_time,
)
