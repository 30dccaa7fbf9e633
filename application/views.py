"""Where rebuilt answers are kept, so that hosts can join them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from crmcore.domain.value import Value


class Row(Value):
    """What a projection answered about a customer."""

    customer: UUID
    question: str
    answer: str
    rule: str
    since: datetime
    next_change_at: datetime | None
    because: tuple[int, ...]


class Difference(Value):
    """How rebuilt answers differ from those they replace."""

    added: int
    removed: int
    changed: int
    unchanged: int


class Views(Protocol):
    """The answers as they were last rebuilt."""

    def replace(self, rows: Sequence[Row]) -> Difference:
        """Put these rows in the place of all others at once, and tell what differs."""
        ...

    def rows(self, customer: UUID) -> Sequence[Row]:
        """Return the rows of a customer, ordered by question."""
        ...
