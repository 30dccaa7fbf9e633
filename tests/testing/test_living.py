"""A history says what it is in an example that runs."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from crmcore.domain import loyalty, money
from crmcore.testing import History, explore
from crmcore.testing.steps import START, AnyDecider
from tests.testing import test_exploring

ADA = UUID(int=7)
LOYALTY = loyalty.decider(loyalty.Policy())
SALE = loyalty.Earn(source="s-1", amount=money.Money(minor=500, currency="USD"))
MUG = loyalty.Redeem(redemption="r-1", reward="mug", points=5)
BACK = loyalty.ReverseRedemption(redemption="r-1", points=5)
LIVES = [
    *explore(LOYALTY, [loyalty.Enrol(customer=ADA), SALE, MUG, BACK], depth=4).histories(),
    *explore(test_exploring.RULES, test_exploring.COMMANDS, depth=4).histories(),
]


@pytest.mark.parametrize("history", LIVES, ids=lambda history: f"{len(history.steps)} steps")
def test_a_script_is_an_example_that_holds(history: History) -> None:
    if history.steps:
        exec(history.script(), {history.decider.kind: history.decider})  # noqa: S102 - our own
        assert history.script().endswith(repr(history))


def test_a_script_of_something_else_does_not_hold() -> None:
    history = LIVES[1]
    other = replace(history.steps[0], events=())
    script = replace(history, steps=(other,)).script()
    with pytest.raises(AssertionError, match="found"):
        exec(script, {"loyalty": LOYALTY})  # noqa: S102 - our own


def test_what_crashed_and_who_was_allowed_is_in_the_script() -> None:
    step = LIVES[1].steps[0]
    act = replace(step.act, roles=frozenset({"b", "a"}))
    crashed = replace(step, act=act, events=(), crashed="KeyError: 'x'")
    script = replace(LIVES[1], steps=(crashed,)).script()
    assert "roles=['a', 'b']) crashes: KeyError: 'x'" in script


def test_a_history_up_to_an_instant_is_how_it_began() -> None:
    history = max(LIVES, key=lambda life: len(life.steps))
    for number in range(len(history.steps) + 1):
        began = history.as_of(START + timedelta(days=number - 1))
        assert began.steps == history.steps[:number]
        assert began.events == tuple(e for step in began.steps for e in step.events)
    assert _initial(history.decider) == history.as_of(START - timedelta(days=1)).state


def _initial(decider: AnyDecider) -> Any:  # noqa: ANN401 - the decider's
    return decider.initial
