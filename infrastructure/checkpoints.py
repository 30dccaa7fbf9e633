"""How far consumers have come, in memory and in PostgreSQL (tables crm.checkpoints, crm.parked)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

from crmcore.application.consumer import Parked
from crmcore.domain.recorded import Stream
from crmcore.infrastructure.database import Database, transient

if TYPE_CHECKING:
    from psycopg import Connection

_FIRST_TIME = """
INSERT INTO crm.checkpoints (consumer, position) VALUES (%s, 0) ON CONFLICT DO NOTHING"""

_PARKED = """
SELECT kind, stream, position, reason FROM crm.parked WHERE consumer = %s ORDER BY position"""

_PARK = """
INSERT INTO crm.parked (consumer, kind, stream, position, reason) VALUES (%s, %s, %s, %s, %s)"""


class MemoryWork:
    """Implements Work; what a handler does in memory is its own, and stays done."""

    connection: None = None

    def __init__(self, position: int, parked: Mapping[Stream, Parked]) -> None:
        self.position = position
        self.parked = dict(parked)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Do what is done inside."""
        yield

    def move(self, position: int) -> None:
        """Put the checkpoint here."""
        self.position = position

    def park(self, parked: Parked) -> None:
        """Park a stream."""
        self.parked[parked.stream] = parked

    def release(self, stream: Stream) -> None:
        """Let a stream go on."""
        del self.parked[stream]


class MemoryCheckpoints:
    """Implements Checkpoints with a dict."""

    def __init__(self) -> None:
        self._locks: dict[str, RLock] = defaultdict(RLock)
        self._kept: dict[str, MemoryWork] = defaultdict(lambda: MemoryWork(0, {}))

    @contextmanager
    def work(self, consumer: str) -> Iterator[MemoryWork]:
        """Lend what is kept for a consumer, and keep it again if nothing is raised."""
        with self._locks[consumer]:
            kept = self._kept[consumer]
            work = MemoryWork(kept.position, kept.parked)
            yield work
            self._kept[consumer] = work

    def names(self) -> Sequence[str]:
        """Return the consumers that there are, in the order of their names."""
        return sorted(self._kept)

    def at(self, consumer: str) -> tuple[int, tuple[Parked, ...]]:
        """Return how far a consumer has come, and what is parked."""
        kept = self._kept[consumer]
        return kept.position, tuple(kept.parked.values())


class PostgresWork:
    """Implements Work: a transaction in which the consumer's checkpoint is locked."""

    def __init__(self, consumer: str, connection: "Connection[Any]") -> None:
        self.connection = connection
        self._consumer = consumer
        connection.execute(_FIRST_TIME, [consumer])
        [(self.position,)] = connection.execute(
            "SELECT position FROM crm.checkpoints WHERE consumer = %s FOR UPDATE", [consumer]
        ).fetchall()
        self.parked = {
            parked.stream: parked
            for parked in map(_parked, connection.execute(_PARKED, [consumer]))
        }

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Undo what is done inside if it fails, and nothing else."""
        with transient(), self.connection.transaction():
            yield

    def move(self, position: int) -> None:
        """Put the checkpoint here."""
        self.connection.execute(
            "UPDATE crm.checkpoints SET position = %s WHERE consumer = %s",
            [position, self._consumer],
        )
        self.position = position

    def park(self, parked: Parked) -> None:
        """Park a stream."""
        stream = parked.stream
        self.connection.execute(
            _PARK, [self._consumer, stream.kind, stream.id, parked.position, parked.reason]
        )
        self.parked[stream] = parked

    def release(self, stream: Stream) -> None:
        """Let a stream go on."""
        self.connection.execute(
            "DELETE FROM crm.parked WHERE consumer = %s AND kind = %s AND stream = %s",
            [self._consumer, stream.kind, stream.id],
        )
        del self.parked[stream]


class PostgresCheckpoints:
    """Implements Checkpoints with tables of the same database as the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def work(self, consumer: str) -> Iterator[PostgresWork]:
        """Lend a transaction of this consumer's, waiting for whoever is in one."""
        with self._database.transaction() as connection:
            yield PostgresWork(consumer, connection)

    def names(self) -> Sequence[str]:
        """Return the consumers that there are, in the order of their names."""
        found = self._database.query("SELECT consumer FROM crm.checkpoints ORDER BY consumer")
        return [name for (name,) in found]

    def at(self, consumer: str) -> tuple[int, tuple[Parked, ...]]:
        """Return how far a consumer has come, and what is parked."""
        found = self._database.query(
            "SELECT position FROM crm.checkpoints WHERE consumer = %s", [consumer]
        )
        parked = self._database.query(_PARKED, [consumer])
        return (found[0][0] if found else 0), tuple(_parked(row) for row in parked)


def _parked(row: tuple[Any, ...]) -> Parked:
    kind, stream, position, reason = row
    return Parked(stream=Stream(kind=kind, id=stream), position=position, reason=reason)
