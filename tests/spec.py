"""Given these facts, when this command, then these facts: or a rule says no."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time
from typing import Generic, TypeVar
from uuid import UUID

import pytest

from crmcore.domain.act import Act
from crmcore.domain.decider import Decider
from crmcore.domain.value import Rejected, Rejection

Command = TypeVar("Command")
State = TypeVar("State")
Event = TypeVar("Event")

TODAY = date(2026, 3, 2)


def act(on: date | datetime = TODAY, by: str = "ann", roles: Collection[str] = ()) -> Act:
    """Return an act; a date stands for the start of its day."""
    at = on if isinstance(on, datetime) else datetime.combine(on, time(), UTC)
    return Act(by=by, effective_at=at, command_id=UUID(int=1), roles=frozenset(roles))


class Spec(Generic[Command, State, Event]):
    """A decider with a past: `Spec(LOYALTY, *past).given(fact).when(command, on=...)`."""

    def __init__(self, decider: Decider[Command, State, Event], *past: Event) -> None:
        self.decider, self.past = decider, past

    @property
    def state(self) -> State:
        """The state that the past leads to."""
        return self.decider.fold(self.past)

    def given(self, *past: Event) -> "Spec[Command, State, Event]":
        """Return the same with more past."""
        return Spec(self.decider, *self.past, *past)

    def after(
        self, *commands: Command, on: date | datetime = TODAY
    ) -> "Spec[Command, State, Event]":
        """Return the same after more commands."""
        spec = self
        for command in commands:
            spec = spec.given(*spec.when(command, on=on))
        return spec

    def when(
        self,
        command: Command,
        *,
        on: date | datetime = TODAY,
        by: str = "ann",
        roles: Collection[str] = (),
    ) -> tuple[Event, ...]:
        """Return what happens."""
        return self.decider.decide(command, self.state, act(on, by, roles))

    def rejects(
        self,
        command: Command,
        rejection: Rejection | type[Rejection],
        *,
        on: date | datetime = TODAY,
        by: str = "ann",
        roles: Collection[str] = (),
    ) -> None:
        """Check that this rule says no, for these facts if they are given."""
        with pytest.raises(Rejected) as answer:
            self.when(command, on=on, by=by, roles=roles)
        said = answer.value.rejection
        assert rejection in (said, type(said))
