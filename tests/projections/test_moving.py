"""Who moves from one day to another, and who bought again (rules.md 3.1)."""

from datetime import UTC, date
from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore.domain.recorded import Stream
from crmcore.projections.lifecycle import Policy, lifecycle
from crmcore.projections.moving import Buying, buying, moves, said, transitions
from crmcore.projections.projection import Facts, by_customer
from tests.projections.history import ANN, BOB, REGISTERED, bought, end, history, returned

DAY = date(2025, 3, 1)
STAGES = lifecycle(Policy())
HASTY = lifecycle(Policy(inactive_after_months=1))


def of(customer: UUID, after: int, facts: Facts) -> Facts:
    """The same facts, of this customer and behind so many others."""
    stream = Stream(kind="customer", id=customer)
    return [
        replace(fact, stream=stream, customer=customer, position=fact.position + after)
        for fact in facts
    ]


ANNS = history(
    (date(2025, 1, 1), REGISTERED),
    (date(2025, 1, 5), bought("a-1")),
    (date(2025, 2, 5), bought("a-2")),
)
BOBS = history((date(2025, 1, 2), REGISTERED), (date(2025, 1, 5), bought("b-1")))
LOG = [*ANNS, *of(BOB, len(ANNS), BOBS)]


def test_who_stays_is_counted_with_those_who_move() -> None:
    before, after = (
        said(STAGES, by_customer(LOG, end(day)), end(day))
        for day in (date(2025, 1, 1), date(2025, 8, 1))
    )
    assert before == {ANN: "prospect"}
    assert after == {ANN: "active", BOB: "inactive"}
    assert transitions(before, after) == {(None, "inactive"): 1, ("prospect", "active"): 1}
    assert transitions(after, after) == {("active", "active"): 1, ("inactive", "inactive"): 1}
    assert transitions(after, before) == {("active", "prospect"): 1, ("inactive", None): 1}


def test_a_matrix_is_in_the_order_of_its_names() -> None:
    one, other = ({UUID(int=n): name for n, name in enumerate(names)} for names in ("bca", "aab"))
    assert list(transitions(one, other)) == [("a", "b"), ("b", "a"), ("c", "a")]
    assert list(transitions({ANN: "A"}, {BOB: "B"})) == [(None, "B"), ("A", None)]


def test_only_those_move_whose_answer_differs() -> None:
    day = date(2025, 2, 20)
    population = by_customer(LOG, end(day))
    [moved] = moves(STAGES, HASTY, population, end(day))
    assert (moved.customer, moved.before.answer, moved.after.answer) == (BOB, "new", "inactive")
    assert moved.after.rule == "no purchase for 1 months"
    assert list(moves(STAGES, STAGES, population, end(day))) == []
    assert list(moves(STAGES, HASTY, by_customer(LOG, end(date(2024, 1, 1))), end(day))) == []


def test_who_bought_in_both_periods_was_retained() -> None:
    found = buying(by_customer(LOG), UTC, date(2025, 1, 1), date(2025, 2, 1), date(2025, 3, 1))
    assert found == Buying(before=2, retained=1, ever=2, again=1)
    assert (found.retention, found.churn, found.repeat) == (Fraction(1, 2),) * 3
    nobody = buying(by_customer(LOG), UTC, date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1))
    assert nobody == Buying(before=0, retained=0, ever=0, again=0)
    assert (nobody.retention, nobody.churn, nobody.repeat) == (None, None, None)


def test_a_period_has_its_first_day_and_not_its_end() -> None:
    days = [date(2025, 1, 5), date(2025, 2, 5), date(2025, 2, 6)]
    assert buying(by_customer(LOG), UTC, *days).retained == 1
    assert buying(by_customer(LOG), UTC, days[0], days[1], days[1]).retained == 0
    assert buying(by_customer(LOG), UTC, date(2025, 1, 6), days[1], days[2]).before == 0
    assert buying(by_customer(LOG), UTC, days[0], date(2025, 1, 6), days[1]).again == 0


def test_what_came_back_was_not_bought() -> None:
    facts = [*ANNS, *history(*[(DAY, REGISTERED)] * 3, (DAY, returned("a-2")))[3:]]
    found = buying(by_customer(facts), UTC, date(2025, 1, 1), date(2025, 2, 1), date(2025, 4, 1))
    assert found == Buying(before=1, retained=0, ever=1, again=0)


@given(
    st.lists(st.lists(st.dates(date(2025, 1, 1), date(2025, 12, 31)), max_size=5), max_size=6),
    st.dates(date(2025, 1, 1), date(2025, 12, 31)),
    st.dates(date(2025, 1, 1), date(2025, 12, 31)),
)
def test_the_matrix_adds_up_and_who_bought_is_counted_by_hand(
    lives: list[list[date]], one: date, other: date
) -> None:
    log: list[object] = []
    for number, days in enumerate(lives, 1):
        sold = [(day, bought(f"s-{n}")) for n, day in enumerate(days)]
        log += of(UUID(int=number), len(log), history((date(2025, 1, 1), REGISTERED), *sold))
    since, until = min(one, other), max(one, other)
    matrix = transitions(
        *(said(STAGES, by_customer(log, end(day)), end(day)) for day in (since, until))  # type: ignore[arg-type]
    )
    assert sum(matrix.values()) == len(lives)
    begin = date(2025, 1, 1)
    found = buying(by_customer(log), UTC, begin, since, until)  # type: ignore[arg-type]
    first = [days for days in lives if any(begin <= day < since for day in days)]
    assert found.before == len(first)
    assert found.retained == sum(any(since <= day < until for day in days) for days in first)
    assert found.ever == sum(any(day < until for day in days) for days in lives)
    assert found.again == sum(len({day for day in days if day < until}) > 1 for days in lives)
