"""Many writers append at once while readers follow; then what these were given is counted.

Some transactions wait with facts that nobody sees yet and then append again, half of them to a
stream that somebody else went on with meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise
from queue import Empty, LifoQueue
from random import Random
from threading import Event, Lock
from time import perf_counter, sleep
from typing import Annotated, NamedTuple, TypeAlias
from uuid import UUID, uuid4

from msgspec import Meta

from crmcore.domain.value import Value
from crmcore.testing.logs import Log, OpenLog, Part, Seen

POLL_S = 0.001
PROGRESS_S = 0.2
STREAM_FACTS_MAX = 500

Count: TypeAlias = Annotated[int, Meta(ge=1, le=10_000_000)]
Threads: TypeAlias = Annotated[int, Meta(ge=1, le=256)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=60)]
Key: TypeAlias = tuple[UUID, int]
Progress: TypeAlias = Callable[[int, int], None]


class Load(Value):
    """How hard a log is tried.

    The seed decides how many facts each commit has and which are slow; the timing is left to
    chance. A reader gives up `settle_s` after the last news.
    """

    writers: Threads = 16
    readers: Threads = 1
    facts: Count = 100_000
    facts_per_commit: tuple[Count, Count] = (1, 50)
    slow_share: Share = 0.10
    slow_pause_s: Seconds = 0.3
    settle_s: Seconds = 3.0
    seed: int = 1


FAULTS = {
    "missed": "written, and never delivered",
    "twice": "delivered again",
    "inversions": "delivered behind a later version of its stream",
    "moved": "delivered elsewhere than where it stands when the log is read again",
    "gaps": "positions without a fact",
}


class Report(Value):
    """What came of it: `seen` by the reader that saw the least, and the FAULTS of all readers.

    `gaps` is None where the store does not promise that there are none.
    """

    written: int
    commits: int
    slow_commits: int
    seconds: float
    seen: int
    missed: int
    twice: int
    inversions: int
    moved: int
    gaps: int | None

    @property
    def rate(self) -> float:
        """Facts written a second."""
        return self.written / self.seconds

    @property
    def passed(self) -> bool:
        """Whether there was no fault."""
        return not any(getattr(self, fault) for fault in FAULTS)


class Step(NamedTuple):
    """A commit of a writer: so many facts and, if it is slow, so many more, and where."""

    first: int
    then: int = 0
    elsewhere: bool = False


def check(
    open_log: OpenLog, load: Load, *, dense: bool = True, progress: Progress | None = None
) -> Report:
    """Write to a log and follow it under a load; return what its readers were given.

    `open_log` is called in each thread: its context manager yields a log for one caller. `dense`
    says that the store promises positions without gaps. Nobody else may write meanwhile, and what
    is written stays: take a log that can be thrown away.
    """
    run = _Run(open_log, load)
    delivered, seconds = run.carried_out(progress)
    with open_log() as log:
        again = list(_everything(log))
    found = [_found(run.written, seen, again) for seen in delivered]
    faults = sum(found, Counter[str]())
    return Report(
        written=run.facts,
        commits=run.commits,
        slow_commits=run.slow_commits,
        seconds=seconds,
        seen=min(one["seen"] for one in found),
        missed=faults["missed"],
        twice=faults["twice"],
        inversions=faults["inversions"],
        moved=faults["moved"],
        gaps=_gaps(again) if dense else None,
    )


def steps(load: Load, writer: int) -> Iterator[Step]:
    """Yield what one of the writers commits, one after the other."""
    random = Random(f"{load.seed}/{writer}")  # noqa: S311 - a plan that can be repeated, no secret
    left = -(-load.facts // load.writers)
    while left > 0:
        facts = random.randint(*load.facts_per_commit)
        if random.random() < load.slow_share:
            facts = max(facts, 2)
            then = random.randint(1, facts - 1)
            yield Step(facts - then, then, elsewhere=random.choice((False, True)))
        else:
            yield Step(facts)
        left -= facts


class _Run:
    """What the threads of a check share.

    A stream is one writer's until its commit is acknowledged, and then whose who asks next: so it
    goes from connection to connection as fast as can be.
    """

    def __init__(self, open_log: OpenLog, load: Load) -> None:
        self.written: dict[UUID, int] = {}
        self.facts = self.commits = self.slow_commits = 0
        self._open_log = open_log
        self._load = load
        self._free: LifoQueue[tuple[UUID, int]] = LifoQueue()
        self._counting = Lock()
        self._all_written, self._stopping = Event(), Event()

    def carried_out(self, progress: Progress | None) -> tuple[list[list[Seen]], float]:
        """Return what each reader was given, and how long the writers took."""
        load, began = self._load, perf_counter()
        with ThreadPoolExecutor(load.writers + load.readers) as pool:
            readers = [pool.submit(self._follow) for _ in range(load.readers)]
            writers = [pool.submit(self._write, number) for number in range(load.writers)]
            try:
                while wait(writers, PROGRESS_S).not_done:
                    if progress is not None:
                        progress(self.facts, load.facts)
                seconds = perf_counter() - began
                if progress is not None:
                    progress(self.facts, load.facts)
                for writer in writers:
                    writer.result()
                self._all_written.set()
                return [reader.result() for reader in readers], seconds
            finally:
                self._stopping.set()

    def _write(self, writer: int) -> None:
        """Carry out the steps of one writer."""
        with self._stopping_all(), self._open_log() as log:
            for step in steps(self._load, writer):
                if self._stopping.is_set():
                    break
                self._acknowledged(self._appended(log, step))

    def _appended(self, log: Log, step: Step) -> list[Part]:
        """Carry out a step; return what it committed."""
        first = self._next(step.first)
        if not step.then:
            log.append(first)
            return [first]
        parts = [first]

        def then() -> Part:
            sleep(self._load.slow_pause_s)
            same = Part(first.stream, first.last + 1, step.then)
            parts.append(self._next(step.then) if step.elsewhere else same)
            return parts[-1]

        log.append_slowly(first, then)
        return parts

    def _next(self, facts: int) -> Part:
        """Return what goes on with the stream that came back last, or a new one."""
        try:
            stream, last = self._free.get_nowait()
        except Empty:
            stream, last = uuid4(), 0
        return Part(stream, last + 1, facts)

    def _acknowledged(self, parts: list[Part]) -> None:
        """Count a commit, and give its streams back."""
        ends = {part.stream: part.last for part in parts}
        with self._counting:
            self.written |= ends
            self.facts += sum(part.facts for part in parts)
            self.commits += 1
            self.slow_commits += len(parts) > 1
        for stream, last in ends.items():
            if last < STREAM_FACTS_MAX:
                self._free.put((stream, last))

    def _follow(self) -> list[Seen]:
        """Return what a reader was given until it had everything, or nothing more came."""
        seen: list[Seen] = []
        news_at = perf_counter()
        with self._stopping_all(), self._open_log() as log:
            while not self._stopping.is_set():
                complete = self._all_written.is_set()  # asked first: then nothing comes after it
                new = log.read()
                seen += new
                if new or not complete:
                    news_at = perf_counter()
                elif self._has_all(seen) or perf_counter() - news_at > self._load.settle_s:
                    break
                if not new:
                    sleep(POLL_S)
        return seen

    def _has_all(self, seen: Sequence[Seen]) -> bool:
        return len(seen) >= self.facts and _expected(self.written) <= set(map(_key, seen))

    @contextmanager
    def _stopping_all(self) -> Iterator[None]:
        """Have everybody stop where one fails."""
        try:
            yield
        except BaseException:
            self._stopping.set()
            raise


def _everything(log: Log) -> Iterator[Seen]:
    while new := log.read():
        yield from new


def _key(fact: Seen) -> Key:
    return fact.stream, fact.version


def _expected(written: Mapping[UUID, int]) -> set[Key]:
    return {(stream, version) for stream, last in written.items() for version in range(1, last + 1)}


def _found(
    written: Mapping[UUID, int], seen: Sequence[Seen], again: Sequence[Seen]
) -> Counter[str]:
    """Return how much of what was written a reader saw, and the faults in that."""
    ours = [fact for fact in seen if fact.stream in written]
    first: dict[Key, int] = {}
    latest: Counter[UUID] = Counter()
    inversions = 0
    for fact in ours:
        if _key(fact) not in first:
            first[_key(fact)] = fact.position
            inversions += fact.version < latest[fact.stream]
            latest[fact.stream] = max(latest[fact.stream], fact.version)
    places = {_key(fact): fact.position for fact in again}
    elsewhere = sum(places.get(key) != position for key, position in first.items())
    backwards = sum(earlier >= later for earlier, later in pairwise(first.values()))
    return Counter(
        seen=len(first),
        missed=len(_expected(written) - first.keys()),
        twice=len(ours) - len(first),
        inversions=inversions,
        moved=elsewhere + backwards,
    )


def _gaps(facts: Sequence[Seen]) -> int:
    """Return how many positions between the first of these facts and the last have none."""
    positions = {fact.position for fact in facts}
    return max(positions) - min(positions) + 1 - len(positions) if positions else 0
