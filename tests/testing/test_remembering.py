"""A rehearsal is kept, found again exactly where it would lead to the same, and tried first."""

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore.domain import loyalty, ticket
from crmcore.domain.value import Value
from crmcore.testing.playing import not_drawn
from crmcore.testing.rehearsing import Cast
from crmcore.testing.remembering import memory_of
from crmcore.testing.steps import AnyDecider
from tests.testing.planted import SPENDING, _spends_the_lapsed

RULES: AnyDecider = replace(loyalty.decider(loyalty.Policy()), commands=SPENDING)


class Local(Value):
    """Nothing that the rules declare."""


class Other(Value):
    """Nothing that tells it from another."""


def enclosing_itself() -> Callable[..., Any]:
    def decide(*asked: Any) -> Any:  # noqa: ANN401 - of any rules
        return decide(*asked[1:]) if len(asked) > 3 else ()

    return decide


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for what is kept."""
    monkeypatch.setenv("CRMCORE_REHEARSALS", str(tmp_path / "kept"))
    return tmp_path


def kept(rules: AnyDecider, **drawn: Any) -> Any:  # noqa: ANN401 - of a history
    """Return what was found by an earlier rehearsal, None if nothing was."""
    memory = memory_of(rules, drawn)
    return memory and memory.recall()


def key(rules: AnyDecider, **drawn: Any) -> bytes | None:  # noqa: ANN401 - of a history
    memory = memory_of(rules, drawn)
    return memory.key if memory else None


@pytest.mark.parametrize("rules", [RULES, ticket.decider(ticket.Policy())])
def test_who_remembers_plays_as_one_who_has_rehearsed(rules: AnyDecider) -> None:
    assert kept(rules) is None
    first, second = Cast(rules), Cast(rules)
    ways = first.ways
    assert kept(rules)[0] == ways
    assert second.ways == ways
    assert list(second.ways) == list(ways)
    number, past = 2**20, first.past(not_drawn)
    slots = [bytes((number * n + m) % 251 for m in range(16)) for n in range(500)]
    lived = [*first.go_on((), slots, first.kinds, past)]
    assert lived == [*second.go_on((), slots, second.kinds, second.past(not_drawn))]
    assert any(step.events for step in lived)
    for opening in first.openings:
        assert second.company(opening, 7) == first.company(opening, 7)


def test_other_rules_are_rehearsed_anew() -> None:
    bug = replace(RULES, decide=partial(_spends_the_lapsed))
    few = replace(RULES, commands=loyalty.Enrol | loyalty.Earn)
    other = loyalty.decider(loyalty.Policy(points_min=7))
    keys = [key(rules) for rules in (RULES, bug, few, other, replace(other, commands=SPENDING))]
    drawn: list[dict[str, Any]] = [
        {"roles": {"clerk"}},
        {"weights": {loyalty.Earn: 2}},
        {"overrides": {"points": (1,)}},
    ]
    keys += [key(RULES, **options) for options in drawn]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    again = replace(loyalty.decider(loyalty.Policy()), commands=SPENDING)
    assert key(again) == key(RULES)


def test_a_function_is_told_by_what_it_encloses() -> None:
    def deciding(points: int) -> AnyDecider:
        return replace(RULES, decide=lambda *asked: RULES.decide(*asked) if points else ())

    assert key(deciding(1)) == key(deciding(1)) != key(deciding(0))


def test_sources_that_change_are_rehearsed_anew(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = place / "own_rules.py"
    monkeypatch.syspath_prepend(str(place))
    own.write_text("def decide(*asked):\n    return ()\n", encoding="utf-8")
    rules = replace(RULES, decide=import_module("own_rules").decide)
    assert key(rules) is None  # it was saved since this process began
    os.utime(own, (1, 1))
    before = key(rules)
    assert before is not None
    own.write_text("def decide(*asked):\n    return []\n", encoding="utf-8")
    os.utime(own, (1, 1))
    assert key(rules) not in {before, None}


def test_what_cannot_be_told_is_not_kept(place: Path) -> None:
    class Another(Value):
        """There may be one more that is called so."""

    assert key(RULES, overrides={"points": st.integers(1, 9)}) is None
    assert key(replace(RULES, events=Another)) is None
    assert key(replace(RULES, initial=object())) is None
    assert key(replace(RULES, decide=enclosing_itself())) is None
    assert key(replace(RULES, commands=Local | Other)) is None  # which of them is told by no tag
    assert not (place / "kept").exists()


def test_what_is_kept_is_tried_before_it_is_believed() -> None:
    cast = Cast(RULES)
    ways = cast.ways
    memory = memory_of(RULES, {})
    assert memory is not None
    (data,) = memory.kept.fetch(memory.key)
    memory.kept.delete(memory.key, data)
    memory.kept.save(memory.key, b"\xc1 is no rehearsal")
    assert memory.recall() is None
    wrong = {**ways, loyalty.Redeem: ways[loyalty.Enrol]}
    memory.keep(wrong, cast.learned)
    assert memory.recall() is None
    memory.keep({**ways, Local: ways[loyalty.Enrol]}, cast.learned)
    assert len([*memory.kept.fetch(memory.key)]) == 2
    assert Cast(RULES).ways == ways


def test_nothing_is_kept_where_nobody_wants_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRMCORE_REHEARSALS", "")
    assert memory_of(RULES, {}) is None
    assert Cast(RULES).ways
    assert not (place / "kept").exists()


def test_it_lies_beside_what_hypothesis_keeps(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRMCORE_REHEARSALS")
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(place / "there"))
    assert Cast(RULES).ways
    assert (place / "there" / "crmcore").is_dir()


def test_a_place_that_cannot_be_written_to_is_no_matter(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a file").touch()
    monkeypatch.setenv("CRMCORE_REHEARSALS", str(place / "a file" / "kept"))
    assert Cast(RULES).ways
    assert kept(RULES) is None
