"""Who plays the commands of a decider: what fills them, what is offered when, what came of it.

What never got on in states of some look is seldom tried there again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta, tzinfo
from enum import Enum
from functools import lru_cache, partial
from itertools import repeat
from operator import attrgetter
from re import findall
from typing import Any, TypeAlias, TypedDict, Unpack
from uuid import UUID

from hypothesis.strategies import SearchStrategy
from msgspec import inspect as mi
from msgspec.structs import fields

from crmcore.domain.act import Act
from crmcore.domain.calendar import zone as zone_named
from crmcore.testing.binding import Dice, Maker, Past, maker, subject
from crmcore.testing.deriving import Overrides
from crmcore.testing.instants import KINDS, Edge
from crmcore.testing.living import kinds, outcomes, policy_of, take
from crmcore.testing.steps import ACTORS, START, AnyDecider, Step, Turn

CLOCK: Sequence[timedelta] = (
    timedelta(0), timedelta(seconds=1), timedelta(hours=5), timedelta(days=1), timedelta(days=9),
    timedelta(days=31), timedelta(days=170), timedelta(days=366),
)  # fmt: skip
AT_ONCE = 32  # how much more often the shortest time passes
SLOT_BYTES = 16
EMPTY = 64  # a slot whose first byte is less is empty: one of four
LEFT_OUT, MADE_ANEW = 4, 16  # likewise of a way's turns: one of 64, three of 64
AS_IT_WAS = b"\xff"
COMERS = [(by, has_roles) for has_roles in (True, True, True, False) for by in ACTORS]
HOPEFUL = [True] * 7 + [False]  # what may get on, and now and then anything
AGAIN = [True, False]  # what was refused is tried again, a little otherwise
HOPELESS = 3  # times that it would have got on elsewhere
CHANCE = 0.003  # or less: that it got on elsewhere only

Look: TypeAlias = tuple[int, bool | int | str | None]
"""What is seen of a state in one place: the number of the place, and what is there."""


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


class Learned:
    """When commands get on, as far as it was tried.

    luck: For the fields of each kind, whether it got on with what is known; see `Past`.
    roles: What rejections ask for.
    words: What each kind is about: the words of its name and fields, of the facts that it leads
        to, and of what refuses it; so what is missing, or in the way, leads to where it is told.
    hopeless: What seldom gets on in states of some look.
    """

    def __init__(self, kinds_of: Iterable[type], roles: Collection[str]) -> None:
        self.luck: Mapping[tuple[type, str], int] = {}
        self.roles = frozenset(roles)
        self.words = {kind: set(words_of(kind)) for kind in kinds_of}
        self.hopeless: dict[Look, set[type]] = defaultdict(set)
        self.tried: Counter[type] = Counter()
        self.got_on: Counter[type] = Counter()
        self._looked: dict[type, Counter[Look]] = defaultdict(Counter)
        self._welcome: dict[type, set[Look]] = defaultdict(set)

    def note(self, step: Step, seen: Sequence[Look]) -> None:
        """Note whether such a command got on in a state that looked like this.

        It is hopeless there if it would have got on some times by now, were the look no matter.
        """
        kind, got_on = type(step.command), bool(step.events)
        for said in outcomes(step):
            self.words[kind] |= words_of(said)
        self.tried[kind] += 1
        self.got_on[kind] += got_on
        tried, welcome = self._looked[kind], self._welcome[kind]
        blamed = [one for one in seen if kind in self.hopeless[one]]
        if got_on:
            tried.update(seen)
            welcome.update(seen)
            for one in blamed:
                self.hopeless[one].discard(kind)
            return
        share = self.got_on[kind] / self.tried[kind]
        # What is hopeless anyway tells nothing of the other looks.
        tried.update(told := blamed or seen)
        for one in told:
            is_hopeless = one not in welcome and tried[one] * share >= HOPELESS
            (set.add if is_hopeless else set.discard)(self.hopeless[one], kind)

    def settle(self) -> None:
        """Take for hopeless whatever got on elsewhere only, if that is not likely to be chance.

        Sooner it would keep the search from what is refused seldom.
        """
        for kind, tried in self._looked.items():
            for one in tried.keys() - self._welcome[kind]:
                elsewhere = 1 - tried[one] / self.tried[kind]
                if elsewhere ** self.got_on[kind] <= CHANCE:
                    self.hopeless[one].add(kind)


class Player:
    """The commands of a decider, what fills them, and when they get on."""

    def __init__(self, decider: AnyDecider, **drawn: Unpack[Drawn]) -> None:
        self.decider, self.drawn = decider, drawn
        self.weights = drawn.get("weights", {})
        self.kinds = tuple(k for k in kinds(decider.commands) if self.weights.get(k, 1))
        overrides, clock = drawn.get("overrides", {}), drawn.get("clock", CLOCK)
        self.makers: dict[type, Maker] = {
            kind: maker(mi.type_info(kind), "", overrides) for kind in self.kinds
        }
        self.zone = drawn.get("zone") or zone_of(decider)
        self.known = drawn.get("known", {})
        self.learned = Learned(self.kinds, drawn.get("roles", ()))
        edges = [Edge(kind, moments) for kind in KINDS for moments in (0, -1, 1)]
        self.gaps: list[timedelta | Edge] = [*repeat(min(clock), AT_ONCE), *clock, *edges]
        self._looks = looks(type(decider.initial))
        self._glance: tuple[Any, list[Look]] = (self, [])

    def past(self, draw: Callable[[SearchStrategy[Any]], Any]) -> Past:
        """Return where a history begins."""
        past = Past(START, self.zone, self.learned.luck, draw, self.learned.roles)
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
        looked = (self.learned.hopeless.get(seen, ()) for seen in self.seen(state))
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

    def seen(self, state: Any) -> list[Look]:  # noqa: ANN401 - the decider's
        """Return what a state looks like; that of the last one is remembered."""
        if self._glance[0] is not state:
            self._glance = (state, [(n, look(state)) for n, look in enumerate(self._looks)])
        return self._glance[1]


@lru_cache(maxsize=1_024)
def words_of(kind: type) -> frozenset[str]:
    """Return the words of a type's name and fields: `OrderClosed` is about an order."""
    named = findall(r"[A-Z][a-z]+", kind.__name__)
    return frozenset((*map(str.lower, named), *(subject(field.name) for field in fields(kind))))


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
            case mi.LiteralType() | mi.BoolType():
                found.append(get)
            case mi.EnumType():
                found.append(partial(_name_of, get))
            case _:
                found.append(partial(_is_there, get))
    return found


def _is_there(get: Callable[[Any], Any], state: Any) -> bool:  # noqa: ANN401 - any state
    return bool(get(state))


def _name_of(get: Callable[[Any], Enum], state: Any) -> str:  # noqa: ANN401 - any state
    return get(state).name


def zone_of(decider: AnyDecider) -> tzinfo:
    """Return the business time zone of a decider that was given a policy, else UTC."""
    return zone_named(getattr(policy_of(decider), "time_zone", "UTC"))


def not_drawn(strategy: SearchStrategy[Any]) -> Any:  # noqa: ANN401 - any of them
    """Draw nothing: who goes on without Hypothesis leaves out what needs it."""
    raise _NotDrawnError(strategy)


class _NotDrawnError(Exception):
    """A rehearsal draws nothing: the command that needs it is left out."""
