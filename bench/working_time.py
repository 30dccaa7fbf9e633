"""What it takes to count working time: as the calendar does, and minute by minute.

    python3 dev.py bench working_time [--days N] [--rounds N] [--json]

Both sides count the same office hours over the same days in each zone, from the eve of a change of
clocks where there is one, and must find the same. `add` finds the instant at which all of that
working time is over; who counts minute by minute finds it as the last minute counted.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crmcore.domain.working_time import Hours, WorkingCalendar, add, between
from tests.plain import Minutes, working_minutes

START = datetime(2026, 3, 6, 11, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai")
MORNING, AFTERNOON = (9, 12), (13, 17)
OFFICE = tuple(
    Hours(opens=time(opens), closes=time(closes)) for opens, closes in (MORNING, AFTERNOON)
)
OFFICE_MINUTES: Minutes = tuple((opens * 60, closes * 60) for opens, closes in (MORNING, AFTERNOON))


class Row(NamedTuple):
    """A line of the answer: milliseconds a question on both sides, and how they compare."""

    zone: str
    between_ms: float
    add_ms: float
    by_minutes_ms: float
    ratio: float


def main() -> None:
    """Print what a question takes on both sides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = [measured(zone, asked.days, asked.rounds) for zone in ZONES]
    if asked.json:
        print(json.dumps([row._asdict() for row in found]))
        return
    print(f"{platform.machine()}, Python {platform.python_version()}; {asked.days} days,", end=" ")
    print(f"medians of {asked.rounds} rounds in turn")
    print("\n| milliseconds | between | add | by minutes | ratio |\n|---|---|---|---|---|")
    for row in found:
        ours = f"{row.between_ms:.2f} | {row.add_ms:.2f}"
        print(f"| {row.zone} | {ours} | {row.by_minutes_ms:.1f} | 1/{1 / row.ratio:.0f} |")


def measured(zone: str, days: int, rounds: int) -> Row:
    """Return a line of the answer; each round times one side after the other."""
    week, minutes = (*[OFFICE] * 5, (), ()), (*[OFFICE_MINUTES] * 5, (), ())
    calendar = WorkingCalendar(name="office", version=1, time_zone=zone, week=week)
    until = START + timedelta(days=days)
    counted = between(calendar, START, until)
    plain = working_minutes(minutes, {}, zone, START, days * 1_440)
    assert counted == timedelta(minutes=len(plain)) > timedelta(), "the two sides disagree"
    assert add(calendar, START, counted) == plain[-1] + timedelta(minutes=1)
    times = [
        (
            timed(lambda: between(calendar, START, until)),
            timed(lambda: add(calendar, START, counted)),
            timed(lambda: working_minutes(minutes, {}, zone, START, days * 1_440)),
        )
        for _ in range(rounds)
    ]
    ours, added, theirs = (median(one) * 1e3 for one in zip(*times, strict=True))
    return Row(zone, ours, added, theirs, ours / theirs)


def timed(ask: Callable[[], object]) -> float:
    """Return how long a question takes, in seconds."""
    began = perf_counter()
    ask()
    return perf_counter() - began


if __name__ == "__main__":
    main()
