"""What fails is shown in the fewest and plainest commands, whatever it was found in."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from crmcore import Money
from crmcore.domain import customer, loyalty
from crmcore.domain.act import Act
from crmcore.testing import History, Turn, Violated, counterexample, law, live, shortened
from crmcore.testing.steps import START, AnyDecider

RULES = loyalty.decider(loyalty.Policy())
OTHERS: tuple[type, ...] = (loyalty.Redeem, loyalty.ReverseRedemption, loyalty.RecordExpiry)
SPARSE = dict.fromkeys(OTHERS, 0)


@law
def nobody_has_fifty_points(_: AnyDecider, history: History) -> Iterator[str]:
    """Nobody earns fifty points at once."""
    for event in history.events:
        if isinstance(event, loyalty.PointsEarned) and event.lot.points >= 50:
            yield f"{event.lot.points} points"


@law
def nobody_has_more_than_one_site(_: AnyDecider, history: History) -> Iterator[str]:
    """Nobody has two sites."""
    if len(history.state.profile.sites) > 1:
        yield "there are more"


def lived(rules: AnyDecider, *commands: Any) -> History:  # noqa: ANN401 - any commands
    acts = [
        Act(
            by="cem",
            effective_at=START + timedelta(days=40 * number),
            command_id=UUID(int=number),
            roles=frozenset({"clerk"}),
        )
        for number, _ in enumerate(commands, 1)
    ]
    return History(decider=rules, steps=tuple(live(rules, map(Turn, commands, acts))))


def earned(source: str, minor: int) -> loyalty.Earn:
    return loyalty.Earn(source=source, amount=Money(minor=minor, currency="CHF"))


def test_commands_become_few_and_their_numbers_small() -> None:
    enrol = loyalty.Enrol(customer=UUID(int=7))
    found = lived(RULES, enrol, earned("s-1", 300), earned("s-2", 987_654), earned("s-3", 4))
    least = shortened(found, nobody_has_fifty_points)
    assert [step.command for step in least.steps] == [
        enrol,
        loyalty.Earn(source="s-2", amount=Money(minor=5_000, currency="USD")),
    ]


def test_acts_become_those_of_one_person_at_one_instant_without_a_role() -> None:
    found = lived(RULES, loyalty.Enrol(customer=UUID(int=7)), earned("s-1", 9_999))
    acts = [step.act for step in shortened(found, nobody_has_fifty_points).steps]
    assert {(act.by, act.effective_at, act.roles) for act in acts} == {("ann", START, frozenset())}


def test_what_can_be_left_out_of_a_command_is() -> None:
    sites = tuple(
        customer.Site(name=f"site-{n}", address="Quay 1", premises="leased", warehouse_m2=40 * n)
        for n in range(3)
    )
    rules = customer.decider(customer.Policy())
    register = customer.Register(code="c-1", name="Ada", kind="person")
    least = shortened(
        lived(rules, register, customer.ChangeSites(sites=sites)), nobody_has_more_than_one_site
    )
    [_, change] = (step.command for step in least.steps)
    assert len(change.sites) == 2
    assert {(site.premises, site.warehouse_m2) for site in change.sites} == {(None, None)}


def test_a_command_stays_within_the_bounds_of_its_type() -> None:
    @law
    def nobody_owes_less_than_nothing(_: AnyDecider, history: History) -> Iterator[str]:
        for step in history.steps:
            if isinstance(step.command, customer.LowerLimit) and step.command.amount.minor < 0:
                yield "somebody does"

    rules = customer.decider(customer.Policy())
    lower = customer.LowerLimit(amount=Money(minor=-5, currency="USD"))
    [step] = shortened(lived(rules, lower), nobody_owes_less_than_nothing).steps
    assert step.command == lower


def test_a_counterexample_is_the_same_for_a_seed() -> None:
    laws = [nobody_has_fifty_points]
    found = [counterexample(RULES, laws, seed=seed, weights=SPARSE) for seed in (1, 1, 2)]
    for one in found:
        assert isinstance(one, Violated)
        assert one.what == "50 points"
        assert len(one.history.steps) == 2
    assert str(found[0]) == str(found[1])


def test_where_all_laws_hold_there_is_no_counterexample() -> None:
    assert counterexample(RULES, examples=20) is None
    crashing = replace(RULES, evolve=lambda *_: 1 // 0)
    found = counterexample(crashing, examples=20)
    assert isinstance(found, Violated)
    assert (found.law.name, len(found.history.steps)) == ("nothing_crashes", 1)
