"""One command of one aggregate, and what came of it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from crmcore.domain.act import Act
from crmcore.domain.decider import Decider
from crmcore.domain.value import Rejection, Value

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACTORS = ("ann", "ben", "cem")

AnyDecider: TypeAlias = Decider[Any, Any, Any]


class Turn(NamedTuple):
    """A command in its act."""

    command: Any
    act: Act


class Step(Value):
    """One command: in whose act, on what state, and what came of it.

    `crashed` is what was raised that is no rejection; `unstorable` says that the events are out of
    the bounds of their types, so that the library refuses the command, and nothing is recorded.
    """

    command: Any
    act: Act
    before: Any
    after: Any
    events: tuple[Any, ...] = ()
    rejected: Rejection | None = None
    crashed: str | None = None
    unstorable: str | None = None

    @property
    def at(self) -> datetime:
        """When it took effect."""
        return self.act.effective_at

    @property
    def is_accepted(self) -> bool:
        """Whether it was carried out, though it may have changed nothing."""
        return self.rejected is None and self.crashed is None and self.unstorable is None
