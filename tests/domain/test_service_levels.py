"""Clocks of tickets: rules T6 to T9 (first response, next response, resolution)."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given

from crmcore.domain import ticket
from crmcore.domain.clocks import Clock, Terms, breached_at, breaches, due, elapsed
from crmcore.domain.service_levels import Policy, first_response, next_responses, resolutions
from crmcore.testing import History, histories
from tests.domain.calendars import ALWAYS_WEEK, DAY, HOUR, TICK, calendar

TERMS = Terms(target=4 * HOUR, calendar=calendar(ALWAYS_WEEK))
POLICY = Policy()
RESOLVING_RESPONDS = Policy(resolving_responds=True)
RESTARTING = Policy(on_reopen="restart")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WHENEVER = NOON + 3_650 * DAY

OPENED = ticket.Opened(
    customer=UUID(int=10),
    subject="Broken desk",
    kind="request",
    channel="email",
    category="desk",
    severity="normal",
)
REPLIED = ticket.AgentReplied(text="Hello", first_response=True)
ASKED = ticket.CustomerReplied(text="Anybody?")
NOTED = ticket.NoteAdded(text="Odd")
PAUSED, RESUMED = ticket.Paused(waiting_for="customer"), ticket.Resumed()
RESOLVED = ticket.Resolved(
    resolution="A new leg",
    root_cause=None,
    reopen_until=NOON + 14 * DAY,
    feedback_until=NOON + 30 * DAY,
)
REOPENED, CLOSED = ticket.Reopened(reason="Again"), ticket.Closed(root_cause=None)


def hourly(*events: ticket.Event) -> list[tuple[datetime, ticket.Event]]:
    """Return a history with an event each hour."""
    return [(NOON + number * HOUR, event) for number, event in enumerate(events)]


def only(clocks: tuple[Clock, ...]) -> Clock:
    (clock,) = clocks
    return clock


def hours(clock: Clock | None) -> float:
    assert clock is not None
    return elapsed(clock, WHENEVER) / HOUR


def test_t6_only_a_persons_answer_stops_the_first_response() -> None:
    history = hourly(OPENED, NOTED, PAUSED, ASKED, RESUMED, REPLIED, ASKED, REPLIED)
    assert hours(first_response(history, TERMS, POLICY)) == 3
    unanswered = first_response(history[:5], TERMS, POLICY)
    assert unanswered is not None
    assert due(unanswered, NOON + 4 * HOUR) == NOON + 6 * HOUR
    assert first_response([], TERMS, POLICY) is None
    assert first_response(history[1:], TERMS, POLICY) is None


def test_t6_whether_resolving_responds_is_a_policy() -> None:
    history = hourly(OPENED, RESOLVED, CLOSED)
    assert hours(first_response(history, TERMS, POLICY)) == 1
    again = hourly(OPENED, RESOLVED, REOPENED, NOTED, REPLIED)
    assert hours(first_response(again, TERMS, POLICY)) == 3
    assert hours(first_response(again, TERMS, RESOLVING_RESPONDS)) == 1


def test_t7_the_next_response_is_to_the_first_message_that_nobody_answered() -> None:
    history = hourly(OPENED, ASKED, REPLIED, NOTED, ASKED, ASKED, REPLIED, REPLIED, ASKED)
    first, second = next_responses(history, TERMS, POLICY)
    assert (first.since, second.since) == (NOON + 4 * HOUR, NOON + 8 * HOUR)
    assert hours(first) == 2
    assert due(second, second.since) == NOON + 12 * HOUR
    assert next_responses(history[:2], TERMS, POLICY) == ()


def test_t7_a_pause_and_a_resolution_stop_the_next_response_too() -> None:
    waiting = hourly(OPENED, REPLIED, ASKED, PAUSED, RESUMED, RESOLVED, REOPENED, REPLIED)
    assert hours(only(next_responses(waiting, TERMS, POLICY))) == 3
    assert hours(only(next_responses(waiting, TERMS, RESOLVING_RESPONDS))) == 2


def test_t8_a_reopened_resolution_goes_on_or_begins_anew() -> None:
    history = hourly(OPENED, PAUSED, RESUMED, RESOLVED, NOTED, REOPENED, NOTED, RESOLVED, CLOSED)
    assert hours(only(resolutions(history, TERMS, POLICY))) == 4
    assert [hours(clock) for clock in resolutions(history, TERMS, RESTARTING)] == [2, 2]
    assert [status for _, status in only(resolutions(history, TERMS, POLICY)).status.changes] == [
        "paused",
        "running",
        "stopped",
        "running",
        "stopped",
    ]
    assert resolutions([], TERMS, POLICY) == ()


def test_t9_what_is_closed_from_a_pause_is_as_it_was_in_the_pause() -> None:
    history = [*hourly(OPENED, PAUSED), (NOON + 9 * HOUR, RESOLVED), (NOON + 9 * HOUR, CLOSED)]
    clock = only(resolutions(history, TERMS, POLICY))
    assert breaches(clock, WHENEVER) == ()
    assert due(clock, NOON + 9 * HOUR) is None
    late = [*hourly(OPENED), (NOON + 5 * HOUR, PAUSED), (NOON + 9 * HOUR, RESOLVED)]
    assert breached_at(only(resolutions(late, TERMS, POLICY)), WHENEVER) == NOON + 4 * HOUR + TICK


# Every history keeps the rules.

HISTORIES = histories(ticket.decider(ticket.Policy()))


def happened(history: History) -> list[tuple[datetime, ticket.Event]]:
    return [(step.at, event) for step in history.steps for event in step.events]


def last(history: History) -> datetime:
    return max((step.at for step in history.steps), default=NOON)


@given(HISTORIES)
def test_t6_first_response_runs_up_to_the_first_answer(history: History) -> None:
    facts, clock = happened(history), first_response(happened(history), TERMS, POLICY)
    answers = [at for at, event in facts if isinstance(event, ticket.AgentReplied)]
    if clock is None:
        assert not facts
    elif answers:
        assert clock.status.at(answers[0]) == "stopped"
        assert elapsed(clock, answers[0]) == elapsed(clock, WHENEVER)
    else:
        assert clock == only(resolutions(facts, TERMS, POLICY))


@given(HISTORIES)
def test_t7_each_unanswered_message_has_one_clock_after_the_first_response(
    history: History,
) -> None:
    facts = happened(history)
    letters = "".join(letter(event) for _, event in facts)
    answered = letters.find("A")
    waits = re.finditer(r"C[^A]*", letters[answered:]) if answered >= 0 else ()
    starts = [facts[answered + wait.start()][0] for wait in waits]
    clocks = next_responses(facts, TERMS, POLICY)
    assert [clock.since for clock in clocks] == starts
    first = first_response(facts, TERMS, POLICY)
    assert first is not None or not clocks
    for clock in clocks:
        assert first is not None
        assert first.status.at(clock.since) == "stopped"


def letter(event: ticket.Event) -> str:
    match event:
        case ticket.AgentReplied():
            return "A"
        case ticket.CustomerReplied():
            return "C"
        case _:
            return "-"


@given(HISTORIES)
def test_t8_a_resolution_counts_the_time_in_which_the_ticket_was_open(history: History) -> None:
    facts, counted, since = happened(history), timedelta(), None
    for at, event in facts:
        match event:
            case ticket.Opened() | ticket.Reopened() | ticket.Resumed():
                since = since or at
            case ticket.Paused() | ticket.Resolved() if since:
                counted, since = counted + (at - since), None
            case _:
                pass
    end = last(history) + DAY
    counted += end - since if since else timedelta()
    for policy in (POLICY, RESTARTING):
        clocks = resolutions(facts, TERMS, policy)
        assert sum((elapsed(clock, end) for clock in clocks), timedelta()) == counted
    reopened = sum(isinstance(event, ticket.Reopened) for _, event in facts)
    opened = sum(isinstance(event, ticket.Opened) for _, event in facts)
    assert len(resolutions(facts, TERMS, POLICY)) == opened
    assert len(resolutions(facts, TERMS, RESTARTING)) == opened + reopened


@given(HISTORIES)
def test_t9_resolving_from_a_pause_misses_nothing(history: History) -> None:
    facts = happened(history)
    for number, (at, event) in enumerate(facts):
        if isinstance(event, ticket.Resolved):
            before = only(resolutions(facts[:number], TERMS, POLICY))
            after = only(resolutions(facts[: number + 1], TERMS, POLICY))
            assert breaches(after, at + DAY) == breaches(before, at)


@given(HISTORIES)
def test_t3_what_happens_to_a_ticket_later_changes_no_breach(history: History) -> None:
    facts = happened(history)
    for number, (at, _) in enumerate(facts):
        if number + 1 < len(facts) and facts[number + 1][0] > at:
            known = facts[: number + 1]
            for clocks in (resolutions, next_responses):
                told = [breached_at(clock, at) for clock in clocks(known, TERMS, POLICY)]
                later = [breached_at(clock, at) for clock in clocks(facts, TERMS, POLICY)]
                assert later[: len(told)] == told
