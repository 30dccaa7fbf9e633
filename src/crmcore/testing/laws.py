"""Laws: what holds of every history of every decider, and what an application adds of its own.

A law is a function that yields what is wrong, in words: so the same one runs over histories that
are generated, over all short ones, and over what an application has recorded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from crmcore.domain.value import Value
from crmcore.testing.living import History, kinds, outcomes, take
from crmcore.testing.steps import AnyDecider, Step

Scope: TypeAlias = Literal["state", "event", "command", "step", "history"]
HistoryCheck: TypeAlias = Callable[[AnyDecider, History], Iterable[str]]


class Law(NamedTuple):
    """What must hold: its name, its sentence, and what finds where it does not."""

    name: str
    doc: str
    check: HistoryCheck


class Violation(Value):
    """A law that does not hold of a history, and what is wrong."""

    law: str
    what: str


LAWS: dict[str, Law] = {}
"""What holds of every decider; the names are those in the documentation."""


def _law(check: HistoryCheck) -> HistoryCheck:
    LAWS[check.__name__] = law(check)
    return check


def law(check: HistoryCheck) -> Law:
    """Return a function from a decider and a history to what is wrong as a law.

    A step of what was recorded has no command: a law that needs one leaves such a step out.
    """
    return Law(check.__name__, (check.__doc__ or "").strip(), check)


def invariant(
    scope: Scope = "state", *, name: str | None = None
) -> Callable[[Callable[..., bool]], Law]:
    """Return a decorator that makes a law of a rule, which returns whether it holds.

    The rule is asked for each state (`state`); for each event, with the states around it
    (`before, event, after`); for each command that was accepted, with the states around it and its
    events (`before, command, events, after`); for each step, with its act and whatever came of it
    (`step`); or once (`history`).

    >>> from crmcore.domain import loyalty
    >>> from crmcore.testing import invariant
    >>> @invariant()
    ... def no_lot_is_overdrawn(account: loyalty.Account) -> bool:
    ...     return all(lot.points > 0 for lot in account.lots)
    >>> no_lot_is_overdrawn.name
    'no_lot_is_overdrawn'
    """

    def made(rule: Callable[..., bool]) -> Law:
        called, whole = name or rule.__name__, scope == "history"  # which is shown anyway

        def check(_: AnyDecider, history: History) -> Iterator[str]:
            for arguments in _ARGUMENTS[scope](history):
                if not rule(*arguments):
                    yield "it does not hold" if whole else f"it does not hold of {arguments!r}"

        return Law(called, (rule.__doc__ or called).strip(), check)

    return made


def check(
    decider: AnyDecider, history: History, laws: Mapping[str, Law] | Iterable[Law] = LAWS
) -> list[Violation]:
    """Return what is wrong with a history by these laws; it needs no Hypothesis."""
    wanted = laws.values() if isinstance(laws, Mapping) else laws
    return [
        Violation(law=one.name, what=what) for one in wanted for what in one.check(decider, history)
    ]


def _states(history: History) -> Iterator[tuple[Any, ...]]:
    yield (history.decider.initial,)
    for step in history.steps:
        yield (step.after,)


def _events(history: History) -> Iterator[tuple[Any, ...]]:
    for step in history.steps:
        state = step.before
        for event in step.events:
            after = history.decider.evolve(state, event)
            yield state, event, after
            state = after


def _commands(history: History) -> Iterator[tuple[Any, ...]]:
    for step in history.steps:
        if step.is_accepted and step.command is not None:
            yield step.before, step.command, step.events, step.after


_ARGUMENTS: Mapping[Scope, Callable[[History], Iterator[tuple[Any, ...]]]] = {
    "state": _states,
    "event": _events,
    "command": _commands,
    "step": lambda history: ((step,) for step in history.steps),
    "history": lambda history: iter([(history,)]),
}


@_law
def nothing_crashes(_: AnyDecider, history: History) -> Iterator[str]:
    """A command is accepted or rejected; deciding and evolving raise nothing else."""
    for step in history.steps:
        if step.crashed is not None:
            yield f"{step.command!r} raised {step.crashed}"


@_law
def only_what_is_declared_happens(decider: AnyDecider, history: History) -> Iterator[str]:
    """Events and rejections are of the types that the decider declares."""
    events, rejections = kinds(decider.events), kinds(decider.rejections)
    for step in history.steps:
        for event in step.events:
            if type(event) not in events:
                yield f"{event!r} is no event of this decider"
        if step.rejected is not None and type(step.rejected) not in rejections:
            yield f"{step.rejected!r} is no rejection of this decider"


@_law
def replay_is_live(decider: AnyDecider, history: History) -> Iterator[str]:
    """Folding the events gives the state that decided."""
    if (folded := decider.fold(history.events)) != history.state:
        yield f"folding gives {folded!r}, and living through it {history.state!r}"


@_law
def a_state_can_be_stored(decider: AnyDecider, history: History) -> Iterator[str]:
    """A state that is written and read again is the same, and goes on in the same way."""
    for step in history.steps:
        stored = msgspec.msgpack.encode(step.before)
        state = msgspec.msgpack.decode(stored, type=type(step.before))
        if state != step.before:
            yield f"{step.before!r} is read as {state!r}"
        for event in step.events:
            state = decider.evolve(state, event)
        if state != step.after:
            yield f"after it was stored, {step.command!r} leads to {state!r}"


@_law
def what_is_stored_is_read_as_it_was(decider: AnyDecider, history: History) -> Iterator[str]:
    """Commands and events survive JSON and MessagePack, and have one form in each."""
    for step in history.steps:
        if step.command is not None:
            yield from _read_again(step.command, decider.commands)
        for event in step.events:
            yield from _read_again(event, decider.events)


def _read_again(value: Any, union: Any) -> Iterator[str]:  # noqa: ANN401 - any of them
    for codec in (msgspec.json, msgspec.msgpack):
        stored = codec.encode(value)
        try:
            read = codec.decode(stored, type=union)
        except msgspec.ValidationError as error:
            yield f"{value!r} is out of the bounds of its type: {error}"
            continue
        if read != value or type(read) is not type(value) or codec.encode(read) != stored:
            yield f"{value!r} is read as {read!r}"


@_law
def decisions_are_pure(decider: AnyDecider, history: History) -> Iterator[str]:
    """The same command on the same state leads to the same, and changes neither."""
    for step in history.steps:
        if step.command is None:
            continue
        before = _bytes(step)
        again = take(decider, step.before, step.command, step.act)
        if again != step:
            yield f"{step.command!r} led to {_outcome(step)}, and again to {_outcome(again)}"
        if _bytes(step) != before:
            yield f"{step.command!r} was changed, or the state that it met"


@_law
def what_is_rejected_changes_nothing(_: AnyDecider, history: History) -> Iterator[str]:
    """A rejected command leads to no events."""
    for step in history.steps:
        if step.rejected is not None and (step.events or step.before != step.after):
            yield f"{step.command!r} was rejected, and led to {step.events!r}"


def occurred(history: History) -> set[type]:
    """Return the types of the commands that were accepted, of all events, and of all rejections."""
    return {what for step in history.steps for what in outcomes(step)}


def _outcome(step: Step) -> str:
    return repr(step.crashed or step.unstorable or step.rejected or step.events)


def _bytes(step: Step) -> tuple[bytes, bytes]:
    return msgspec.msgpack.encode(step.before), msgspec.msgpack.encode(step.command)
