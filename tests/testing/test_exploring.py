"""Everything that a few commands can do is done: states, dead ends, and the picture of them."""

from datetime import timedelta
from uuid import UUID

from crmcore.domain import ticket
from crmcore.domain.ticket import Close, Open, Reopen, Resolve
from crmcore.testing import check, explore

RULES = ticket.decider(ticket.Policy())
OPEN = Open(customer=UUID(int=7), subject="help", kind="request", channel="mail", category="parcel")
COMMANDS = (OPEN, Resolve(resolution="done"), Reopen(reason="not so"), Close())


def name(state: ticket.Ticket) -> str:
    return state.status


def test_every_state_of_a_ticket_is_reached() -> None:
    found = explore(RULES, COMMANDS, depth=4)
    assert {name(state) for state in found.states} >= {"open", "resolved", "closed"}
    assert found.states[0] == RULES.initial
    assert len(found.steps) >= len(COMMANDS)


def test_the_shortest_way_to_each_state_is_told() -> None:
    found = explore(RULES, COMMANDS, depth=3)
    for state, history in zip(found.states, found.histories(), strict=True):
        assert history.state == state
        assert check(RULES, history) == []
        assert len(history.steps) <= 3


def test_time_passes_between_steps() -> None:
    soon = explore(RULES, COMMANDS, depth=4, every=timedelta(days=1))
    late = explore(RULES, COMMANDS, depth=4, every=timedelta(days=60))
    assert any(isinstance(e, ticket.Reopened) for step in soon.steps for e in step.events)
    assert not any(isinstance(e, ticket.Reopened) for step in late.steps for e in step.events)


def test_a_state_that_nothing_changes_is_a_dead_end() -> None:
    found = explore(RULES, [OPEN, Resolve(resolution="done"), Close()], depth=6)
    assert {name(state) for state in found.dead_ends()} == {"closed"}


def test_the_picture_has_an_arrow_for_each_change() -> None:
    lines = explore(RULES, COMMANDS, depth=4).diagram(name).splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    open --> resolved: Resolved" in lines
    assert "    resolved --> open: Reopened" in lines
