"""How facts get into the log: in one round trip, with the commands that led to them.

A statement inserts the commands, the facts and one row of `crm.tail` that says what is new. It
takes no lock that another stream's writer waits for, and it wakes nobody.
"""

from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from crmcore.application.binary import BYTEA, INTEGER, SMALLINT, column, identity, record
from crmcore.application.chain import DIGEST_BYTES
from crmcore.infrastructure.parameters import Commands, Facts
from crmcore.infrastructure.rows import Linked, Row

if TYPE_CHECKING:
    from psycopg import Connection

BATCH_FACTS_MAX = 10_000


class Written(NamedTuple):
    """A command as it is stored, with its facts."""

    command_id: UUID
    digest: bytes
    facts: Sequence[Linked]


_FIELDS = len(Row._fields) + 2
_COLUMNS = ", ".join(("ordinal", *Row._fields, "digest"))

_WRITE = f"""
WITH batch AS (
    SELECT nextval('crm.batches') AS batch
), command AS (
    INSERT INTO crm.commands (command_id, digest, batch, facts)
    SELECT command_id, digest, batch, facts FROM batch, unnest(%s::crm.command[])
), fact AS (
    INSERT INTO crm.facts (batch, {_COLUMNS})
    SELECT batch, {_COLUMNS} FROM batch, unnest(%s::crm.fact[])
)
INSERT INTO crm.tail (batch) SELECT batch FROM batch WHERE %s"""  # noqa: S608 - our own columns

# Around what is stored of a fact: how many columns there are, and the first and the last of them.
_ORDINAL = Struct("!i iii").pack
_DIGEST = Struct("!ii").pack(BYTEA, DIGEST_BYTES)
_COUNT_BYTES = 4
_int2 = Struct("!h").pack


def write(connection: "Connection[Any]", commands: Sequence[Written]) -> None:
    """Write commands and their facts in one transaction: facts first, each kind by its keys.

    Every writer takes the keys in that order, so two of them never wait for each other in a circle.
    Raises the driver's UniqueViolation if a command or a version is there already.
    """
    facts = _facts(commands)
    assert len(facts) <= BATCH_FACTS_MAX, "readers look that far back for the rest of a batch"
    values = Commands(_commands(commands)), Facts(facts), bool(facts)
    connection.execute(_WRITE, values, prepare=True)


def _facts(commands: Sequence[Written]) -> list[bytes]:
    """Return their rows; what is stored begins with the kind, the stream and the version."""
    pairs = (fact for command in commands for fact in command.facts)
    ordered = sorted((stored, ordinal, digest) for ordinal, (stored, digest) in enumerate(pairs))
    return [
        b"".join((_ORDINAL(_FIELDS, INTEGER, 4, ordinal), stored[_COUNT_BYTES:], _DIGEST, digest))
        for stored, ordinal, digest in ordered
    ]


def _commands(commands: Sequence[Written]) -> list[bytes]:
    return sorted(
        record(
            3,
            identity(command.command_id),
            column(BYTEA, command.digest),
            column(SMALLINT, _int2(len(command.facts))),
        )
        for command in commands
    )
