"""Mutants are all the small changes of a function, and the record says what became of them."""

from pathlib import Path

import pytest

from tests.mutation import record
from tests.mutation.mutants import Function, functions, functions_of
from tests.mutation.record import Entry, Open, Record, problems, read, updated, write

RULE = '''
def stage(points, spent, names):
    """Return where somebody stands."""
    if points - spent >= 10 and names:
        return "gold"
    return [n for n in names if n != ""]
'''
CHANGES = [
    "if {points - spent >= 10 and names -> True}:",
    "if {points - spent >= 10 and names -> False}:",
    "if points - spent >= 10{ and names -> }:",
    "if{ points - spent >= 10 and -> } names:",
    "if points - spent {>= -> >} 10 and names:",
    "if points {- -> +} spent >= 10 and names:",
    "if points - spent >= {10 -> 11} and names:",
    "return {'gold' -> None}",
    "return '{gold -> XXgold}'",
    "return {[n for n in names if n != ''] -> None}",
    "return [n for n in names{ if n != '' -> }]",
    "return [n for n in names if {n != '' -> False}]",
    "return [n for n in names if n {!= -> ==} '']",
    "...rn [n for n in names if n != '{ -> XX}']",
]
LOTS = ("domain/lots.py", "total")
CHANGE = "return {sum((lot.points for lot in lots)) -> None}"


@pytest.fixture
def lots_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the record know of one module, so that it is written sooner."""
    monkeypatch.setattr(record, "modules", lambda: [LOTS[0]])


def only(source: str) -> Function:
    [function] = functions_of(source)
    return function


def test_a_function_has_a_mutant_for_each_small_change() -> None:
    assert [change for change, _ in only(RULE).mutants()] == CHANGES


def test_a_mutant_does_what_its_change_says() -> None:
    namespace: dict[str, object] = {}
    exec(RULE, namespace)  # noqa: S102 - the function above
    stage = namespace["stage"]
    assert callable(stage)
    assert stage(10, 0, ["a"]) == "gold"
    stage.__code__ = only(RULE).mutated("if points - spent {>= -> >} 10 and names:")  # type: ignore[attr-defined]
    assert stage(10, 0, ["a"]) == ["a"]


def test_changes_that_read_the_same_have_numbers() -> None:
    source = "def twice(items):\n    items.pop()\n    items.pop()\n"
    assert [change for change, _ in only(source).mutants()] == [
        "{items.pop() -> pass}",
        "{items.pop() -> pass} #2",
    ]


def test_a_change_knows_its_lines() -> None:
    assert {(at.start, at.stop) for _, at in only(RULE).mutants()} == {(4, 5), (5, 6), (6, 7)}


def test_layout_comments_and_docstrings_do_not_make_a_function_another() -> None:
    moved = "\n\n" + RULE.replace('"gold"\n', '"gold"\n    # why\n').replace("where", "how")
    assert only(moved).digest == only(RULE).digest
    assert only(RULE.replace("10", "11")).digest != only(RULE).digest


def test_a_record_that_is_written_is_read_again(tmp_path: Path) -> None:
    odd = ("domain/lots.py", "total", 'a "b" \\ | é')
    before = Record(
        95, {LOTS: Entry("d", 3, ("a::b[c-d]",))}, {odd: "same"}, {LOTS: Open("d", 3, 2, ("a",))}, 3
    )
    write(before, tmp_path / "record.toml")
    assert read(tmp_path / "record.toml") == before


@pytest.mark.usefixtures("lots_only")
def test_a_mutant_that_still_lives_keeps_its_reason_and_one_that_died_goes() -> None:
    before = Record(95, {LOTS: Entry("d", 1, ("a::a",))}, {(*LOTS, CHANGE): "why"}, {})
    lived = updated(before, {(*LOTS, CHANGE): None})
    assert lived.survivors == {(*LOTS, CHANGE): "why"}
    assert lived.entries[LOTS][1:] == (1, ())
    died = updated(lived, {(*LOTS, CHANGE): "a::b"})
    assert (died.survivors, died.entries[LOTS].by) == ({}, ("a::b",))


@pytest.mark.usefixtures("lots_only")
def test_a_function_of_which_some_mutants_were_run_is_known_as_before() -> None:
    key = ("domain/lots.py", "lapsed")
    [lapsed] = [one for one in functions(key[0]) if one.name == key[1]]
    first, second, *_ = [(*key, change) for change, _ in lapsed.mutants()]
    before = Record(95, {key: Entry(lapsed.digest, 4, ("a::a",))}, {first: "why", second: ""}, {})
    after = updated(before, {second: "a::b"})
    assert after.entries == {key: Entry(lapsed.digest, 4, ("a::a", "a::b"))}
    assert after.survivors == {first: "why"}


@pytest.mark.usefixtures("lots_only")
def test_a_function_of_which_some_mutants_are_killed_is_open_until_all_were_run() -> None:
    key = ("domain/lots.py", "lapsed")
    [lapsed] = [one for one in functions(key[0]) if one.name == key[1]]
    mutants = [(*key, change) for change, _ in lapsed.mutants()]
    some = updated(Record(95, {}, {}, {}), {mutants[0]: "a::b"})
    assert some.open[key] == Open(lapsed.digest, len(mutants), 1, ("a::b",))
    assert updated(some, {}).open[key].killed == 1
    known = updated(some, dict.fromkeys(mutants, "a::b"))
    assert (key in known.open, known.entries[key].mutants) == (False, len(mutants))


def test_what_is_wrong_with_a_record_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "modules", lambda: ["domain/customer/policy.py"])
    key = ("domain/customer/policy.py", "Policy.day")
    [fold] = functions("domain/customer/policy.py")
    good = Record(95, {key: Entry(fold.digest, 1, ("t::a",))}, {}, {})
    assert list(problems(good, {"t::a"})) == []
    changed = good._replace(entries={key: Entry("else", 1, ("t::a",))})
    gone = good._replace(
        entries=good.entries | {("domain/customer/policy.py", "x"): Entry("", 1, ())}
    )
    lives = good._replace(survivors={(*key, "c"): ""})
    said = [list(problems(one, {"t::a"})) for one in (changed, gone, lives)]
    assert said == [
        ["domain/customer/policy.py Policy.day: it, or who killed its mutants, is not as recorded"],
        ["domain/customer/policy.py x: it is gone"],
        [
            "domain/customer/policy.py Policy.day c: it lives, and the record does not say why",
            "0 of 1 mutants are killed: less than 95 %",
        ],
    ]
    still_open = good._replace(entries={}, open={key: Open(fold.digest, 1, 0, ())}, open_most=1)
    assert list(problems(still_open, set())) == []
    assert list(problems(still_open._replace(open_most=0), set())) == [
        "1 mutants are of functions that are open: more than 0"
    ]
    assert list(problems(still_open._replace(open={key: Open("else", 1, 0, ())}), set()))
    assert len(list(problems(good, set()))) == 1, "the test that killed it is not there any more"
