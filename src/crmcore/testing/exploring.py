"""Everything that a few commands can do to an aggregate in a few steps: no luck, and no gaps."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.msgpack import encode
from msgspec.structs import replace

from crmcore.domain.act import Act
from crmcore.domain.value import Value
from crmcore.testing.living import History, take
from crmcore.testing.steps import ACTORS, START, AnyDecider, Step


class Reachable(Value):
    """What was reached: every state, and the step by which each was reached first or again."""

    decider: AnyDecider
    states: tuple[Any, ...]
    steps: tuple[Step, ...]
    paths: tuple[tuple[Step, ...], ...]

    def histories(self) -> Iterator[History]:
        """Yield the shortest history to each state, so that laws can be checked on it."""
        for path in self.paths:
            yield History(decider=self.decider, steps=path)

    def dead_ends(self) -> tuple[Any, ...]:
        """Return the states that nothing changes any more."""
        left = [step.before for step in self.steps if step.after != step.before]
        tried = [step.before for step in self.steps]
        return tuple(state for state in self.states if state in tried and state not in left)

    def diagram(self, name: Callable[[Any], str]) -> str:
        """Return the steps between states of other names as a state diagram in Mermaid."""
        arrows = dict.fromkeys(
            (name(step.before), name(step.after), type(event).__name__)
            for step in self.steps
            for event in step.events[:1]
            if name(step.before) != name(step.after)
        )
        lines = [f"    {before} --> {after}: {event}" for before, after, event in arrows]
        return "\n".join(["stateDiagram-v2", f"    [*] --> {name(self.decider.initial)}", *lines])


def explore(
    decider: AnyDecider,
    commands: Sequence[Any],
    *,
    depth: int,
    every: timedelta = timedelta(days=1),
    acts: Sequence[Act] = (Act(by=ACTORS[0], effective_at=START, command_id=UUID(int=1)),),
) -> Reachable:
    """Return what these commands lead to in at most so many steps, in any order.

    Each step is taken `every` so long after the one before, once in each of `acts`. What is
    reached in several ways goes on from the first, which is one of the shortest.
    """
    reached: dict[bytes, tuple[Any, tuple[Step, ...]]] = {}
    edge = [(decider.initial, tuple[Step, ...]())]
    reached[_key(decider.initial)] = edge[0]
    taken: list[Step] = []
    for number in range(depth):
        following: list[tuple[Any, tuple[Step, ...]]] = []
        for state, path in edge:
            for command in commands:
                for act in acts:
                    by = _at(act, act.effective_at + number * every, number)
                    step = take(decider, state, command, by)
                    taken.append(step)
                    if _key(step.after) not in reached:
                        reached[_key(step.after)] = (step.after, (*path, step))
                        following.append(reached[_key(step.after)])
        edge = following
    states, paths = zip(*reached.values(), strict=True)
    return Reachable(decider=decider, states=states, steps=tuple(taken), paths=paths)


def _at(act: Act, at: datetime, number: int) -> Act:
    return replace(act, effective_at=at, command_id=UUID(int=number + 1))


def _key(state: Any) -> bytes:  # noqa: ANN401 - the decider's
    return encode(state)
