"""What was asked of one aggregate, and what came of it: the unit of every check."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias, get_args

from crmcore.domain.act import Act
from crmcore.domain.decider import Decider
from crmcore.domain.value import Rejected, Rejection, Value

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACTORS = ("ann", "ben", "cem")

AnyDecider: TypeAlias = Decider[Any, Any, Any]


class Step(Value):
    """One command: in whose act, on what state, and what came of it.

    `crashed` is what was raised that is no rejection.
    """

    command: Any
    act: Act
    before: Any
    after: Any
    events: tuple[Any, ...] = ()
    rejected: Rejection | None = None
    crashed: str | None = None


class History(Value):
    """What was asked of one aggregate, and what came of it."""

    decider: AnyDecider
    steps: tuple[Step, ...]

    @property
    def events(self) -> tuple[Any, ...]:
        """Everything that happened."""
        return tuple(event for step in self.steps for event in step.events)

    @property
    def state(self) -> Any:  # noqa: ANN401 - the decider's
        """Where it ends."""
        return self.steps[-1].after if self.steps else self.decider.initial

    def as_of(self, at: datetime) -> "History":
        """Return the same up to an instant."""
        steps = tuple(step for step in self.steps if step.act.effective_at <= at)
        return History(decider=self.decider, steps=steps)

    def script(self) -> str:
        """Return it as an example that can be pasted into a test."""
        lines = [line for step in self.steps for line in _lines(step)]
        return "\n".join(["(", f"    given({self.decider.kind})", *lines, ")"])

    def __repr__(self) -> str:
        """Return the script: it is what one wants to see of a history that fails."""
        return self.script()


def _lines(step: Step) -> Iterator[str]:
    act = step.act
    said = [repr(step.command), f"at={act.effective_at!r}", f"by={act.by!r}"]
    if act.roles:
        said.append(f"roles={sorted(act.roles)}")
    yield f"    .when({', '.join(said)})"
    if step.crashed is not None:
        yield f"    # crashed: {step.crashed}"
    elif step.rejected is not None:
        yield f"    .rejected({step.rejected!r})"
    else:
        yield f"    .then({', '.join(map(repr, step.events))})" if step.events else "    .nothing()"


def take(decider: AnyDecider, state: Any, command: Any, act: Act) -> Step:  # noqa: ANN401 - the decider's
    """Return what comes of one command."""
    after, events = state, tuple[Any, ...]()
    try:
        events = decider.decide(command, state, act)
        for event in events:
            after = decider.evolve(after, event)
    except Rejected as no:
        return Step(command=command, act=act, before=state, after=state, rejected=no.rejection)
    except Exception as error:  # noqa: BLE001 - a law judges it
        crash = f"{type(error).__name__}: {error}"
        return Step(command=command, act=act, before=state, after=state, crashed=crash)
    return Step(command=command, act=act, before=state, after=after, events=tuple(events))


def kinds(union: Any) -> tuple[type, ...]:  # noqa: ANN401 - a union is no class
    """Return the classes of a union, or the one class that it is."""
    return get_args(union) or (union,)
