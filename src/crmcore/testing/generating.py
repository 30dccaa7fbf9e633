"""Histories of one aggregate: commands that mean something, at instants that matter.

A history has an opening, which leads to something that a decider declares, and a fixed number of
slots of a few bytes each; a slot of zeros is empty, and any command of the opening can be left out:
that is why what fails shrinks to the fewest commands that fail.
"""

from collections.abc import Callable, Iterator
from itertools import islice, repeat
from random import Random
from typing import Any, Unpack

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from crmcore.testing.binding import Dice
from crmcore.testing.living import AnyDecider, History
from crmcore.testing.rehearsing import EMPTY, SLOT_BYTES, Drawn, cast_of, not_drawn

STEPS = 30
SLOT = st.binary(min_size=SLOT_BYTES, max_size=SLOT_BYTES)
KEPT = st.sampled_from([False] + [True] * 31)


def commands(decider: AnyDecider, **drawn: Unpack[Drawn]) -> SearchStrategy[Any]:
    """Return a strategy for commands on their own, which refer to nothing but what is known."""
    cast = cast_of(decider, **drawn)

    @st.composite
    def command(draw: Callable[..., Any]) -> Any:  # noqa: ANN401 - the decider's
        make = cast.makers[draw(st.sampled_from(cast.often(cast.kinds)))]
        return make(Dice(draw(SLOT)), cast.past(draw))

    return command()


def histories(
    decider: AnyDecider, *, steps: int = STEPS, **drawn: Unpack[Drawn]
) -> SearchStrategy[History]:
    """Return a strategy for histories of at most so many steps.

    Where there are many kinds of commands, few of them come in one history.
    """
    cast = cast_of(decider, **drawn)
    slots = st.tuples(*repeat(SLOT, steps * 256 // (256 - EMPTY)))

    @st.composite
    def history(draw: Callable[..., Any]) -> History:
        opening = draw(st.sampled_from(cast.openings))
        kept = [turn for turn in opening.turns if draw(KEPT)][:steps]
        past = cast.past(draw)
        lived = [*cast.repeat(kept, past)]
        lived += islice(cast.go_on(lived, draw(slots), opening.kinds, past), steps - len(lived))
        return History(decider=decider, steps=tuple(lived))

    return history()


def samples(
    decider: AnyDecider,
    number: int,
    *,
    seed: int = 0,
    steps: int = STEPS,
    **drawn: Unpack[Drawn],
) -> Iterator[History]:
    """Yield so many histories without Hypothesis, the same ones for a seed and a release of this.

    Of `overrides` it takes values, and leaves out what needs a strategy.
    """
    cast, random = cast_of(decider, **drawn), Random(seed)  # noqa: S311 - the same every time
    for _ in range(number):
        opening, past = random.choice(cast.openings), cast.past(not_drawn)
        lived = [*cast.repeat(opening.turns, past)]
        slots = (random.randbytes(SLOT_BYTES) for _ in range(steps * 256 // (256 - EMPTY)))
        lived += islice(cast.go_on(tuple(lived), slots, opening.kinds, past), steps - len(lived))
        yield History(decider=decider, steps=tuple(lived))
