"""The journal in PostgreSQL: writers wait for nobody, and a seal gives the facts their order."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from crmcore.application.evidence import Evidence
from crmcore.application.journal import (
    PAGE_MAX,
    Appended,
    Commit,
    Corrupt,
    CorruptFact,
    Done,
    NotSettled,
    Past,
    Stored,
    StoreError,
)
from crmcore.application.merkle import Nodes
from crmcore.application.notes import Checkpoint
from crmcore.application.verification import Progress, Verification
from crmcore.domain.recorded import Fact, Recorded, Stream
from crmcore.infrastructure import rows
from crmcore.infrastructure.appending import append
from crmcore.infrastructure.codec import Unreadable
from crmcore.infrastructure.database import Database, Parameters
from crmcore.infrastructure.rows import COLUMNS
from crmcore.infrastructure.sealing import SEALED, close, seal
from crmcore.infrastructure.tree import PostgresTree
from crmcore.infrastructure.verifying import verify
from crmcore.infrastructure.writing import BATCH_FACTS_MAX

# Each join is by index, one row of the left side after the other: OFFSET 0 leaves the planner no
# choice, who knows nothing of tables that grow fast, and keeps the plan that it made when they were
# small.
_FACTS_OF = """CROSS JOIN LATERAL (
    SELECT * FROM crm.facts AS f WHERE f.kind = s.kind AND f.stream = s.stream OFFSET 0
) AS f"""
_PLACE_OF = """CROSS JOIN LATERAL (
    SELECT * FROM crm.sealed AS s WHERE s.batch = f.batch AND f.ordinal < s.facts OFFSET 0
) AS b"""
# The facts of a batch have the positions up to its last, in the order of their ordinals.
_POSITION = "b.last - b.facts + 1 + f.ordinal"
_SEALED = f"SELECT {_POSITION}, b.recorded_at, {COLUMNS}"

# A stored state is used where the fact that it stands for is of the recorded chain, and that fact
# comes with it.
_READ = f"""
SELECT f.digest, CASE WHEN f.version = k.version THEN k.body END, {COLUMNS}
FROM unnest(%s::text[], %s::uuid[], %s::text[]) AS s (kind, stream, form)
LEFT JOIN LATERAL (
    SELECT * FROM crm.states AS k
    WHERE k.kind = s.kind AND k.stream = s.stream AND k.form = s.form AND EXISTS (
        SELECT FROM crm.facts AS f
        WHERE f.kind = k.kind AND f.stream = k.stream AND f.version = k.version
            AND f.digest = k.tip
    ) OFFSET 0
) AS k ON true
CROSS JOIN LATERAL (
    SELECT * FROM crm.facts AS f
    WHERE f.kind = s.kind AND f.stream = s.stream AND f.version >= coalesce(k.version, 0) OFFSET 0
) AS f
ORDER BY f.kind, f.stream, f.version"""  # noqa: S608 - our own columns

_STORE = """
INSERT INTO crm.states AS k (kind, stream, form, version, tip, body)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (kind, stream) DO UPDATE
SET form = excluded.form, version = excluded.version, tip = excluded.tip, body = excluded.body
WHERE k.form <> excluded.form OR k.version < excluded.version"""

_DONE = f"""
SELECT c.command_id, c.digest, {COLUMNS}
FROM unnest(%s::uuid[]) AS asked (id) CROSS JOIN LATERAL (
    SELECT * FROM crm.commands AS c WHERE c.command_id = asked.id OFFSET 0
) AS c LEFT JOIN LATERAL (
    SELECT * FROM crm.facts AS f WHERE f.batch = c.batch AND f.command_id = c.command_id OFFSET 0
) AS f ON true
ORDER BY c.command_id, f.ordinal"""  # noqa: S608 - our own columns

_PAGE = f"""
{_SEALED}
FROM (
    SELECT * FROM crm.sealed AS s
    WHERE s.last > %(after)s AND s.last < %(through)s + {BATCH_FACTS_MAX} OFFSET 0
) AS b CROSS JOIN LATERAL (
    SELECT * FROM crm.facts AS f WHERE f.batch = b.batch AND f.ordinal < b.facts OFFSET 0
) AS f
WHERE {_POSITION} > %(after)s AND {_POSITION} <= %(through)s
ORDER BY b.last, f.ordinal"""  # noqa: S608 - our own columns

_STREAM_PAGE = f"""
{_SEALED}
FROM (SELECT %(kind)s::text AS kind, %(id)s::uuid AS stream) AS s {_FACTS_OF} {_PLACE_OF}
WHERE {_POSITION} > %(after)s AND {_POSITION} <= %(through)s
ORDER BY f.version LIMIT %(limit)s"""

_ABOUT = f"""
{_SEALED}
FROM (
    SELECT DISTINCT f.kind, f.stream
    FROM (SELECT * FROM crm.facts AS f WHERE f.customer = %(customer)s OFFSET 0) AS f {_PLACE_OF}
    WHERE {_POSITION} <= %(through)s
) AS s {_FACTS_OF} {_PLACE_OF}
WHERE {_POSITION} <= %(through)s
ORDER BY b.last, f.ordinal"""  # noqa: S608 - our own columns

_OPEN = "SELECT position, EXISTS (SELECT FROM crm.tail) FROM crm.head"
_KNOWN = """
SELECT last FROM crm.sealed WHERE recorded_at <= %s ORDER BY recorded_at DESC, last DESC LIMIT 1"""


class PostgresJournal:
    """Implements Journal over the schema crm; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def read(
        self, streams: Collection[Stream], forms: Mapping[str, str] = {}
    ) -> Mapping[Stream, Past]:
        """Return what happened in these streams; a stream without facts is left out."""
        asked = [*_columns(streams), [forms.get(stream.kind, "") for stream in streams]]
        found: dict[Stream, list[tuple[Any, ...]]] = defaultdict(list)
        for row in self.database.query(_READ, asked) if streams else ():
            named = rows.Row(*row[2:])
            found[Stream(kind=named.kind, id=named.stream)].append(row)
        return {stream: _past(read) for stream, read in found.items()}

    def store(self, states: Mapping[Stream, Stored], forms: Mapping[str, str]) -> None:
        """Store where streams stand, in place of what was stored of an earlier version."""
        with self.database.transaction() as connection:
            for stream, state in sorted(states.items(), key=lambda item: str(item[0])):
                place = [stream.kind, stream.id, forms[stream.kind]]
                connection.execute(_STORE, [*place, state.version, state.tip, state.body])

    def stored(self) -> Sequence[Stream]:
        """Return the streams of which a state is stored."""
        found = self.database.query("SELECT kind, stream FROM crm.states ORDER BY kind, stream")
        return [Stream(kind=kind, id=stream) for kind, stream in found]

    def forget_stored(self) -> int:
        """Forget all that is stored but facts; return how many states that were."""
        return len(self.database.query("DELETE FROM crm.states RETURNING 1"))

    def done(self, command_ids: Collection[UUID]) -> Mapping[UUID, Done]:
        """Return what those of these commands led to that were carried out."""
        digests: dict[UUID, bytes] = {}
        facts: dict[UUID, list[Fact[Any]]] = defaultdict(list)
        for command_id, digest, *stored in self.database.query(_DONE, [list(command_ids)]):
            digests[command_id] = digest
            if stored[0] is not None:
                facts[command_id].append(_fact(stored))
        return {i: Done(digest=digests[i], facts=tuple(facts[i])) for i in digests}

    def append(
        self, commits: Sequence[Commit], *, at: datetime, tips: Mapping[Stream, bytes]
    ) -> Appended:
        """Record these commits, each wholly or not at all."""
        return append(self.database, commits, at, dict(tips))

    def seal(self, at: datetime) -> int:
        """Give everything appended by now its place in the order; return the last position."""
        position, waits = _the_head(self.database.query(_OPEN))
        if not waits or not self._may_seal:
            return int(position)
        with self.database.connection() as connection:
            while seal(connection, at):
                pass
        return self.position()

    def log(self, *, after: int = 0, through: int | None = None) -> Iterator[Recorded[Any]]:
        """Return every fact behind a position, up to and with another, in the order recorded."""
        last = self.position() if through is None else through
        for start in range(after, last, PAGE_MAX):
            page = self._rows(_PAGE, {"after": start, "through": min(start + PAGE_MAX, last)})
            yield from map(_whole, page)

    def page(
        self,
        *,
        after: int,
        limit: int = PAGE_MAX,
        through: int | None = None,
        stream: Stream | None = None,
    ) -> Sequence[Recorded[Any] | Corrupt]:
        """Return the facts behind a position, of all streams or of one, at most so many."""
        last = self.position() if through is None else through
        if stream is None:
            return self._rows(_PAGE, {"after": after, "through": min(after + limit, last)})
        asked = {"kind": stream.kind, "id": stream.id, "after": after, "through": last}
        return self._rows(_STREAM_PAGE, asked | {"limit": limit})

    def wait(self, after: int, timeout_s: float) -> None:
        """Return when something is sealed behind a position, or when the time is up."""
        with self.database.connection() as connection:
            connection.execute(f"LISTEN {SEALED}")
            [(position,)] = connection.execute("SELECT position FROM crm.head").fetchall()
            if position <= after:
                for _ in connection.notifies(timeout=timeout_s, stop_after=1):
                    pass
            connection.execute(f"UNLISTEN {SEALED}")

    def stream(self, stream: Stream, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of one stream up to a position."""
        asked = {"kind": stream.kind, "id": stream.id, "after": 0, "through": through}
        return [_whole(item) for item in self._rows(_STREAM_PAGE, asked | {"limit": None})]

    def about(self, customer: UUID, *, through: int) -> Sequence[Recorded[Any]]:
        """Return the facts of every stream of a customer up to a position, in that order."""
        found = self._rows(_ABOUT, {"customer": customer, "through": through})
        return [_whole(item) for item in found]

    def evidence(self, customer: UUID, *, through: int) -> Sequence[Evidence]:
        """Return the facts that `about` returns as they are stored, without their proofs."""
        found = self.database.query(_ABOUT, {"customer": customer, "through": through})
        return [_evidence(*row) for row in found]

    def tree(self) -> Nodes:
        """Return the Merkle tree over all that is sealed: a leaf for each position."""
        return PostgresTree(self.database.query)

    def verify(
        self, progress: Progress | None = None, checkpoints: Collection[Checkpoint] = ()
    ) -> Verification:
        """Return what a check of everything that is recorded finds."""
        return verify(self.database, progress, checkpoints)

    def position(self, known_at: datetime | None = None) -> int:
        """Return the position of the last fact recorded by an instant, or of the last of all."""
        found = self.database.query("SELECT position, closed_at FROM crm.head")
        position, closed_at = _the_head(found)
        if known_at is None:
            return int(position)
        if known_at > closed_at:
            self._close(known_at, closed_at)
        known = self.database.query(_KNOWN, [known_at])
        return int(known[0][0]) if known else 0

    def _close(self, known_at: datetime, closed_at: datetime) -> None:
        if not self._may_seal:
            raise NotSettled(
                f"what was known at {known_at} is not settled, only up to {closed_at}: this login "
                "may not seal; ask about a position, or when a sealer has passed that time"
            )
        with self.database.connection() as connection:
            close(connection, known_at)

    @cached_property
    def _may_seal(self) -> bool:
        """Whether this login may give facts their place, or leaves that to a sealer's."""
        [(may,)] = self.database.query("SELECT has_table_privilege('crm.tail', 'DELETE')")
        return bool(may)

    def _rows(self, sql: str, parameters: Parameters) -> list[Recorded[Any] | Corrupt]:
        return [_sealed(row[0], row[1], row[2:]) for row in self.database.query(sql, parameters)]


def _the_head(found: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the one row of the head; raise StoreError if somebody has taken it away."""
    if not found:
        raise StoreError("the log has lost its head: `crmcore verify` tells what else is wrong")
    return found[0]


def _sealed(position: int, recorded_at: datetime, stored: Sequence[Any]) -> Recorded[Any] | Corrupt:
    """Return the fact of a row, or what stands in its place if it cannot be read."""
    try:
        return rows.recorded(position, recorded_at, stored)
    except Unreadable as error:
        row = rows.Row(*stored)
        stream = Stream(kind=row.kind, id=row.stream)
        return Corrupt(stream=stream, version=row.version, position=position, why=str(error))


def _evidence(position: int, recorded_at: datetime, *stored: Any) -> Evidence:  # noqa: ANN401 - a row
    try:
        return rows.evidence(position, recorded_at, stored)
    except Unreadable as error:
        raise CorruptFact(position, str(error)) from error


def _whole(item: Recorded[Any] | Corrupt) -> Recorded[Any]:
    if isinstance(item, Corrupt):
        raise CorruptFact(item.position, item.why)
    return item


def _fact(stored: Sequence[Any]) -> Fact[Any]:
    """Return the fact of a row that may have no position yet."""
    try:
        return rows.fact(stored)
    except Unreadable as error:
        raise CorruptFact(None, str(error)) from error


def _past(read: Sequence[tuple[Any, ...]]) -> Past:
    """Return what was read of a stream: the state that is stored of it, and what followed."""
    (digest, body, *first), tip = read[0], read[-1][0]
    if body is None:
        return Past(facts=tuple(_fact(row[2:]) for row in read), tip=tip)
    stored = Stored(version=rows.Row(*first).version, tip=digest, body=body)
    return Past(facts=tuple(_fact(row[2:]) for row in read[1:]), tip=tip, stored=stored)


def _columns(streams: Collection[Stream]) -> list[list[Any]]:
    return [[stream.kind for stream in streams], [stream.id for stream in streams]]
