"""What happens to clocks by chance, and what somebody tells of it who looks at every minute."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

from crmcore.domain.clocks import Clock, Status, Terms, started
from crmcore.domain.timeline import tiled
from tests.domain.calendars import MINUTE, RANDOMS, TICK, ZONES, any_special, any_week, calendar
from tests.plain import working_minutes

ZERO = timedelta()
PERCENTS = (50, 75, 100, 150)


class Life(NamedTuple):
    """What happened to a clock, and its working minutes, counted one by one."""

    clock: Clock
    minutes: frozenset[datetime]
    moves: dict[datetime, Status]
    targets: dict[datetime, timedelta]


START, MINUTES = datetime(2026, 3, 28, 8, tzinfo=UTC), 2_160  # in Berlin clocks change on the 29th
WHENEVER = START + MINUTES * MINUTE


def any_life(random: Random) -> Life:
    """Return what happens to a clock by chance, always at whole minutes."""
    zone, day = random.choice(ZONES), date(2026, 3, 29)
    week, special = any_week(random), any_special(random, day)
    known = calendar(week, special, zone)
    kinds: Sequence[Status] = ("running", "running", "paused", "stopped")
    moves: dict[datetime, Status] = {at: random.choice(kinds) for at in any_instants(random, 6)}
    targets = {at: any_target(random) for at in any_instants(random, 2)}
    first = any_target(random)
    terms = tiled(
        Terms(target=first, calendar=known),
        [(at, Terms(target=target, calendar=known)) for at, target in targets.items()],
    )
    minutes = frozenset(working_minutes(week, special, zone, START, MINUTES))
    return Life(started(START, terms, moves.items()), minutes, moves, {START: first} | targets)


def any_instants(random: Random, most: int) -> list[datetime]:
    count = random.randint(0, most)
    return sorted(START + random.randint(0, MINUTES) * MINUTE for _ in range(count))


def any_target(random: Random) -> timedelta:
    return random.randint(1, 200) * 4 * MINUTE  # so that each percentage is whole minutes


LIVES = RANDOMS.map(any_life)
LATER = st.integers(0, MINUTES).map(lambda number: START + number * MINUTE)


class Told(NamedTuple):
    """What somebody knows who looks at each minute."""

    counted: timedelta
    missed: dict[timedelta, datetime]
    reached: dict[int, datetime]


def minute_by_minute(life: Life, until: datetime) -> Told:
    """Return what happened by an instant, as somebody tells who looks at every minute."""
    told = Told(ZERO, {}, {})
    counted, status, target, at = ZERO, "running", ZERO, START
    while at <= until:
        status, target = life.moves.get(at, status), life.targets.get(at, target)
        if status == "running":
            if counted > target:
                told.missed.setdefault(target, at)
            note(told, counted, target, at)
            if at < until and at in life.minutes:
                if counted == target:
                    told.missed.setdefault(target, at + TICK)
                counted += MINUTE
                note(told, counted, target, at + MINUTE)
        at += MINUTE
    return told._replace(counted=counted)


def note(told: Told, counted: timedelta, target: timedelta, at: datetime) -> None:
    for percent in PERCENTS:
        if counted * 100 >= target * percent:
            told.reached.setdefault(percent, at)
