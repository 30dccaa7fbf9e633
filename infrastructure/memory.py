"""A journal that forgets everything when the process ends; for tests and examples."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from threading import Condition, Lock
from typing import Any
from uuid import UUID

from msgspec.structs import asdict

from crmcore.application.chain import GENESIS, leaves
from crmcore.application.evidence import Evidence
from crmcore.application.journal import (
    PAGE_MAX,
    Appended,
    Commit,
    Conflict,
    Corrupt,
    Done,
    Past,
    Stored,
)
from crmcore.application.merkle import Nodes, complete
from crmcore.application.notes import Checkpoint
from crmcore.application.tree_check import TreeCheck
from crmcore.application.verification import PROBLEMS_MAX, Progress, Verification
from crmcore.domain.recorded import Fact, Recorded, Stream
from crmcore.infrastructure.rows import evidence, row
from crmcore.infrastructure.sealing import recorded_times


class MemoryJournal:
    """Implements Journal with lists; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sealed = Condition(self._lock)
        self._closed = datetime.min.replace(tzinfo=UTC)
        self._tail: list[tuple[Fact[Any], datetime, bytes]] = []
        self._log: list[Recorded[Any]] = []
        self._written: list[datetime] = []
        self._leaves: list[bytes] = []
        self._streams: dict[Stream, list[Fact[Any]]] = defaultdict(list)
        self._tips: dict[Stream, bytes] = {}
        self._done: dict[UUID, Done] = {}
        self._stored: dict[Stream, tuple[str, Stored]] = {}

    def read(
        self, streams: Collection[Stream], forms: Mapping[str, str] = {}
    ) -> Mapping[Stream, Past]:
        """Return what happened in these streams; a stream without facts is left out."""
        with self._lock:
            return {s: self._past(s, forms) for s in streams if s in self._streams}

    def store(self, states: Mapping[Stream, Stored], forms: Mapping[str, str]) -> None:
        """Store where streams stand, in place of what was stored of an earlier version."""
        with self._lock:
            for stream, state in states.items():
                form, before = self._stored.get(stream, ("", None))
                if before is None or form != forms[stream.kind] or before.version < state.version:
                    self._stored[stream] = forms[stream.kind], state

    def stored(self) -> Sequence[Stream]:
        """Return the streams of which a state is stored."""
        with self._lock:
            return list(self._stored)

    def forget_stored(self) -> int:
        """Forget all that is stored but facts; return how many states that were."""
        with self._lock:
            count = len(self._stored)
            self._stored.clear()
            return count

    def done(self, command_ids: Collection[UUID]) -> Mapping[UUID, Done]:
        """Return what those of these commands led to that were carried out."""
        with self._lock:
            return {i: self._done[i] for i in command_ids if i in self._done}

    def append(
        self,
        commits: Sequence[Commit],
        *,
        at: datetime,
        tips: Mapping[Stream, bytes],  # noqa: ARG002 - they are here
    ) -> Appended:
        """Record these commits, each wholly or not at all."""
        lost: dict[UUID, Conflict] = {}
        never_so: set[Stream] = set()
        with self._lock:
            for commit in commits:
                if never_so.isdisjoint(commit.streams) and self._fits(commit):
                    self._record(commit, at)
                else:
                    lost[commit.command_id] = Conflict("somebody else was first")
                    never_so |= set(commit.streams)
            written = {
                fact.stream for commit in commits for fact in commit.facts
            } & self._tips.keys()
            return Appended(lost=lost, tips={stream: self._tips[stream] for stream in written})

    def seal(self, at: datetime) -> int:
        """Give everything appended by now its place in the order; return the last position."""
        with self._lock:
            times = recorded_times(self._closed, at, [written for _, written, _ in self._tail])
            for (fact, written, digest), recorded_at in zip(self._tail, times, strict=True):
                self._closed, position = recorded_at, len(self._log) + 1
                self._log.append(
                    Recorded[Any](**asdict(fact), recorded_at=recorded_at, position=position)
                )
                self._written.append(written)
                self._leaves += leaves(recorded_at, digest)
            self._tail.clear()
            self._sealed.notify_all()
            return len(self._log)

    def log(self, *, after: int = 0, through: int | None = None) -> Iterator[Recorded[Any]]:
        """Return every fact behind a position, up to and with another, in the order recorded."""
        with self._lock:
            facts = self._log[after:through]
        return iter(facts)

    def page(
        self,
        *,
        after: int,
        limit: int = PAGE_MAX,
        through: int | None = None,
        stream: Stream | None = None,
    ) -> Sequence[Recorded[Any] | Corrupt]:
        """Return the facts behind a position, of all streams or of one, at most so many."""
        found = self.log(after=after, through=through)
        return list(islice((fact for fact in found if stream in {None, fact.stream}), limit))

    def wait(self, after: int, timeout_s: float) -> None:
        """Return when something is sealed behind a position, or when the time is up."""
        with self._sealed:
            self._sealed.wait_for(lambda: len(self._log) > after, timeout_s)

    def stream(self, stream: Stream, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of one stream up to a position."""
        return [fact for fact in self.log(through=through) if fact.stream == stream]

    def about(self, customer: UUID, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of every stream of a customer up to a position, in that order."""
        facts = list(self.log(through=through))
        streams = {fact.stream for fact in facts if fact.customer == customer}
        return [fact for fact in facts if fact.stream in streams]

    def evidence(self, customer: UUID, *, through: int) -> Sequence[Evidence]:
        """Return the facts that `about` returns as they are stored, without their proofs."""
        return [
            evidence(fact.position, fact.recorded_at, row(fact, self._written[fact.position - 1]))
            for fact in self.about(customer, through=through)
        ]

    def tree(self) -> Nodes:
        """Return the Merkle tree over all that is sealed: a leaf for each position."""
        return lambda level, number: complete(self._leaves[number << level : number + 1 << level])

    def verify(
        self,
        progress: Progress | None = None,  # noqa: ARG002 - it is quick
        checkpoints: Collection[Checkpoint] = (),
    ) -> Verification:
        """Return what is wrong with checkpoints: nobody gets at this memory but through here."""
        with self._lock:
            tree = TreeCheck(checkpoints, {})
            added = chain.from_iterable(map(tree.add, self._leaves))
            problems = tuple(islice(chain(tree.begin(), added, tree.end()), PROBLEMS_MAX))
            return Verification(
                facts=len(self._log) + len(self._tail),
                streams=len(self._streams),
                seals=len({fact.recorded_at for fact in self._log}),
                position=len(self._log),
                hash="",
                problems=problems,
            )

    def position(self, known_at: datetime | None = None) -> int:
        """Return the position of the last fact recorded by an instant, or of the last of all."""
        with self._lock:
            if known_at is None:
                return len(self._log)
            self._closed = max(self._closed, known_at)
            return bisect_right(self._log, known_at, key=lambda fact: fact.recorded_at)

    def _past(self, stream: Stream, forms: Mapping[str, str]) -> Past:
        form, state = self._stored.get(stream, ("", None))
        stored = state if form == forms.get(stream.kind) else None
        facts = self._streams[stream][stored.version if stored else 0 :]
        return Past(facts=tuple(facts), tip=self._tips[stream], stored=stored)

    def _fits(self, commit: Commit) -> bool:
        """Tell whether the command is new, and each fact the next one of its stream."""
        versions: dict[Stream, int] = {}
        for fact in commit.facts:
            before = versions.get(fact.stream, len(self._streams.get(fact.stream, ())))
            if fact.version != before + 1:
                return False
            versions[fact.stream] = fact.version
        return commit.command_id not in self._done

    def _record(self, commit: Commit, at: datetime) -> None:
        for fact in commit.facts:
            previous = self._tips.get(fact.stream, GENESIS)
            self._tips[fact.stream] = tip = row(fact, at).linked(previous).digest
            self._streams[fact.stream].append(fact)
            self._tail.append((fact, at, tip))
        self._done[commit.command_id] = Done(digest=commit.digest, facts=commit.facts)
