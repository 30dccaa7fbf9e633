"""What the concurrency check needs of a log, and the logs that it knows already.

Beside ours there are two to compare with, on the same server: a naive one, which shows what goes
wrong, and that of the eventsourcing library. Each makes its tables in the database it is given.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID, uuid4

from crmcore.application.chain import GENESIS
from crmcore.application.journal import FACTS_MAX
from crmcore.domain.customer.profile import InteractionLogged
from crmcore.domain.recorded import Fact, Stream
from crmcore.infrastructure.database import Database, connect, database, migrate
from crmcore.infrastructure.postgres import PostgresJournal
from crmcore.infrastructure.rows import row
from crmcore.infrastructure.sealer import Sealer
from crmcore.infrastructure.writing import Written, write

if TYPE_CHECKING:
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.postgres import PostgresApplicationRecorder
    from psycopg import Connection

CONNECTIONS_MAX = 40  # of the eventsourcing library's pool; the embedded server takes 50
WAIT_S_MAX = 60.0
PAGE = 5_000
EVENT = InteractionLogged(channel="phone", summary="asked when the parcel would come")


class Part(NamedTuple):
    """What is to be appended to a stream: so many facts, the first of them with this version."""

    stream: UUID
    version: int
    facts: int

    @property
    def last(self) -> int:
        """The version of the last of them."""
        return self.version + self.facts - 1


class Seen(NamedTuple):
    """A fact as a follower was given it; positions grow along the log."""

    position: int
    stream: UUID
    version: int


class Log(Protocol):
    """A log as one caller, which is one thread, writes or follows it."""

    def append(self, part: Part, /) -> None:
        """Commit these facts in one transaction."""
        ...

    def append_slowly(self, first: Part, then: Callable[[], Part], /) -> None:
        """Commit two parts in one transaction: append the first, call `then`, append the second."""
        ...

    def read(self) -> Sequence[Seen]:
        """Return what is new since this caller read last; at first, from the beginning."""
        ...


OpenLog: TypeAlias = Callable[[], AbstractContextManager[Log]]


class Kind(NamedTuple):
    """A kind of log: what it is, how to make one in a database, whether its positions are dense."""

    what: str
    made: Callable[[str], AbstractContextManager[OpenLog]]
    dense: bool


class CrmcoreLog:
    """Ours, through what the journal itself runs on: facts are written, sealed and read."""

    def __init__(self, opened: Database, tips: dict[UUID, bytes], *, seals: bool) -> None:
        self._database = opened
        self._journal = PostgresJournal(opened)
        self._tips = tips
        self._seals = seals
        self._position = 0

    def append(self, part: Part) -> None:
        """Write them in one statement."""
        with self._database.connection() as connection:
            self._write(connection, part)

    def append_slowly(self, first: Part, then: Callable[[], Part]) -> None:
        """Write them in two statements of one transaction."""
        with self._database.transaction() as connection:
            self._write(connection, first)
            self._write(connection, then())

    def read(self) -> Sequence[Seen]:
        """Return what is sealed; what is committed is sealed first, unless a sealer does that."""
        if self._seals:
            self._journal.seal(_now())
        found = self._journal.log(after=self._position)
        new = [Seen(fact.position, fact.stream.id, fact.version) for fact in found]
        self._position = new[-1].position if new else self._position
        return new

    def _write(self, connection: "Connection[Any]", part: Part) -> None:
        versions = range(part.version, part.last + 1)
        commands = [versions[n : n + FACTS_MAX] for n in range(0, part.facts, FACTS_MAX)]
        write(connection, [self._command(part.stream, versions) for versions in commands])

    def _command(self, stream: UUID, versions: range) -> Written:
        """Link the facts of a command to the end of their stream's chain, and move that on."""
        command, at = uuid4(), _now()
        linked = []
        for version in versions:
            fact = row(_fact(stream, version, command, at), at)
            linked.append(fact.linked(self._tips.get(stream, GENESIS)))
            self._tips[stream] = linked[-1].digest
        return Written(command, b"", linked)


@contextmanager
def crmcore_log(url: str, *, sealer: bool = False) -> Iterator[OpenLog]:
    """Make our log in a database; its readers seal, unless a sealer in the background does."""
    migrate(url)
    tips: dict[UUID, bytes] = {}

    @contextmanager
    def opened() -> Iterator[Log]:
        with database(url) as own:
            yield CrmcoreLog(own, tips, seals=not sealer)

    with database(url) as own, Sealer(PostgresJournal(own), _now) if sealer else nullcontext():
        yield opened


class NaiveLog:
    """An identity column, read by `id > last`: numbers are given before they are committed."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection
        self._last = 0

    def append(self, part: Part) -> None:
        """Insert them in one statement."""
        self._connection.execute(
            "INSERT INTO naive (stream, version) SELECT %s, generate_series(%s::int, %s::int)",
            [part.stream, part.version, part.last],
        )

    def append_slowly(self, first: Part, then: Callable[[], Part]) -> None:
        """Insert them in two statements of one transaction."""
        with self._connection.transaction():
            self.append(first)
            self.append(then())

    def read(self) -> Sequence[Seen]:
        """Return what has a higher number than the last that was read."""
        found = self._connection.execute(
            "SELECT id, stream, version FROM naive WHERE id > %s ORDER BY id", [self._last]
        )
        new = [Seen(*values) for values in found]
        self._last = new[-1].position if new else self._last
        return new


@contextmanager
def naive_log(url: str) -> Iterator[OpenLog]:
    """Make the naive log in a database."""
    with connect(url) as connection:
        connection.execute(
            "CREATE TABLE naive (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " stream uuid NOT NULL, version integer NOT NULL, UNIQUE (stream, version))"
        )

    @contextmanager
    def opened() -> Iterator[Log]:
        with connect(url) as connection:
            yield NaiveLog(connection)

    yield opened


class EventsourcingLog:
    """The eventsourcing library's recorder as it comes: who writes locks the table."""

    def __init__(self, recorder: "PostgresApplicationRecorder") -> None:
        self._recorder = recorder
        self._last = 0

    def append(self, part: Part) -> None:
        """Insert them as its applications do."""
        self._recorder.insert_events(_stored(part))

    def append_slowly(self, first: Part, then: Callable[[], Part]) -> None:
        """Insert twice in one transaction, for which the recorder has no public name."""
        with self._recorder.datastore.transaction(commit=True) as cursor:
            self._recorder._insert_stored_events(cursor, _stored(first))  # noqa: SLF001 - see above
            self._recorder._insert_stored_events(cursor, _stored(then()))  # noqa: SLF001 - see above

    def read(self) -> Sequence[Seen]:
        """Return the next section of its notification log."""
        found = self._recorder.select_notifications(self._last + 1, PAGE)
        new = [Seen(one.id, UUID(str(one.originator_id)), one.originator_version) for one in found]
        self._last = new[-1].position if new else self._last
        return new


@contextmanager
def eventsourcing_log(url: str) -> Iterator[OpenLog]:
    """Make the eventsourcing library's tables in a database."""
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
    from psycopg.conninfo import conninfo_to_dict

    asked = conninfo_to_dict(url)
    named = (str(asked.get(name) or "") for name in ("dbname", "host", "port", "user", "password"))
    with PostgresDatastore(
        *named, max_overflow=CONNECTIONS_MAX - 1, connect_timeout=WAIT_S_MAX
    ) as datastore:
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        yield lambda: nullcontext(EventsourcingLog(recorder))


KINDS = {
    "crmcore": Kind("crmcore, whose reader seals", crmcore_log, dense=True),
    "sealer": Kind("crmcore, sealed by a thread", partial(crmcore_log, sealer=True), dense=True),
    "naive": Kind("an identity column, read by id > last", naive_log, dense=False),
    "eventsourcing": Kind("the eventsourcing library", eventsourcing_log, dense=False),
}


def _fact(stream: UUID, version: int, command: UUID, at: datetime) -> Fact[InteractionLogged]:
    return Fact(
        stream=Stream(kind="customer", id=stream),
        version=version,
        event=EVENT,
        effective_at=at,
        actor="concurrency check",
        reason="",
        command_id=command,
        correlation_id=command,
        causation_id=None,
        policy="",
        customer=None,
    )


def _stored(part: Part) -> "list[StoredEvent]":
    from eventsourcing.persistence import StoredEvent

    versions = range(part.version, part.last + 1)
    return [StoredEvent(part.stream, version, "checked", b"") for version in versions]


def _now() -> datetime:
    return datetime.now(UTC)
