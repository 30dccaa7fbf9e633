"""A fact with its place in history: the unit of audit."""

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from crmcore.domain.value import Value

Event_co = TypeVar("Event_co", covariant=True)


class Stream(Value):
    """The history of one aggregate."""

    kind: str
    id: UUID

    def __str__(self) -> str:
        """Return the stream's name, such as `ticket:8c5...`."""
        return f"{self.kind}:{self.id}"


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


class Recorded(Fact[Event_co], Generic[Event_co]):
    """A fact that the log holds: when it was recorded, and its place in the one order of all."""

    recorded_at: datetime
    position: int
