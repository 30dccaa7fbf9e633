"""A machine gives the same commands to the rules and to a store, and says where they differ."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from msgspec.structs import replace

from crmcore import CRM, Policies
from crmcore.domain import loyalty
from crmcore.domain.act import Act
from crmcore.domain.loyalty import Earn, Enrol, Enrolled, Redeem
from crmcore.policies import deciders
from crmcore.testing import Violated, machine, rollback
from crmcore.testing.contracts import Model, contract
from crmcore.testing.steps import AnyDecider
from crmcore.testing.storing import stored_alike

DECIDERS = {decider.kind: decider for decider in deciders(Policies())}
LOYALTY = DECIDERS["loyalty"]
OTHERS = tuple(kind for kind in get_args(loyalty.Command) if kind is not Enrol)
ONLY_ENROLMENTS = dict.fromkeys(OTHERS, 0)
ONLY_SPENDING = {kind: 0 for kind in OTHERS if kind not in (Earn, Redeem)}

TestLoyalty = machine(LOYALTY, crm=CRM.in_memory).TestCase
TestLoyalty.settings = settings(TestLoyalty.settings, max_examples=5, stateful_step_count=20)


FOUND = [Phase.generate]  # and not made shorter
SHORT = [Phase.generate, Phase.shrink]


def run(
    machine: type[RuleBasedStateMachine], examples: int = 50, phases: Sequence[Phase] = FOUND
) -> None:
    tried = settings(max_examples=examples, stateful_step_count=6, phases=phases, print_blob=False)
    run_state_machine_as_test(machine, settings=tried)


@pytest.mark.parametrize("kind", ["loyalty", "ticket"])
def test_the_store_says_what_the_rules_say(crm: CRM, kind: str) -> None:
    run(machine(DECIDERS[kind], crm=lambda: rollback(crm)), examples=6)
    assert crm.position() == 0


def test_a_store_under_another_policy_is_found_out() -> None:
    rules = loyalty.decider(loyalty.Policy(points_min=2))
    with pytest.raises(Violated, match="a_store_says_what_the_rules_say") as found:
        run(machine(rules, crm=CRM.in_memory, weights=ONLY_SPENDING), examples=300)
    history = found.value.history
    assert history.script() in str(found.value)
    asked = [type(step.command) for step in found.value.shortest().history.steps]
    assert asked == [Enrol, Redeem]


def test_a_contract_can_ask_a_store_too() -> None:
    rules = loyalty.decider(loyalty.Policy(lifetime_months=11))
    tests = contract(
        rules, laws={}, invariants=[stored_alike(CRM.in_memory)], steps=3, weights=ONLY_SPENDING
    )()
    with pytest.raises(Violated, match=r"comes .*PointsEarned"):
        tests.test_every_law_holds()


def enrolment(past: tuple[Any, ...], command: Any, _: Act) -> Any:  # noqa: ANN401 - any of them
    """An enrolment as it should be, told from the events alone."""
    owner = next((event.customer for event in past), None)
    if owner is None:
        return (Enrolled(customer=command.customer),)
    return () if owner == command.customer else loyalty.AlreadyEnrolled


def generous(past: tuple[Any, ...], command: Any, act: Act) -> Any:  # noqa: ANN401 - any of them
    """An enrolment as it should not be: who comes second is enrolled too."""
    came = enrolment(past, command, act)
    return (Enrolled(customer=command.customer),) if past and not isinstance(came, type) else came


def test_a_model_says_the_same() -> None:
    run(machine(LOYALTY, model=enrolment, weights=ONLY_ENROLMENTS))


def test_where_a_model_says_something_else_the_commands_are_few() -> None:
    model: Model = generous
    with pytest.raises(Violated, match="agrees_with_the_model") as found:
        run(machine(LOYALTY, model=model, weights=ONLY_ENROLMENTS), phases=SHORT)
    assert len(found.value.history.steps) == 2


def test_the_laws_hold_without_a_store() -> None:
    def evolve(state: Any, event: Any) -> Any:  # noqa: ANN401 - the decider's
        assert not isinstance(event, loyalty.PointsRedeemed)
        return loyalty.evolve(state, event)

    broken: AnyDecider = replace(LOYALTY, evolve=evolve)
    with pytest.raises(Violated, match="nothing_crashes"):
        run(machine(broken, weights=ONLY_SPENDING))
