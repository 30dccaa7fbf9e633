"""What was said from when to when, and what brought it: a fact, other policies, or time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crmcore.projections.lifecycle import Policy, lifecycle
from crmcore.projections.projection import Facts, answer
from crmcore.projections.spells import Spell, Stretch, spells
from tests.projections.history import REGISTERED, bought, end, history, returned, start

FIRST, LAST = date(2024, 1, 10), date(2027, 1, 1)
USUAL = lifecycle(Policy())
HASTY = lifecycle(Policy(inactive_after_months=1, lost_after_months=3))
SWITCH = datetime(2025, 7, 1, 9, 30, tzinfo=UTC)
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
UNDER = [Stretch(BEGINNING, "usual@1", USUAL), Stretch(SWITCH, "hasty@2", HASTY)]


def told(facts: Facts, stretches: list[Stretch] = UNDER, day: date = LAST) -> tuple[Spell, ...]:
    known = [fact for fact in facts if fact.effective_at <= end(day)]
    return spells(known, stretches, end(day))


def days_later(*days: int) -> Facts:
    """A customer who buys some days after the first one."""
    later = ((FIRST + timedelta(days=d), bought(f"s-{n}")) for n, d in enumerate(sorted(days)))
    return history((FIRST, REGISTERED), *later)


def test_each_spell_says_what_brought_it() -> None:
    facts = days_later(400)
    assert [(one.answer, one.since, one.cause, one.facts) for one in told(facts)] == [
        ("prospect", start(FIRST), "fact", (1,)),
        ("new", start(date(2025, 2, 13)), "fact", (2,)),
        ("lost", SWITCH, "policies", ()),
    ]
    usual = told(facts, UNDER[:1])
    assert [(one.answer, one.since, one.cause) for one in usual[2:]] == [
        ("inactive", start(date(2025, 8, 13)), "time"),
        ("lost", start(date(2026, 8, 13)), "time"),
    ]
    assert {one.policies for one in usual} == {"usual@1"}
    assert [(one.answer, one.facts) for one in told(days_later(0))][:1] == [("new", (1, 2))]


def test_spells_follow_each_other_and_the_last_one_has_no_end_yet() -> None:
    said = told(days_later(0, 30, 500))
    assert [one.until for one in said] == [*(one.since for one in said[1:]), None]
    assert [one.policies for one in said][-1] == "hasty@2"


def test_of_whom_nothing_is_known_nothing_is_said() -> None:
    assert told([]) == ()
    assert told(days_later(400), UNDER[:1], FIRST - timedelta(days=1)) == ()


def test_policies_that_change_no_answer_begin_no_spell() -> None:
    said = told(days_later(), UNDER)
    assert [(one.answer, one.policies) for one in said] == [("prospect", "usual@1")]


def test_a_fact_of_the_same_instant_counts_before_the_policies() -> None:
    switch = start(date(2025, 7, 1))
    may, july = bought("s-1"), bought("s-2")
    facts = history((FIRST, REGISTERED), (date(2025, 5, 1), may), (date(2025, 7, 1), july))
    stretches = [UNDER[0], UNDER[1]._replace(since=switch)]
    said = told(facts, stretches, date(2025, 7, 2))
    assert [(one.answer, one.since, one.cause, one.policies) for one in said[2:]] == [
        ("active", switch, "fact", "hasty@2")
    ]


def test_what_is_asked_of_an_instant_counts_what_happens_at_it() -> None:
    facts = days_later(400)
    assert [one.answer for one in spells(facts[:1], UNDER[:1], start(FIRST))] == ["prospect"]
    at_once = spells(facts, UNDER, SWITCH)
    assert [(one.answer, one.cause, one.policies) for one in at_once[2:]] == [
        ("lost", "policies", "hasty@2")
    ]
    assert len(spells(facts, UNDER[:1], SWITCH - timedelta(microseconds=1))) == 2


def test_before_a_customer_is_registered_nothing_is_said() -> None:
    facts = history((FIRST, bought("s-1")), (date(2024, 2, 1), REGISTERED))
    assert [(one.answer, one.since) for one in told(facts, UNDER[:1], date(2024, 2, 1))] == [
        ("new", start(date(2024, 2, 1)))
    ]


def test_a_customer_who_is_registered_under_the_later_policies_has_spells_of_these_only() -> None:
    facts = history((date(2026, 1, 1), REGISTERED), (date(2026, 1, 1), bought("s-1")))
    assert {one.policies for one in told(facts)} == {"hasty@2"}
    assert told(facts)[0].cause == "fact"


@given(
    st.lists(st.integers(0, 900), max_size=6),
    st.sets(st.integers(0, 5), max_size=2),
    st.lists(st.integers(-5, 1_000), min_size=1, max_size=8),
)
def test_at_every_instant_the_spell_is_what_is_answered_then(
    purchases: list[int], back: set[int], looked: list[int]
) -> None:
    facts = days_later(*purchases)
    gone = [
        (LAST - timedelta(days=40), returned(f"s-{number}"))
        for number in back
        if number < len(purchases)
    ]
    facts = [
        *facts,
        *history(*(dated for dated in [(FIRST, REGISTERED)] * len(facts)), *gone)[len(facts) :],
    ]
    said = told(facts)
    for number in looked:
        at = end(FIRST + timedelta(days=number))
        projection: Any = HASTY if at >= SWITCH else USUAL
        then = answer(projection, [fact for fact in facts if fact.effective_at <= at], at)
        holds = [one for one in said if one.since <= at and (one.until is None or at < one.until)]
        assert [one.answer for one in holds] == ([then.answer] if then else [])
