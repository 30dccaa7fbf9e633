"""What append.py measures, and how many times a rival's rate ours is meant to be."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from bench._load import Sample, Way

OURS, LIMIT, LIBRARY, EMMETT = "crmcore", "psycopg alone", "eventsourcing", "Emmett"

Run: TypeAlias = Callable[[Way, float], Sample | None]


class Cell(NamedTuple):
    """One thing to measure, for so many seconds; the goals are what is printed beside a ratio."""

    part: str
    name: str
    run: Run
    goals: Mapping[str, str]


def _threads(callers: int) -> Run:
    return lambda way, seconds: way.append_sync(callers, seconds)


def _tasks(callers: int) -> Run:
    return lambda way, seconds: way.append_async(callers, seconds)


def _commands(threads: int) -> Run:
    return lambda way, seconds: way.commands(threads, seconds)


CELLS = (
    Cell("sync", "1 caller", _threads(1), {LIBRARY: "3.5", EMMETT: "3"}),
    Cell("sync", "4 threads", _threads(4), {}),
    Cell("sync", "16 threads", _threads(16), {LIBRARY: "15", EMMETT: "5"}),
    Cell("sync", "64 threads", _threads(64), {LIBRARY: "40", EMMETT: "15"}),
    Cell("async", "256 asyncio tasks", _tasks(256), {LIBRARY: "75", EMMETT: "25"}),
    Cell("async", "1,024 asyncio tasks", _tasks(1024), {}),
    Cell("slow", "16 threads, a disk 2 ms slower", _threads(16), {LIBRARY: "8", EMMETT: "1"}),
    Cell(
        "bulk",
        "many facts a call, 100 a stream",
        lambda way, seconds: way.bulk(seconds),
        {LIMIT: "0.35, or 60,000 a second", LIBRARY: "10", EMMETT: "8"},
    ),
    Cell("commands", "load, decide, append: 1 thread", _commands(1), {LIBRARY: "3"}),
    Cell("commands", "load, decide, append: 8 threads", _commands(8), {LIBRARY: "5"}),
)
PARTS = tuple(dict.fromkeys(cell.part for cell in CELLS))
