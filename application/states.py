"""Where streams stand: folded from what is recorded, remembered between commands, and stored."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import reduce
from heapq import nlargest
from threading import Lock
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

from crmcore.application.chain import GENESIS
from crmcore.application.journal import Journal, Past, Stored
from crmcore.domain.decider import Decider
from crmcore.domain.recorded import Stream
from crmcore.domain.value import Value

STATES_MAX = 4_096
REMEMBERED_S = 1.0
SHARED_S = 60.0
STORED_EVERY = 200  # facts
THREADS_MAX = 256

State = TypeVar("State")


class ForgottenError(Exception):
    """When a thread took effect last is not known any more: its stream has to be read wholly."""


class Threads(Value):
    """When each of a stream's threads took effect last; those left out did so by `floor`."""

    latest: Mapping[str, datetime] = {}
    floor: datetime | None = None

    def before(self, thread: str, at: datetime) -> datetime | None:
        """Return when a thread took effect last, None if never; what is left out matters not.

        Raises ForgottenError where it does: for what takes effect before the floor.
        """
        latest = self.latest.get(thread)
        if latest is None and self.floor is not None and at < self.floor:
            raise ForgottenError
        return latest

    def after(self, threads: Iterable[str], at: datetime) -> "Threads":
        """Return them after these took effect."""
        return Threads(latest={**self.latest, **dict.fromkeys(threads, at)}, floor=self.floor)

    def pruned(self) -> "Threads":
        """Return the latest THREADS_MAX of them, once there are twice as many."""
        if len(self.latest) <= 2 * THREADS_MAX:
            return self
        kept = nlargest(THREADS_MAX, self.latest.items(), key=lambda item: item[1])
        floor = max(at for thread, at in self.latest.items() if thread not in dict(kept))
        return Threads(latest=dict(kept), floor=max(floor, self.floor or floor))


class Known(NamedTuple):
    """Where a stream stands: its version, its state, when its threads took effect last.

    `tip` is the digest of its last fact that is recorded, `stored` the version of the state that
    is stored of it.
    """

    version: int
    state: Any
    threads: Threads
    tip: bytes
    stored: int = 0


States: TypeAlias = dict[Stream, Known]

_NOTHING = (0.0, None)


class Body(Value, Generic[State]):
    """What is stored of where a stream stands."""

    state: State
    threads: Threads


def at_first(decider: Decider[Any, Any, Any]) -> Known:
    """Return where a stream stands to which nothing has happened."""
    return Known(0, decider.initial, Threads(), GENESIS)


def folded(past: Past, decider: Decider[Any, Any, Any]) -> Known:
    """Return where a stream stands after all that happened in it."""
    before = at_first(decider) if past.stored is None else _restored(past.stored, decider)
    latest = dict(before.threads.latest)
    for fact in past.facts:
        latest.update(dict.fromkeys(decider.threads(fact.event), fact.effective_at))
    state = reduce(decider.evolve, (fact.event for fact in past.facts), before.state)
    version = before.version + len(past.facts)
    threads = Threads(latest=latest, floor=before.threads.floor)
    return Known(version, state, threads, past.tip, before.stored)


def storable(known: Known) -> Stored:
    """Return where a stream stands as it is stored."""
    body = Body(state=known.state, threads=known.threads.pruned())
    return Stored(version=known.version, tip=known.tip, body=msgspec.json.encode(body))


def is_due(known: Known) -> bool:
    """Tell whether so many facts followed on what is stored that it is to be stored anew."""
    return known.version - known.stored >= STORED_EVERY


def astray(
    journal: Journal, deciders: Iterable[Decider[Any, Any, Any]], forms: Mapping[str, str]
) -> list[Stream]:
    """Return the streams whose stored state is not what their facts lead to."""
    by_kind = {decider.kind: decider for decider in deciders if decider.kind in forms}
    return [
        stream
        for stream in journal.stored()
        if stream.kind in by_kind and not _is_right(journal, stream, by_kind[stream.kind], forms)
    ]


def _is_right(
    journal: Journal, stream: Stream, decider: Decider[Any, Any, Any], forms: Mapping[str, str]
) -> bool:
    stored = journal.read([stream], forms)[stream].stored
    if stored is None:  # of another form: of no use to anybody here
        return True
    said = _restored(stored, decider)
    facts = journal.read([stream])[stream].facts[: stored.version]
    told = folded(Past(facts=facts, tip=stored.tip), decider)
    left_out = {t: at for t, at in told.threads.latest.items() if t not in said.threads.latest}
    kept = {**told.threads.latest, **said.threads.latest} == told.threads.latest
    floor = said.threads.floor
    in_bounds = all(floor is not None and at <= floor for at in left_out.values())
    return said.state == told.state and kept and in_bounds


def _restored(stored: Stored, decider: Decider[Any, Any, Any]) -> Known:
    body = msgspec.json.decode(stored.body, type=Body[type(decider.initial)])  # type: ignore[misc]  # of this state
    return Known(stored.version, body.state, body.threads, stored.tip, stored.version)


class Remembered:
    """Where the streams stood that were written last; others may have written to them since.

    So what is remembered may lead to a fact, whose version shows whether it still held when it is
    appended; and never to a refusal. A stream to which others write too is read each time.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[Stream, tuple[float, Known | None]] = OrderedDict()

    def of(self, streams: Iterable[Stream]) -> States:
        """Return what is remembered of these streams, for REMEMBERED_S after they were written."""
        now = self._clock()
        with self._lock:
            entries = {stream: self._entries.get(stream, _NOTHING) for stream in streams}
        return {
            stream: known
            for stream, (until, known) in entries.items()
            if known is not None and now < until
        }

    def keep(self, states: States) -> None:
        """Remember where streams stand, but for those that others write to."""
        now = self._clock()
        with self._lock:
            shared = {s for s in states if self._is_shared(s, now)}
            kept = {
                stream: known._replace(threads=known.threads.pruned())
                for stream, known in states.items()
                if stream not in shared
            }
            self._put(kept, now + REMEMBERED_S)

    def share(self, streams: Iterable[Stream]) -> None:
        """Remember nothing of these streams for SHARED_S: somebody else was faster."""
        with self._lock:
            self._put(dict.fromkeys(streams), self._clock() + SHARED_S)

    def forget(self, streams: Iterable[Stream]) -> None:
        """Remember nothing of these streams until they are kept again."""
        now = self._clock()
        with self._lock:
            for stream in streams:
                if not self._is_shared(stream, now):
                    self._entries.pop(stream, None)

    def _is_shared(self, stream: Stream, now: float) -> bool:
        until, known = self._entries.get(stream, _NOTHING)
        return known is None and now < until

    def _put(self, known: Mapping[Stream, Known | None], until: float) -> None:
        """Put them in, the last of all, and the first out of what is too much."""
        for stream, where in known.items():
            self._entries[stream] = until, where
            self._entries.move_to_end(stream)
        while len(self._entries) > STATES_MAX:
            self._entries.popitem(last=False)
