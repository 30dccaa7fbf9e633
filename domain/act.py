"""Who acts, when it takes effect, on what authority and why."""

from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta

from crmcore.domain.value import Instant, Note, Rejection, Text, Value

Role: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
Roles: TypeAlias = Annotated[frozenset[Role], Meta(max_length=100)]


class Act(Value):
    """One person's or program's act; its command id makes carrying it out twice harmless.

    Where the effective time was stated (`dated`), the command id is bound to it too.
    """

    by: Text
    effective_at: Instant
    command_id: UUID
    roles: Roles = frozenset()
    because: Note = ""
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    dated: bool = False


class OutOfOrder(Rejection):
    """What follows takes effect no earlier than what it follows."""

    thread: str
    effective_at: Instant
    latest: Instant


class FutureDated(Rejection):
    """A fact takes effect at the latest when it is recorded."""

    effective_at: Instant
    now: Instant


class BackdatedTooFar(Rejection):
    """A fact takes effect no longer ago than the policies allow."""

    effective_at: Instant
    earliest: Instant


class BooksClosed(Rejection):
    """Nothing takes effect on a day whose books are closed."""

    effective_at: Instant
    through: date
