"""The log in PostgreSQL, behind the eventsourcing library's recorder interface.

The library sees stored events (originator `kind:uuid`, version, topic, state). The envelope travels
beside them as `envelopes`, the commands that led to them as `commits`; both are written in the
statement that writes the events, so all of it is recorded or nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    StoredEvent,
    Subscription,
)

from crmcore.application.journal import Conflict, Unreachable
from crmcore.infrastructure.database import translated

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

PAGE_MAX = 5_000
POLL_S = 0.1

COLUMNS = """position, kind, stream, version, name, effective_at, recorded_at, actor, reason,
    command_id, correlation_id, causation_id, policy, customer, payload"""

# One statement, one round trip: the row lock on the head orders the writers until they commit.
_INSERT = f"""
WITH head AS (
    UPDATE crm.head
    SET position = position + %(count)s,
        recorded_at = greatest(recorded_at + interval '1 microsecond', %(at)s)
    RETURNING position - %(count)s AS before, recorded_at
), facts AS (
    INSERT INTO crm.facts ({COLUMNS})
    SELECT before + ordinal, kind, stream, version, name, effective_at, recorded_at, actor, reason,
        command_id, correlation_id, causation_id, policy, customer, payload
    FROM head, unnest(
        %(kind)s::text[], %(stream)s::uuid[], %(version)s::integer[], %(name)s::text[],
        %(effective_at)s::timestamptz[], %(actor)s::text[], %(reason)s::text[],
        %(command_id)s::uuid[], %(correlation_id)s::uuid[], %(causation_id)s::uuid[],
        %(policy)s::text[], %(customer)s::uuid[], %(payload)s::bytea[]
    ) WITH ORDINALITY AS f (kind, stream, version, name, effective_at, actor, reason, command_id,
        correlation_id, causation_id, policy, customer, payload, ordinal)
), commands AS (
    INSERT INTO crm.commands (command_id, digest, after, facts)
    SELECT id, digest, before + skipped, count
    FROM head, unnest(%(ids)s::uuid[], %(digests)s::bytea[], %(skipped)s::integer[],
        %(counts)s::integer[]) AS c (id, digest, skipped, count)
)
SELECT before, recorded_at FROM head"""  # noqa: S608 - built from our own constants

_SELECT = f"SELECT {COLUMNS} FROM crm.facts"  # noqa: S608 - built from our own constants


class Envelope(NamedTuple):
    """What stands beside a stored event."""

    effective_at: datetime
    actor: str
    reason: str
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    policy: str
    customer: UUID | None


class CommandRow(NamedTuple):
    """A command, the digest of what it asked, and how many of the facts are its own."""

    command_id: UUID
    digest: bytes
    facts: int


class PostgresRecorder(ApplicationRecorder):
    """Implements the library's ApplicationRecorder over the schema crm."""

    def __init__(self, pool: "ConnectionPool[Connection[Any]]") -> None:
        self._pool = pool

    def write(
        self,
        events: Sequence[StoredEvent],
        envelopes: Sequence[Envelope],
        commands: Sequence[CommandRow],
        at: datetime,
    ) -> tuple[int, datetime]:
        """Write events and the commands they came from; raise Conflict if one is taken.

        Returns the position before the first of them, and the time they are recorded at.
        """
        before, recorded_at = self.query(_INSERT, _parameters(events, envelopes, commands, at))[0]
        return int(before), recorded_at

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        **_: Any,  # noqa: ANN401 - the interface's
    ) -> Sequence[int]:
        """Write events of the library's own tools, as one command of the actor "eventsourcing"."""
        now, command = datetime.now(UTC), CommandRow(uuid4(), b"", len(stored_events))
        envelope = Envelope(now, "eventsourcing", "", command[0], command[0], None, "", None)
        try:
            before = self.write(stored_events, [envelope] * len(stored_events), [command], now)[0]
        except Conflict as error:
            raise IntegrityError(str(error)) from error
        return range(before + 1, before + 1 + len(stored_events))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the events of one stream."""
        kind, stream = _address(originator_id)
        order = "DESC" if desc else "ASC"
        rows = self.query(
            f"{_SELECT} WHERE kind = %s AND stream = %s AND version > %s AND version <= %s"
            f" ORDER BY version {order} LIMIT %s",
            [kind, stream, gt or 0, 2**31 - 1 if lte is None else lte, limit],
        )
        return [StoredEvent(_originator(r[1], r[2]), r[3], r[4], r[-1]) for r in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return events of all streams in the order of the log."""
        first = (start or 0) + (0 if inclusive_of_start else 1)
        rows = self.query(
            f"{_SELECT} WHERE position >= %s AND position <= %s"
            " AND (%s::text[] = '{}' OR name = ANY(%s)) ORDER BY position LIMIT %s",
            [first, 2**63 - 1 if stop is None else stop, list(topics), list(topics), limit],
        )
        return [
            Notification(id=r[0], originator_id=_originator(r[1], r[2]), originator_version=r[3],
                         topic=r[4], state=r[-1])
            for r in rows
        ]  # fmt: skip

    def max_notification_id(self) -> int | None:
        """Return the last position, None if nothing is recorded."""
        rows = self.query("SELECT position FROM crm.head", [])
        return int(rows[0][0]) or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Return an iterator that goes on with what is recorded later."""
        return _Polling(self, gt, topics)

    def close(self, at: datetime) -> None:
        """See to it that nothing is recorded any more at or before an instant.

        Waits for those who are recording now: a fact that was on its way gets its place first.
        """
        self.query(
            "UPDATE crm.head SET recorded_at = %(at)s WHERE recorded_at < %(at)s RETURNING true",
            {"at": at},
        )

    def query(self, sql: str, parameters: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - psycopg's
        """Return the rows of one statement, carried out in a transaction of its own."""
        try:
            with translated(), self._pool.connection() as connection:
                return connection.execute(sql, parameters, prepare=True).fetchall()
        except Unreachable:
            self._pool.check()  # where one connection broke, the idle ones did too
            raise


class _Polling(Subscription[PostgresRecorder]):
    """Looks for new events every POLL_S seconds; writers wake nobody, so they wait for nobody."""

    def __init__(self, recorder: PostgresRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._stopped = Event()
        self._page: list[Notification] = []

    def stop(self) -> None:
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        while not self._page and not self._stopped.is_set():
            found = self._recorder.select_notifications(
                self._last_notification_id, PAGE_MAX, None, self._topics, inclusive_of_start=False
            )
            self._page = list(reversed(found))
            if not found:
                self._stopped.wait(POLL_S)
        if self._stopped.is_set():
            raise StopIteration
        event = self._page.pop()
        self._last_notification_id = event.id
        return event


def _parameters(
    events: Sequence[StoredEvent],
    envelopes: Sequence[Envelope],
    commands: Sequence[CommandRow],
    at: datetime,
) -> dict[str, Any]:
    """Return one array a column: the statement takes any number of facts and commands."""
    addresses = [_address(event.originator_id) for event in events]
    skipped = accumulate((command.facts for command in commands), initial=0)
    beside = {name: [getattr(e, name) for e in envelopes] for name in Envelope._fields}
    return beside | {
        "count": len(events),
        "at": at,
        "kind": [kind for kind, _ in addresses],
        "stream": [stream for _, stream in addresses],
        "version": [event.originator_version for event in events],
        "name": [event.topic for event in events],
        "payload": [event.state for event in events],
        "ids": [command.command_id for command in commands],
        "digests": [command.digest for command in commands],
        "counts": [command.facts for command in commands],
        "skipped": list(skipped)[:-1],
    }


def _address(originator_id: UUID | str) -> tuple[str, UUID]:
    """Return the kind and the id of a stream; one that the library named by a UUID has no kind."""
    kind, _, stream = str(originator_id).rpartition(":")
    return kind, UUID(stream)


def _originator(kind: str, stream: UUID) -> UUID | str:
    return f"{kind}:{stream}" if kind else stream
