"""The history of one customer as a file that proves itself against a signed checkpoint."""

from typing import Literal
from uuid import UUID

from crmcore.domain.recorded import Stream
from crmcore.domain.value import Instant, Value

FORMAT: Literal["crmcore proof 1"] = "crmcore proof 1"


class Evidence(Value):
    """A fact as it is stored, with its place, and the proof that it has it.

    All but position and proof is what the leaf at that position is made of; `payload` is the text
    of what is stored of the event.
    """

    position: int
    recorded_at: Instant
    kind: str
    stream: UUID
    version: int
    slot: int
    name: str
    schema_version: int
    effective_at: Instant
    written_at: Instant
    actor: str
    reason: str
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    policy: str
    customer: UUID | None
    payload: str
    proof: tuple[bytes, ...] = ()


class Bundle(Value):
    """All facts of the streams of a customer up to a checkpoint, in the order recorded."""

    format: Literal["crmcore proof 1"]
    customer: UUID
    checkpoint: str
    facts: tuple[Evidence, ...]


class Proven(Value):
    """What a bundle proves: that a log held these streams, without gaps, when it was signed."""

    origin: str
    size: int
    customer: UUID
    facts: int
    streams: tuple[Stream, ...]
