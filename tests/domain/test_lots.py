"""Lots of points: in which order they are spent, and what happens to them by itself."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain.lots import (
    Hold,
    Lapse,
    Lot,
    Lots,
    Pool,
    Settlement,
    after,
    at_most,
    due,
    first_expiring,
    less,
    more,
    numbered,
    settled,
    settlement,
    split,
    take,
    total,
    usable,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number - 1)


def lot(number: int, vests: int, expires: int, points: int = 10) -> Lot:
    """A lot of ten points, by days of a month."""
    return Lot(number=number, points=points, vests_at=day(vests), expires_at=day(expires))


def test_what_lapses_first_is_spent_first_whenever_it_was_earned() -> None:
    late, early = lot(1, vests=1, expires=30), lot(2, vests=2, expires=20)
    assert first_expiring((late, early)) == (early, late)


def test_of_what_lapses_together_the_older_is_spent_first() -> None:
    younger, older = lot(1, vests=2, expires=30), lot(2, vests=1, expires=30)
    assert first_expiring((younger, older)) == (older, younger)


def test_of_what_was_earned_together_the_first_is_spent_first() -> None:
    second, first = lot(2, vests=1, expires=30), lot(1, vests=1, expires=30)
    assert first_expiring((second, first)) == (first, second)


def test_points_are_usable_from_when_they_vest_until_they_lapse() -> None:
    one = lot(1, vests=5, expires=9)
    assert [total(usable((one,), day(number))) for number in (4, 5, 8, 9)] == [0, 10, 10, 0]


def test_lots_from_elsewhere_get_numbers_of_their_own() -> None:
    assert numbered((lot(7, 1, 9), lot(7, 2, 8)), 3) == (lot(4, 1, 9), lot(5, 2, 8))


def test_what_is_owed_is_settled_when_points_vest() -> None:
    pool = Pool(lots=(lot(1, 5, 30), lot(2, 7, 20)), owed=12, owed_since=day(2))
    assert due(pool, day(4)) == ()
    first = Settlement(allocations=(lot(1, 5, 30),), left=2, at=day(5))
    second = Settlement(allocations=(lot(2, 7, 20, 2),), left=0, at=day(7))
    assert due(pool, day(5)) == (first,)
    assert due(pool, day(9)) == (first, second)
    assert settled(pool, day(9)).lots == (lot(2, 7, 20, 8),)


def test_a_hold_that_lapses_settles_what_is_owed_at_that_instant() -> None:
    held = Hold(redemption="r", reward="mug", lots=(lot(1, 1, 30),), until=day(5))
    pool = Pool(holds=(held,), owed=4, owed_since=day(2))
    assert due(pool, day(5)) == (
        Lapse(redemption="r", restored=(lot(1, 1, 30),), forfeited=()),
        Settlement(allocations=(lot(1, 1, 30, 4),), left=0, at=day(5)),
    )


def test_of_two_holds_the_first_lapses_while_the_other_goes_on() -> None:
    first = Hold(redemption="a", reward="mug", lots=(lot(1, 1, 30),), until=day(5))
    other = Hold(redemption="b", reward="mug", lots=(lot(2, 1, 30),), until=day(6))
    lapse = Lapse(redemption="a", restored=(lot(1, 1, 30),), forfeited=())
    for pool in (Pool(holds=(first, other)), Pool(holds=(other, first))):
        assert due(pool, day(5)) == (lapse,)


def test_points_that_lapsed_on_hold_are_forfeited_when_it_ends() -> None:
    held = Hold(redemption="r", reward="mug", lots=(lot(1, 1, 4),), until=day(5))
    assert due(Pool(holds=(held,)), day(5)) == (
        Lapse(redemption="r", restored=(), forfeited=(lot(1, 1, 4),)),
    )


def test_points_that_had_lapsed_before_something_was_owed_do_not_settle_it() -> None:
    pool = Pool(lots=(lot(1, 1, 4),), owed=4, owed_since=day(5))
    assert due(pool, day(30)) == ()
    assert settlement(pool, day(3)) is None


def test_what_is_still_owed_after_a_settlement_is_owed_since_then() -> None:
    pool = Pool(lots=(lot(1, 5, 30),), owed=12, owed_since=day(2))
    step = Settlement(allocations=(lot(1, 5, 30),), left=2, at=day(5))
    assert after(pool, step) == Pool(lots=(), owed=2, owed_since=day(5))


def test_what_is_owed_since_nobody_knows_when_is_settled_by_whatever_is_free() -> None:
    pool = Pool(lots=(lot(1, 1, 30),), owed=4)
    assert settled(pool, day(9)).lots == (lot(1, 1, 30, 6),)


def test_held_points_that_vest_after_their_hold_settle_what_is_owed_then() -> None:
    held = Hold(redemption="r", reward="mug", lots=(lot(1, 7, 30),), until=day(5))
    pool = Pool(holds=(held,), owed=4, owed_since=day(2))
    assert due(pool, day(9)) == (
        Lapse(redemption="r", restored=(lot(1, 7, 30),), forfeited=()),
        Settlement(allocations=(lot(1, 7, 30, 4),), left=0, at=day(7)),
    )


POINTS = st.integers(1, 12)
LOTS = st.lists(
    st.builds(
        lambda vests, lives, points: (vests, vests + lives, points),
        st.integers(1, 12), st.integers(0, 15), POINTS,
    ),
    max_size=6,
).map(lambda made: tuple(lot(n, *one) for n, one in enumerate(made, start=1)))  # fmt: skip


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Free lots, some of whose points are on hold, and some that are owed since the first day."""
    free: Lots = draw(LOTS)
    holds: list[Hold] = []
    for number in range(draw(st.integers(0, 3))):
        there = usable(free, day(draw(st.integers(1, 12))))
        held = at_most(first_expiring(there), draw(POINTS))
        if held:
            free = less(free, held)
            until = day(draw(st.integers(1, 25)))
            holds.append(Hold(redemption=f"r-{number}", reward="mug", lots=held, until=until))
    owed = draw(st.integers(0, 40))
    return Pool(lots=free, holds=tuple(holds), owed=owed, owed_since=day(1) if owed else None)


class Coins:
    """The same points one by one, day by day."""

    def __init__(self, pool: Pool) -> None:
        self.free = [one for one in pool.lots for _ in range(one.points)]
        self.held = [(hold.until, one) for hold in pool.holds for one in hold.lots]
        self.owed = pool.owed

    def live_through(self, today: datetime) -> None:
        for until, one in [back for back in self.held if back[0] <= today]:
            self.held.remove((until, one))
            self.free += [one] * one.points if today < one.expires_at else []
        there = sorted(
            (one for one in self.free if one.vests_at <= today < one.expires_at),
            key=lambda one: (one.expires_at, one.vests_at, one.number),
        )
        for one in there[: self.owed]:
            self.free.remove(one)
            self.owed -= 1

    def usable(self, today: datetime) -> int:
        return sum(one.vests_at <= today < one.expires_at for one in self.free)


@given(pools())
def test_l8_day_by_day_points_settle_what_is_owed_as_soon_as_they_are_free(pool: Pool) -> None:
    coins = Coins(pool)
    for number in range(1, 35):
        coins.live_through(day(number))
        now = settled(pool, day(number))
        assert (total(usable(now.lots, day(number))), now.owed) == (
            coins.usable(day(number)), coins.owed,
        )  # fmt: skip
        assert now.owed == 0 or not usable(now.lots, day(number))


@given(pools(), st.integers(1, 30), st.integers(0, 30))
def test_it_does_not_matter_how_often_one_looks(pool: Pool, first: int, more_days: int) -> None:
    last = day(first + more_days)
    assert settled(settled(pool, day(first)), last) == settled(pool, last)


@given(pools(), st.integers(1, 30))
def test_nothing_gets_lost_that_happens_by_itself(pool: Pool, number: int) -> None:
    everything = total(pool.lots) + sum(total(hold.lots) for hold in pool.holds)
    gone = 0
    for step in due(pool, day(number)):
        pool = after(pool, step)
        gone += total(step.forfeited) if isinstance(step, Lapse) else total(step.allocations)
    assert total(pool.lots) + sum(total(hold.lots) for hold in pool.holds) + gone == everything


@given(LOTS, st.integers(0, 80))
def test_what_is_taken_and_given_back_is_as_it_was(lots: Lots, points: int) -> None:
    taken = at_most(first_expiring(lots), points)
    assert total(taken) == min(points, total(lots))
    assert sorted(more(less(lots, taken), taken), key=lambda one: one.number) == [*lots]
    assert take(first_expiring(lots), total(taken)) == taken


@given(LOTS, st.integers(1, 30))
def test_lots_live_or_have_lapsed(lots: Lots, number: int) -> None:
    alive, gone = split(lots, day(number))
    assert sorted((*alive, *gone), key=lambda one: one.number) == [*lots]
    assert all(day(number) < one.expires_at for one in alive)
    assert all(one.expires_at <= day(number) for one in gone)
