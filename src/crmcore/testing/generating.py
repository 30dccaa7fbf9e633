"""Histories of one aggregate: commands that mean something, at instants that matter.

A history has an opening, which leads to something that a decider declares, and a fixed number of
slots of a few bytes each; a slot of zeros is empty, and any command of the opening can be left out:
that is why what fails shrinks to the fewest commands that fail.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta, tzinfo
from itertools import islice, repeat
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from crmcore.testing.binding import Dice
from crmcore.testing.deriving import Overrides
from crmcore.testing.living import AnyDecider, History
from crmcore.testing.rehearsing import CLOCK, EMPTY, SLOT_BYTES, Cast

STEPS = 30
SLOT = st.binary(min_size=SLOT_BYTES, max_size=SLOT_BYTES)
KEPT = st.sampled_from([False] + [True] * 31)


def commands(
    decider: AnyDecider,
    *,
    overrides: Overrides | None = None,
    weights: Mapping[type, int] | None = None,
) -> SearchStrategy[Any]:
    """Return a strategy for commands on their own, which refer to nothing.

    `weights` say how many times as often as others a kind of command comes; 0 leaves it out.
    """
    cast = Cast(decider, overrides, weights)

    @st.composite
    def command(draw: Callable[..., Any]) -> Any:  # noqa: ANN401 - the decider's
        make = cast.makers[draw(st.sampled_from(cast.often(cast.kinds)))]
        return make(Dice(draw(SLOT)), cast.past(draw))

    return command()


def histories(  # noqa: PLR0913 - all but the decider have a default
    decider: AnyDecider,
    *,
    steps: int = STEPS,
    overrides: Overrides | None = None,
    weights: Mapping[type, int] | None = None,
    clock: Sequence[timedelta] = CLOCK,
    zone: tzinfo | None = None,
    roles: Collection[str] = (),
    known: Mapping[str, Sequence[Any]] | None = None,
) -> SearchStrategy[History]:
    """Return a strategy for histories of at most so many steps.

    Between two commands passes what `clock` says, or the time up to an instant at which something
    may change in `zone`, which is that of the decider's policy if it has one. Who acts has `roles`
    and those that a rejection asked for, or none. `known` is what can be referred to from the
    start, by the names of fields, such as customers. Where there are many kinds of commands, few of
    them come in one history.
    """
    cast = Cast(decider, overrides, weights, clock, zone, roles, known)
    slots = st.tuples(*repeat(SLOT, steps * 256 // (256 - EMPTY)))

    @st.composite
    def history(draw: Callable[..., Any]) -> History:
        opening = draw(st.sampled_from(cast.openings))
        kept = [turn for turn in opening.turns if draw(KEPT)]
        past = cast.past(draw)
        lived = [*cast.repeat(kept, past)]
        lived += islice(cast.go_on(lived, draw(slots), opening.kinds, past), steps - len(lived))
        return History(decider=decider, steps=tuple(lived))

    return history()
