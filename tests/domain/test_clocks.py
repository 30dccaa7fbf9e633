"""Clocks: rules T2 to T5, T10 and T11 (pauses, breaches, new targets, versions, escalations)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain.clocks import (
    Breach,
    Clock,
    Escalation,
    Move,
    Terms,
    breached_at,
    breaches,
    due,
    elapsed,
    escalations,
    next_change_at,
    started,
)
from crmcore.domain.timeline import Timeline, tiled
from crmcore.domain.working_time import InvalidWorkingTime, add, between
from tests.domain.calendars import (
    ALWAYS_WEEK,
    CLOSED,
    DAY,
    HOUR,
    MINUTE,
    NEVER_WEEK,
    OFFICE_WEEK,
    RANDOMS,
    TICK,
    calendar,
)
from tests.domain.lives import (
    LATER,
    LIVES,
    MINUTES,
    PERCENTS,
    START,
    WHENEVER,
    ZERO,
    Life,
    any_life,
    minute_by_minute,
)

OFFICE = calendar(zone="UTC")
FOUR_HOURS, EIGHT_HOURS = (Terms(target=n * HOUR, calendar=OFFICE) for n in (4, 8))


def march(day: int, hour: int = 0, minute: int = 0) -> datetime:
    """Return an instant; the second of March is a Monday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_a_clock_counts_working_time_and_stands_still_meanwhile() -> None:
    clock = started(march(2, 16), FOUR_HOURS, [(march(3, 10), "paused"), (march(4, 15), "running")])
    assert elapsed(clock, march(3, 9, 30)) == 1.5 * HOUR
    assert due(clock, march(3, 9, 30)) == march(3, 12)
    assert elapsed(clock, march(4, 12)) == 2 * HOUR
    assert due(clock, march(4, 12)) is None
    assert due(clock, march(4, 15)) == march(4, 17)
    assert due(clock, march(2, 15)) is None
    assert elapsed(clock, march(2, 15)) == ZERO


def test_a_target_is_missed_once_more_than_it_was_counted() -> None:
    clock = started(march(2, 12), FOUR_HOURS)
    assert due(clock, march(2, 12)) == march(2, 17)
    assert breached_at(clock, march(3, 9)) is None
    assert breached_at(clock, march(3, 9) + TICK) == march(3, 9) + TICK
    assert due(clock, march(9)) == march(2, 17)


def test_a_clock_without_working_time_has_nothing_due() -> None:
    never = Terms(target=HOUR, calendar=calendar(NEVER_WEEK))
    clock = started(march(2, 12), never)
    assert due(clock, march(2, 12)) is None
    assert next_change_at(clock, PERCENTS, march(2, 12)) is None
    assert breached_at(clock, march(30)) is None


def test_regression_9_a_pause_adds_working_time_and_no_other_to_what_is_due() -> None:
    weekend: list[Move] = [(march(6, 18), "paused"), (march(9, 8), "running")]
    assert due(started(march(6, 15), FOUR_HOURS), march(9, 8)) == march(9, 11)
    assert due(started(march(6, 15), FOUR_HOURS, weekend), march(9, 8)) == march(9, 11)
    a_day: list[Move] = [*weekend, (march(9, 9, 30), "paused"), (march(9, 16, 30), "running")]
    assert due(started(march(6, 15), FOUR_HOURS, a_day), march(9, 16, 30)) == march(10, 10)


def test_regression_9_a_late_resolution_between_two_looks_is_late() -> None:
    clock = started(march(2, 9), FOUR_HOURS, [(march(2, 14, 1), "stopped")])
    assert breached_at(clock, march(2, 13, 59)) is None
    assert breached_at(clock, march(2, 15)) == march(2, 14) + TICK
    assert breaches(clock, march(30)) == (Breach(target=4 * HOUR, at=march(2, 14) + TICK),)
    in_time = started(march(2, 9), FOUR_HOURS, [(march(2, 14), "stopped")])
    assert breached_at(in_time, march(30)) is None


@pytest.mark.parametrize("target", [ZERO, -HOUR, timedelta(days=366) + TICK])
def test_a_target_is_working_time_of_a_year_at_most(target: timedelta) -> None:
    with pytest.raises(InvalidWorkingTime, match=r"^a target is working time, a year at most"):
        Terms(target=target, calendar=OFFICE)
    assert Terms(target=timedelta(days=366), calendar=OFFICE).target == timedelta(days=366)


# By chance: what happens to a clock within two days.


def test_t3_t4_t11_who_looks_at_every_minute_tells_the_same() -> None:
    missed = reached = 0
    for seed in range(200):
        life = any_life(Random(seed))  # noqa: S311 - the same ones
        told = minute_by_minute(life, WHENEVER)
        assert elapsed(life.clock, WHENEVER) == told.counted
        found = breaches(life.clock, WHENEVER)
        assert {breach.target: breach.at for breach in found} == told.missed
        assert breached_at(life.clock, WHENEVER) == min(told.missed.values(), default=None)
        over = escalations(life.clock, PERCENTS, WHENEVER)
        assert {one.percent: one.at for one in over} == told.reached
        missed, reached = missed + len(found), reached + len(over)
    assert missed > 100
    assert reached > 200


@given(LIVES, LATER, LATER)
def test_t3_a_breach_remains_whoever_looks_and_whatever_comes_later(
    life: Life, one: datetime, two: datetime
) -> None:
    now, later = sorted((one, two))
    known_now = until(life.clock, now)
    seen = breaches(life.clock, now)
    assert breaches(known_now, now) == seen
    assert breached_at(known_now, now) == breached_at(life.clock, now)
    assert breaches(life.clock, later)[: len(seen)] == seen
    assert all(breach.at > now for breach in breaches(life.clock, later)[len(seen) :])
    assert all(breach.at <= now for breach in seen)
    assert breached_at(life.clock, now) == (seen[0].at if seen else None)


def until(clock: Clock, at: datetime) -> Clock:
    """Return the clock as it was known at an instant."""
    moves = [move for move in clock.status.changes if move[0] <= at]
    terms = [change for change in clock.terms.changes if change[0] <= at]
    return started(clock.since, tiled(clock.terms.first, terms), moves)


@given(LIVES, LATER)
def test_t1_a_clock_counts_no_more_than_the_time_that_passed(life: Life, at: datetime) -> None:
    assert ZERO <= elapsed(life.clock, at) <= at - START
    assert elapsed(life.clock, at) <= elapsed(life.clock, at + HOUR)


PAUSES = st.lists(st.integers(0, MINUTES), min_size=2, max_size=8, unique=True).map(
    lambda numbers: pairs([START + number * MINUTE for number in sorted(numbers)])
)


def pairs(instants: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    return list(zip(instants[::2], instants[1::2], strict=False))


def pausing(pauses: Sequence[tuple[datetime, datetime]]) -> Iterator[Move]:
    for since, end in pauses:
        yield since, "paused"
        yield end, "running"


@given(LIVES, PAUSES, RANDOMS)
def test_t2_a_pause_makes_nothing_due_earlier(
    life: Life, pauses: list[tuple[datetime, datetime]], random: Random
) -> None:
    without = random.choice(pauses)
    fewer = [pause for pause in pauses if pause != without]
    one, other = (started(START, life.clock.terms, pausing(some)) for some in (fewer, pauses))
    assert elapsed(other, WHENEVER) <= elapsed(one, WHENEVER)
    sooner, later = due(one, WHENEVER), due(other, WHENEVER)
    assert (sooner is None) == (later is None)
    assert sooner is None or later is None or sooner <= later


@given(st.integers(0, 900), st.integers(0, 900), st.integers(2, 30), LATER)
def test_t2_a_pause_in_closed_hours_changes_nothing(
    one: int, two: int, day: int, at: datetime
) -> None:
    night = [march(day, 17) + minutes * MINUTE for minutes in sorted((one, two))]
    plain, paused = (
        started(march(2, 9), EIGHT_HOURS, moves) for moves in ((), pausing(pairs(night)))
    )
    assert elapsed(paused, at) == elapsed(plain, at)
    assert breaches(paused, at) == breaches(plain, at)
    assert due(paused, night[1]) == due(plain, night[1])


@given(LIVES, PAUSES, st.integers(0, MINUTES))
def test_t2_a_pause_that_is_split_is_one_pause(
    life: Life, pauses: list[tuple[datetime, datetime]], number: int
) -> None:
    (since, end), *rest = pauses
    middle = min(since + number * MINUTE, end)
    split = [(since, middle), (middle, end), *rest]
    terms = life.clock.terms
    assert started(START, terms, pausing(split)) == started(START, terms, pausing(pauses))


@given(LIVES, LATER, st.integers(1, 200))
def test_t4_a_new_target_keeps_what_was_counted_and_what_was_missed(
    life: Life, at: datetime, number: int
) -> None:
    known = until(life.clock, at)
    target = number * 7 * MINUTE
    terms = Terms(target=target, calendar=known.terms.first.calendar)
    changes = [*known.terms.changes, (at, terms)]
    changed = started(START, tiled(known.terms.first, changes), known.status.changes)
    counted = elapsed(known, at)
    assert elapsed(changed, at) == counted
    before = set(breaches(known, at - TICK))
    assert before <= set(breaches(changed, at))
    if known.status.at(at) == "running" and counted < target:
        left = add(terms.calendar, at, target - counted)
        assert due(changed, at) == (left if isinstance(left, datetime) else None)
    if known.status.at(at) == "running" and counted > target:
        assert target in {breach.target for breach in breaches(changed, at)}


@given(LIVES)
def test_t5_nothing_is_missed_in_a_pause(life: Life) -> None:
    status = life.clock.status
    for breach in breaches(life.clock, WHENEVER):
        assert "running" in (status.at(breach.at), status.at(breach.at - TICK))
    for stretch in status.intervals():
        if stretch.what != "running" and stretch.since is not None:
            end = stretch.until - TICK if stretch.until else WHENEVER + DAY
            assert breaches(life.clock, end) == breaches(life.clock, stretch.since)


@given(LIVES, LATER, LATER)
def test_t9_who_stops_a_clock_in_a_pause_misses_nothing(
    life: Life, paused: datetime, stopped: datetime
) -> None:
    known = until(life.clock, paused)
    moves = [*known.status.changes, (paused, "paused"), (max(paused, stopped), "stopped")]
    clock = started(START, known.terms, moves)
    assert breaches(clock, WHENEVER) == breaches(clock, paused)
    assert elapsed(clock, WHENEVER) == elapsed(clock, paused)


@given(LIVES, LATER)
def test_t10_a_version_of_the_calendar_counts_from_when_it_is_known(
    life: Life, known_at: datetime
) -> None:
    first = life.clock.terms.first
    closed = calendar(NEVER_WEEK)
    pinned = started(START, first)
    versions = tiled(first, [(known_at, Terms(target=first.target, calendar=closed))])
    followed = started(START, versions)
    assert elapsed(followed, known_at) == elapsed(pinned, known_at)
    assert elapsed(followed, WHENEVER) == between(first.calendar, START, known_at)
    assert elapsed(pinned, WHENEVER) == between(first.calendar, START, WHENEVER)


def test_t10_a_holiday_that_is_announced_later_counts_from_then_on() -> None:
    announced = calendar(OFFICE_WEEK, {date(2026, 3, 3): CLOSED, date(2026, 3, 5): CLOSED}, "UTC")
    terms = Terms(target=8 * HOUR, calendar=announced)
    clock = started(march(2, 16), tiled(EIGHT_HOURS, [(march(4, 9), terms)]))
    assert elapsed(clock, march(4, 9)) == 8 * HOUR
    slow = started(march(3, 16), tiled(EIGHT_HOURS, [(march(4, 17), terms)]))
    assert elapsed(slow, march(6, 9)) == 8 * HOUR
    assert elapsed(slow, march(5, 17)) == 8 * HOUR
    assert due(slow, march(4, 12)) == march(4, 17)


@given(LIVES, LATER)
def test_t11_a_threshold_is_reached_once_and_lower_ones_first(life: Life, at: datetime) -> None:
    found = escalations(life.clock, (150, 50, 100, 75, 50), at)
    percents = [one.percent for one in found]
    assert percents == [percent for percent in PERCENTS if percent in percents]
    assert [one.at for one in found] == sorted(one.at for one in found)
    later = escalations(life.clock, PERCENTS, WHENEVER)
    assert later[: len(found)] == found


def test_t11_instants_follow_from_the_clock() -> None:
    clock = started(march(2, 9), FOUR_HOURS, [(march(2, 12), "paused"), (march(4, 9), "running")])
    assert escalations(clock, PERCENTS, march(30)) == (
        Escalation(percent=50, at=march(2, 11)),
        Escalation(percent=75, at=march(2, 12)),
        Escalation(percent=100, at=march(4, 10)),
        Escalation(percent=150, at=march(4, 12)),
    )
    third = Terms(target=TICK, calendar=OFFICE)
    assert escalations(started(march(2, 9), third), (50,), march(2, 10)) == (
        Escalation(percent=50, at=march(2, 9) + TICK),
    )


@given(LIVES, LATER)
def test_x12_a_clock_tells_when_it_changes_by_itself(life: Life, at: datetime) -> None:
    known = until(life.clock, at)
    found = next_change_at(known, PERCENTS, at)
    if found is None:
        assert told(known, WHENEVER + 300 * DAY) == told(known, at)
    else:
        assert at < found
        assert told(known, found - TICK) == told(known, at) != told(known, found)


def told(clock: Clock, at: datetime) -> tuple[object, object]:
    return breaches(clock, at), escalations(clock, PERCENTS, at)


def test_x12_the_next_change_is_the_first_of_those_ahead() -> None:
    clock = started(march(2, 9), FOUR_HOURS)
    assert next_change_at(clock, PERCENTS, march(2, 8)) is None
    assert next_change_at(clock, PERCENTS, march(2, 9)) == march(2, 11)
    assert next_change_at(clock, PERCENTS, march(2, 11)) == march(2, 12)
    assert next_change_at(clock, PERCENTS, march(2, 14)) == march(2, 14) + TICK
    assert next_change_at(clock, PERCENTS, march(2, 14) + TICK) == march(2, 16)
    assert next_change_at(clock, PERCENTS, march(2, 16)) is None
    raised = tiled(FOUR_HOURS, [(march(2, 13), Terms(target=7 * HOUR, calendar=OFFICE))])
    assert next_change_at(started(march(2, 9), raised), PERCENTS, march(2, 13)) == march(2, 17)


def test_a_clock_may_have_one_promise_or_several() -> None:
    assert started(march(2), FOUR_HOURS) == started(march(2), Timeline(first=FOUR_HOURS))
    assert started(march(2), FOUR_HOURS).status == Timeline(first="running")
    assert elapsed(started(march(2), FOUR_HOURS), march(2)) == ZERO
    always = Terms(target=HOUR, calendar=calendar(ALWAYS_WEEK))
    assert elapsed(started(march(2), always), march(3)) == DAY
