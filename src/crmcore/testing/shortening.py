"""What fails, in the fewest and plainest commands: what is left is what it takes.

Hypothesis makes choices simpler, and not what comes of them: how a history begins is one choice to
it. So the commands themselves are left out and made plainer, as long as the law stays violated. It
needs no Hypothesis, and always leads to the same.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields, replace

from crmcore.testing.laws import Law
from crmcore.testing.living import History, live
from crmcore.testing.steps import ACTORS, START, Turn

SIZES = (4, 2, 1, 2, 1)
PLAIN = (1, 2, 3, 5, 10, 100, 1_000, 10_000)
CURRENCY, PLAIN_CURRENCY = re.compile(r"[A-Z]{3}\Z"), "USD"
TRIES_MAX = 2_000

Turns: TypeAlias = list[Turn]


def shortened(history: History, law: Law) -> History:
    """Return a history of the fewest and plainest commands that violate a law.

    The commands that are left stay at their instants when others go: so one can be left out though
    those behind it were made after it.
    """
    decider = history.decider

    def lived(turns: Turns) -> History:
        return History(decider=decider, steps=tuple(live(decider, turns)))

    def fails(turns: Turns) -> bool:
        return next(iter(law.check(decider, lived(turns))), None) is not None

    turns = [Turn(step.command, step.act) for step in history.steps]
    for size in SIZES:
        for at in range(len(turns) - size, -1, -1):
            without = [*turns[:at], *turns[at + size :]]
            turns = without if fails(without) else turns
    return lived(_plainest(turns, fails))


def _plainest(turns: Turns, fails: Callable[[Turns], bool]) -> Turns:
    """Return turns of which none can be plainer and still fail, as far as that many tries tell."""
    tries = 0
    while True:
        for plainer in _plainer(turns):
            tries += 1
            if tries > TRIES_MAX:
                return turns
            if fails(plainer):
                turns = plainer
                break
        else:
            return turns


def _plainer(turns: Turns) -> Iterator[Turns]:
    """Yield these turns with one thing plainer: who acts and when, or what a command says."""
    if turns and (late := turns[0].act.effective_at - START):
        yield [
            Turn(command, replace(act, effective_at=act.effective_at - late))
            for command, act in turns
        ]
    spoken = [_in_plain_currency(command) for command, _ in turns]
    if spoken != [command for command, _ in turns]:
        yield [Turn(command, act) for command, (_, act) in zip(spoken, turns, strict=True)]
    for number, (command, act) in enumerate(turns):
        before = turns[number - 1].act.effective_at if number else START
        acts = [replace(act, roles=act.roles - {role}) for role in sorted(act.roles)]
        acts += [replace(act, by=ACTORS[0]), replace(act, effective_at=before)]
        changed = [Turn(command, other) for other in acts if other != act]
        changed += (Turn(other, act) for other in _less(command) if _is_well_formed(other))
        for turn in changed:
            yield [*turns[:number], turn, *turns[number + 1 :]]


def _less(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any value
    """Yield values that say less, or say it with smaller numbers."""
    match value:
        case bool() | None:
            pass
        case int():
            yield from _smaller(value)
        case tuple():
            for at, item in enumerate(value):
                before, behind = value[:at], value[at + 1 :]
                yield (*before, *behind)
                yield from ((*before, less, *behind) for less in _less(item))
        case Struct():
            for field in fields(value):
                said = getattr(value, field.name)
                if field.default is not NODEFAULT and said != field.default:
                    yield replace(value, **{field.name: field.default})
                yield from (replace(value, **{field.name: less}) for less in _less(said))
        case _:
            pass


def _smaller(number: int) -> Iterator[int]:
    """Yield plainer numbers, the plainest first: 1 is, and what is not more than 0 is special."""
    if number <= 0:
        yield from (plain for plain in (1, 0) if plain > number)
        return
    yield from (plain for plain in PLAIN if plain < number)
    yield from (number - (number >> halved) for halved in range(1, number.bit_length()))


def _in_plain_currency(value: Any) -> Any:  # noqa: ANN401 - any value
    match value:
        case str() if CURRENCY.match(value):
            return PLAIN_CURRENCY
        case tuple():
            return tuple(map(_in_plain_currency, value))
        case Struct():
            parts: Sequence[str] = type(value).__struct_fields__
            return replace(
                value, **{name: _in_plain_currency(getattr(value, name)) for name in parts}
            )
        case _:
            return value


def _is_well_formed(command: Any) -> bool:  # noqa: ANN401 - any command
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=type(command))
    except msgspec.ValidationError:
        return False
    return True
