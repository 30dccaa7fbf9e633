"""The shape every aggregate has: two pure functions and a starting state."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import reduce
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from crmcore.domain.act import Act
from crmcore.domain.value import Value

Command = TypeVar("Command")
State = TypeVar("State")
Event = TypeVar("Event")

Look: TypeAlias = Callable[[Collection[UUID]], Mapping[UUID, Any]]
"""The states of others of the same kind, as they are when a command is decided."""


def as_it_is(own_id: UUID, command: object, state: State, look: Look) -> State:  # noqa: ARG001 - of those that need nothing
    """Return the state alone: whoever decides on it needs to know of nobody else."""
    return state


def of_nobody(own_id: UUID, event: object) -> tuple[tuple[UUID, Any], ...]:  # noqa: ARG001 - of those that ask nothing
    """Return that a fact asks nothing of others."""
    return ()


class Decider(Value, Generic[Command, State, Event]):
    """What may happen next (decide) and what has happened so far (evolve).

    `commands`, `events` and `rejections` are the unions of all there are (typed Any because a union
    is no class); `customer` tells whose facts an aggregate's are, given its id and its state.
    `threads` names the things that an event belongs to: the facts of one thing take effect in the
    order in which they are recorded, so that the state that decides is the state that answers.
    `informed` adds to a state what others of its kind have to do with a command, and `asks` returns
    what an event asks of others of its kind in the same act: given the id of the aggregate.
    """

    kind: str
    initial: State
    decide: Callable[[Command, State, Act], tuple[Event, ...]]
    evolve: Callable[[State, Event], State]
    customer: Callable[[UUID, State], UUID | None]
    commands: Any
    events: Any
    rejections: Any
    threads: Callable[[Event], tuple[str, ...]]
    informed: Callable[[UUID, Command, State, Look], State] = as_it_is
    asks: Callable[[UUID, Event], tuple[tuple[UUID, Command], ...]] = of_nobody

    def fold(self, events: Iterable[Event]) -> State:
        """Return the state these events lead to."""
        return reduce(self.evolve, events, self.initial)
