"""Timelines tile time: what C2 (owners) rests on."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from crmcore.domain.timeline import Interval, Timeline, tiled

START = datetime(2026, 3, 2, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
INSTANTS = st.integers(0, 12).map(lambda days: START + timedelta(days))
CHANGES = st.lists(st.tuples(INSTANTS, st.sampled_from("abc")), max_size=12)


def test_at_first_one_thing_holds_for_ever() -> None:
    never = tiled("a", [])
    assert never.at(START) == "a"
    assert never.intervals() == (Interval(since=None, until=None, what="a"),)


def test_a_change_holds_from_its_instant_on() -> None:
    line = tiled("a", [(START, "b")])
    assert line.at(START - MOMENT) == "a"
    assert line.at(START) == "b"
    assert line.intervals() == (
        Interval(since=None, until=START, what="a"),
        Interval(since=START, until=None, what="b"),
    )


def test_of_changes_at_one_instant_the_last_counts() -> None:
    assert tiled("a", [(START, "b"), (START, "c")]) == Timeline(first="a", changes=((START, "c"),))


def test_a_change_to_the_same_is_none() -> None:
    later = START + timedelta(1)
    assert tiled("a", [(START, "a"), (later, "b")]).changes == ((later, "b"),)


@given(CHANGES, INSTANTS)
def test_what_holds_is_what_was_said_last(
    changes: list[tuple[datetime, str]], at: datetime
) -> None:
    held, latest = "a", datetime.min.replace(tzinfo=UTC)
    for instant, what in changes:
        if latest <= instant <= at:
            held, latest = what, instant
    assert tiled("a", changes).at(at) == held


@given(CHANGES)
def test_intervals_tile_time_without_gap_or_overlap(changes: list[tuple[datetime, str]]) -> None:
    intervals = tiled("a", changes).intervals()
    assert (intervals[0].since, intervals[-1].until) == (None, None)
    assert all(one.until == after.since is not None for one, after in pairwise(intervals))
    assert all(one.what != after.what for one, after in pairwise(intervals))
    starts = [one.since for one in intervals if one.since is not None]
    assert starts == sorted(set(starts))


@given(CHANGES, INSTANTS)
def test_exactly_one_interval_holds_at_an_instant(
    changes: list[tuple[datetime, str]], at: datetime
) -> None:
    line = tiled("a", changes)
    [around] = [
        one
        for one in line.intervals()
        if (one.since is None or one.since <= at) and (one.until is None or at < one.until)
    ]
    assert around.what == line.at(at)
