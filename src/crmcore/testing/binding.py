"""What a command's fields are filled with: what there is already, and what comes close to it.

A field takes what a field of the same name held in the facts so far, or something fresh; a type
that calls it otherwise says so: `Annotated[str, Meta(extra={"ref": "order"})]`. All choices come
from a few bytes, and a byte of zero is the simplest choice: so what fails becomes simple when the
bytes do.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from hypothesis.strategies import SearchStrategy
from msgspec import inspect as mi
from msgspec.structs import astuple

from crmcore.domain.value import Rejection
from crmcore.testing.deriving import SAMPLES, Overrides, fits, integer_bounds, of
from crmcore.testing.instants import Edge

NUMBERS = (1, 2, 3, 5, 7, 10, 20, 37, 99, 100, 101, 250, 999, 1_000, 5_000, 12_345, 0, -1)
PARTS = ((1, 0), (1, 0), (1, -1), (1, 1), (2, 0), (10, 0))  # of a number, and one more or less
DAYS = (0, 1, 7, 30, 365, -1, -30)
BACK = (0, 0, 0, 0, 1, 1, 2, 3)  # how many names ago
REMEMBERED = 8
ITEMS = 3
NAME_LENGTH = 200

Option = TypeVar("Option")


class Dice:
    """Choices that a few bytes make, the simplest ones when there are none left."""

    def __init__(self, thrown: bytes) -> None:
        self._left = iter(thrown)

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of these, the first of which is the simplest."""
        return options[next(self._left, 0) % len(options)]


class Past:
    """What can be referred to: what occurred, by the names of fields, and the time.

    `luck` says, for the fields of each kind of command, whether it got on with what is known (less
    than 0) or with something fresh. `draw` draws from a strategy.
    """

    def __init__(
        self,
        now: datetime,
        zone: tzinfo,
        luck: Mapping[tuple[type, str], int],
        draw: Callable[[SearchStrategy[Any]], Any],
        roles: frozenset[str] = frozenset(),
    ) -> None:
        self.now = now
        self.draw = draw
        self.luck = defaultdict(int, luck)
        self.seen: dict[str, list[Any]] = defaultdict(list)
        self.roles = roles
        self._zone = zone
        self._fresh = 0
        self._kind: type = type(None)
        self._used: list[tuple[str, bool, Any]] = []

    def pass_time(self, gap: timedelta | Edge) -> datetime:
        """Let time pass: by so much, or up to where something may change."""
        if isinstance(gap, Edge):
            self.now = gap.after(self.now, self._zone, self.seen["instants"])
        else:
            self.now += gap
        return self.now

    def begin(self, kind: type) -> None:
        """Go on to a command of this kind."""
        self._kind, self._used = kind, []

    def prefers_known(self, name: str) -> bool:
        """Tell whether commands of this kind get on better with what is known."""
        return self.luck[self._kind, name] <= 0

    def gives(self, name: str, wanted: bool | None) -> bool:
        """Tell whether a field that may be left out is given."""
        given = self.luck[self._kind, f"{name}?"] < 0 if wanted is None else wanted
        if self.seen[subject(name)]:  # where there is nothing to refer to, it tells nothing
            self._used.append((f"{name}?", given, self))
        return given

    def known(self, name: str, back: int) -> Any:  # noqa: ANN401 - of the field
        """Return what was called so, so many back."""
        seen = self.seen[name]
        self._used.append((name, True, value := seen[-1 - back % len(seen)]))
        return value

    def fresh(self, name: str, make: Callable[[int], Any]) -> Any:  # noqa: ANN401 - of the field
        """Return what was not used."""
        self._fresh += 1
        self._used.append((name, False, value := make(self._fresh)))
        return value

    def take_in(self, events: Sequence[Any], rejection: Rejection | None) -> None:
        """Learn from what came of the last command."""
        for event in events:
            self.learn(event)
        if rejection is not None:
            self.learn_why_not(rejection)
        blamed = () if rejection is None else astuple(rejection)
        for name, known, value in self._used:
            if events or value in blamed:
                self.luck[self._kind, name] += -1 if known == bool(events) else 1

    def learn(self, event: Any) -> None:  # noqa: ANN401 - any value
        """Remember what an event holds, by the names of its fields."""
        for name in event.__struct_fields__:
            self._see(subject(name), getattr(event, name))

    def learn_why_not(self, rejection: Rejection) -> None:
        """Remember what a rejection lists, for that is what there is, and the role it asks for."""
        for name in rejection.__struct_fields__:
            value = getattr(rejection, name)
            if isinstance(value, tuple):
                self._see(subject(name), value)
            if name == "role" and isinstance(value, str):
                self.roles = self.roles | {value}

    def _see(self, name: str, value: Any) -> None:  # noqa: ANN401 - any value
        match value:
            case bool() | None:
                pass
            case int() | str() | UUID():
                self._keep(name, value)
            case msgspec.Struct():
                self.learn(value)
            case tuple() | list() | frozenset():
                for item in value:
                    self._see(name, item)
            case datetime():
                self._keep("instants", value)
            case date():
                self._keep("instants", datetime.combine(value, time(), self._zone))
            case _:
                pass

    def _keep(self, name: str, value: Any) -> None:  # noqa: ANN401 - any value
        seen = self.seen[name]
        if value in seen:
            seen.remove(value)
        seen.append(value)
        del seen[:-REMEMBERED]


Maker: TypeAlias = Callable[[Dice, Past], Any]


def subject(name: str) -> str:
    """Return what a field is about: its last word, as one of many.

    >>> subject("to_stage"), subject("stages"), subject("redemption")
    ('stage', 'stage', 'redemption')
    """
    return name.rpartition("_")[2].removesuffix("s")


def maker(info: mi.Type, name: str, overrides: Overrides) -> Maker:
    """Return what fills a field of this type and name."""
    own = getattr(info, "cls", None)
    for key in (name, own):
        if key is not None and key in overrides:
            override = overrides[key]
            if isinstance(override, SearchStrategy):
                return _drawn(override)
            return _sampled(override)
    match info:
        case mi.Metadata():
            return maker(info.type, (info.extra or {}).get("ref", name), overrides)
        case mi.StrType():
            return _texts(info, subject(name), overrides)
        case mi.UUIDType():
            return _references(subject(name), lambda number: UUID(int=number))
        case mi.IntType():
            return _numbers(info, subject(name), overrides)
        case mi.DateTimeType() | mi.DateType():
            return _instants(is_day=isinstance(info, mi.DateType))
        case mi.LiteralType():
            return _sampled(info.values)
        case mi.EnumType():
            return _sampled(tuple(info.cls))
        case mi.BoolType():
            return _sampled((False, True))
        case mi.NoneType():
            return _sampled((None,))
        case mi.UnionType():
            none_first = sorted(info.types, key=lambda one: not isinstance(one, mi.NoneType))
            return _one_of([maker(one, name, overrides) for one in none_first])
        case mi.VarTupleType() | mi.ListType():
            return _items(info, maker(info.item_type, name, overrides))
        case mi.StructType():
            return _struct(info, overrides)
        case _:
            return _drawn(of(info, overrides))


def _drawn(strategy: SearchStrategy[Any]) -> Maker:
    return lambda _, past: past.draw(strategy)


def _sampled(options: Sequence[Any]) -> Maker:
    return lambda dice, _: dice.pick(options)


def _one_of(makers: Sequence[Maker]) -> Maker:
    return lambda dice, past: dice.pick(makers)(dice, past)


def _references(name: str, fresh: Callable[[int], Any]) -> Maker:
    """Refer mostly to what fits: commands of this kind get on with it."""
    ways = [*((None, back) for back in BACK), (True, 0), (True, 1), (False, 0), (None, 0)]

    def make(dice: Dice, past: Past) -> Any:  # noqa: ANN401 - of the field
        is_known, back = dice.pick(ways)
        if past.seen[name] and (past.prefers_known(name) if is_known is None else is_known):
            return past.known(name, back)
        return past.fresh(name, fresh)

    return make


def _texts(info: mi.StrType, name: str, overrides: Overrides) -> Maker:
    """Return numbered names where the type allows these, or else samples; and seldom any text."""
    wild = _drawn(of(info, overrides))
    word = name.replace("_", "-")[:20] or "text"
    if 0 < (info.max_length or 0) <= NAME_LENGTH and fits(info, f"{word}-999999"):
        return _one_of([*[_references(name, lambda number: f"{word}-{number}")] * 15, wild])
    samples = [sample for sample in (*SAMPLES, "", " ") if fits(info, sample)]

    def known(dice: Dice, past: Past) -> Any:  # noqa: ANN401 - of the field
        return past.known(name, dice.pick(BACK)) if past.seen[name] else samples[0]

    if not samples:
        return wild
    return _one_of([*[known] * 12, *[_sampled(samples)] * 3, wild])


def _numbers(info: mi.IntType, name: str, overrides: Overrides) -> Maker:
    """Return small and round numbers, those that occurred, those next to them, and the bounds."""
    low, high = integer_bounds(info)
    if info.multiple_of:
        return _drawn(of(info, overrides))
    plain = [number for number in NUMBERS if low <= number <= high] or [low]

    def near(dice: Dice, past: Past) -> int:
        seen, (part, more) = past.seen[name] or plain, dice.pick(PARTS)
        return max(low, min(high, seen[-1 - dice.pick((0, 1, 2)) % len(seen)] // part + more))

    drawn = _drawn(of(info, overrides))
    return _one_of([*[_sampled(plain)] * 8, *[near] * 6, _sampled((low, high)), drawn])


def _instants(*, is_day: bool) -> Maker:
    def make(dice: Dice, past: Past) -> date:
        at = past.now + timedelta(dice.pick(DAYS))
        return at.date() if is_day else at

    return make


def _items(info: Any, item: Maker) -> Maker:  # noqa: ANN401 - a list or a tuple
    least = info.min_length or 0
    most = least + ITEMS if info.max_length is None else min(info.max_length, least + ITEMS)
    sizes, kind = range(least, most + 1), list if isinstance(info, mi.ListType) else tuple
    return lambda dice, past: kind(item(dice, past) for _ in range(dice.pick(sizes)))


def _given(field: mi.Field) -> mi.Type:
    """Return what a field is where it is given: not None, where that is to leave it out."""
    match field:
        case mi.Field(type=mi.UnionType(types=types), default=None):
            return mi.UnionType(tuple(one for one in types if not isinstance(one, mi.NoneType)))
        case _:
            return field.type


def _struct(info: mi.StructType, overrides: Overrides) -> Maker:
    """Fill what has no default, and sometimes the rest: mostly where that gets on."""
    cls = info.cls
    parts = [(f.name, f.required, maker(_given(f), f.name, overrides)) for f in info.fields]

    def make(dice: Dice, past: Past) -> Any:  # noqa: ANN401 - of its type
        return cls(
            **{
                name: part(dice, past)
                for name, required, part in parts
                if required or past.gives(name, dice.pick((False, None, True)))
            }
        )

    return make
