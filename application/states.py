"""Where streams stand: folded from what is recorded, and remembered between commands."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

from crmcore.application.chain import GENESIS
from crmcore.application.journal import Past
from crmcore.domain.decider import Decider
from crmcore.domain.recorded import Stream

STATES_MAX = 4_096
REMEMBERED_S = 1.0
SHARED_S = 60.0


class Known(NamedTuple):
    """Where a stream stands: its version, its state, when each of its threads took effect last.

    `tip` is the digest of its last fact that is recorded.
    """

    version: int
    state: Any
    latest: Mapping[str, datetime]
    tip: bytes


States: TypeAlias = dict[Stream, Known]

_NOTHING = (0.0, None)


def at_first(decider: Decider[Any, Any, Any]) -> Known:
    """Return where a stream stands to which nothing has happened."""
    return Known(0, decider.initial, {}, GENESIS)


def folded(past: Past, decider: Decider[Any, Any, Any]) -> Known:
    """Return where a stream stands after all that happened in it."""
    latest: dict[str, datetime] = {}
    for fact in past.facts:
        latest.update(dict.fromkeys(decider.threads(fact.event), fact.effective_at))
    state = decider.fold(fact.event for fact in past.facts)
    return Known(past.facts[-1].version, state, latest, past.tip)


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
            self._put(
                {s: known for s, known in states.items() if s not in shared}, now + REMEMBERED_S
            )

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
