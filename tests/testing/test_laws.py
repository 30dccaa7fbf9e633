"""Each law finds the decider that breaks it, and no other law is needed for that."""

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from crmcore.domain import loyalty
from crmcore.domain.act import Act
from crmcore.domain.customer.profile import InteractionLogged
from crmcore.domain.decider import Decider
from crmcore.domain.loyalty import Account, Earn, Enrol, Enrolled, PointsEarned
from crmcore.domain.money import Money
from crmcore.domain.ticket import AlreadyOpened
from crmcore.domain.value import Rejected
from crmcore.testing import LAWS, History, check, invariant, law, take
from crmcore.testing.steps import START

RULES = loyalty.decider(loyalty.Policy())
ADA, BEN = UUID(int=7), UUID(int=8)
COMMANDS = (
    Enrol(customer=ADA),
    Enrol(customer=BEN),
    Earn(source="s-1", amount=Money(minor=500, currency="USD")),
    Earn(source="s-2", amount=Money(minor=900, currency="USD")),
)
NUMBERS = count(1)

AnyDecider = Decider[Any, Any, Any]


def lived(decider: AnyDecider) -> History:
    state, steps = decider.initial, []
    for number, command in enumerate(COMMANDS):
        act = Act(by="ann", effective_at=START, command_id=UUID(int=number))
        steps.append(take(decider, state, command, act))
        state = steps[-1].after
    return History(decider=decider, steps=tuple(steps))


def broken(decider: AnyDecider) -> set[str]:
    """The laws that do not hold of a short life."""
    return {violation.law for violation in check(decider, lived(decider))}


def deciding(change: Callable[[Any, tuple[Any, ...]], Any]) -> AnyDecider:
    """The rules, with another outcome of each command."""
    return replace(
        RULES,
        decide=lambda command, state, act: change(command, RULES.decide(command, state, act)),
    )


def evolving(change: Callable[[Account, Any], Account]) -> AnyDecider:
    return replace(RULES, evolve=lambda state, event: change(RULES.evolve(state, event), event))


def raising(error: Exception) -> AnyDecider:
    def decide(*_: object) -> None:
        raise error

    return replace(RULES, decide=decide)


def named_by_chance(_: object, events: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        replace(event, source=f"s-{next(NUMBERS)}") if isinstance(event, PointsEarned) else event
        for event in events
    )


def forgetful(state: Account, event: Any) -> Account:  # noqa: ANN401 - any of them
    """Count what passes by in this process, as a state never should."""
    return replace(state, lots_ever=next(NUMBERS)) if isinstance(event, PointsEarned) else state


STRANGE = InteractionLogged(channel="phone", summary="hello")

BREAKS: dict[str, tuple[AnyDecider, set[str]]] = {
    "it divides by zero": (raising(ZeroDivisionError()), {"nothing_crashes"}),
    "its evolve raises": (
        evolving(lambda state, event: {}[event] if event == Enrolled(customer=ADA) else state),
        {"nothing_crashes"},
    ),
    "it says no in another's words": (
        raising(Rejected(AlreadyOpened())),
        {"only_what_is_declared_happens"},
    ),
    "it tells another's facts": (
        replace(
            deciding(lambda _, events: (*events, STRANGE)),
            evolve=lambda state, event: state if event is STRANGE else RULES.evolve(state, event),
        ),
        {"only_what_is_declared_happens", "what_is_stored_is_read_as_it_was"},
    ),
    "it names by chance": (deciding(named_by_chance), {"decisions_are_pure"}),
    "its state counts the calls": (
        evolving(forgetful),
        {"replay_is_live", "a_state_can_be_stored", "decisions_are_pure"},
    ),
}


def test_every_law_holds_of_the_rules_as_they_are() -> None:
    assert broken(RULES) == set()


@pytest.mark.parametrize("why", BREAKS)
def test_a_decider_that_breaks_a_law_is_found(why: str) -> None:
    decider, laws = BREAKS[why]
    assert broken(decider) == laws


def test_every_law_has_a_decider_that_breaks_it() -> None:
    unbroken = LAWS.keys() - {name for _, laws in BREAKS.values() for name in laws}
    assert unbroken == {"what_is_rejected_changes_nothing"}  # `take` cannot make such a step


def test_what_cannot_be_stored_is_refused_as_the_library_refuses_it() -> None:
    blank = deciding(
        lambda _, events: tuple(
            replace(e, source="") if isinstance(e, PointsEarned) else e for e in events
        )
    )
    history = lived(blank)
    refused = [step for step in history.steps if step.unstorable is not None]
    assert {step.unstorable for step in refused} == {
        "Expected `str` of length >= 1 - at `$.source`"
    }
    assert all((step.events, step.after) == ((), step.before) for step in refused)
    assert broken(blank) == set()


def test_a_step_that_was_rejected_and_changed_something_is_found() -> None:
    history = lived(RULES)
    no = replace(history.steps[1], after=history.state)
    found = check(RULES, replace(history, steps=(no,)), [LAWS["what_is_rejected_changes_nothing"]])
    assert len(found) == 1


def test_an_invariant_is_asked_for_what_its_scope_says() -> None:
    asked: dict[str, list[Any]] = {}
    history = lived(RULES)
    for scope in ("state", "event", "command", "step", "history"):
        seen = asked.setdefault(scope, [])

        @invariant(scope, name=f"of the {scope}")
        def rule(*what: Any, seen: list[Any] = seen) -> bool:  # noqa: ANN401 - any of them
            seen.append(what)
            return False

        found = check(RULES, history, [rule])
        assert [one.law for one in found] == [f"of the {scope}"] * len(seen)
    states = [RULES.initial, *(step.after for step in history.steps)]
    assert [state for (state,) in asked["state"]] == states
    assert [event for _, event, _ in asked["event"]] == list(history.events)
    assert [command for _, command, _, _ in asked["command"]] == [*COMMANDS[:1], *COMMANDS[2:]]
    assert asked["step"] == [(step,) for step in history.steps]
    assert asked["history"] == [(history,)]


def test_a_law_of_ones_own_says_what_is_wrong() -> None:
    def nobody_enrols(_: AnyDecider, history: History) -> list[str]:
        """Nobody enrols."""
        return [f"{event} did" for event in history.events if isinstance(event, Enrolled)]

    one = law(nobody_enrols)
    assert (one.name, one.doc) == ("nobody_enrols", "Nobody enrols.")
    assert [violation.law for violation in check(RULES, lived(RULES), [one])] == ["nobody_enrols"]
