"""Facts as rows: what is stored of each, and how it is read again."""

from collections.abc import Sequence
from datetime import datetime
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

from crmcore.application.binary import (
    BYTEA,
    INTEGER,
    SMALLINT,
    TIMESTAMPTZ,
    UUID_,
    column,
    identity,
    microseconds,
    record,
    text,
    word,
)
from crmcore.application.chain import fact_digest
from crmcore.application.evidence import Evidence
from crmcore.domain.recorded import Fact, Recorded, Stream
from crmcore.infrastructure.codec import CODEC, Unreadable

# Columns whose values have a length that never changes, side by side: each with type and length.
_PLACE = Struct("!ii16s iii iih").pack  # stream, version, slot
_TIMES = Struct("!iih iiq iiq").pack  # schema_version, effective_at, written_at
_CAUSE = Struct("!ii16s ii16s").pack  # command_id, correlation_id


class Linked(NamedTuple):
    """What is stored of a fact, in its binary form, and the digest that links it to its stream."""

    stored: bytes
    digest: bytes


class Row(NamedTuple):
    """What is stored of a fact, in the order in which its digest covers it."""

    kind: str
    stream: UUID
    version: int
    slot: int
    name: str
    schema_version: int
    effective_at: datetime
    written_at: datetime
    actor: str
    reason: str
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    policy: str
    customer: UUID | None
    payload: bytes

    def linked(self, previous: bytes) -> Linked:
        """Return what is stored, linked to the fact before it in its stream by its digest."""
        stored = self._stored()
        return Linked(stored, fact_digest(previous, stored))

    def _stored(self) -> bytes:
        """Return the columns in their binary form."""
        return record(
            len(self),
            word(self.kind),
            _PLACE(UUID_, 16, self.stream.bytes, INTEGER, 4, self.version, SMALLINT, 2, self.slot),
            word(self.name),
            _TIMES(
                *(SMALLINT, 2, self.schema_version),
                *(TIMESTAMPTZ, 8, microseconds(self.effective_at)),
                *(TIMESTAMPTZ, 8, microseconds(self.written_at)),
            ),
            word(self.actor),
            text(self.reason),
            _CAUSE(UUID_, 16, self.command_id.bytes, UUID_, 16, self.correlation_id.bytes),
            identity(self.causation_id),
            word(self.policy),
            identity(self.customer),
            column(BYTEA, self.payload),
        )


COLUMNS = ", ".join(f"f.{name}" for name in Row._fields)


def row(fact: Fact[Any], written_at: datetime) -> Row:
    """Return what is stored of a fact."""
    name, schema_version, payload = CODEC.dump(fact.event)
    return Row(
        fact.stream.kind,
        fact.stream.id,
        fact.version,
        fact.slot,
        name,
        schema_version,
        fact.effective_at,
        written_at,
        fact.actor,
        fact.reason,
        fact.command_id,
        fact.correlation_id,
        fact.causation_id,
        fact.policy,
        fact.customer,
        payload,
    )


def fact(stored: Sequence[Any]) -> Fact[Any]:
    """Return the fact of a row; raise Unreadable if its event is none of ours."""
    return Fact(**_said(stored))


def recorded(position: int, recorded_at: datetime, stored: Sequence[Any]) -> Recorded[Any]:
    """Return the fact of a row that is sealed; raise Unreadable if its event is none of ours."""
    return Recorded(**_said(stored), recorded_at=recorded_at, position=position)


def evidence(position: int, recorded_at: datetime, stored: Sequence[Any]) -> Evidence:
    """Return a row that is sealed as anybody can read it; raise Unreadable if nobody can."""
    row = Row(*stored)
    try:
        said = row._asdict() | {"payload": row.payload.decode()}
    except UnicodeDecodeError:
        raise Unreadable(f"the payload of {row.name} is no text") from None
    return Evidence(**said, position=position, recorded_at=recorded_at)


def _said(stored: Sequence[Any]) -> dict[str, Any]:
    row = Row(*stored)
    return {
        "stream": Stream(kind=row.kind, id=row.stream),
        "version": row.version,
        "event": CODEC.load(row.name, row.schema_version, row.payload),
        "effective_at": row.effective_at,
        "actor": row.actor,
        "reason": row.reason,
        "command_id": row.command_id,
        "correlation_id": row.correlation_id,
        "causation_id": row.causation_id,
        "policy": row.policy,
        "customer": row.customer,
    }
