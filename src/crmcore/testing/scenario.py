"""Examples: given these facts, when this command, then these facts, or a rule says no."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time
from typing import Any, Self
from uuid import UUID

from crmcore.domain.act import Act
from crmcore.domain.value import Rejection
from crmcore.testing.living import take
from crmcore.testing.steps import ACTORS, START, AnyDecider, Step


class Scenario:
    """A decider with a past, and what came of the last commands.

    No rejection is overlooked: one goes on only from what was accepted, or is known as `rejected`.
    """

    def __init__(
        self,
        decider: AnyDecider,
        state: Any,  # noqa: ANN401 - the decider's
        steps: tuple[Step, ...] = (),
        at: datetime | date = START,
        *,
        answered: bool = False,
    ) -> None:
        self.decider = decider
        self.steps = steps
        self.at = at
        self._state = state
        self._answered = answered

    @property
    def state(self) -> Any:  # noqa: ANN401 - the decider's
        """Where it stands."""
        self._require_answered()
        return self._state

    @property
    def events(self) -> tuple[Any, ...]:
        """What came of the last commands."""
        self._require_answered()
        return tuple(event for step in self.steps for event in step.events)

    def given(self, *events: Any) -> "Scenario":  # noqa: ANN401 - the decider's
        """Return the same behind more facts."""
        state = self.state
        for event in events:
            state = self.decider.evolve(state, event)
        return Scenario(self.decider, state, at=self.at)

    def when(
        self,
        *commands: Any,  # noqa: ANN401 - the decider's
        at: datetime | date | None = None,
        by: str = ACTORS[0],
        roles: Collection[str] = (),
        command_id: UUID = UUID(int=1),  # noqa: B008 - it never changes
    ) -> "Scenario":
        """Return the same behind these commands, at an instant or at the start of a day (UTC).

        Those that do not say when come when the last ones came.
        """
        at = self.at if at is None else at
        instant = at if isinstance(at, datetime) else datetime.combine(at, time(), UTC)
        act = Act(by=by, effective_at=instant, command_id=command_id, roles=frozenset(roles))
        state, steps = self.state, list[Step]()
        for command in commands:
            steps.append(take(self.decider, state, command, act))
            state = steps[-1].after
        return Scenario(self.decider, state, tuple(steps), at)

    def then(self, *events: Any) -> Self:  # noqa: ANN401 - the decider's
        """Check that these facts came of the last commands; raise AssertionError if not."""
        self._require_asked()
        _require_accepted(self.steps)
        assert self.events == events, _differ(self.events, events)
        return self

    def nothing(self) -> Self:
        """Check that the last commands were accepted, and changed nothing."""
        return self.then()

    def rejected(self, rejection: Rejection | type[Rejection], **details: Any) -> "Scenario":  # noqa: ANN401 - of any field
        """Check that this rule said no, for these details, and that only to the last command."""
        self._require_asked()
        *others, last = self.steps
        _require_accepted(others)
        _require_no_crash(last)
        said = last.rejected
        assert said is not None, f"it was accepted: {last.events}"
        wanted = rejection if isinstance(rejection, type) else type(rejection)
        assert type(said) is wanted, f"it was rejected for another reason: {said!r}"
        if isinstance(rejection, Rejection):
            assert said == rejection, _differ(said, rejection)
        differ = {name: value for name, value in details.items() if getattr(said, name) != value}
        assert not differ, _differ(said, details)
        return Scenario(self.decider, self._state, self.steps, self.at, answered=True)

    def _require_asked(self) -> None:
        assert self.steps, "nothing was asked: call when(...) first"

    def _require_answered(self) -> None:
        if not self._answered:
            _require_accepted(self.steps)


def given(decider: AnyDecider, *events: Any, at: datetime | date = START) -> Scenario:  # noqa: ANN401 - the decider's
    """Return a decider behind these facts; `at` is when commands come that do not say when.

    >>> from crmcore.domain import loyalty
    >>> from crmcore.testing import given
    >>> from uuid import UUID
    >>> ada, rules = UUID(int=7), loyalty.decider(loyalty.Policy())
    >>> scenario = given(rules).when(loyalty.Enrol(customer=ada))
    >>> _ = scenario.then(loyalty.Enrolled(customer=ada))
    >>> redeem = loyalty.Redeem(redemption="r-1", reward="mug", points=5)
    >>> _ = scenario.when(redeem).rejected(loyalty.Insufficient, available=0)
    """
    return Scenario(decider, decider.initial, at=at).given(*events)


def _require_accepted(steps: Iterable[Step]) -> None:
    for step in steps:
        _require_no_crash(step)
        assert step.rejected is None, f"it was rejected: {step.rejected!r}"


def _require_no_crash(step: Step) -> None:
    assert step.crashed is None, f"the decider crashed: {step.crashed}"
    assert step.unstorable is None, f"it leads to what cannot be stored: {step.unstorable}"


def _differ(found: object, wanted: object) -> str:
    return f"found {found!r}, and not {wanted!r}"
