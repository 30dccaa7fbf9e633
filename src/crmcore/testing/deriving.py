"""Values of the types that msgspec knows, within every bound that the type states.

Hypothesis' own `from_type` reads annotations and not msgspec's `Meta`: it makes negative points,
instants without a zone, and texts that nothing stored may hold.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import inspect as mi

Overrides: TypeAlias = Mapping[Any, SearchStrategy[Any] | Sequence[Any]]
"""What some types are made by, in place of what is derived: a strategy, or one of some values."""

# To explain a failure every line that runs is traced: minutes where finding it takes seconds.
PHASES = [phase for phase in Phase if phase is not Phase.explain]

# What PostgreSQL and JSON can hold.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
SAMPLES = ("a", "b", "a-1", "b-2", "USD", "EUR", "CN", "UTC", "Ann", "a remark")
TEXT_LENGTH = 20
ITEMS = 4
INT64 = 2**63
DECIMAL_MAX = 10**12
FIRST, LAST = datetime(1990, 1, 1), datetime(2090, 1, 1)  # noqa: DTZ001 - the zone is given


def values(tp: Any, *, overrides: Overrides | None = None) -> SearchStrategy[Any]:  # noqa: ANN401 - a union is no class
    """Return a strategy for the values of a type: every one of them can be encoded and decoded.

    Raises TypeError for a type that says too little, such as Any: name one in `overrides` then.
    A type that holds itself in a field without a default needs one too.

    >>> from typing import Annotated
    >>> from hypothesis import find
    >>> from msgspec import Meta
    >>> find(values(Annotated[int, Meta(ge=3, le=9)]), lambda n: n > 4)
    5
    """
    known = dict(overrides or {})
    return chosen(known[tp]) if _is_key(tp, known) else of(mi.type_info(tp), known)


def _is_key(tp: object, known: Mapping[Any, object]) -> bool:
    try:
        return tp in known
    except TypeError:  # not hashable
        return False


def of(info: mi.Type, overrides: Overrides) -> SearchStrategy[Any]:
    """Return a strategy for a type as msgspec describes it."""
    make = _MAKERS.get(type(info))
    if make is None:
        raise TypeError(f"no strategy for {info!r}: name one in `overrides`")
    return make(info, overrides)


def chosen(override: SearchStrategy[Any] | Sequence[Any]) -> SearchStrategy[Any]:
    """Return an override as a strategy."""
    return override if isinstance(override, SearchStrategy) else st.sampled_from(override)


def integer_bounds(info: mi.IntType) -> tuple[int, int]:
    """Return the least and the greatest value."""
    low = info.ge if info.ge is not None else -INT64 if info.gt is None else info.gt + 1
    high = info.le if info.le is not None else INT64 - 1 if info.lt is None else info.lt - 1
    return int(low), int(high)


def fits(info: mi.StrType, value: str) -> bool:
    """Tell whether a text is within the bounds of its type."""
    return (
        len(value) >= (info.min_length or 0)
        and (info.max_length is None or len(value) <= info.max_length)
        and (info.pattern is None or re.search(info.pattern, value) is not None)
    )


def _integers(info: mi.IntType, _: Overrides) -> SearchStrategy[int]:
    low, high = integer_bounds(info)
    if step := info.multiple_of:
        return st.integers(-(-low // step), high // step).map(lambda n: int(n * step))
    return st.integers(low, high)


def _floats(info: mi.FloatType, _: Overrides) -> SearchStrategy[float]:
    return st.floats(
        min_value=info.ge if info.ge is not None else info.gt,
        max_value=info.le if info.le is not None else info.lt,
        exclude_min=info.gt is not None,
        exclude_max=info.lt is not None,
        allow_nan=False,
        allow_infinity=False,
    )


def _texts(info: mi.StrType, _: Overrides) -> SearchStrategy[str]:
    if info.pattern is None:
        longest = TEXT_LENGTH + (info.min_length or 0)
        return st.text(
            CHARACTERS,
            min_size=info.min_length or 0,
            max_size=longest if info.max_length is None else min(info.max_length, longest),
        )
    wild = st.from_regex(info.pattern).filter(lambda value: fits(info, value))
    plain = [sample for sample in SAMPLES if fits(info, sample)]
    return st.sampled_from(plain) | wild if plain else wild


def _sizes(info: Any) -> dict[str, Any]:  # noqa: ANN401 - any type with a length
    least = info.min_length or 0
    most = least + ITEMS if info.max_length is None else min(info.max_length, least + ITEMS)
    return {"min_size": least, "max_size": most}


def _instants(info: mi.DateTimeType, _: Overrides) -> SearchStrategy[datetime]:
    if info.tz is False:
        return st.datetimes(FIRST, LAST)
    return st.datetimes(FIRST, LAST, timezones=st.just(UTC))


def _structs(info: Any, overrides: Overrides) -> SearchStrategy[Any]:  # noqa: ANN401 - a struct or a dataclass
    if info.cls in overrides:
        return chosen(overrides[info.cls])
    required = {f.name: of(f.type, overrides) for f in info.fields if f.required}
    optional = {
        f.name: st.deferred(lambda f=f: of(f.type, overrides))  # type: ignore[misc]
        for f in info.fields
        if not f.required
    }
    make: Callable[..., Any] = info.cls
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: make(**given))


def _metadata(info: mi.Metadata, overrides: Overrides) -> SearchStrategy[Any]:
    return of(info.type, overrides)


_MAKERS: Mapping[type, Callable[[Any, Overrides], SearchStrategy[Any]]] = {
    mi.Metadata: _metadata,
    mi.NoneType: lambda _, __: st.none(),
    mi.BoolType: lambda _, __: st.booleans(),
    mi.IntType: _integers,
    mi.FloatType: _floats,
    mi.StrType: _texts,
    mi.BytesType: lambda info, _: st.binary(**_sizes(info)),
    mi.DateTimeType: _instants,
    mi.DateType: lambda _, __: st.dates(FIRST.date(), LAST.date()),
    mi.TimeType: lambda info, _: st.times(timezones=st.just(UTC)) if info.tz else st.times(),
    mi.TimeDeltaType: lambda _, __: st.timedeltas(timedelta(-36_500), timedelta(36_500)),
    mi.UUIDType: lambda _, __: st.uuids(),
    mi.DecimalType: lambda _, __: st.decimals(-DECIMAL_MAX, DECIMAL_MAX, places=4),
    mi.EnumType: lambda info, _: st.sampled_from(info.cls),
    mi.LiteralType: lambda info, _: st.sampled_from(info.values),
    mi.UnionType: lambda info, o: st.one_of(*(of(one, o) for one in info.types)),
    mi.ListType: lambda info, o: st.lists(of(info.item_type, o), **_sizes(info)),
    mi.SetType: lambda info, o: st.sets(of(info.item_type, o), **_sizes(info)),
    mi.FrozenSetType: lambda info, o: st.frozensets(of(info.item_type, o), **_sizes(info)),
    mi.VarTupleType: lambda info, o: st.lists(of(info.item_type, o), **_sizes(info)).map(tuple),
    mi.TupleType: lambda info, o: st.tuples(*(of(one, o) for one in info.item_types)),
    mi.DictType: lambda info, o: st.dictionaries(
        of(info.key_type, o), of(info.value_type, o), **_sizes(info)
    ),
    mi.StructType: _structs,
    mi.DataclassType: _structs,
    mi.NamedTupleType: _structs,
    mi.TypedDictType: _structs,
}
