"""How far back a fact may be dated, and books that are closed (X1)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmcore import CRM, Policies, Receipt, Rejected
from crmcore.domain import customer, loyalty, opportunity, ticket
from crmcore.domain.act import BackdatedTooFar, BooksClosed
from crmcore.domain.bounds import Bounds
from crmcore.domain.value import Value
from crmcore.projections.projection import Answer
from tests.application.acting import ADA, NOW, REGISTER, buy

DAY = timedelta(days=1)
MARCH_2 = datetime(2026, 3, 2, tzinfo=UTC)
FIRST = datetime(2025, 12, 2, tzinfo=UTC)  # 90 days before the second of March

ONE_OF_EACH: Sequence[tuple[Value, UUID]] = [
    (REGISTER, ADA),
    (opportunity.Open(title="desk", customer=ADA), UUID(int=20)),
    (
        ticket.Open(customer=ADA, subject="x", kind="request", channel="web", category="x"),
        UUID(int=21),
    ),
    (loyalty.Enrol(customer=ADA), UUID(int=22)),
]

Stage: TypeAlias = Answer | None


def closed_through(day: date | None, **other: int) -> CRM:
    policies = Policies(books_closed_through=day, **other)  # type: ignore[arg-type]
    return CRM.in_memory(clock=lambda: NOW, policies=policies)


@pytest.mark.parametrize(("command", "to"), ONE_OF_EACH, ids=lambda one: type(one).__name__)
def test_x1_a_fact_of_any_aggregate_is_dated_back_by_ninety_days_at_most(
    command: Value, to: UUID
) -> None:
    crm = closed_through(None)
    with pytest.raises(Rejected) as caught:
        crm.do(command, to=to, act=crm.act("ann", effective_at=date(2025, 12, 1)))
    assert caught.value.rejection == BackdatedTooFar(
        effective_at=datetime(2025, 12, 1, tzinfo=UTC), earliest=FIRST
    )
    assert crm.position() == 0
    assert len(crm.do(command, to=to, act=crm.act("ann", effective_at=FIRST)).facts) == 1


@pytest.mark.parametrize(("command", "to"), ONE_OF_EACH, ids=lambda one: type(one).__name__)
def test_x1_nothing_is_recorded_on_a_day_whose_books_are_closed(command: Value, to: UUID) -> None:
    crm = closed_through(date(2026, 1, 31))
    last = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    with pytest.raises(Rejected) as caught:
        crm.do(command, to=to, act=crm.act("ann", effective_at=last))
    assert caught.value.rejection == BooksClosed(effective_at=last, through=date(2026, 1, 31))
    assert crm.position() == 0
    act = crm.act("ann", effective_at=date(2026, 2, 1))
    assert len(crm.do(command, to=to, act=act).facts) == 1


def test_books_are_closed_by_the_day_of_the_business() -> None:
    policies = Policies(time_zone="Asia/Shanghai", books_closed_through=date(2026, 1, 31))
    crm = CRM.in_memory(clock=lambda: NOW, policies=policies)
    there = datetime(2026, 1, 31, 16, tzinfo=UTC)  # midnight in Shanghai
    with pytest.raises(Rejected):
        crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=there - DAY / 86_400))
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=there))


def test_books_that_are_closed_through_today_take_nothing_of_today() -> None:
    crm = closed_through(NOW.date())
    with pytest.raises(Rejected):
        crm.do(REGISTER, to=ADA, act=crm.act("ann"))


def test_without_backdating_a_fact_is_of_today() -> None:
    crm = closed_through(None, max_backdate_days=0)
    with pytest.raises(Rejected):
        crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=date(2026, 3, 1)))
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=date(2026, 3, 2)))


def test_who_brings_in_an_old_history_is_not_bound() -> None:
    crm = closed_through(date(2026, 1, 31))
    old = crm.act("migrator", roles=["migration"], effective_at=date(1999, 1, 1))
    assert len(crm.do(REGISTER, to=ADA, act=old).facts) == 1
    future = crm.act("migrator", roles=["migration"], effective_at=date(2026, 3, 3))
    with pytest.raises(Rejected) as caught:
        crm.do(buy(), to=ADA, act=future)
    assert caught.value.code == "FutureDated"


def test_books_are_closed_by_the_policies_in_force_when_something_is_recorded() -> None:
    now = [MARCH_2]
    crm = CRM.in_memory(clock=lambda: now[0])
    closing = Policies(version=2, books_closed_through=date(2026, 3, 31))
    april = date(2026, 4, 1)
    crm.adopt(closing, act=crm.act("bea", roles=["general_manager"]), in_force_from=april)
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=date(2026, 2, 1)))
    now[0] = datetime(2026, 4, 2, tzinfo=UTC)
    with pytest.raises(Rejected) as caught:
        crm.do(buy(), to=ADA, act=crm.act("ann", effective_at=date(2026, 3, 30)))
    assert caught.value.code == "BooksClosed"
    crm.do(buy(), to=ADA, act=crm.act("ann", effective_at=april))


def test_what_was_carried_out_in_time_is_the_same_when_it_is_repeated_too_late() -> None:
    now = [NOW]
    crm = CRM.in_memory(clock=lambda: now[0])
    act = crm.act("ann", effective_at=FIRST)
    first = crm.do(REGISTER, to=ADA, act=act)
    now[0] = NOW + 400 * DAY
    again = crm.do(REGISTER, to=ADA, act=act)
    assert (again.facts, again.replayed) == (first.facts, True)


@given(
    back=st.integers(0, 200),
    at=st.datetimes(datetime(2025, 1, 1), datetime(2026, 3, 3)),  # noqa: DTZ001 - hypothesis
    through=st.none() | st.dates(date(2025, 1, 1), date(2026, 3, 2)),
)
def test_x1_what_is_accepted_lies_between_the_bounds_and_nothing_else_does(
    back: int, at: datetime, through: date | None
) -> None:
    instant = at.replace(tzinfo=UTC)
    crm = closed_through(through, max_backdate_days=back)
    act = crm.act("ann", effective_at=instant)
    [outcome] = crm.carry_out([(act, [(REGISTER, ADA)])])
    open_then = through is None or at.date() > through
    young = (NOW.date() - at.date()).days <= back
    past = instant <= NOW + timedelta(minutes=5)
    assert isinstance(outcome, Receipt) == (open_then and young and past)


@given(
    st.lists(st.tuples(st.integers(0, 89), st.integers(1, 9)), min_size=1, max_size=6),
    st.integers(0, 200),
)
def test_x1_a_late_arrival_changes_what_is_known_later_and_never_what_was_known(
    late: list[tuple[int, int]], ahead: int
) -> None:
    now = [NOW]
    crm = CRM.in_memory(clock=lambda: now[0])
    crm.do(REGISTER, to=ADA, act=crm.act("ann", effective_at=FIRST))
    asked = (NOW + ahead * DAY).date()
    told: list[tuple[int, datetime, Stage, Stage]] = []
    for number, (days, wait) in enumerate(late):
        known = crm.position()
        told.append((known, now[0], *_answers(crm, asked, known)))
        now[0] += wait * DAY
        sale = buy(f"p-{number}")
        crm.do(sale, to=ADA, act=crm.act("ann", effective_at=(now[0] - days * DAY).date()))
        for position, _, *said in told:
            assert _answers(crm, asked, position) == tuple(said)
    assert all(_answers(crm, asked, known) == tuple(s) for _, known, *s in told[1:])


def _answers(crm: CRM, asked: date, known: int | datetime) -> tuple[Stage, Stage]:
    return (
        crm.lifecycle(ADA, as_of=asked, known_at=known),
        crm.credit(ADA, as_of=asked, known_at=known),
    )


def test_bounds_reach_back_to_the_first_day_that_there_is() -> None:
    bounds = Bounds(max_backdate_days=36_500, books_closed_through=None, time_zone="UTC")
    act = replace(CRM.in_memory().act("ann"), effective_at=datetime(2, 1, 2, tzinfo=UTC))
    bounds.require(act, datetime(3, 1, 1, tzinfo=UTC))


def test_a_note_of_long_ago_is_refused_like_anything_else() -> None:
    crm = closed_through(None)
    crm.do(REGISTER, to=ADA, act=crm.act("ann"))
    note = customer.LogInteraction(channel="chat", summary="hi")
    with pytest.raises(Rejected):
        crm.do(note, to=ADA, act=crm.act("ann", effective_at=date(2020, 1, 1)))
