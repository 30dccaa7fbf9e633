"""A fact with its place in history: the unit of audit."""

from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Generic, TypeVar
from uuid import UUID

from crmcore.domain.value import Value

Event_co = TypeVar("Event_co", covariant=True)

SLOTS = 4096


class Stream(Value, cache_hash=True):
    """The history of one aggregate."""

    kind: str
    id: UUID

    def __str__(self) -> str:
        """Return the stream's name, such as `ticket:8c5...`."""
        return f"{self.kind}:{self.id}"


@lru_cache(maxsize=65_536)
def slot_of(owner: UUID) -> int:
    """Return the part of the log that an id's facts belong to, on every machine and for ever.

    One fixed hash and never an engine's own, so that parts fit together whoever made them.
    """
    return int.from_bytes(sha256(owner.bytes).digest()[-2:], "big") % SLOTS


class Fact(Value, Generic[Event_co]):
    """What happened, to whom, as which step, when it took effect, on whose word and why.

    `customer` says whose fact it is, where that is known; `policy` which rules were in force.
    """

    stream: Stream
    version: int
    event: Event_co
    effective_at: datetime
    actor: str
    reason: str
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    policy: str
    customer: UUID | None

    @property
    def slot(self) -> int:
        """The slot of the customer, or of the stream while it belongs to nobody."""
        return slot_of(self.stream.id if self.customer is None else self.customer)


class Recorded(Fact[Event_co], Generic[Event_co]):
    """A fact that the log holds: when it was recorded, and its place in the one order of all."""

    recorded_at: datetime
    position: int
