"""A journal that forgets everything when the process ends; for tests and examples."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from uuid import UUID

from msgspec.structs import asdict

from crmcore.application.journal import Commit, Conflict, Done
from crmcore.domain.recorded import Recorded, Stream

TICK = timedelta(microseconds=1)


class MemoryJournal:
    """Implements Journal with a list; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._closed = datetime.min.replace(tzinfo=UTC)
        self._log: list[Recorded[Any]] = []
        self._streams: dict[Stream, list[Recorded[Any]]] = defaultdict(list)
        self._done: dict[UUID, Done] = {}
        self._customers: dict[UUID, dict[Stream, int]] = defaultdict(dict)

    def read(self, streams: Collection[Stream]) -> Mapping[Stream, Sequence[Recorded[Any]]]:
        """Return these streams, each oldest first; a stream without facts is left out."""
        with self._lock:
            return {s: tuple(self._streams[s]) for s in streams if s in self._streams}

    def done(self, command_ids: Collection[UUID]) -> Mapping[UUID, Done]:
        """Return what those of these commands led to that were carried out."""
        with self._lock:
            return {i: self._done[i] for i in command_ids if i in self._done}

    def append(self, commits: Sequence[Commit], at: datetime) -> Sequence[Done]:
        """Record all of these commits or none; raise Conflict if a version or an id is taken."""
        with self._lock:
            self._check(commits)
            if not commits:
                return []
            self._closed = max(self._closed + TICK, at)
            return [self._record(commit, self._closed) for commit in commits]

    def log(self, *, after: int = 0, through: int | None = None) -> Iterator[Recorded[Any]]:
        """Return every fact behind a position, up to and with another, in the order recorded."""
        with self._lock:
            facts = self._log[after:through]
        return iter(facts)

    def about(self, customer: UUID, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of every stream of a customer up to a position, in that order."""
        with self._lock:
            named = self._customers.get(customer, {})
            known = [stream for stream, position in named.items() if position <= through]
            facts = [fact for stream in known for fact in self._streams[stream]]
        return sorted((f for f in facts if f.position <= through), key=lambda f: f.position)

    def position(self, known_at: datetime | None = None) -> int:
        """Return the position of the last fact recorded by an instant, or of the last of all."""
        with self._lock:
            if known_at is None:
                return len(self._log)
            self._closed = max(self._closed, known_at)
            return bisect_right(self._log, known_at, key=lambda fact: fact.recorded_at)

    def _check(self, commits: Sequence[Commit]) -> None:
        versions: dict[Stream, int] = {}
        ids: set[UUID] = set()
        for commit in commits:
            if commit.command_id in ids or commit.command_id in self._done:
                raise Conflict(f"command {commit.command_id} is carried out already")
            ids.add(commit.command_id)
            for fact in commit.facts:
                if fact.stream not in versions:
                    versions[fact.stream] = len(self._streams.get(fact.stream, ()))
                if fact.version != versions[fact.stream] + 1:
                    raise Conflict(f"version {fact.version} of {fact.stream} is not the next")
                versions[fact.stream] = fact.version

    def _record(self, commit: Commit, recorded_at: datetime) -> Done:
        facts: list[Recorded[Any]] = []
        for fact in commit.facts:
            position = len(self._log) + 1
            recorded = Recorded[Any](**asdict(fact), recorded_at=recorded_at, position=position)
            facts.append(recorded)
            self._log.append(recorded)
            self._streams[fact.stream].append(recorded)
            if fact.customer is not None:
                self._customers[fact.customer].setdefault(fact.stream, position)
        done = Done(digest=commit.digest, facts=tuple(facts))
        self._done[commit.command_id] = done
        return done
