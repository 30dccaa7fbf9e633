"""The eventsourcing library's recorders over the log, so that the library's tools run on it.

Nothing of ours imports this module. A host names it in `PERSISTENCE_MODULE`, and the store in
`CRMCORE_STORE`: a URL or a directory, as `CRM.open` takes it. It loads the library, and loading
that wraps `dataclasses._process_class` for the whole process. The library's own PostgreSQL module,
which sets the levels of psycopg's loggers, is not loaded.

A store is the log of one application: notification ids are its positions, and an application that
shares a store reads the facts of the others too. What the library writes is a fact like any other,
sealed at once; the library's Conflict is its IntegrityError.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4
from weakref import finalize

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    DatabaseError,
    DataError,
    InfrastructureFactory,
    InfrastructureFactoryError,
    IntegrityError,
    Notification,
    OperationalError,
    ProcessRecorder,
    ProgrammingError,
    StoredEvent,
    Subscription,
    Tracking,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic

from crmcore.application.chain import GENESIS
from crmcore.application.journal import (
    FACTS_MAX,
    Conflict,
    Forbidden,
    SchemaMissing,
    SchemaTooNew,
    SchemaTooOld,
    StoreError,
    StoreFull,
    TimedOut,
    Unreachable,
)
from crmcore.domain.recorded import Stream, slot_of
from crmcore.domain.value import CRMError
from crmcore.infrastructure.appending import ends
from crmcore.infrastructure.database import Database, database, migrate
from crmcore.infrastructure.embedded import server
from crmcore.infrastructure.postgres import PostgresJournal
from crmcore.infrastructure.rows import Linked, Row
from crmcore.infrastructure.store import is_url
from crmcore.infrastructure.writing import BATCH_FACTS_MAX, Written, write

if TYPE_CHECKING:
    from psycopg import Connection

STORE = "CRMCORE_STORE"
ACTOR = "eventsourcing"
PAGE_MAX = 500
POLL_S = 0.1
VERSION_MAX = 2**31 - 1

_EVENTS = """
SELECT kind, stream, version, name, payload FROM crm.facts
WHERE kind = %s AND stream = %s AND version > %s::bigint AND version <= %s::bigint"""
_FORWARDS = f"{_EVENTS} ORDER BY version LIMIT %s"
_BACKWARDS = f"{_EVENTS} ORDER BY version DESC LIMIT %s"

# A batch holds a fact at least: behind a position, n batches hold the next n facts. They are looked
# up one by one (OFFSET 0), whatever the planner believes about tables that have just grown.
_PAGE = """
SELECT s.first + f.ordinal, f.kind, f.stream, f.version, f.name, f.payload
FROM (
    SELECT batch, last - facts + 1 AS first FROM crm.sealed
    WHERE last > %(after)s::bigint
    ORDER BY last LIMIT %(through)s::bigint - %(after)s::bigint
) AS s CROSS JOIN LATERAL (
    SELECT ordinal, kind, stream, version, name, payload FROM crm.facts
    WHERE batch = s.batch
        AND ordinal > %(after)s::bigint - s.first AND ordinal <= %(through)s::bigint - s.first
    OFFSET 0
) AS f
WHERE s.first <= %(through)s::bigint AND (%(names)s::text[] = '{}' OR f.name = ANY(%(names)s))
ORDER BY s.first + f.ordinal LIMIT %(limit)s"""

_PLACES = """
SELECT s.last, s.facts FROM crm.commands AS c JOIN crm.sealed AS s USING (batch)
WHERE c.command_id = ANY(%s) ORDER BY s.last"""

_TRACK = """
INSERT INTO crm.checkpoints AS c (consumer, position) VALUES (%s, %s)
ON CONFLICT (consumer) DO UPDATE SET position = excluded.position
WHERE c.position < excluded.position"""
_TRACKED = "SELECT position FROM crm.checkpoints WHERE consumer = %s"


@contextmanager
def _their_errors() -> Iterator[None]:
    """Turn our errors into those that the library's tools know."""
    try:
        yield
    except Conflict as error:
        raise IntegrityError(str(error)) from error
    except (Unreachable, TimedOut, StoreFull) as error:
        raise OperationalError(str(error)) from error
    except (Forbidden, SchemaMissing, SchemaTooNew, SchemaTooOld) as error:
        raise ProgrammingError(str(error)) from error
    except StoreError as error:
        raise DatabaseError(str(error)) from error


class PostgresAggregateRecorder(AggregateRecorder):
    """Implements AggregateRecorder: what it records gets its position when somebody seals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @_their_errors()
    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        **_: Any,  # noqa: ANN401 - the interface's
    ) -> Sequence[int] | None:
        """Record events, all or none."""
        batches = self._batches(stored_events)
        with self._database.transaction() as connection:
            for batch in batches:
                write(connection, batch)
        return None

    @_their_errors()
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the events of one stream, sealed or not."""
        stream = _stream(originator_id)
        last = VERSION_MAX if lte is None else lte
        rows = self._database.query(
            _BACKWARDS if desc else _FORWARDS,
            [stream.kind, stream.id, -1 if gt is None else gt, last, limit],
        )
        return [
            StoredEvent(_originator(kind, stream_id), version, topic, state)
            for kind, stream_id, version, topic, state in rows
        ]

    def _batches(self, events: Sequence[StoredEvent]) -> list[list[Written]]:
        """Return the commands that these events are recorded as, in batches of as many as fit."""
        streams = list({_stream(event.originator_id) for event in events})
        tips = ends(self._database, streams) if streams else {}
        at = datetime.now(UTC)
        commands = [
            _command(events[start : start + FACTS_MAX], at, tips)
            for start in range(0, len(events), FACTS_MAX)
        ]
        size = BATCH_FACTS_MAX // FACTS_MAX
        return [commands[start : start + size] for start in range(0, len(commands), size)]


class PostgresRecorder(PostgresAggregateRecorder, ProcessRecorder):
    """Implements ProcessRecorder, and so each of the library's recorders.

    `name` tells this follower from others that keep how far they have come in the same store.
    """

    def __init__(self, database: Database, name: str = "") -> None:
        super().__init__(database)
        self._name = name
        self._journal = PostgresJournal(database)

    @_their_errors()
    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        tracking: Tracking | None = None,
        **_: Any,  # noqa: ANN401 - the interface's
    ) -> Sequence[int] | None:
        """Record events, and how far another application was followed; return their positions.

        They are None where this login may not seal, or could not: the events are recorded then, and
        the next seal gives them their places.
        """
        batches = self._batches(stored_events)
        if batches or tracking:
            with self.tracked(tracking) as connection:
                for batch in batches:
                    write(connection, batch)
        positions = self._positions([batch[0].command_id for batch in batches]) if batches else []
        return positions if len(positions) == len(stored_events) else None

    @_their_errors()
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return the facts of all streams in the order of the log, after sealing what waits."""
        after = max(0, (start or 0) - inclusive_of_start)
        sealed = self._journal.seal(datetime.now(UTC))
        last = sealed if stop is None else min(stop, sealed)
        found: list[Notification] = []
        while after < last and len(found) < limit:
            wanted = limit - len(found)
            through = min(last, after + (PAGE_MAX if topics else min(PAGE_MAX, wanted)))
            found += self._page(after, through, topics, wanted)
            after = through
        return found

    @_their_errors()
    def max_notification_id(self) -> int | None:
        """Return the last position, after sealing what waits; None if nothing is recorded."""
        return self._journal.seal(datetime.now(UTC)) or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Return an iterator that goes on with what is recorded later."""
        return _Following(self, gt, topics)

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record how far an application was followed; raise IntegrityError unless it is farther."""
        with self.tracked(tracking):
            pass

    @_their_errors()
    def max_tracking_id(self, application_name: str) -> int | None:
        """Return how far an application was followed, None if it was not."""
        rows = self._database.query(_TRACKED, [self._consumer(application_name)])
        return int(rows[0][0]) if rows else None

    @contextmanager
    def tracked(self, tracking: Tracking | None) -> "Iterator[Connection[Any]]":
        """Lend a connection in a transaction that records how far an application was followed.

        A view writes its own tables through it: once for each event, whatever happens.
        """
        with _their_errors(), self._database.transaction() as connection:
            if tracking is not None:
                reached = [self._consumer(tracking.application_name), tracking.notification_id]
                if not connection.execute(_TRACK, reached, prepare=True).rowcount:
                    raise IntegrityError(f"{tracking} was recorded, or a later one")
            yield connection

    def _consumer(self, application_name: str) -> str:
        return f"{self._name}:{application_name}" if self._name else application_name

    def _positions(self, command_ids: list[UUID]) -> list[int]:
        """Return the positions of batches, given a command of each; none that are not sealed."""
        try:
            self._journal.seal(datetime.now(UTC))
            places = self._database.query(_PLACES, [command_ids])
        except CRMError:
            return []  # what is recorded is recorded, whatever is in the way of its seal
        return [at for last, facts in places for at in range(last - facts + 1, last + 1)]

    def _page(
        self, after: int, through: int, topics: Sequence[str], limit: int
    ) -> list[Notification]:
        page = {"after": after, "through": through, "names": list(topics), "limit": limit}
        return [
            Notification(_originator(kind, stream), version, topic, state, position)
            for position, kind, stream, version, topic, state in self._database.query(_PAGE, page)
        ]


class _Following(Subscription[PostgresRecorder]):
    """Looks every POLL_S seconds for what is new: without a sealer nobody tells, and it seals."""

    def __init__(self, recorder: PostgresRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._after = gt or 0
        self._page = deque[Notification]()
        self._stopped = Event()

    def stop(self) -> None:
        """End the iteration, also one that waits."""
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        """Return the next notification, when there is one."""
        while not self._stopped.is_set():
            if self._page:
                return self._page.popleft()
            if not self._turned():
                self._stopped.wait(POLL_S)
        raise StopIteration

    def _turned(self) -> bool:
        """Read on by a page; return whether there was one, even if it has nothing of our topics."""
        last = self._recorder.max_notification_id() or 0
        through = min(last, self._after + PAGE_MAX)
        if through <= self._after:
            return False
        self._page.extend(
            self._recorder.select_notifications(
                self._after, PAGE_MAX, through, self._topics, inclusive_of_start=False
            )
        )
        self._after = through
        return True


class PostgresFactory(InfrastructureFactory[PostgresRecorder]):
    """Makes recorders on the store that CRMCORE_STORE names, opened with the first of them."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        store = self.env.get(STORE)
        if not store:
            raise InfrastructureFactoryError(f"{STORE} is to name the store: a URL or a directory")
        self._store = store
        self._resources = ExitStack()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
        super().__exit__(exc_type, exc_val, exc_tb)

    def close(self) -> None:
        """Give back the connections, of its recorders too."""
        self._resources.close()

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Return a recorder of events; raise InfrastructureFactoryError for snapshots."""
        if purpose != "events":
            raise InfrastructureFactoryError(
                f"the log keeps no {purpose}: leave IS_SNAPSHOTTING_ENABLED off; with "
                "AGGREGATE_CACHE_MAXSIZE the library keeps aggregates in memory"
            )
        return PostgresAggregateRecorder(self._database)

    def application_recorder(self) -> PostgresRecorder:
        """Return a recorder of an application."""
        return self._recorder(self.APPLICATION_RECORDER_TOPIC)

    def tracking_recorder(
        self, tracking_recorder_class: type[PostgresRecorder] | None = None
    ) -> PostgresRecorder:
        """Return a recorder of a view, of the class that is given."""
        return self._recorder(self.TRACKING_RECORDER_TOPIC, tracking_recorder_class)

    def process_recorder(self) -> PostgresRecorder:
        """Return a recorder of an application that follows another."""
        return self._recorder(self.PROCESS_RECORDER_TOPIC)

    def _recorder(self, key: str, given: type[PostgresRecorder] | None = None) -> PostgresRecorder:
        topic = self.env.get(key)
        made = given or (resolve_topic(topic) if topic else PostgresRecorder)
        if not issubclass(made, PostgresRecorder):
            raise InfrastructureFactoryError(f"{made} is no PostgresRecorder")
        return made(self._database, self.env.name)

    @cached_property
    def _database(self) -> Database:
        """The connections: closed with the factory, or with the last recorder that outlives it."""
        with _their_errors(), ExitStack() as stack:
            url = self._store
            if not is_url(url):
                url = stack.enter_context(server(Path(url)))
                migrate(url)
            opened = stack.enter_context(database(url))
            self._resources = stack.pop_all()
        finalize(opened, self._resources.close)
        return opened


def _stream(originator_id: UUID | str) -> Stream:
    """Return the stream of an originator; raise DataError for one that would come back changed."""
    kind, _, text = str(originator_id).rpartition(":")
    try:
        kind.encode()
        stream = Stream(kind=kind, id=UUID(text))
    except ValueError:
        stream = None
    if stream is None or _originator(kind, stream.id) != originator_id:
        raise DataError(f"an originator is a UUID or `kind:uuid`, not {originator_id!r}")
    return stream


def _originator(kind: str, stream: UUID) -> UUID | str:
    return f"{kind}:{stream}" if kind else stream


def _command(
    events: Sequence[StoredEvent], at: datetime, tips: dict[Stream, tuple[int, bytes]]
) -> Written:
    """Return the command that events are recorded as, and move the ends of their streams on."""
    command_id = uuid4()
    facts: list[Linked] = []
    for event in events:
        stream, version = _stream(event.originator_id), event.originator_version
        last, previous = tips.get(stream, (None, GENESIS))
        if version not in ((0, 1) if last is None else (last + 1,)):
            raise IntegrityError(f"version {version} of {stream} does not follow {last}")
        row = _row(event, stream, command_id, at)
        try:
            facts.append(row.linked(previous))
        except UnicodeEncodeError as error:
            raise DataError(f"a topic that is no text: {event.topic!r}") from error
        tips[stream] = version, facts[-1].digest
    return Written(command_id, b"", facts)


def _row(event: StoredEvent, stream: Stream, command_id: UUID, at: datetime) -> Row:
    """Return what is stored of an event."""
    return Row(
        kind=stream.kind,
        stream=stream.id,
        version=event.originator_version,
        slot=slot_of(stream.id),
        name=event.topic,
        schema_version=1,
        effective_at=at,
        written_at=at,
        actor=ACTOR,
        reason="",
        command_id=command_id,
        correlation_id=command_id,
        causation_id=None,
        policy="",
        customer=None,
        payload=event.state,
    )
