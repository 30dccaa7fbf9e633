"""Examples: given these facts, when this command, then these facts, or a rule says no."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time
from typing import Any, Self
from uuid import UUID

from crmcore.domain.act import Act
from crmcore.domain.value import Rejection
from crmcore.testing.living import ACTORS, START, AnyDecider, Step, take


class Scenario:
    """A decider with a past, and what came of the last commands."""

    def __init__(self, decider: AnyDecider, state: Any, steps: tuple[Step, ...] = ()) -> None:  # noqa: ANN401 - the decider's
        self.decider = decider
        self.state = state
        self.steps = steps

    @property
    def events(self) -> tuple[Any, ...]:
        """What came of the last commands."""
        return tuple(event for step in self.steps for event in step.events)

    def given(self, *events: Any) -> "Scenario":  # noqa: ANN401 - the decider's
        """Return the same behind more facts."""
        state = self.state
        for event in events:
            state = self.decider.evolve(state, event)
        return Scenario(self.decider, state)

    def when(
        self,
        *commands: Any,  # noqa: ANN401 - the decider's
        at: datetime | date = START,
        by: str = ACTORS[0],
        roles: Collection[str] = (),
        command_id: UUID = UUID(int=1),  # noqa: B008 - it never changes
    ) -> "Scenario":
        """Return the same behind these commands, at an instant or at the start of a day (UTC)."""
        instant = at if isinstance(at, datetime) else datetime.combine(at, time(), UTC)
        act = Act(by=by, effective_at=instant, command_id=command_id, roles=frozenset(roles))
        state, steps = self.state, list[Step]()
        for command in commands:
            steps.append(take(self.decider, state, command, act))
            state = steps[-1].after
        return Scenario(self.decider, state, tuple(steps))

    def then(self, *events: Any) -> Self:  # noqa: ANN401 - the decider's
        """Check that these facts came of the last commands; raise AssertionError if not."""
        self._require_accepted()
        assert self.events == events, _differ(self.events, events)
        return self

    def nothing(self) -> Self:
        """Check that the last commands were accepted, and changed nothing."""
        return self.then()

    def rejected(self, rejection: Rejection | type[Rejection], **details: Any) -> Self:  # noqa: ANN401 - of any field
        """Check that this rule said no to the last command, for these details."""
        self._require_no_crash()
        said = self.steps[-1].rejected
        assert said is not None, f"it was accepted: {self.events}"
        wanted = rejection if isinstance(rejection, type) else type(rejection)
        assert type(said) is wanted, f"it was rejected for another reason: {said!r}"
        if isinstance(rejection, Rejection):
            assert said == rejection, _differ(said, rejection)
        differ = {name: value for name, value in details.items() if getattr(said, name) != value}
        assert not differ, _differ(said, details)
        return self

    def _require_accepted(self) -> None:
        self._require_no_crash()
        refused = [step.rejected for step in self.steps if step.rejected is not None]
        assert not refused, f"it was rejected: {refused}"

    def _require_no_crash(self) -> None:
        assert self.steps, "nothing was asked: call when(...) first"
        crashed = [step.crashed for step in self.steps if step.crashed is not None]
        assert not crashed, f"the decider crashed: {crashed}"
        unstorable = [step.unstorable for step in self.steps if step.unstorable is not None]
        assert not unstorable, f"it leads to what cannot be stored: {unstorable}"


def given(decider: AnyDecider, *events: Any) -> Scenario:  # noqa: ANN401 - the decider's
    """Return a decider behind these facts.

    >>> from crmcore.domain import loyalty
    >>> from crmcore.testing import given
    >>> from uuid import UUID
    >>> ada, rules = UUID(int=7), loyalty.decider(loyalty.Policy())
    >>> scenario = given(rules).when(loyalty.Enrol(customer=ada))
    >>> _ = scenario.then(loyalty.Enrolled(customer=ada))
    >>> redeem = loyalty.Redeem(redemption="r-1", reward="mug", points=5)
    >>> _ = scenario.when(redeem).rejected(loyalty.Insufficient, available=0)
    """
    return Scenario(decider, decider.initial).given(*events)


def _differ(found: object, wanted: object) -> str:
    return f"found {found!r}, and not {wanted!r}"
