"""Callers that append again and again for a fixed time, and what they got done.

Every caller waits until its append is acknowledged before it makes the next. The rate counts what
was acknowledged within the time; the latencies include what was under way when it ended, so that
the slowest appends are not left out. Before the time there is a warm-up, of which only `total`
tells.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from threading import Barrier
from time import perf_counter
from typing import Final, NamedTuple, Protocol, TypeAlias

WARM_UP_SECONDS = 0.5
ASYNC_THREADS = 64
CONNECTIONS_MAX = 40  # the embedded server takes 50
BULK_FACTS = 10_000
STREAM_FACTS = 100  # of a stream in a bulk append
AGGREGATE_FACTS = 10  # of an aggregate that commands are for

# One fact for all; each way adds an envelope of its own.
NAME: Final = "customer.interaction_logged"
CHANNEL: Final = "phone"
SUMMARY = (
    "Asked for a quote on 400 pallets, delivery in week 31; wants the terms of last year,"
    " and a call back on Tuesday at nine."
)
PAYLOAD = json.dumps(
    {"type": NAME, "channel": CHANNEL, "summary": SUMMARY}, separators=(",", ":")
).encode()


class Sample(NamedTuple):
    """What one way did in one cell."""

    total: int  # facts acknowledged, with those of the warm-up
    rate: float  # facts a second
    p50_ms: float  # of a call
    p99_ms: float


class Way(Protocol):
    """A way to record facts, in a database of its own."""

    @property
    def url(self) -> str:
        """The database."""
        ...

    @property
    def table(self) -> str:
        """The table that holds a row for each fact."""
        ...

    def append_sync(self, callers: int, seconds: float) -> Sample:
        """Append one fact a call, each caller a thread with a stream of its own."""
        ...

    def append_async(self, callers: int, seconds: float) -> Sample:
        """Append one fact a call, each caller an asyncio task with a stream of its own."""
        ...

    def bulk(self, seconds: float) -> Sample:
        """Append as many facts as possible, STREAM_FACTS to each new stream."""
        ...

    def commands(self, threads: int, seconds: float) -> Sample | None:
        """Load, decide and append, on aggregates of at most AGGREGATE_FACTS facts."""
        ...


Call: TypeAlias = Callable[[], object]
AsyncCall: TypeAlias = Callable[[], Awaitable[object]]
Calls: TypeAlias = list[tuple[float, float]]  # when each ended, and how long it took


def run_threads(callers: Sequence[Call], seconds: float) -> Sample:
    """Run each caller, which appends one fact a call, in a thread of its own."""
    started = 0.0

    def start() -> None:
        nonlocal started
        started = perf_counter() + WARM_UP_SECONDS

    together = Barrier(len(callers), start)

    def work(append: Call) -> Calls:
        calls: Calls = []
        together.wait()
        end = started + seconds
        began = perf_counter()
        while began < end:
            append()
            now = perf_counter()
            calls.append((now, now - began))
            began = now
        return calls

    with ThreadPoolExecutor(len(callers)) as pool:
        found = list(pool.map(work, callers))
    return _sample(found, started, seconds)


def run_tasks(opened: AbstractAsyncContextManager[Sequence[AsyncCall]], seconds: float) -> Sample:
    """Run each caller, which appends one fact a call, as an asyncio task."""

    async def work(append: AsyncCall, end: float) -> Calls:
        calls: Calls = []
        began = perf_counter()
        while began < end:
            await append()
            now = perf_counter()
            calls.append((now, now - began))
            began = now
        return calls

    async def run() -> Sample:
        async with opened as callers:
            started = perf_counter() + WARM_UP_SECONDS
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(work(one, started + seconds)) for one in callers]
        return _sample([task.result() for task in running], started, seconds)

    return asyncio.run(run())


@asynccontextmanager
async def to_threads(callers: Sequence[Call]) -> AsyncIterator[Sequence[AsyncCall]]:
    """Yield what runs each of these synchronous calls in a thread, as asyncio programs do."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(ASYNC_THREADS))
    yield [partial(asyncio.to_thread, one) for one in callers]


def run_batches(make: Callable[[], Call], facts: int, seconds: float) -> Sample:
    """Call what each `make` returns, one after another; making it is not counted."""
    calls: Calls = []
    make()()  # the warm-up
    spent = 0.0
    while spent < seconds:
        append = make()
        began = perf_counter()
        append()
        took = perf_counter() - began
        spent += took
        calls.append((spent, took))
    p50, p99 = _percentiles([took for _, took in calls])
    total = (len(calls) + 1) * facts
    return Sample(total=total, rate=len(calls) * facts / spent, p50_ms=p50, p99_ms=p99)


def _sample(found: Sequence[Calls], started: float, seconds: float) -> Sample:
    counted = [call for calls in found for call in calls if call[0] >= started]
    in_time = sum(ended < started + seconds for ended, _ in counted)
    p50, p99 = _percentiles([took for _, took in counted])
    total = sum(map(len, found))
    return Sample(total=total, rate=in_time / seconds, p50_ms=p50, p99_ms=p99)


def _percentiles(took: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    took.sort()
    p50, p99 = (took[min(int(len(took) * part), len(took) - 1)] for part in (0.5, 0.99))
    return p50 * 1000, p99 * 1000
