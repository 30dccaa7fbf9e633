# ruff: noqa: S608 - our own statements
"""What an intruder with a superuser's rights does to a log, and what a check should say of it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import psycopg

from crmcore.infrastructure.rows import COLUMNS, Row

Connection: TypeAlias = psycopg.Connection[Any]


class Victim(NamedTuple):
    """A sealed fact in the midst of its stream, and the position of an older seal."""

    batch: int
    ordinal: int
    stream: UUID
    version: int
    position: int
    seal: int


class Attack(NamedTuple):
    """What is done, what a check says (nothing if it cannot see it), and whether a note shows it.

    The note is the position and the hash of the newest seal, kept outside the database.
    """

    name: str
    act: Callable[[Connection, Victim], None]
    says: str = ""
    note_shows: bool = False


_WHERE = "WHERE batch = %(batch)s AND ordinal = %(ordinal)s"
_COPY = """
INSERT INTO crm.facts
SELECT (jsonb_populate_record(f, '{{"{}": 999, "{}": 999}}')).* FROM crm.facts AS f
WHERE batch = %(batch)s AND ordinal = %(ordinal)s"""
_CHAIN = f"""
SELECT f.digest, {COLUMNS} FROM crm.facts AS f
WHERE f.stream = %(stream)s AND f.version >= %(version)s - 1 ORDER BY f.version"""
_PAIR = """
SELECT a.batch, b.batch FROM crm.sealed AS a JOIN crm.sealed AS b USING (facts)
WHERE a.last < b.last ORDER BY a.last, b.last LIMIT 1"""
_PAIR_OF_FACTS = "SELECT min(batch) FROM crm.sealed WHERE facts = 2"
_NEWEST = """
SELECT batch, ordinal, stream, version, 0, 0 FROM crm.facts AS f
WHERE batch IN (SELECT batch FROM crm.tail)
    AND NOT EXISTS (SELECT FROM crm.facts AS n WHERE n.stream = f.stream AND n.version > f.version)
ORDER BY batch DESC, ordinal DESC LIMIT 1"""
_HEAD_BACK = """
UPDATE crm.head
SET (position, hash) = (SELECT position, hash FROM crm.seals WHERE position = %(seal)s)"""
_CUT_BACK = (
    "CREATE TEMP TABLE kept AS SELECT batch FROM crm.sealed WHERE last <= %(seal)s",
    "DELETE FROM crm.facts WHERE batch NOT IN (SELECT batch FROM kept)",
    "DELETE FROM crm.commands WHERE batch NOT IN (SELECT batch FROM kept)",
    "DELETE FROM crm.tail",
    "DELETE FROM crm.sealed WHERE last > %(seal)s",
    "DELETE FROM crm.seals WHERE position > %(seal)s",
    _HEAD_BACK,
)


def _run(statements: tuple[str, ...], connection: Connection, victim: Victim) -> None:
    for statement in statements:
        connection.execute(statement.encode(), victim._asdict())


def _swap(connection: Connection, _: Victim) -> None:
    """Let two batches of one size change their places."""
    [(one, other)] = connection.execute(_PAIR).fetchall()
    for batch, becomes in ((one, -1), (other, one), (-1, other)):
        connection.execute("UPDATE crm.sealed SET batch = %s WHERE batch = %s", [becomes, batch])


def _rewrite(facts: int | None, connection: Connection, victim: Victim) -> None:
    """Alter a fact, with its digest and with those of so many facts of its stream in all."""
    before, *rows = connection.execute(_CHAIN.encode(), victim._asdict()).fetchall()
    previous = bytes(before[0])
    for number, (_, *stored) in enumerate(rows[:facts]):
        row = Row(*stored)
        payload = row.payload if number else row.payload.replace(b"phone", b"email")
        previous = row._replace(payload=payload).linked(previous).digest
        connection.execute(
            "UPDATE crm.facts SET payload = %s, digest = %s WHERE stream = %s AND version = %s",
            [payload, previous, row.stream, row.version],
        )


def _rewrite_newest(connection: Connection, _: Victim) -> None:
    """Alter the newest fact, which no seal holds yet, with its digest."""
    [newest] = connection.execute(_NEWEST).fetchall()
    _rewrite(1, connection, Victim(*newest))


def _take_newest(connection: Connection, _: Victim) -> None:
    """Take the newest command away, which no seal holds yet, with all that it led to."""
    [(batch,)] = connection.execute("SELECT max(batch) FROM crm.tail").fetchall()
    for table in ("facts", "commands", "tail"):
        connection.execute(f"DELETE FROM crm.{table} WHERE batch = %s".encode(), [batch])


def _sql(name: str, says: str, *statements: str) -> Attack:
    return Attack(name, partial(_run, statements), says)


FOUND = (
    _sql(
        "edits a payload",
        "not what was written",
        "UPDATE crm.facts SET payload = convert_to(replace(convert_from(payload, 'UTF8'), 'phone',"
        f" 'email'), 'UTF8') {_WHERE}",
    ),
    _sql("edits an actor", "not what was written", f"UPDATE crm.facts SET actor = 'x' {_WHERE}"),
    _sql("deletes a fact", "are missing", f"DELETE FROM crm.facts {_WHERE}"),
    _sql(
        "deletes the last fact of a stream",
        "the facts of command",
        "DELETE FROM crm.facts WHERE stream = %(stream)s AND version ="
        " (SELECT max(version) FROM crm.facts WHERE stream = %(stream)s)",
    ),
    Attack("rewrites a fact", partial(_rewrite, 1), "not what was written"),
    Attack("rewrites a stream from a fact on", partial(_rewrite, None), "do not hold what was"),
    Attack("swaps two batches", _swap, "do not hold what was sealed"),
    _sql(
        "turns a batch round",
        "do not hold what was sealed",
        f"UPDATE crm.facts SET ordinal = ordinal + 100 WHERE batch = ({_PAIR_OF_FACTS})",
        f"UPDATE crm.facts SET ordinal = 101 - ordinal WHERE batch = ({_PAIR_OF_FACTS})",
    ),
    _sql(
        "moves a recorded time",
        "do not hold what was sealed",
        "UPDATE crm.sealed SET recorded_at = recorded_at + '1 microsecond' WHERE batch = %(batch)s",
    ),
    _sql(
        "takes a batch out of the order",
        "neither sealed nor waiting",
        "DELETE FROM crm.sealed WHERE batch = %(batch)s",
    ),
    _sql("deletes a seal", "do not hold what", "DELETE FROM crm.seals WHERE position = %(seal)s"),
    _sql(
        "deletes the newest seals",
        "positions without a seal",
        "DELETE FROM crm.seals WHERE position > %(seal)s",
        _HEAD_BACK,
    ),
    _sql("deletes a command", "has no command", "DELETE FROM crm.commands WHERE batch = %(batch)s"),
    _sql("adds a fact to a stream", "has no command", _COPY.format("version", "batch")),
    _sql("adds a fact to a batch", "there are not", _COPY.format("version", "ordinal")),
    _sql("hides facts from the sealer", "neither sealed nor waiting", "DELETE FROM crm.tail"),
    _sql("moves the head", "the head is not", "UPDATE crm.head SET position = position - 1"),
    _sql("deletes the head", "head", "DELETE FROM crm.head"),
    _sql(
        "makes a time unreadable",
        "be read",
        f"UPDATE crm.facts SET effective_at = 'infinity' {_WHERE}",
    ),
)

UNSEEN = (
    Attack("cuts the log back to an older seal", partial(_run, _CUT_BACK), note_shows=True),
    Attack("rewrites the newest fact before it is sealed", _rewrite_newest),
    Attack("takes the newest command away before it is sealed", _take_newest),
    Attack(
        "alters what a command asked for",
        partial(_run, ("UPDATE crm.commands SET digest = '' WHERE batch = %(batch)s",)),
    ),
)
