"""What gets on with what: found out once for a decider, by trying.

Of many kinds of commands a history has few of each, and hardly ever those that belong together, at
the right time. So ways to all that a decider declares are looked for first: each way that was found
is where the search goes on (Ecoffet et al., First return, then explore, Nature 590, 2021). And what
never got on in states of some look is seldom tried there again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta, tzinfo
from functools import cached_property, partial
from itertools import repeat
from operator import attrgetter
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis.strategies import SearchStrategy
from msgspec import inspect as mi

from crmcore.domain.act import Act
from crmcore.domain.calendar import zone as zone_named
from crmcore.testing.binding import Dice, Maker, Past, maker
from crmcore.testing.deriving import Overrides
from crmcore.testing.instants import KINDS, Edge
from crmcore.testing.living import (
    ACTORS,
    START,
    AnyDecider,
    Step,
    Turn,
    declared,
    kinds,
    live,
    outcomes,
    take,
)

CLOCK: Sequence[timedelta] = (
    timedelta(0), timedelta(seconds=1), timedelta(hours=5), timedelta(days=1), timedelta(days=9),
    timedelta(days=31), timedelta(days=170), timedelta(days=366),
)  # fmt: skip
AT_ONCE = 16  # how much more often the shortest time passes
SLOT_BYTES = 16
EMPTY = 64  # a slot whose first byte is less is empty: one of four
COMERS = [(by, has_roles) for has_roles in (True, True, True, False) for by in ACTORS]
HOPEFUL = [True] * 7 + [False]  # what may get on, and now and then anything
HOPELESS = 3  # times that it would have got on elsewhere
FEW = 5  # kinds of commands that come along
REHEARSED, ENOUGH, PATIENCE, LATE = 16, 100, 800, 6


class Opening(NamedTuple):
    """A way to something that a decider declares, and the kinds of commands to go on with."""

    turns: tuple[Turn, ...]
    kinds: tuple[type, ...]


class Cast:
    """The commands of a decider, what fills them, and when they get on."""

    def __init__(
        self,
        decider: AnyDecider,
        overrides: Overrides | None = None,
        weights: Mapping[type, int] | None = None,
        clock: Sequence[timedelta] = CLOCK,
        zone: tzinfo | None = None,
        roles: Collection[str] = (),
        known: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.decider = decider
        self.weights = weights or {}
        self.kinds = tuple(k for k in kinds(decider.commands) if self.weights.get(k, 1))
        self.makers: dict[type, Maker] = {
            kind: maker(mi.type_info(kind), "", overrides or {}) for kind in self.kinds
        }
        self.zone = zone or zone_of(decider)
        self.roles = frozenset(roles)
        self.known = known or {}
        edges = [Edge(kind, moments) for kind in KINDS for moments in (0, -1, 1)]
        self.gaps: list[timedelta | Edge] = [*repeat(min(clock), AT_ONCE), *clock, *edges]
        self._looks = looks(type(decider.initial))
        self._luck: Mapping[tuple[type, str], int] = {}
        self._tally: dict[tuple[int, Any, type], list[int]] = defaultdict(lambda: [0, 0])
        self._hopeless: dict[tuple[int, Any], set[type]] = defaultdict(set)
        self._tried: Counter[type] = Counter()
        self._got_on: Counter[type] = Counter()

    @cached_property
    def openings(self) -> list[Opening]:
        """What histories begin with: nothing, or a way to something that the decider declares."""
        random = Random(1)  # noqa: S311 - the same every time
        ways = [(), *dict.fromkeys(self.ways.values())]
        return [Opening(way, self._few(way, random)) for way in ways]

    @cached_property
    def ways(self) -> Mapping[type, tuple[Turn, ...]]:
        """Ways to all that the decider declares, as far as they were found."""
        random = Random(0)  # noqa: S311 - the same every time
        found: dict[type, tuple[Turn, ...]] = {}
        wanted, in_vain = set(declared(self.decider)), 0
        while in_vain < (ENOUGH if wanted <= set(found) else PATIENCE):
            in_vain += 1
            ways = [(), *found.values()]
            late = ways[-1 - int(random.expovariate(1 / LATE)) % len(ways)]
            way = random.choice([late, random.choice(ways)])
            among = random.choice([self.kinds, self._few(way, random, self._got_on)])
            for goal, turns in self._rehearse(Opening(way, among), found, random):
                found[goal], in_vain = self._shortened(goal, turns), 0
        return found

    def past(self, draw: Callable[[SearchStrategy[Any]], Any]) -> Past:
        """Return where a history begins."""
        past = Past(START, self.zone, self._luck, draw, self.roles)
        past.seen |= {name: list(values) for name, values in self.known.items()}
        return past

    def repeat(self, turns: Iterable[Turn], past: Past) -> Iterator[Step]:
        """Yield what comes of these turns, which become the past."""
        for step in live(self.decider, turns):
            past.pass_time(step.act.effective_at - past.now)
            past.begin(type(step.command))
            past.take_in(step.events, step.rejected)
            yield step

    def go_on(
        self, lived: Sequence[Step], slots: Iterable[bytes], wanted: Sequence[type], past: Past
    ) -> Iterator[Step]:
        """Yield what comes of the slots, one after the other; in an empty one time passes."""
        state = lived[-1].after if lived else self.decider.initial
        number = lived[-1].act.command_id.int if lived else 0
        for slot in slots:
            dice = Dice(slot[1:])
            past.pass_time(dice.pick(self.gaps))
            if slot[0] < EMPTY:
                continue
            number += 1
            offered = self._offered(wanted, state) if dice.pick(HOPEFUL) else self.often(wanted)
            try:
                step = self._step(offered[slot[0] % len(offered)], dice, state, past, number)
            except _NotDrawnError:
                continue
            past.take_in(step.events, step.rejected)
            state = step.after
            yield step

    def often(self, wanted: Iterable[type]) -> list[type]:
        """Return kinds of commands as often as their weights say."""
        return [kind for kind in wanted for _ in range(self.weights.get(kind, 1))]

    def _offered(self, wanted: Sequence[type], state: Any) -> list[type]:  # noqa: ANN401 - the decider's
        """Return those that may get on in this state; of all, if none of these does."""
        looked = (self._hopeless.get(seen, ()) for seen in self._seen(state))
        hopeless = set[type]().union(*looked)
        for some in (wanted, self.kinds):
            if hopeful := [kind for kind in some if kind not in hopeless]:
                return self.often(hopeful)
        return self.often(wanted)

    def _step(self, kind: type, dice: Dice, state: Any, past: Past, number: int) -> Step:  # noqa: ANN401 - the decider's
        by, has_roles = dice.pick(COMERS)
        roles = past.roles if has_roles else frozenset[str]()
        past.begin(kind)
        command = self.makers[kind](dice, past)
        act = Act(by=by, effective_at=past.now, command_id=UUID(int=number), roles=roles)
        return take(self.decider, state, command, act)

    def _seen(self, state: Any) -> list[tuple[int, Any]]:  # noqa: ANN401 - the decider's
        """Return what a state looks like."""
        return [(number, look(state)) for number, look in enumerate(self._looks)]

    def _few(
        self, way: tuple[Turn, ...], random: Random, got_on: Mapping[type, int] | None = None
    ) -> tuple[type, ...]:
        """Return the kinds of commands on a way, and a few others, rather those that are rare."""
        some = random.sample(self.kinds, min(3 * FEW, len(self.kinds)))
        few = sorted(some, key=lambda kind: (got_on or {}).get(kind, 0))[:FEW]
        return tuple(dict.fromkeys([*(type(turn.command) for turn in way), *few]))

    def _rehearse(
        self, opening: Opening, found: Collection[type], random: Random
    ) -> Iterator[tuple[type, tuple[Turn, ...]]]:
        """Go on from an opening at random; yield how each thing that is new was reached."""
        past = self.past(_not_drawn)
        lived = [*self.repeat(opening.turns, past)]
        slots = (random.randbytes(SLOT_BYTES) for _ in range(REHEARSED))
        for step in self.go_on(tuple(lived), slots, opening.kinds, past):
            lived.append(step)
            self._note(step)
            for goal in outcomes(step).difference(found):
                yield goal, tuple(Turn(step.command, step.act) for step in lived)
        self._luck, self.roles = dict(past.luck), past.roles

    def _shortened(self, goal: type, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Return these turns without those that the way to this goal does not need."""
        for turn in reversed(turns[:-1]):
            without = tuple(other for other in turns if other is not turn)
            *_, last = live(self.decider, without)
            turns = without if goal in outcomes(last) else turns
        return turns

    def _note(self, step: Step) -> None:
        """Note whether such a command got on in a state that looked like this.

        It is hopeless there if it would have got on some times by now, were the look no matter.
        """
        kind, got_on = type(step.command), bool(step.events)
        self._tried[kind] += 1
        self._got_on[kind] += got_on
        for seen in self._seen(step.before):
            tally = self._tally[*seen, kind]
            tally[0] += 1
            tally[1] += got_on
            expected = tally[0] * self._got_on[kind] / self._tried[kind]
            is_hopeless = not tally[1] and expected >= HOPELESS
            (set.add if is_hopeless else set.discard)(self._hopeless[seen], kind)


def looks(tp: type, depth: int = 2) -> list[Callable[[Any], Any]]:
    """Return what can be seen of a state of this type at a glance: what is there, and of what kind.

    Of a choice between literals that is the literal, of anything else whether there is any.
    """
    info = mi.type_info(tp)
    found: list[Callable[[Any], Any]] = []
    for field in info.fields if isinstance(info, mi.StructType) else ():
        get = attrgetter(field.name)
        match field.type:
            case mi.StructType(cls=cls) if depth:
                found += [partial(_through, get, look) for look in looks(cls, depth - 1)]
            case mi.LiteralType() | mi.EnumType() | mi.BoolType():
                found.append(get)
            case _:
                found.append(partial(_is_there, get))
    return found


def _through(get: Callable[[Any], Any], look: Callable[[Any], Any], state: Any) -> Any:  # noqa: ANN401 - any state
    return look(get(state))


def _is_there(get: Callable[[Any], Any], state: Any) -> bool:  # noqa: ANN401 - any state
    return bool(get(state))


def zone_of(decider: AnyDecider) -> tzinfo:
    """Return the business time zone of a decider that was given a policy, else UTC."""
    policy = getattr(decider.decide, "keywords", {}).get("policy")
    return zone_named(getattr(policy, "time_zone", "UTC"))


def _not_drawn(strategy: SearchStrategy[Any]) -> Any:  # noqa: ANN401 - any of them
    raise _NotDrawnError(strategy)


class _NotDrawnError(Exception):
    """A rehearsal draws nothing: the command that needs it is left out."""
