"""What gets on with what: found out once for a decider, by trying.

Of many kinds of commands a history has few of each, and hardly ever those that belong together, at
the right time. So ways to all that a decider declares are looked for first: each way that was found
is where the search goes on (Ecoffet et al., First return, then explore, Nature 590, 2021).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from random import Random
from typing import Any, TypeAlias, Unpack

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from crmcore.domain.value import Rejection
from crmcore.testing.living import declared, live, outcomes
from crmcore.testing.playing import SLOT_BYTES, Drawn, Player, not_drawn, words_of
from crmcore.testing.remembering import Ways, memory_of
from crmcore.testing.steps import AnyDecider, Step, Turn

FEW = 5  # kinds of commands that come along
REHEARSED, ENOUGH, PATIENCE, LATE = 16, 400, 40, 6

Goal: TypeAlias = tuple[type, type]
"""What occurs, behind the kind of command that it comes of: a refusal is a step on the way, too."""


NOWHERE: Goal = (type(None), type(None))


def cast_of(decider: AnyDecider, **drawn: Unpack[Drawn]) -> "Cast":
    """Return who plays a decider: the one who has rehearsed, where the arguments are hashable."""
    try:
        return _remembered(decider, tuple(drawn.items()))
    except TypeError:
        return Cast(decider, **drawn)


@lru_cache(maxsize=32)
def _remembered(decider: AnyDecider, drawn: tuple[tuple[str, Any], ...]) -> "Cast":
    return Cast(decider, **dict(drawn))


class Cast(Player):
    """Who plays, and has found out what leads where."""

    @cached_property
    def openings(self) -> list[tuple[Turn, ...]]:
        """What histories begin with: nothing, or a way to something; the longer the more often."""
        ways = [way for way in dict.fromkeys(self.ways.values()) for _ in range(len(way) ** 2)]
        return [*(() for _ in ways[::2]), *ways]

    def opening(self, draw: Callable[[SearchStrategy[int]], int]) -> tuple[Turn, ...]:
        """Draw one of the openings, the first of which is the simplest."""
        return self.openings[draw(st.integers(0, len(self.openings) - 1))]

    def company(self, way: tuple[Turn, ...], number: int) -> tuple[type, ...]:
        """Return the kinds of commands that come behind an opening: others for another number."""
        random = Random(number)  # noqa: S311 - the same for a number
        if way:
            return self._few(way, random)
        first = {type(way[0].command) for way in self.ways.values() if len(way) == 1}
        some = {*random.sample(self.kinds, min(3 * FEW, len(self.kinds))), *first}
        return tuple(kind for kind in self.kinds if kind in some)

    @cached_property
    def ways(self) -> Ways:
        """Ways to all that the decider declares, as far as they were found, now or earlier."""
        memory = memory_of(self.decider, self.drawn)
        recalled = memory.recall() if memory else None
        if recalled:
            ways, self.learned = recalled
            return ways
        ways = self._found()
        self.learned.settle()
        if memory:
            memory.keep(ways, self.learned)
        return ways

    def _found(self) -> Ways:
        """Look for ways, from those that were found to others."""
        random = Random(0)  # noqa: S311 - the same every time
        found: dict[Goal, tuple[Turn, ...]] = {}
        gone_on = Counter[Goal]()
        missing, in_vain = sorted(declared(self.decider), key=lambda what: what.__name__), 0
        patience = max(ENOUGH, PATIENCE * len(self.kinds))
        while in_vain < (patience if missing else ENOUGH):
            in_vain += 1
            sought = random.choice(missing or self.kinds)
            goal = self._start(sought, found, gone_on, random)
            gone_on[goal] += 1
            among = self._among(sought if missing else None, goal, found.get(goal, ()), random)
            for new, turns in self._rehearse(found.get(goal, ()), among, found, random):
                if new[1] in missing:
                    missing.remove(new[1])
                    in_vain = 0
                found[new] = self._shortened(new, turns)
        return {what: way for (_, what), way in reversed(found.items())}

    def _start(
        self,
        sought: type,
        found: Mapping[Goal, Sequence[Turn]],
        gone_on: Counter[Goal],
        random: Random,
    ) -> Goal:
        """Return what to go on from: something seldom, near, late or at which much is refused."""
        # Behind a refusal it is as it was before: what happened is worth going on from.
        happened = [goal for goal in found if not issubclass(goal[1], Rejection)]
        stuck = [goal for goal in found if not self.learned.got_on[goal[0]]]
        seldom = sorted(happened, key=lambda goal: gone_on[goal] / len(found[goal]))[:1]
        near = self._towards(sought, happened)
        some = [goals for goals in (seldom, near, [*found][-LATE:], stuck) if goals]
        return random.choice(random.choice(some or [[NOWHERE]]))

    def _among(
        self, sought: type | None, goal: Goal, way: tuple[Turn, ...], random: Random
    ) -> Sequence[type]:
        """Return the kinds of commands to go on with from a goal to what is sought."""
        few = self._few(way, random, self.learned.got_on)
        aimed = self._aimed(sought, way) if sought else self.kinds
        kind = random.choice([sought or random.choice(self.kinds), random.choice(self.kinds)])
        # Where there are few kinds, all of them belong together.
        near = self._siblings(kind, way) if len(self.kinds) > 3 * FEW else self.kinds
        remedies = self._remedies(goal) if goal != NOWHERE else self.kinds
        return random.choice([near, few, aimed, remedies])

    def _few(
        self, way: tuple[Turn, ...], random: Random, got_on: Mapping[type, int] | None = None
    ) -> tuple[type, ...]:
        """Return the last kind of a way or all of them, some that it is about, and a few others.

        Of these rather those that are rare. How many varies: where few come, each comes often.
        """
        on_the_way = list(dict.fromkeys(type(turn.command) for turn in way))
        about = self._about(on_the_way[-1]) if way else []
        some = random.sample(self.kinds, min(3 * FEW, len(self.kinds)))
        few = sorted(some, key=lambda kind: (got_on or {}).get(kind, 0))[: random.randint(1, FEW)]
        near = random.sample(about, min(random.randint(0, FEW), len(about)))
        again = on_the_way[-1:] if random.randrange(2) else on_the_way
        return tuple(dict.fromkeys([*again, *near, *few]))

    def _towards(self, what: type, happened: Sequence[Goal]) -> list[Goal]:
        """Return the goals whose kinds share the rarest words with what is missing."""
        shared = {goal: self.learned.words[goal[0]] & words_of(what) for goal in happened}
        count = Counter(word for words in shared.values() for word in words)
        rarest = {
            goal: min(count[word] for word in words) for goal, words in shared.items() if words
        }
        return sorted(rarest, key=lambda goal: rarest[goal])[:LATE]

    def _aimed(self, what: type, way: tuple[Turn, ...]) -> tuple[type, ...]:
        """Return the kinds that share a word with what is missing, and those of a way."""
        words = words_of(what)
        about = [kind for kind in self.kinds if words & self.learned.words[kind]]
        return tuple(dict.fromkeys([*(type(turn.command) for turn in way), *about])) or self.kinds

    def _siblings(self, kind: type, way: tuple[Turn, ...]) -> tuple[type, ...]:
        """Return those that are declared in the same module as a kind, and those of a way."""
        same = (other for other in self.kinds if other.__module__ == kind.__module__)
        return tuple(dict.fromkeys([*(type(turn.command) for turn in way), *same])) or self.kinds

    def _remedies(self, goal: Goal) -> tuple[type, ...]:
        """Return the kind that a goal came of, and those that share a rare word with the outcome.

        So who is refused for want of an investigation has one made, and tries again.
        """
        kind, what = goal
        words = words_of(what)
        others = [other for other in self.kinds if other is not kind]
        about = [
            [one for one in others if word in self.learned.words[one]] for word in sorted(words)
        ]
        rare = [some for some in about if len(some) <= FEW]
        return tuple(dict.fromkeys([kind, *chain.from_iterable(rare)]))

    def _about(self, kind: type) -> list[type]:
        """Return the kinds that share a word with this one which few others have.

        The words of a kind are those of its name and fields, of the facts that it leads to, and of
        what refuses it: so what is missing, or in the way, leads to where it is told.
        """
        shared = Counter(word for words in self.learned.words.values() for word in words)
        rare = {word for word in self.learned.words[kind] if shared[word] <= FEW}
        return [
            other for other in self.kinds if other is not kind and rare & self.learned.words[other]
        ]

    def _rehearse(
        self,
        way: tuple[Turn, ...],
        among: Sequence[type],
        found: Mapping[Goal, Sequence[Turn]],
        random: Random,
    ) -> Iterator[tuple[Goal, tuple[Turn, ...]]]:
        """Go on from a way at random; yield how what is new was reached, or sooner than before."""
        past = self.past(not_drawn)
        lived = [*self.repeat(way, past)]
        slots = (random.randbytes(SLOT_BYTES) for _ in range(REHEARSED))
        for step in self.go_on(tuple(lived), slots, among, past):
            lived.append(step)
            self.learned.note(step, self.seen(step.before))
            for goal in _goals(step):
                if goal in found and len(found[goal]) <= len(lived):
                    continue
                yield goal, tuple(Turn(step.command, step.act) for step in lived)
        self.learned.luck, self.learned.roles = dict(past.luck), past.roles

    def _shortened(self, goal: Goal, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Return these turns without those that the way to this goal does not need."""
        for turn in reversed(turns[:-1]):
            without = tuple(other for other in turns if other is not turn)
            *_, last = live(self.decider, without)
            turns = without if goal in _goals(last) else turns
        return turns


def _goals(step: Step) -> list[Goal]:
    return [(type(step.command), what) for what in outcomes(step)]
