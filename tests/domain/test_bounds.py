"""Between which times an act takes effect, at the very edges: X1."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from crmcore.domain.act import Act, BackdatedTooFar, BooksClosed, FutureDated
from crmcore.domain.bounds import MIGRATION, Bounds
from crmcore.domain.value import Rejected, Rejection

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TICK = timedelta(microseconds=1)
OPEN = Bounds(max_backdate_days=30, books_closed_through=None, time_zone="UTC")
CLOSED = Bounds(
    max_backdate_days=30, books_closed_through=date(2026, 2, 20), time_zone="Asia/Shanghai"
)
MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)  # thirty days before the day of NOW
REOPENED = datetime(2026, 2, 20, 16, tzinfo=UTC)  # the 21st begins in Shanghai


def refusal(bounds: Bounds, at: datetime, *roles: str, now: datetime = NOW) -> Rejection | None:
    act = Act(by="ann", effective_at=at, command_id=UUID(int=1), roles=frozenset(roles))
    try:
        bounds.require(act, now)
    except Rejected as rejected:
        return rejected.rejection
    return None


def test_x1_clocks_may_differ_by_five_minutes() -> None:
    latest = NOW + timedelta(minutes=5)
    assert refusal(OPEN, latest) is None
    beyond = FutureDated(effective_at=latest + TICK, now=NOW)
    assert refusal(OPEN, latest + TICK) == refusal(OPEN, latest + TICK, MIGRATION) == beyond


def test_x1_an_act_is_as_old_as_its_day() -> None:
    assert refusal(OPEN, MIDNIGHT) is None
    early = MIDNIGHT - TICK
    assert refusal(OPEN, early) == BackdatedTooFar(effective_at=early, earliest=MIDNIGHT)


def test_x1_nothing_takes_effect_on_a_day_whose_books_are_closed() -> None:
    through = date(2026, 2, 20)
    assert refusal(OPEN, REOPENED - TICK) is None
    assert refusal(CLOSED, REOPENED) is None
    last = REOPENED - TICK
    assert refusal(CLOSED, last) == BooksClosed(effective_at=last, through=through)


@pytest.mark.parametrize("at", [MIDNIGHT - TICK, REOPENED - TICK, datetime(1990, 1, 1, tzinfo=UTC)])
def test_x1_the_history_of_another_system_is_of_any_age(at: datetime) -> None:
    assert refusal(CLOSED, at, MIGRATION) is None
    assert refusal(CLOSED, at, "clerk") is not None


def test_x1_nothing_is_older_than_the_first_day_that_there_is() -> None:
    whole = Bounds(max_backdate_days=36_500, books_closed_through=None, time_zone="UTC")
    first = datetime(2, 1, 1, tzinfo=UTC)
    now = first + timedelta(days=400)
    assert refusal(whole, first, now=now) is None
    before = BackdatedTooFar(effective_at=first - TICK, earliest=first)
    assert refusal(whole, first - TICK, now=now) == before
