"""Facts as rows: what is stored of each, and how it is read again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from crmcore.application.chain import fact_digest
from crmcore.domain.recorded import Fact, Recorded, Stream
from crmcore.infrastructure.codec import CODEC


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

    def digest(self, previous: bytes) -> bytes:
        """Return the digest, given that of the fact before it in its stream."""
        return fact_digest(previous, self)


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
