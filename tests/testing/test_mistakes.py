"""The kit finds every public mistake of rules.md, section 4, with the fewest commands."""

from collections.abc import Iterator

import pytest

from crmcore.testing import History, Violated, check, contract, samples
from crmcore.testing.contracts import laws_for
from crmcore.testing.shortening import shortened
from crmcore.testing.steps import AnyDecider
from crmcore.testing.trying import attempt
from tests.testing.mistakes import MISTAKES
from tests.testing.mistakes.port import Mistake

HISTORIES, SEEDS = 500, range(5)
RIGHT = list({id(mistake.right): mistake.right for mistake in MISTAKES}.values())
RULES = {mistake.rule: mistake for mistake in MISTAKES}


def named(mistake: Mistake) -> str:
    return f"{mistake.number} {mistake.name}"


def shortest(mistake: Mistake) -> Iterator[History]:
    """What the kit finds, without the commands that it does not take."""
    for seed in SEEDS:
        for history in samples(mistake.wrong, HISTORIES, seed=seed):
            if check(mistake.wrong, history, [mistake.law]):
                yield shortened(history, mistake.law)


@pytest.mark.parametrize("mistake", MISTAKES, ids=named)
def test_the_kit_finds_it_with_the_fewest_commands(mistake: Mistake) -> None:
    lengths: list[int] = []
    for history in shortest(mistake):
        lengths.append(len(history.steps))
        if lengths[-1] <= mistake.least:
            break
    assert min(lengths, default=None) == mistake.least


@pytest.mark.parametrize("decider", RIGHT, ids=lambda decider: decider.kind)
def test_every_law_holds_of_those_who_do_not_make_it(decider: AnyDecider) -> None:
    laws = {mistake.law for mistake in MISTAKES if mistake.right is decider}
    for number, history in enumerate(samples(decider, 100, steps=15)):
        wanted = laws if number > 10 else {*laws_for(decider), *laws}
        assert check(decider, history, wanted) == []


def test_every_item_of_the_list_is_there() -> None:
    assert {mistake.number for mistake in MISTAKES} == set(range(1, 13))
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)


def test_a_contract_reports_it_as_an_example() -> None:
    mistake = RULES["L7"]
    tests = contract(mistake.wrong, invariants=[mistake.law], laws=(), steps=8)()
    with pytest.raises(Violated, match="a_refund_takes_its_share") as found:
        tests.test_every_law_holds()
    assert len(found.value.history.steps) == mistake.least


def test_an_attempt_tells_of_it_by_the_law_that_is_broken() -> None:
    mistake = RULES["T3"]
    (broken,) = attempt(mistake.wrong, laws=[mistake.law], steps=8).broken
    assert (broken.law, broken.commands) == ("who_is_late_is_late", mistake.least)
