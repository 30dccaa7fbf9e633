"""How the log gets its order: whatever is committed and has no place yet is given one.

Only whoever holds the row of `crm.head` seals, so there is one order; a seal takes what is visible,
lowest batch first, so a fact never stands before one that its writer had seen. A transaction that
is open for long holds up its own facts and nobody else's.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from crmcore.application.chain import DIGEST_BYTES, GENESIS, seal_hash
from crmcore.application.journal import StoreError
from crmcore.infrastructure.tree import Incomplete, grow

if TYPE_CHECKING:
    from psycopg import Connection

SEALED = "crm_sealed"
BATCHES_MAX = 500
TICK = timedelta(microseconds=1)

# A sealer that falls silent in the middle is cut off, so that others can seal.
_SAFELY = b"""
SET LOCAL synchronous_commit = on;
SET LOCAL idle_in_transaction_session_timeout = '10s'"""

ALTERED = "the log does not end where it was sealed last: nothing is sealed on it"
_HEAD = "SELECT position, hash, closed_at FROM crm.head FOR UPDATE"

# A writer's login may put any number into the tail; what is sealed, or names no fact, is harmless.
# The shape leaves the planner no choice but the indexes, whatever it thinks of the tail's size.
_TAKE = """
WITH taken AS (
    DELETE FROM crm.tail
    WHERE batch IN (SELECT batch FROM crm.tail ORDER BY batch LIMIT %s)
    RETURNING batch
)
SELECT t.batch, found.written_at, found.digests,
    (SELECT true FROM crm.sealed AS s WHERE s.batch = t.batch), (SELECT count(*) FROM taken),
    (SELECT max(last) FROM crm.sealed), (SELECT max(position) FROM crm.seals),
    (SELECT hash FROM crm.seals ORDER BY position DESC LIMIT 1)
FROM (SELECT DISTINCT batch FROM taken) AS t, LATERAL (
    SELECT min(written_at) AS written_at, string_agg(digest, '' ORDER BY ordinal) AS digests
    FROM crm.facts AS f WHERE f.batch = t.batch
) AS found
ORDER BY t.batch"""

_PLACE = f"""
WITH sealed AS (
    INSERT INTO crm.sealed (last, facts, batch, recorded_at)
    SELECT %(before)s + sum(facts) OVER (ORDER BY batch), facts, batch, recorded_at
    FROM unnest(%(batches)s::bigint[], %(counts)s::integer[], %(times)s::timestamptz[])
        AS t (batch, facts, recorded_at)
), seal AS (
    INSERT INTO crm.seals (position, sealed_at, hash) VALUES (%(position)s, %(at)s, %(hash)s)
), head AS (
    UPDATE crm.head SET position = %(position)s, hash = %(hash)s, closed_at = %(closed_at)s
)
SELECT pg_notify('{SEALED}', %(position)s::text)"""  # noqa: S608 - our own name


class _Head(NamedTuple):
    """Where the order ends."""

    position: int
    hash: bytes
    closed_at: datetime


class _Batch(NamedTuple):
    """Facts that were written together: when, and their digests one behind the other."""

    number: int
    written_at: datetime
    digests: bytes


def seal(connection: "Connection[Any]", at: datetime) -> bool:
    """Give at most BATCHES_MAX batches their place; return whether some may be left.

    The seal is on the disk, with all that it names, before anybody can read by it.
    """
    with connection.transaction():
        connection.execute(_SAFELY)
        head = connection.execute(_HEAD, prepare=True).fetchone()
        if head is None:
            raise StoreError(ALTERED)
        rows = connection.execute(_TAKE, [BATCHES_MAX], prepare=True).fetchall()
        end = rows[0][5:] if rows and rows[0][5] else (0, 0, GENESIS)
        if rows and end != (head[0], head[0], head[1]):
            raise StoreError(ALTERED)
        batches = [
            _Batch(number, written_at, digests)
            for number, written_at, digests, sealed, *_ in rows
            if digests is not None and not sealed
        ]
        if batches:
            _place(connection, _Head(*head), batches, at)
    return bool(rows) and rows[0][4] == BATCHES_MAX


def _place(
    connection: "Connection[Any]", head: _Head, batches: Sequence[_Batch], at: datetime
) -> None:
    """Number the facts of batches, seal them, and move the head on."""
    times = recorded_times(head.closed_at, at, [batch.written_at for batch in batches])
    counts = [len(batch.digests) // DIGEST_BYTES for batch in batches]
    sealed = zip(times, (batch.digests for batch in batches), strict=True)
    values = {
        "before": head.position,
        "position": head.position + sum(counts),
        "at": at,
        "closed_at": times[-1],
        "batches": [batch.number for batch in batches],
        "counts": counts,
        "times": times,
        "hash": seal_hash(head.hash, head.position + 1, at, sealed),
    }
    connection.execute(_PLACE.encode(), values, prepare=True)
    with suppress(Incomplete):  # what somebody took away is for a check to tell, and stops nobody
        grow(connection, head.position, head.position + sum(counts))


def recorded_times(
    closed_at: datetime, at: datetime, written: Sequence[datetime]
) -> list[datetime]:
    """Return when batches count as recorded: when they were written, as far as that can be.

    It never runs backwards, it is later than what is closed, and a writer whose clock is ahead
    cannot take it beyond the clock of the sealer.
    """
    times: list[datetime] = []
    latest = closed_at + TICK
    for written_at in written:
        latest = max(latest, min(written_at, at))
        times.append(latest)
    return times


def close(connection: "Connection[Any]", at: datetime) -> None:
    """See to it that nothing gets a recorded time at or before an instant any more."""
    connection.execute(
        "UPDATE crm.head SET closed_at = %(at)s WHERE closed_at < %(at)s", {"at": at}, prepare=True
    )
