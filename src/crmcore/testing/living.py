"""What was asked of one aggregate, and what came of it: the unit of every check."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.value import Rejected, Value
from crmcore.testing.scripts import example, script
from crmcore.testing.steps import AnyDecider, Step, Turn


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
        steps = tuple(step for step in self.steps if step.at <= at)
        return History(decider=self.decider, steps=steps)

    def script(self) -> str:
        """Return it as an example that can be pasted into a test, with what that imports."""
        return script(self.decider, self.steps)

    def __repr__(self) -> str:
        """Return the example: it is what one wants to see of a history that fails."""
        return example(self.decider, self.steps)


def take(decider: AnyDecider, state: Any, command: Any, act: Act) -> Step:  # noqa: ANN401 - the decider's
    """Return what comes of one command."""
    nothing = Step(command=command, act=act, before=state, after=state)
    after = state
    try:
        events = tuple(decider.decide(command, state, act))
        for event in events:
            after = decider.evolve(after, event)
    except Rejected as no:
        return replace(nothing, rejected=no.rejection)
    except Exception as error:  # noqa: BLE001 - a law judges it
        return replace(nothing, crashed=f"{type(error).__name__}: {error}")
    if (why := _unstorable(decider, events)) is not None:
        return replace(nothing, unstorable=why)
    return replace(nothing, after=after, events=events)


def _unstorable(decider: AnyDecider, events: tuple[Any, ...]) -> str | None:
    """Return why events are out of the bounds of their types, as sums may be."""
    declared_events = kinds(decider.events)
    try:
        for event in events:
            if type(event) in declared_events:
                msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=type(event))
    except msgspec.ValidationError as error:
        return str(error)
    return None


def live(decider: AnyDecider, turns: Iterable[Turn]) -> Iterator[Step]:
    """Yield what comes of these turns from the start."""
    state = decider.initial
    for command, act in turns:
        yield (step := take(decider, state, command, act))
        state = step.after


def kinds(union: Any) -> tuple[type, ...]:  # noqa: ANN401 - a union is no class
    """Return the classes of a union, or the one class that it is."""
    return get_args(union) or (union,)


def outcomes(step: Step) -> tuple[type, ...]:
    """Return the types of what came of a step: events, a rejection, and the command if accepted."""
    if step.rejected is not None:
        return (type(step.rejected),)
    accepted = (type(step.command),) if step.is_accepted else ()
    return (*accepted, *map(type, step.events))


def declared(decider: AnyDecider) -> list[type]:
    """Return what a decider says can occur: commands, events and rejections."""
    unions = (decider.commands, decider.events, decider.rejections)
    return [kind for union in unions for kind in kinds(union)]


def policy_of(decider: AnyDecider) -> Any:  # noqa: ANN401 - the decider's
    """Return the policy that a decider was given, `partial(decide, policy=...)`; None without."""
    return getattr(decider.decide, "keywords", {}).get("policy")
