"""Tickets: rules T6, T8, T13, T14 and T16."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given

from crmcore import testing
from crmcore.domain import ticket
from crmcore.domain.ticket import (
    AddNote,
    AgentReplied,
    AlreadyOpened,
    AlreadyResolved,
    Assign,
    Assigned,
    Close,
    Closed,
    CustomerReplied,
    FeedbackLate,
    FeedbackRecorded,
    FeedbackTwice,
    NoteAdded,
    NotOpened,
    NotResolved,
    Open,
    Opened,
    Pause,
    Paused,
    Policy,
    RecordCustomerReply,
    RecordFeedback,
    Reopen,
    Reopened,
    ReopenWindowOver,
    Reply,
    Resolve,
    Resolved,
    Resume,
    Resumed,
    RootCauseMissing,
    Ticket,
    TicketClosed,
)
from crmcore.testing import History, histories, vacuous

ANN = UUID(int=10)
TICKETS = ticket.decider(Policy())
REQUEST = Open(
    customer=ANN, subject="Broken desk", kind="request", channel="email", category="desk"
)
COMPLAINT = Open(
    customer=ANN, subject="Late again", kind="complaint", channel="phone", category="delivery"
)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WINDOW_ENDS = datetime(2026, 3, 16, 12, tzinfo=UTC)
RATING_ENDS = datetime(2026, 4, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)

NEW = testing.given(TICKETS, at=NOON)
OPEN = NEW.when(REQUEST)
PENDING = OPEN.when(Pause(waiting_for="customer"))
ON_HOLD = OPEN.when(Pause(waiting_for="third_party"))
RESOLVED = OPEN.when(Resolve(resolution="A new leg"), at=NOON)
CLOSED = RESOLVED.when(Close())


def test_a_ticket_is_opened_once() -> None:
    NEW.when(REQUEST).then(
        Opened(
            customer=ANN,
            subject="Broken desk",
            kind="request",
            channel="email",
            category="desk",
            severity="normal",
        ),
    )
    assert TICKETS.customer(UUID(int=1), OPEN.state) == ANN
    for known in (OPEN, RESOLVED, CLOSED):
        known.when(REQUEST).rejected(AlreadyOpened())


def test_nothing_happens_before_a_ticket_is_opened() -> None:
    NEW.when(Reply(text="Hello")).rejected(NotOpened())
    NEW.when(Close()).rejected(NotOpened())


def test_the_first_reply_of_a_person_is_the_first_response() -> None:
    noted = OPEN.when(AddNote(text="Odd"), RecordCustomerReply(text="Anybody?"))
    replied = noted.when(Reply(text="Hello"))
    replied.then(AgentReplied(text="Hello", first_response=True))
    replied.when(Reply(text="Again")).then(AgentReplied(text="Again", first_response=False))


def test_a_note_changes_nothing() -> None:
    noted = OPEN.when(AddNote(text="Odd")).then(NoteAdded(text="Odd"))
    assert noted.state == OPEN.state


def test_one_person_is_in_charge() -> None:
    bobs = OPEN.when(Assign(to="bob")).then(Assigned(to="bob"))
    bobs.when(Assign(to="bob")).nothing()
    assert bobs.when(Assign(to="eve")).state.assignee == "eve"


def test_a_ticket_waits_for_one_party_at_a_time() -> None:
    OPEN.when(Pause(waiting_for="customer")).then(Paused(waiting_for="customer"))
    PENDING.when(Pause(waiting_for="customer")).nothing()
    PENDING.when(Pause(waiting_for="third_party")).then(Paused(waiting_for="third_party"))
    assert (PENDING.state.status, ON_HOLD.state.status) == ("pending", "on_hold")


def test_a_ticket_stops_waiting() -> None:
    for waiting in (PENDING, ON_HOLD):
        assert waiting.when(Resume()).then(Resumed()).state.status == "open"
    OPEN.when(Resume()).nothing()


def test_a_reply_of_the_customer_we_wait_for_resumes_the_ticket() -> None:
    reply = RecordCustomerReply(text="Here it is")
    PENDING.when(reply).then(CustomerReplied(text="Here it is"), Resumed())
    ON_HOLD.when(reply).then(CustomerReplied(text="Here it is"))
    OPEN.when(reply).then(CustomerReplied(text="Here it is"))


def test_a_reply_of_the_customer_reopens_a_resolved_ticket_in_time() -> None:
    reply = RecordCustomerReply(text="It broke again")
    RESOLVED.when(reply, at=WINDOW_ENDS - TICK).then(
        CustomerReplied(text="It broke again"),
        Reopened(reason="the customer replied"),
    )
    RESOLVED.when(reply, at=WINDOW_ENDS).rejected(ReopenWindowOver(reopen_until=WINDOW_ENDS))


def test_a_ticket_is_resolved_with_its_windows() -> None:
    for working in (OPEN, PENDING, ON_HOLD):
        working.when(Resolve(resolution="A new leg", root_cause="Soft wood"), at=NOON).then(
            Resolved(
                resolution="A new leg",
                root_cause="Soft wood",
                reopen_until=WINDOW_ENDS,
                feedback_until=RATING_ENDS,
            ),
        )


def test_a_window_ends_at_the_same_hour_of_the_business_day() -> None:
    in_berlin = ticket.decider(Policy(reopen_days=30, time_zone="Europe/Berlin"))
    opened = testing.given(in_berlin, *OPEN.events)
    opened.when(Resolve(resolution="A new leg"), at=NOON).then(
        Resolved(
            resolution="A new leg",
            root_cause=None,
            reopen_until=datetime(2026, 4, 1, 11, tzinfo=UTC),
            feedback_until=datetime(2026, 4, 1, 11, tzinfo=UTC),
        ),
    )


def test_a_resolved_ticket_is_reopened_before_work_goes_on() -> None:
    for command in (Resolve(resolution="Again"), Resume(), Pause(waiting_for="customer")):
        RESOLVED.when(command).rejected(AlreadyResolved())
    RESOLVED.when(Reply(text="Bye")).then(AgentReplied(text="Bye", first_response=True))


def test_a_resolved_ticket_is_reopened_in_time() -> None:
    reopen = Reopen(reason="It broke again")
    RESOLVED.when(reopen, at=WINDOW_ENDS - TICK).then(Reopened(reason="It broke again"))
    RESOLVED.when(reopen, at=WINDOW_ENDS).rejected(ReopenWindowOver(reopen_until=WINDOW_ENDS))
    assert RESOLVED.when(reopen, at=NOON).state == OPEN.state


def test_a_ticket_is_resolved_before_it_is_reopened_closed_or_rated() -> None:
    for early in (
        Reopen(reason="Why not"),
        Close(),
        Close(root_cause="Soft wood"),
        RecordFeedback(csat=5),
    ):
        OPEN.when(early).rejected(NotResolved())


def test_a_closed_ticket_stays_closed() -> None:
    RESOLVED.when(Close()).then(Closed(root_cause=None)).when(Close()).nothing()
    for late in (
        Reopen(reason="It broke again"),
        RecordCustomerReply(text="It broke again"),
        Reply(text="Hello"),
        AddNote(text="Odd"),
        Assign(to="bob"),
        Resume(),
    ):
        CLOSED.when(late).rejected(TicketClosed())


def test_a_complaint_is_closed_with_its_root_cause() -> None:
    unclear = NEW.when(COMPLAINT, Resolve(resolution="A voucher"))
    unclear.when(Close()).rejected(RootCauseMissing())
    unclear.when(Close(root_cause="No driver")).then(Closed(root_cause="No driver"))
    clear = NEW.when(COMPLAINT, Resolve(resolution="A voucher", root_cause="No driver"))
    clear.when(Close()).then(Closed(root_cause="No driver"))


def test_a_resolution_is_rated_once_and_in_time() -> None:
    rate = RecordFeedback(csat=4, comment="Thanks")
    for settled in (RESOLVED, CLOSED):
        rated = settled.when(rate, at=RATING_ENDS - TICK)
        rated.then(FeedbackRecorded(csat=4, comment="Thanks"))
        rated.when(rate).rejected(FeedbackTwice())
        settled.when(rate, at=RATING_ENDS).rejected(FeedbackLate(feedback_until=RATING_ENDS))


def test_every_resolution_is_rated_anew() -> None:
    rate = RecordFeedback(csat=2)
    again = RESOLVED.when(rate, Reopen(reason="It broke"), Resolve(resolution="A new desk"))
    again.when(rate).then(FeedbackRecorded(csat=2, comment=""))


# Every history keeps the rules.


HISTORIES = histories(TICKETS, overrides={"root_cause": ["A cause", None]})


@given(HISTORIES)
def test_t6_only_the_first_reply_of_a_person_is_the_first_response(history: History) -> None:
    marks = [event.first_response for event in history.events if isinstance(event, AgentReplied)]
    assert marks[:1] in ([], [True])
    assert True not in marks[1:]
    assert TICKETS.fold(history.events).responded == bool(marks)


@given(HISTORIES)
def test_t8_a_ticket_is_reopened_in_time_and_closed_for_good(history: History) -> None:
    until, closed = NOON, False
    for step in history.steps:
        for event in step.events:
            assert not closed or isinstance(event, FeedbackRecorded)
            match event:
                case Resolved():
                    until = step.at + timedelta(days=14)
                    assert event.reopen_until == until
                case Reopened():
                    assert step.at < until
                case Closed():
                    closed = True
                case _:
                    pass


@given(HISTORIES)
def test_t13_a_resolution_is_rated_at_most_once_inside_the_window(history: History) -> None:
    ratable_until = None
    for step in history.steps:
        for event in step.events:
            match event:
                case Resolved():
                    ratable_until = step.at + timedelta(days=30)
                case FeedbackRecorded():
                    assert ratable_until is not None
                    assert step.at < ratable_until
                    ratable_until = None
                case Reopened():
                    ratable_until = None
                case _:
                    pass


@given(HISTORIES)
def test_t14_a_complaint_is_closed_only_with_a_root_cause(history: History) -> None:
    happened = history.events
    complaint = any(isinstance(event, Opened) and event.kind == "complaint" for event in happened)
    for event in happened:
        if isinstance(event, Closed):
            assert event.root_cause == "A cause" or not complaint


@given(HISTORIES)
def test_t16_whoever_was_assigned_last_is_the_only_assignee(history: History) -> None:
    people = [event.to for event in history.events if isinstance(event, Assigned)]
    assert TICKETS.fold(history.events).assignee == (people[-1] if people else None)
    assert all(left != right for left, right in pairwise(people))


@given(HISTORIES)
def test_a_ticket_that_waits_was_paused_and_neither_resumed_nor_resolved(history: History) -> None:
    status = "new"
    for event in history.events:
        match event:
            case Paused(waiting_for="customer"):
                status = "pending"
            case Paused(waiting_for="third_party"):
                status = "on_hold"
            case Opened() | Resumed() | Reopened():
                status = "open"
            case Resolved():
                status = "resolved"
            case Closed():
                status = "closed"
            case _:
                pass
    assert TICKETS.fold(history.events).status == status


@given(HISTORIES, HISTORIES)
def test_any_fact_can_be_applied_to_any_ticket(history: History, other: History) -> None:
    for one in (TICKETS.initial, TICKETS.fold(history.events)):
        for event in other.events:
            assert isinstance(TICKETS.evolve(one, event), Ticket)


def test_every_event_and_every_rejection_occurs() -> None:
    assert vacuous(TICKETS) == []
