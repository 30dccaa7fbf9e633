"""Histories of one aggregate: commands that mean something, at instants that matter.

A history has an opening, which leads to something that a decider declares, and a fixed number of
slots of a few bytes each; a slot of zeros is empty, and any command of the opening can be left out:
that is why what fails shrinks to the fewest commands that fail.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, islice, repeat
from random import Random
from typing import Any, NamedTuple, Unpack

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from crmcore.testing.binding import Dice, Past
from crmcore.testing.living import History
from crmcore.testing.ordering import RIVALS_MAX, Race, Rival
from crmcore.testing.playing import EMPTY, SLOT_BYTES, Drawn, not_drawn
from crmcore.testing.rehearsing import Cast, cast_of
from crmcore.testing.steps import AnyDecider, Step

STEPS, FEW_STEPS = 30, 8
COMPANIES = 1_000
COMPANY = st.integers(0, COMPANIES - 1)
SLOT = st.binary(min_size=SLOT_BYTES, max_size=SLOT_BYTES)


def commands(decider: AnyDecider, **drawn: Unpack[Drawn]) -> SearchStrategy[Any]:
    """Return a strategy for commands on their own, which refer to nothing but what is known."""
    cast = Cast(decider, **drawn)  # one that has not rehearsed: there is nothing to get on with

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

    @st.composite
    def history(draw: Callable[..., Any]) -> History:
        return History(decider=decider, steps=tuple(_begun(cast, steps, draw).lived))

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
        company = cast.company(opening, random.randrange(COMPANIES))
        kept = [random.randbytes(SLOT_BYTES) for _ in opening[:steps]]
        lived = [*cast.repeat(opening, past, kept)]
        slots = (random.randbytes(SLOT_BYTES) for _ in range(steps * 256 // (256 - EMPTY)))
        lived += islice(cast.go_on(tuple(lived), slots, company, past), steps - len(lived))
        yield History(decider=decider, steps=tuple(lived))


def races(
    *deciders: AnyDecider,
    rivals: int = RIVALS_MAX,
    together: int = 1,
    steps: int = FEW_STEPS,
    **drawn: Unpack[Drawn],
) -> SearchStrategy[Race]:
    """Return a strategy for a history of each of these deciders, and what is then asked at once.

    There is one rival at least, and at most so many; of them so many ask two aggregates `together`,
    in one act. `drawn` is what `histories` takes.
    """
    casts = [cast_of(decider, **drawn) for decider in deciders]
    alone = [(number,) for number in range(len(casts))]
    among = st.sampled_from([*alone, *combinations(range(len(casts)), 2)])
    calls = st.lists(among, min_size=rivals, max_size=rivals)

    @st.composite
    def race(draw: Callable[..., Any]) -> Race:
        begun = [_begun(cast, steps, draw) for cast in casts]
        now = max(one.past.now for one in begun)
        for one in begun:
            one.past.pass_time(now - one.past.now)
        called = [
            numbers if place < together else numbers[:1]
            for place, numbers in enumerate(sorted(draw(calls), key=len, reverse=True))
        ]
        asked = [[(n, begun[n].next(draw)) for n in numbers] for numbers in called]
        pasts = (History(decider=one.cast.decider, steps=tuple(one.lived)) for one in begun)
        return Race(pasts=tuple(pasts), rivals=tuple(_rivals(asked)))

    return race().filter(lambda race: bool(race.rivals))


class _Begun(NamedTuple):
    """A history that can go on."""

    cast: Cast
    lived: list[Step]
    kinds: tuple[type, ...]
    past: Past

    def next(self, draw: Callable[..., Any]) -> Step | None:
        """Return what may come next, None for an empty slot; the history stays what it is."""
        return next(self.cast.go_on(self.lived, [draw(SLOT)], self.kinds, self.past), None)


def _begun(cast: Cast, steps: int, draw: Callable[..., Any]) -> _Begun:
    """Draw a history of at most so many steps."""
    opening = cast.opening(draw)
    past = cast.past(draw)
    company = cast.company(opening, draw(COMPANY))
    kept = draw(st.tuples(*repeat(SLOT, min(steps, len(opening)))))
    lived = [*cast.repeat(opening, past, kept)]
    slots = draw(st.tuples(*repeat(SLOT, steps * 256 // (256 - EMPTY))))
    lived += islice(cast.go_on(lived, slots, company, past), steps - len(lived))
    return _Begun(cast, lived, company, past)


def _rivals(asked: Iterable[Sequence[tuple[int, Step | None]]]) -> Iterator[Rival]:
    """Yield those that ask for something, in the roles that all of it takes."""
    for steps in asked:
        there = [(number, step) for number, step in steps if step is not None]
        if there:
            acts = [step.act for _, step in there]
            act = replace(
                max(acts, key=lambda act: act.effective_at),
                roles=frozenset[str]().union(*(act.roles for act in acts)),
            )
            commands = tuple((number, step.command) for number, step in there)
            yield Rival(act=act, commands=commands)
