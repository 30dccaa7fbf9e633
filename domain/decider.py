"""The shape every aggregate has: two pure functions and a starting state."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Generic, TypeVar
from uuid import UUID

from crmcore.domain.act import Act
from crmcore.domain.value import Value

Command = TypeVar("Command")
State = TypeVar("State")
Event = TypeVar("Event")


class Decider(Value, Generic[Command, State, Event]):
    """What may happen next (decide) and what has happened so far (evolve).

    `commands`, `events` and `rejections` are the unions of all there are (typed Any because a union
    is no class); `customer` tells whose facts an aggregate's are, given its id and its state.
    `threads` names the things that an event belongs to: the facts of one thing take effect in the
    order in which they are recorded, so that the state that decides is the state that answers.
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

    def fold(self, events: Iterable[Event]) -> State:
        """Return the state these events lead to."""
        return reduce(self.evolve, events, self.initial)
