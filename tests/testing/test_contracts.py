"""A contract finds planted bugs, with the fewest commands that show them, and what never occurs."""

from typing import Any, get_args

import pytest
from hypothesis import settings
from msgspec.structs import replace

from crmcore.domain import lots, loyalty
from crmcore.domain.act import Act
from crmcore.domain.lots import Lots
from crmcore.domain.loyalty import (
    BelowMinimum,
    Earn,
    Enrol,
    Enrolled,
    PointsEarned,
    PointsRedeemed,
    Policy,
    Redeem,
)
from crmcore.testing import LAWS, History, Step, Violated, contract, invariant
from crmcore.testing.contracts import vacuous
from crmcore.testing.laws import law
from crmcore.testing.steps import AnyDecider
from tests.testing.planted import SPENDING

RULES = loyalty.decider(Policy(points_min=2))
EXAMPLES = settings().max_examples
ENROLMENTS = {kind: 0 for kind in get_args(loyalty.Command) if kind is not Enrol}
FEW = (Enrol, Earn, Redeem)
PLAIN = {kind: 0 for kind in get_args(loyalty.Command) if kind not in FEW}


@invariant("step")
def what_expires_first_is_spent_first(step: Step) -> bool:
    """No lot is drawn on while one that expires earlier has points left (rules.md L4)."""
    usable = {
        lot.number
        for lot in step.before.lots
        if lot.vests_at <= step.act.effective_at < lot.expires_at
    }
    left = [lot for lot in step.after.lots if lot.number in usable]
    return all(
        left_over.expires_at >= drawn.expires_at
        for event in step.events
        if isinstance(event, PointsRedeemed)
        for drawn in event.allocations
        for left_over in left
    )


def last_expiring(found: Lots) -> Lots:
    return tuple(sorted(found, key=lambda lot: lot.expires_at, reverse=True))


TestLoyalty = contract(RULES, invariants=[what_expires_first_is_spent_first], steps=20)


def test_a_planted_bug_is_found_with_the_fewest_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "first_expiring", last_expiring)
    one = [what_expires_first_is_spent_first]
    tests = contract(RULES, laws=(), invariants=one, examples=500, weights=PLAIN)()
    with pytest.raises(Violated, match="what_expires_first_is_spent_first") as found:
        tests.test_every_law_holds()
    commands = [type(step.command) for step in found.value.history.steps]
    assert commands == [Enrol, Earn, Earn, Redeem]
    assert found.value.history.script() in str(found.value)


def test_two_laws_that_do_not_hold_are_both_reported() -> None:
    def nobody_enrols(_: AnyDecider, history: History) -> list[str]:
        """Nobody enrols."""
        return ["somebody did" for event in history.events if isinstance(event, Enrolled)]

    def nobody_earns(_: AnyDecider, history: History) -> list[str]:
        """Nobody earns without having enrolled."""
        return ["somebody did" for event in history.events if isinstance(event, PointsEarned)]

    both = [law(nobody_earns), law(nobody_enrols)]
    tests = contract(RULES, laws=(), invariants=both, weights=PLAIN)()
    with pytest.raises(ExceptionGroup) as found:
        tests.test_every_law_holds()
    lengths = {
        type(one).__name__: len(one.history.steps)
        for one in found.value.exceptions
        if isinstance(one, Violated)
    }
    assert lengths == {"nobody_enrols": 1, "nobody_earns": 2}


def test_what_can_never_occur_is_named() -> None:
    greedy = loyalty.decider(Policy(points_min=10**9))
    with pytest.raises(AssertionError, match=r"never occurred:.*PointsRedeemed.*Redeem,"):
        contract(greedy, examples=20)().test_nothing_is_vacuous()


def test_a_rule_that_can_never_say_no_is_named() -> None:
    lenient = replace(
        loyalty.decider(Policy(points_min=1)),
        commands=SPENDING,
        events=loyalty.earning.Event | loyalty.spending.Event | loyalty.Enrolled,
        rejections=loyalty.spending.Insufficient | BelowMinimum,
    )
    assert vacuous(lenient) == [BelowMinimum]
    contract(lenient, never=[BelowMinimum])().test_nothing_is_vacuous()


def model(past: tuple[Any, ...], command: Any, _: Act) -> Any:  # noqa: ANN401 - any of them
    """An enrolment as it should be, told from the events alone."""
    assert isinstance(command, Enrol)
    owner = next((event.customer for event in past), None)
    if owner is None:
        return (Enrolled(customer=command.customer),)
    return () if owner == command.customer else loyalty.AlreadyEnrolled


def test_a_decider_does_what_its_model_does() -> None:
    contract(RULES, model=model, weights=ENROLMENTS, examples=50)().test_every_law_holds()


def test_where_decider_and_model_differ_is_named() -> None:
    generous = replace(RULES, decide=lambda command, *_: (Enrolled(customer=command.customer),))
    tests = contract(generous, model=model, weights=ENROLMENTS, laws=(), examples=50)()
    with pytest.raises(Violated, match="agrees_with_the_model") as found:
        tests.test_every_law_holds()
    assert len(found.value.history.steps) == 2


def test_a_contract_runs_as_many_examples_as_the_settings_say() -> None:
    seen: list[History] = []

    def counts(_: AnyDecider, history: History) -> list[str]:
        seen.append(history)
        return []

    contract(RULES, laws=(), invariants=[law(counts)])().test_every_law_holds()
    contract(RULES, laws=(), invariants=[law(counts)], examples=7)().test_every_law_holds()
    assert len(seen) == EXAMPLES + 7


def test_the_catalogue_has_a_sentence_for_each_law() -> None:
    assert all(one.doc.endswith(".") and one.name == name for name, one in LAWS.items())
