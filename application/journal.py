"""What the application needs from an event store, and how a store says that it cannot."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from crmcore.application.evidence import Evidence
from crmcore.application.merkle import Nodes
from crmcore.application.notes import Checkpoint
from crmcore.application.verification import Progress, Verification
from crmcore.domain.recorded import Fact, Recorded, Stream
from crmcore.domain.value import CRMError, Value

FACTS_MAX = 100
PAYLOAD_BYTES_MAX = 65_536
PAGE_MAX = 5_000


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
    """There is no server where the URL points, it does not let us in, or it went away."""


class TimedOut(StoreError):
    """The server did not answer in the time that a statement may take."""


class StoreFull(StoreError):
    """The server has no room left for what is to be recorded."""


class Forbidden(StoreError):
    """The database login may not do this."""


class NotSettled(StoreError):
    """What was known at that instant can still grow: nothing was sealed after it yet."""


class SchemaMissing(StoreError):
    """The database holds no crmcore schema yet."""


class SchemaTooNew(StoreError):
    """A newer crmcore wrote the schema; this one must not touch it."""


class SchemaTooOld(StoreError):
    """An unreleased crmcore wrote the schema, in a form that is not kept."""


class CorruptFact(StoreError):
    """A stored fact cannot be read; `position` is None while it has none."""

    def __init__(self, position: int | None, why: str) -> None:
        where = "without a position yet" if position is None else f"at position {position}"
        super().__init__(f"the fact {where} cannot be read: {why}")
        self.position = position


class Corrupt(Value):
    """Stands in the log where a fact cannot be read, and tells why."""

    stream: Stream
    version: int
    position: int
    why: str


class Stored(Value):
    """Where a stream stood at a version: derived from its facts, and nothing without them.

    `tip` is the digest of the fact of that version.
    """

    version: int
    tip: bytes
    body: bytes


class Past(Value):
    """All that happened in a stream, sealed or not, and the digest that its chain ends with.

    Where a state is stored, only what followed on it.
    """

    facts: tuple[Fact[Any], ...]
    tip: bytes
    stored: Stored | None = None


class Commit(Value):
    """What one command leads to: its facts, under its id and the digest of what was asked.

    `streams` are those that it was decided on: it is refused with whatever came before it there.
    """

    command_id: UUID
    digest: bytes
    streams: tuple[Stream, ...]
    facts: tuple[Fact[Any], ...]


class Done(Value):
    """What a command led to when it was carried out."""

    digest: bytes
    facts: tuple[Fact[Any], ...]


class Appended(Value):
    """Who lost a race, by command id, and where the chains of the streams end now."""

    lost: Mapping[UUID, Conflict]
    tips: Mapping[Stream, bytes]


class Journal(Protocol):
    """An append-only log: each fact once, each command once, and one order of all facts.

    Facts are appended to their streams first, and get their place in the order when they are
    sealed. `read` and `done` see what is appended, everything else what is sealed.
    """

    def read(
        self, streams: Collection[Stream], forms: Mapping[str, str] = {}
    ) -> Mapping[Stream, Past]:
        """Return what happened in these streams; a stream without facts is left out.

        `forms` says by the kind of stream in which form a stored state is of use; one that is not
        of the stream as it is recorded is of none.
        """
        ...

    def store(self, states: Mapping[Stream, Stored], forms: Mapping[str, str]) -> None:
        """Store where streams stand, in place of what was stored of an earlier version."""
        ...

    def stored(self) -> Sequence[Stream]:
        """Return the streams of which a state is stored."""
        ...

    def forget_stored(self) -> int:
        """Forget all that is stored but facts; return how many states that were."""
        ...

    def done(self, command_ids: Collection[UUID]) -> Mapping[UUID, Done]:
        """Return what those of these commands led to that were carried out."""
        ...

    def append(
        self, commits: Sequence[Commit], *, at: datetime, tips: Mapping[Stream, bytes]
    ) -> Appended:
        """Record these commits, each wholly or not at all.

        A commit loses when a version or its command id is taken, and when one before it lost that
        touches a stream of its own. `at` is the writer's clock; `tips` say where the chains of the
        streams ended as they were read, and a stream that they leave out is looked up.
        """
        ...

    def seal(self, at: datetime) -> int:
        """Give everything appended by now its place in the order; return the last position.

        `at` is the clock's time. What was written at some time is recorded at that time, or later:
        the recorded time never runs backwards along the log, it is later than any instant that
        `position` was asked about, and no writer's clock takes it beyond `at`.
        """
        ...

    def log(self, *, after: int = 0, through: int | None = None) -> Iterator[Recorded[Any]]:
        """Return every fact behind a position, up to and with another, in the order recorded."""
        ...

    def page(
        self,
        *,
        after: int,
        limit: int = PAGE_MAX,
        through: int | None = None,
        stream: Stream | None = None,
    ) -> Sequence[Recorded[Any] | Corrupt]:
        """Return the facts behind a position, of all streams or of one, at most so many.

        What cannot be read is a Corrupt in its place; all else here raises CorruptFact.
        """
        ...

    def wait(self, after: int, timeout_s: float) -> None:
        """Return when something is sealed behind a position, or when the time is up."""
        ...

    def stream(self, stream: Stream, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of one stream up to a position."""
        ...

    def about(self, customer: UUID, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of every stream that was known to be of a customer at a position.

        Only facts up to that position, in the order recorded.
        """
        ...

    def evidence(self, customer: UUID, *, through: int) -> Sequence[Evidence]:
        """Return the facts that `about` returns as they are stored, without their proofs."""
        ...

    def tree(self) -> Nodes:
        """Return the Merkle tree over all that is sealed: a leaf for each position."""
        ...

    def verify(
        self, progress: Progress | None = None, checkpoints: Collection[Checkpoint] = ()
    ) -> Verification:
        """Return what a check of everything that is recorded finds.

        Also whether the log still holds what checkpoints were made of.
        """
        ...

    def position(self, known_at: datetime | None = None) -> int:
        """Return the position of the last fact recorded by an instant, or of the last of all.

        The instant is past: from now on nothing is recorded at or before it, so asking again gives
        the same position for ever. Raises NotSettled where the login may not see to that.
        """
        ...
