"""Consumers of the log: each has a name, a place that it has come to, and nothing that it misses.

Where a fact cannot be read, or its handler fails, its stream is parked for this consumer: the facts
behind it wait in their order, the other streams go on, and `resume` takes up what was parked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from logging import getLogger
from threading import Event
from typing import Any, Protocol, TypeAlias

from crmcore.application.journal import Conflict, Corrupt, Journal, StoreError, Unreachable
from crmcore.domain.recorded import Recorded, Stream
from crmcore.domain.value import Value

LIMIT = 500
WAIT_S = 0.2
REASON_MAX = 500
RETRY_S = 1.0

_log = getLogger("crmcore")

Item: TypeAlias = Recorded[Any] | Corrupt
Handler: TypeAlias = Callable[[Recorded[Any], Any], object]
"""Takes a fact and the connection whose transaction also moves the checkpoint (None in memory)."""


class Parked(Value):
    """A stream that waits for somebody to see to it: since which fact, and why."""

    stream: Stream
    position: int
    reason: str


class Delivered(Value):
    """How far a consumer has come, how far the log goes, how much was handled just now."""

    position: int
    last: int
    handled: int
    parked: tuple[Parked, ...]


class Work(Protocol):
    """One transaction of a consumer, which nobody else of its name can be in."""

    @property
    def position(self) -> int:
        """How far the consumer has come."""
        ...

    @property
    def parked(self) -> Mapping[Stream, Parked]:
        """What is parked, by stream."""
        ...

    @property
    def connection(self) -> Any:  # noqa: ANN401 - the store's own
        """The connection of the transaction, None in memory."""
        ...

    def attempt(self) -> AbstractContextManager[object]:
        """Undo what is done inside if it fails, and nothing else.

        Raises StoreError or Conflict for what is no fault of the fact's.
        """
        ...

    def move(self, position: int) -> None:
        """Put the checkpoint here."""
        ...

    def park(self, parked: Parked) -> None:
        """Park a stream, or park it further on."""
        ...

    def release(self, stream: Stream) -> None:
        """Let a stream go on."""
        ...


class Checkpoints(Protocol):
    """Where consumers keep how far they have come."""

    def work(self, consumer: str) -> AbstractContextManager[Work]:
        """Lend a transaction of this consumer's, waiting for whoever is in one."""
        ...

    def names(self) -> Sequence[str]:
        """Return the consumers that there are, in the order of their names."""
        ...

    def at(self, consumer: str) -> tuple[int, tuple[Parked, ...]]:
        """Return how far a consumer has come, and what is parked."""
        ...


class Consumer:
    """One named consumer of the log; any number of processes may run it, one at a time delivers."""

    def __init__(
        self, name: str, journal: Journal, checkpoints: Checkpoints, clock: Callable[[], datetime]
    ) -> None:
        self.name = name
        self._journal = journal
        self._checkpoints = checkpoints
        self._clock = clock

    def progress(self) -> Delivered:
        """Return how far it has come: `position` of `last`, and what is parked."""
        position, parked = self._checkpoints.at(self.name)
        last = self._journal.seal(self._clock())
        return Delivered(position=position, last=last, handled=0, parked=parked)

    def deliver(self, handle: Handler, *, limit: int = LIMIT) -> Delivered:
        """Handle at most `limit` facts, in order, and move the checkpoint in the same transaction.

        What `handle` writes on the connection it is given is there exactly once. An effect outside
        of it happens at least once: after a crash the facts of the last call are handled again, so
        give effects outside a limit of 1.
        """
        last = self._journal.seal(self._clock())
        with self._checkpoints.work(self.name) as work:
            facts = self._journal.page(after=work.position, limit=limit)
            handled = _handle_together(work, facts, handle)
            if facts:
                work.move(facts[-1].position)
            parked = tuple(work.parked.values())
            return Delivered(position=work.position, last=last, handled=handled, parked=parked)

    def resume(self, handle: Handler) -> Delivered:
        """Handle what is parked, each stream from where it was parked as far as that goes now."""
        last = self._journal.seal(self._clock())
        handled = 0
        with self._checkpoints.work(self.name) as work:
            for stream, parked in list(work.parked.items()):
                work.release(stream)
                facts = self._journal.page(
                    after=parked.position - 1, through=work.position, stream=stream
                )
                handled += _handle_singly(work, facts, handle)
            still = tuple(work.parked.values())
            return Delivered(position=work.position, last=last, handled=handled, parked=still)

    def run(self, handle: Handler, *, stop: Event, limit: int = LIMIT) -> None:
        """Deliver until `stop` is set, and wait for the next seal whenever all is delivered.

        It goes on when a server that was away is back, and after a lost race. Raises any other
        StoreError.
        """
        while not stop.is_set():
            try:
                delivered = self.deliver(handle, limit=limit)
                if delivered.position >= delivered.last:
                    self._journal.wait(delivered.last, WAIT_S)
            except (Unreachable, Conflict) as error:
                _log.warning("consumer %s tries again: %s", self.name, error)
                stop.wait(RETRY_S)


def followed(
    journal: Journal, clock: Callable[[], datetime], after: int, *, forever: bool
) -> Iterator[Recorded[Any]]:
    """Yield the facts behind a position in order; then end, or wait for more."""
    while True:
        last = journal.seal(clock())
        yield from journal.log(after=after, through=last)
        after = max(after, last)
        if not forever:
            return
        journal.wait(after, WAIT_S)


def _handle_together(work: Work, facts: Sequence[Item], handle: Handler) -> int:
    """Handle facts as one; if one of them fails, undo that and handle each on its own."""
    good = [f for f in facts if isinstance(f, Recorded) and f.stream not in work.parked]
    if len(good) < len(facts) or len(facts) == 1:
        return _handle_singly(work, facts, handle)
    try:
        with work.attempt():
            for fact in good:
                handle(fact, work.connection)
    except (StoreError, Conflict):
        raise
    except Exception:  # noqa: BLE001 - whose it is shows when each is handled on its own
        return _handle_singly(work, facts, handle)
    return len(good)


def _handle_singly(work: Work, facts: Sequence[Item], handle: Handler) -> int:
    """Handle each fact on its own, but for those behind one that cannot be; park these streams."""
    handled = 0
    for fact in facts:
        if fact.stream in work.parked:
            continue
        reason = _trouble(work, fact, handle)
        if reason is None:
            handled += 1
        else:
            work.park(
                Parked(stream=fact.stream, position=fact.position, reason=reason[:REASON_MAX])
            )
    return handled


def _trouble(work: Work, fact: Item, handle: Handler) -> str | None:
    """Handle a fact, or return why it cannot be."""
    if isinstance(fact, Corrupt):
        return fact.why
    try:
        with work.attempt():
            handle(fact, work.connection)
    except (StoreError, Conflict):
        raise
    except Exception as error:  # noqa: BLE001 - the host's code may raise anything
        first_line = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {first_line}"
    return None
