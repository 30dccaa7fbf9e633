"""Policies at random: a rule that holds must hold under each of them, and not under ours alone."""

from collections.abc import Mapping
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import NODEFAULT, Struct
from msgspec import inspect as mi
from msgspec.structs import replace

from crmcore.testing.deriving import integer_bounds, of

Policy = TypeVar("Policy", bound=Struct)

# Half an hour put on, a day left out, clocks that change at midnight, quarters of an hour.
ZONES = (
    "UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe",
    "Pacific/Apia", "America/Havana", "Asia/Kathmandu",
)  # fmt: skip
ZONE = "time_zone"
NEAR = 3  # times what a number is by default
SMALL = 12

# Of two numbers the first is no more than the second (crmcore.policies.checked).
ORDERED = (("a_percent", "b_percent"), ("b_score", "a_score"))


def policies(
    tp: type[Policy], *, overrides: Mapping[str, SearchStrategy[Any]] | None = None
) -> SearchStrategy[Policy]:
    """Return a strategy for policies of a type: within the bounds of its fields, and consistent.

    `overrides` are strategies for some fields, by their names, however deep these lie. Numbers are
    mostly near those by default, time zones are real, and that of the whole holds for its parts.
    """
    return _policies(mi.type_info(tp), dict(overrides or {}))


def _policies(info: Any, overrides: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[Any]:  # noqa: ANN401 - a struct
    """Keep a field as it is, or change it: so the simplest policies are those by default."""
    names = {field.name for field in info.fields}
    drawn: dict[str, SearchStrategy[Any]] = {}
    for field in info.fields:
        if field.name in overrides:
            drawn[field.name] = overrides[field.name]
        elif isinstance(field.type, mi.StructType):
            drawn[field.name] = _part(field.type, overrides, has_zone=ZONE in names)
        else:
            as_it_is = st.nothing() if field.required else st.just(_default(field))
            drawn[field.name] = as_it_is | _field(field)
    return st.fixed_dictionaries(drawn).map(
        lambda fields: _consistent(info.cls(**fields), overrides)
    )


def _part(
    info: mi.StructType, overrides: Mapping[str, SearchStrategy[Any]], *, has_zone: bool
) -> SearchStrategy[Any]:
    own = next((field for field in info.fields if field.name == ZONE), None)
    if has_zone and own is not None and not own.required:
        overrides = {ZONE: st.just(own.default), **overrides}
    return _policies(info, overrides)


def _field(field: mi.Field) -> SearchStrategy[Any]:
    info = field.type.type if isinstance(field.type, mi.Metadata) else field.type
    if field.name == ZONE:
        return st.sampled_from(ZONES)
    if not isinstance(info, mi.IntType) or info.multiple_of:
        return of(field.type, {})
    low, high = integer_bounds(info)
    usual = SMALL if field.default is NODEFAULT else max(SMALL, NEAR * field.default)
    return st.integers(low, max(low, min(high, usual))) | st.integers(low, high)


def _with_own_names(pipeline: Any) -> Any:  # noqa: ANN401 - a pipeline
    stages = {stage.name: stage for stage in pipeline.stages}
    return replace(pipeline, stages=tuple(stages.values()))


def _default(field: mi.Field) -> Any:  # noqa: ANN401 - of any field
    return field.default_factory() if field.default is NODEFAULT else field.default


def _consistent(policy: Any, overrides: Mapping[str, object]) -> Any:  # noqa: ANN401 - of its type
    """Return a policy whose pairs of numbers are in order, by one that nobody fixed.

    Pipelines, and the stages of each, have names of their own.
    """
    if hasattr(policy, "pipelines") and "pipelines" not in overrides:
        own = {pipeline.label: _with_own_names(pipeline) for pipeline in policy.pipelines}
        policy = replace(policy, pipelines=tuple(own.values()))
    for low, high in ORDERED:
        if hasattr(policy, low) and hasattr(policy, high):
            least, most = getattr(policy, low), getattr(policy, high)
            fixed_high = high in overrides and low not in overrides
            policy = (
                replace(policy, **{low: min(least, most)})
                if fixed_high
                else replace(policy, **{high: max(least, most)})
            )
    return policy
