"""What gets on with what: found out once for a decider, by trying.

Of many kinds of commands a history has few of each, and hardly ever those that belong together, at
the right time. So ways to all that a decider declares are looked for first: each way that was found
is where the search goes on (Ecoffet et al., First return, then explore, Nature 590, 2021). And what
never got on in states of some look is seldom tried there again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta, tzinfo
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from itertools import chain, repeat
from operator import attrgetter
from random import Random
from re import findall
from typing import Any, TypeAlias, TypedDict, Unpack
from uuid import UUID

from hypothesis.strategies import SearchStrategy
from msgspec import inspect as mi
from msgspec.structs import fields

from crmcore.domain.act import Act
from crmcore.domain.calendar import zone as zone_named
from crmcore.domain.value import Rejection
from crmcore.testing.binding import Dice, Maker, Past, maker, subject
from crmcore.testing.deriving import Overrides
from crmcore.testing.instants import KINDS, Edge
from crmcore.testing.living import declared, kinds, live, outcomes, policy_of, take
from crmcore.testing.steps import ACTORS, START, AnyDecider, Step, Turn

CLOCK: Sequence[timedelta] = (
    timedelta(0), timedelta(seconds=1), timedelta(hours=5), timedelta(days=1), timedelta(days=9),
    timedelta(days=31), timedelta(days=170), timedelta(days=366),
)  # fmt: skip
AT_ONCE = 32  # how much more often the shortest time passes
SLOT_BYTES = 16
EMPTY = 64  # a slot whose first byte is less is empty: one of four
LEFT_OUT, MADE_ANEW = 8, 32  # likewise of a way's turns: one of 32, three of 32
AS_IT_WAS = b"\xff"
COMERS = [(by, has_roles) for has_roles in (True, True, True, False) for by in ACTORS]
HOPEFUL = [True] * 7 + [False]  # what may get on, and now and then anything
AGAIN = [True, False]  # what was refused is tried again, a little otherwise
HOPELESS = 4  # times that it would have got on elsewhere
FEW = 5  # kinds of commands that come along
REHEARSED, ENOUGH, PATIENCE, LATE = 16, 100, 40, 6


Goal: TypeAlias = tuple[type, type]
"""What occurs, behind the kind of command that it comes of: a refusal is a step on the way, too."""


class Drawn(TypedDict, total=False):
    """How histories are made; each of it may be left out.

    overrides: What fills the fields of a name, or of a type: one of some values, the simplest
        first, or a strategy.
    weights: How many times as often as others a kind of command comes; 0 leaves it out.
    clock: How much time may pass between two commands, beside the time up to an instant at which
        something may change.
    zone: Where days, months and years end and clocks change; else where the decider's policy says.
    roles: What those who act may be, beside what rejections ask for.
    known: What can be referred to from the start, by the names of fields, such as customers.
    """

    overrides: Overrides
    weights: Mapping[type, int]
    clock: Sequence[timedelta]
    zone: tzinfo
    roles: Collection[str]
    known: Mapping[str, Sequence[Any]]


def cast_of(decider: AnyDecider, **drawn: Unpack[Drawn]) -> "Cast":
    """Return who plays a decider: the one who has rehearsed, where the arguments are hashable."""
    try:
        return _remembered(decider, tuple(drawn.items()))
    except TypeError:
        return Cast(decider, **drawn)


@lru_cache(maxsize=32)
def _remembered(decider: AnyDecider, drawn: tuple[tuple[str, Any], ...]) -> "Cast":
    return Cast(decider, **dict(drawn))


class Cast:
    """The commands of a decider, what fills them, and when they get on."""

    def __init__(self, decider: AnyDecider, **drawn: Unpack[Drawn]) -> None:
        self.decider = decider
        self.weights = drawn.get("weights", {})
        self.kinds = tuple(k for k in kinds(decider.commands) if self.weights.get(k, 1))
        overrides, clock = drawn.get("overrides", {}), drawn.get("clock", CLOCK)
        self.makers: dict[type, Maker] = {
            kind: maker(mi.type_info(kind), "", overrides) for kind in self.kinds
        }
        self.zone = drawn.get("zone") or zone_of(decider)
        self.roles = frozenset(drawn.get("roles", ()))
        self.known = drawn.get("known", {})
        edges = [Edge(kind, moments) for kind in KINDS for moments in (0, -1, 1)]
        self.gaps: list[timedelta | Edge] = [*repeat(min(clock), AT_ONCE), *clock, *edges]
        self._looks = looks(type(decider.initial))
        self._glance: tuple[Any, list[tuple[int, Any]]] = (self, [])
        self._luck: Mapping[tuple[type, str], int] = {}
        self._tally: dict[tuple[int, Any, type], list[int]] = defaultdict(lambda: [0, 0])
        self._hopeless: dict[tuple[int, Any], set[type]] = defaultdict(set)
        self._words = {
            kind: {subject(field.name) for field in fields(kind)} | _name_words(kind)
            for kind in self.kinds
        }
        self._tried: Counter[type] = Counter()
        self._got_on: Counter[type] = Counter()

    @cached_property
    def openings(self) -> list[tuple[Turn, ...]]:
        """What histories begin with: nothing, or a way to something; the longer the more often."""
        ways = [way for way in dict.fromkeys(self.ways.values()) for _ in range(len(way) ** 2)]
        return [*(() for _ in ways[::2]), *ways]

    def company(self, way: tuple[Turn, ...], number: int) -> tuple[type, ...]:
        """Return the kinds of commands that come behind an opening: others for another number."""
        random = Random(number)  # noqa: S311 - the same for a number
        if way:
            return self._few(way, random)
        first = {type(way[0].command) for way in self.ways.values() if len(way) == 1}
        some = {*random.sample(self.kinds, min(3 * FEW, len(self.kinds))), *first}
        return tuple(kind for kind in self.kinds if kind in some)

    @cached_property
    def ways(self) -> Mapping[type, tuple[Turn, ...]]:
        """Ways to all that the decider declares, as far as they were found."""
        random = Random(0)  # noqa: S311 - the same every time
        found: dict[Goal, tuple[Turn, ...]] = {}
        wanted, in_vain = set(declared(self.decider)), 0
        gone_on = Counter[Goal]()
        patience = PATIENCE * len(self.kinds)
        while in_vain < (ENOUGH if wanted <= {what for _, what in found} else patience):
            in_vain += 1
            stuck = [goal for goal in found if not self._got_on[goal[0]]]
            # Behind a refusal it is as it was before: what happened is worth going on from.
            happened = [goal for goal in found if not issubclass(goal[1], Rejection)]
            seldom = sorted(happened, key=lambda goal: Fraction(gone_on[goal], len(found[goal])))[
                :1
            ]
            ahead = random.choice([seldom, seldom, list(found)[-LATE:], stuck])
            goal = random.choice(ahead) if ahead else None
            if goal:
                gone_on[goal] += 1
            way = found[goal] if goal else ()
            few = self._few(way, random, self._got_on)
            missing = sorted(wanted - {what for _, what in found}, key=lambda what: what.__name__)
            sought = random.choice(missing or self.kinds)
            aimed = self._aimed(sought, way) if missing else self.kinds
            near = self._siblings(random.choice([sought, random.choice(self.kinds)]), way)
            near = near if len(self.kinds) > 3 * FEW else self.kinds  # few belong together
            among = random.choice([near, few, aimed, self._remedies(goal) if goal else self.kinds])
            for goal, turns in self._rehearse(way, among, found, random):
                in_vain = in_vain if goal[1] in {what for _, what in found} else 0
                found[goal] = self._shortened(goal, turns)
        return {what: way for (_, what), way in reversed(found.items())}

    def past(self, draw: Callable[[SearchStrategy[Any]], Any]) -> Past:
        """Return where a history begins."""
        past = Past(START, self.zone, self._luck, draw, self.roles)
        past.seen |= {name: list(values) for name, values in self.known.items()}
        return past

    def repeat(
        self, turns: Iterable[Turn], past: Past, slots: Iterable[bytes] = repeat(AS_IT_WAS)
    ) -> Iterator[Step]:
        """Yield what comes of these turns, each as it was, made anew by its slot, or left out."""
        state = self.decider.initial
        for (command, act), slot in zip(turns, slots, strict=False):
            past.pass_time(act.effective_at - past.now)
            if slot[0] < LEFT_OUT:
                continue
            past.begin(type(command))
            step = take(self.decider, state, command, act)
            if slot[0] < MADE_ANEW:
                with suppress(_NotDrawnError):
                    number = act.command_id.int
                    step = self._step(type(command), Dice(slot[1:]), state, past, number)
            past.take_in(step.events, step.rejected)
            state = step.after
            yield step

    def go_on(
        self, lived: Sequence[Step], slots: Iterable[bytes], wanted: Sequence[type], past: Past
    ) -> Iterator[Step]:
        """Yield what comes of the slots, one after the other; in an empty one time passes."""
        state = lived[-1].after if lived else self.decider.initial
        number = lived[-1].act.command_id.int if lived else 0
        refused: type | None = None
        for slot in slots:
            dice = Dice(slot[1:])
            past.pass_time(dice.pick(self.gaps))
            if slot[0] < EMPTY:
                continue
            number += 1
            offered = self._offered(wanted, state) if dice.pick(HOPEFUL) else self.often(wanted)
            if refused in offered and dice.pick(AGAIN):
                offered = [refused]
            try:
                step = self._step(offered[slot[0] % len(offered)], dice, state, past, number)
            except _NotDrawnError:
                continue
            past.take_in(step.events, step.rejected)
            state, refused = step.after, type(step.command) if step.rejected else None
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
        """Return what a state looks like; that of the last one is remembered."""
        if self._glance[0] is not state:
            self._glance = (state, [(n, look(state)) for n, look in enumerate(self._looks)])
        return self._glance[1]

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

    def _aimed(self, what: type, way: tuple[Turn, ...]) -> tuple[type, ...]:
        """Return the kinds that share a word with what is missing, and those of a way."""
        words = {subject(field.name) for field in fields(what)} | _name_words(what)
        about = [kind for kind in self.kinds if words & self._words[kind]]
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
        words = {subject(field.name) for field in fields(what)} | _name_words(what)
        others = [other for other in self.kinds if other is not kind]
        about = [[one for one in others if word in self._words[one]] for word in sorted(words)]
        rare = [some for some in about if len(some) <= FEW]
        return tuple(dict.fromkeys([kind, *chain.from_iterable(rare)]))

    def _about(self, kind: type) -> list[type]:
        """Return the kinds that share a word with this one which few others have.

        The words of a kind are those of its name and fields, of the facts that it leads to, and of
        what refuses it: so what is missing, or in the way, leads to where it is told.
        """
        shared = Counter(word for words in self._words.values() for word in words)
        rare = {word for word in self._words[kind] if shared[word] <= FEW}
        return [other for other in self.kinds if other is not kind and rare & self._words[other]]

    def _rehearse(
        self,
        way: tuple[Turn, ...],
        among: Sequence[type],
        found: Collection[Goal],
        random: Random,
    ) -> Iterator[tuple[Goal, tuple[Turn, ...]]]:
        """Go on from a way at random; yield how each thing that is new was reached."""
        past = self.past(not_drawn)
        lived = [*self.repeat(way, past)]
        slots = (random.randbytes(SLOT_BYTES) for _ in range(REHEARSED))
        for step in self.go_on(tuple(lived), slots, among, past):
            lived.append(step)
            self._note(step)
            for goal in _goals(step):
                if goal in found:
                    continue
                yield goal, tuple(Turn(step.command, step.act) for step in lived)
        self._luck, self.roles = dict(past.luck), past.roles

    def _shortened(self, goal: Goal, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Return these turns without those that the way to this goal does not need."""
        for turn in reversed(turns[:-1]):
            without = tuple(other for other in turns if other is not turn)
            *_, last = live(self.decider, without)
            turns = without if goal in _goals(last) else turns
        return turns

    def _note(self, step: Step) -> None:
        """Note whether such a command got on in a state that looked like this.

        It is hopeless there if it would have got on some times by now, were the look no matter.
        """
        kind, got_on = type(step.command), bool(step.events)
        for said in (*step.events, *([step.rejected] if step.rejected else [])):
            self._words[kind].update(map(subject, said.__struct_fields__), _name_words(type(said)))
        self._tried[kind] += 1
        self._got_on[kind] += got_on
        seen = self._seen(step.before)
        blamed = [one for one in seen if kind in self._hopeless[one]]
        # What is hopeless anyway tells nothing of the other looks.
        for one in seen if got_on or not blamed else blamed:
            tally = self._tally[*one, kind]
            tally[0] += 1
            tally[1] += got_on
            expected = tally[0] * self._got_on[kind] / self._tried[kind]
            is_hopeless = not tally[1] and expected >= HOPELESS
            (set.add if is_hopeless else set.discard)(self._hopeless[one], kind)


def _name_words(kind: type) -> set[str]:
    """Return the words of a type's name: `InvestigationDue` is about an investigation."""
    return {word.lower() for word in findall(r"[A-Z][a-z]+", kind.__name__)}


def _goals(step: Step) -> list[Goal]:
    return [(type(step.command), what) for what in outcomes(step)]


def looks(tp: type, path: str = "", depth: int = 2) -> list[Callable[[Any], Any]]:
    """Return what can be seen of a state of this type at a glance: what is there, and of what kind.

    Of a choice between literals that is the literal, of anything else whether there is any.
    """
    info = mi.type_info(tp)
    found: list[Callable[[Any], Any]] = []
    for field in info.fields if isinstance(info, mi.StructType) else ():
        get = attrgetter(path + field.name)
        match field.type:
            case mi.StructType(cls=cls) if depth:
                found += looks(cls, f"{path}{field.name}.", depth - 1)
            case mi.LiteralType() | mi.EnumType() | mi.BoolType():
                found.append(get)
            case _:
                found.append(partial(_is_there, get))
    return found


def _is_there(get: Callable[[Any], Any], state: Any) -> bool:  # noqa: ANN401 - any state
    return bool(get(state))


def zone_of(decider: AnyDecider) -> tzinfo:
    """Return the business time zone of a decider that was given a policy, else UTC."""
    return zone_named(getattr(policy_of(decider), "time_zone", "UTC"))


def not_drawn(strategy: SearchStrategy[Any]) -> Any:  # noqa: ANN401 - any of them
    """Draw nothing: who goes on without Hypothesis leaves out what needs it."""
    raise _NotDrawnError(strategy)


class _NotDrawnError(Exception):
    """A rehearsal draws nothing: the command that needs it is left out."""
