"""How facts get into the log: in one round trip, with the commands that led to them.

A statement inserts the commands, the facts and one row of `crm.tail` that says what is new. It
takes no lock that another stream's writer waits for, and it wakes nobody.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from crmcore.infrastructure.arrays import (
    BYTEA,
    INTEGER,
    SMALLINT,
    TEXT,
    TIMESTAMPTZ,
    UUID_,
    Type,
    array,
)
from crmcore.infrastructure.rows import Row

if TYPE_CHECKING:
    from psycopg import Connection

COPY_FACTS_MIN = 1_000
BATCH_FACTS_MAX = 10_000


class Written(NamedTuple):
    """A command as it is stored, with the rows of its facts and their digests."""

    command_id: UUID
    digest: bytes
    rows: Sequence[tuple[Row, bytes]]


_TYPES: dict[str, Type] = {
    "ordinal": INTEGER,
    "kind": TEXT,
    "stream": UUID_,
    "version": INTEGER,
    "slot": SMALLINT,
    "name": TEXT,
    "schema_version": SMALLINT,
    "effective_at": TIMESTAMPTZ,
    "written_at": TIMESTAMPTZ,
    "actor": TEXT,
    "reason": TEXT,
    "command_id": UUID_,
    "correlation_id": UUID_,
    "causation_id": UUID_,
    "policy": TEXT,
    "customer": UUID_,
    "payload": BYTEA,
    "digest": BYTEA,
}
_COLUMNS = ", ".join(_TYPES)
_VALUES = ", ".join(f"%({name})s::{kind.name}" for name, kind in _TYPES.items())
_ARRAYS = ", ".join(f"%({name})s::{kind.name}[]" for name, kind in _TYPES.items())

_ONE = f"""
WITH batch AS (
    SELECT nextval('crm.batches') AS batch
), command AS (
    INSERT INTO crm.commands (command_id, digest, batch, facts)
    SELECT %(command_id)s, %(asked)s, batch, 1 FROM batch
), fact AS (
    INSERT INTO crm.facts (batch, {_COLUMNS}) SELECT batch, {_VALUES} FROM batch
)
INSERT INTO crm.tail (batch) SELECT batch FROM batch"""  # noqa: S608 - our own columns

_MANY = f"""
WITH batch AS (
    SELECT nextval('crm.batches') AS batch
), command AS (
    INSERT INTO crm.commands (command_id, digest, batch, facts)
    SELECT id, digest, batch, facts
    FROM batch, unnest(%(ids)s::uuid[], %(asked)s::bytea[], %(counts)s::smallint[])
        AS c (id, digest, facts)
), fact AS (
    INSERT INTO crm.facts (batch, {_COLUMNS})
    SELECT batch, {_COLUMNS} FROM batch, unnest({_ARRAYS}) AS f ({_COLUMNS})
)
INSERT INTO crm.tail (batch) SELECT batch FROM batch WHERE %(count)s > 0"""  # noqa: S608 - our own columns

_COMMANDS = """
INSERT INTO crm.commands (command_id, digest, batch, facts)
SELECT id, digest, %(batch)s, facts
FROM unnest(%(ids)s::uuid[], %(asked)s::bytea[], %(counts)s::smallint[]) AS c (id, digest, facts)"""

_COPY = f"COPY crm.facts (batch, {_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_TYPES = ["bigint", *(kind.name for kind in _TYPES.values())]


def write(connection: "Connection[Any]", commands: Sequence[Written]) -> None:
    """Write commands and their facts in one transaction: facts first, each kind by its keys.

    Every writer takes the keys in that order, so two of them never wait for each other in a circle.
    Raises the driver's UniqueViolation if a command or a version is there already.
    """
    facts = [
        (ordinal, *row, digest)
        for ordinal, (row, digest) in enumerate(pair for c in commands for pair in c.rows)
    ]
    if len(commands) == len(facts) == 1:
        values = dict(zip(_TYPES, facts[0], strict=True))
        connection.execute(_ONE, values | {"asked": commands[0].digest}, prepare=True)
        return
    assert len(facts) <= BATCH_FACTS_MAX, "readers look that far back for the rest of a batch"
    facts.sort(key=_key)
    if len(facts) < COPY_FACTS_MIN:
        columns = zip(*facts, strict=True) if facts else [()] * len(_TYPES)
        parameters: dict[str, object] = {
            name: array(kind, column)
            for (name, kind), column in zip(_TYPES.items(), columns, strict=True)
        }
        asked = _asked(commands) | {"count": len(facts)}
        connection.execute(_MANY, parameters | asked, prepare=True)
    else:
        _copy(connection, commands, facts)


def _copy(
    connection: "Connection[Any]", commands: Sequence[Written], facts: Sequence[tuple[Any, ...]]
) -> None:
    with connection.transaction():
        row = connection.execute("SELECT nextval('crm.batches')", prepare=True).fetchone()
        assert row is not None
        with connection.cursor().copy(_COPY) as copy:
            copy.set_types(_COPY_TYPES)
            for fact in facts:
                copy.write_row((row[0], *fact))
        connection.execute(_COMMANDS, _asked(commands) | {"batch": row[0]}, prepare=True)
        connection.execute("INSERT INTO crm.tail (batch) VALUES (%s)", row, prepare=True)


def _key(fact: tuple[Any, ...]) -> tuple[str, bytes, int]:
    """Return kind, stream and version: the bytes of an id compare much faster than the id."""
    return fact[1], fact[2].bytes, fact[3]


def _asked(commands: Sequence[Written]) -> dict[str, object]:
    ordered = sorted(commands, key=lambda command: command.command_id.bytes)
    return {
        "ids": array(UUID_, [command.command_id for command in ordered]),
        "asked": array(BYTEA, [command.digest for command in ordered]),
        "counts": array(SMALLINT, [len(command.rows) for command in ordered]),
    }
