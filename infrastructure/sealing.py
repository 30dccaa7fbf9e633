"""How the log gets its order: whatever is committed and has no place yet is given one.

Only whoever holds the row of `crm.head` seals, so there is one order; a seal takes what is visible,
lowest batch first, so a fact never stands before one that its writer had seen. A transaction that
is open for long holds up its own facts and nobody else's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from crmcore.application.chain import DIGEST_BYTES, seal_hash

if TYPE_CHECKING:
    from psycopg import Connection

SEALED = "crm_sealed"
BATCHES_MAX = 1_000
TICK = timedelta(microseconds=1)

_HEAD = "SELECT position, hash, closed_at FROM crm.head FOR UPDATE"

# A writer's login may put any number into the tail; what is sealed, or named twice, stays harmless.
_TAKE = """
WITH taken AS (
    DELETE FROM crm.tail
    WHERE batch IN (SELECT batch FROM crm.tail ORDER BY batch LIMIT %s)
    RETURNING batch
), waiting AS (
    SELECT DISTINCT batch FROM taken
    WHERE NOT EXISTS (SELECT FROM crm.sealed AS s WHERE s.batch = taken.batch)
)
SELECT batch, min(written_at), string_agg(digest, '' ORDER BY ordinal)
FROM waiting JOIN crm.facts USING (batch) GROUP BY batch ORDER BY batch"""

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


def seal(connection: "Connection[Any]", at: datetime) -> bool:
    """Give at most BATCHES_MAX batches their place; return whether some may be left.

    The seal is on the disk, with all that it names, before anybody can read by it.
    """
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = on")
        head = connection.execute(_HEAD, prepare=True).fetchone()
        assert head is not None, "the head is one row"
        before, previous, closed_at = head
        taken = connection.execute(_TAKE, [BATCHES_MAX], prepare=True).fetchall()
        if not taken:
            return False
        times = recorded_times(closed_at, at, [written_at for _, written_at, _ in taken])
        digests = [digests for _, _, digests in taken]
        counts = [len(of_batch) // DIGEST_BYTES for of_batch in digests]
        values = {
            "before": before,
            "position": before + sum(counts),
            "at": at,
            "closed_at": times[-1],
            "batches": [batch for batch, _, _ in taken],
            "counts": counts,
            "times": times,
            "hash": seal_hash(previous, before + 1, at, zip(times, digests, strict=True)),
        }
        connection.execute(_PLACE, values, prepare=True)
    return len(taken) == BATCHES_MAX


def recorded_times(
    closed_at: datetime, at: datetime, written: Sequence[datetime]
) -> list[datetime]:
    """Return when batches count as recorded: when they were written, as far as that can be.

    It never runs backwards, it is later than what is closed, and a writer whose clock is ahead
    cannot take it beyond the clock of the sealer.
    """
    earliest = closed_at + TICK
    return list(accumulate(written, lambda before, t: max(before, min(t, at)), initial=earliest))[
        1:
    ]


def close(connection: "Connection[Any]", at: datetime) -> None:
    """See to it that nothing gets a recorded time at or before an instant any more."""
    connection.execute(
        "UPDATE crm.head SET closed_at = %(at)s WHERE closed_at < %(at)s", {"at": at}, prepare=True
    )
