"""What the application needs from an event store, and how a store says that it cannot."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from crmcore.domain.recorded import Fact, Recorded, Stream
from crmcore.domain.value import CRMError, Value


class Conflict(CRMError):
    """Somebody else wrote to one of these streams first, or carried out the same command."""


class CommandReused(CRMError):
    """A command id names one command for ever; this one was used for another."""

    def __init__(self, command_id: UUID) -> None:
        super().__init__(f"command id {command_id} was used for another command")
        self.command_id = command_id


class StoreError(CRMError):
    """The store cannot be used."""


class Unreachable(StoreError):
    """There is no server where the URL points, or it does not let us in."""


class SchemaMissing(StoreError):
    """The database holds no crmcore schema yet."""


class SchemaTooNew(StoreError):
    """A newer crmcore wrote the schema; this one must not touch it."""


class CorruptFact(StoreError):
    """A stored fact cannot be read."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"the fact at position {position} cannot be read: {why}")
        self.position = position


class Commit(Value):
    """What one command leads to: its facts, under its id and the digest of what was asked."""

    command_id: UUID
    digest: bytes
    facts: tuple[Fact[Any], ...]


class Done(Value):
    """What a command led to when it was carried out."""

    digest: bytes
    facts: tuple[Recorded[Any], ...]


class Journal(Protocol):
    """An append-only log of facts in one order, each fact once, each command once."""

    def read(self, streams: Collection[Stream]) -> Mapping[Stream, Sequence[Recorded[Any]]]:
        """Return these streams, each oldest first; a stream without facts is left out."""
        ...

    def done(self, command_ids: Collection[UUID]) -> Mapping[UUID, Done]:
        """Return what those of these commands led to that were carried out."""
        ...

    def append(self, commits: Sequence[Commit], at: datetime) -> Sequence[Done]:
        """Record all of these commits or none; raise Conflict if a version or an id is taken.

        `at` is the clock's time; the recorded time never runs backwards along the log, and it is
        later than any instant that `position` was asked about.
        """
        ...

    def log(self, *, after: int = 0, through: int | None = None) -> Iterator[Recorded[Any]]:
        """Return every fact behind a position, up to and with another, in the order recorded."""
        ...

    def about(self, customer: UUID, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of every stream that was known to be of a customer at a position.

        Only facts up to that position, in the order recorded.
        """
        ...

    def position(self, known_at: datetime | None = None) -> int:
        """Return the position of the last fact recorded by an instant, or of the last of all.

        The instant is past: from now on nothing is recorded at or before it, so asking again gives
        the same position for ever.
        """
        ...
