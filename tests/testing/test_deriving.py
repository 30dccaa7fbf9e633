"""Values that are made of a type are within its bounds, and can be stored."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal, NamedTuple, NotRequired, TypedDict, get_args
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from crmcore.domain import customer, loyalty, opportunity, ticket
from crmcore.testing import values


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Struct, frozen=True):
    size: Annotated[int, Meta(gt=0, lt=10)]


class Place(NamedTuple):
    x: int
    y: int = 0


class Sizes(TypedDict):
    width: int
    height: NotRequired[int]


class Zoo(Struct, frozen=True, kw_only=True):
    """One field of each kind, with the bounds that msgspec knows for it."""

    few: Annotated[int, Meta(ge=3, le=5)]
    even: Annotated[int, Meta(ge=-7, le=7, multiple_of=2)]
    share: Annotated[float, Meta(gt=0, le=1)]
    code: Annotated[str, Meta(pattern=r"^[A-Z]{2}\d\Z")]
    word: Annotated[str, Meta(min_length=2, max_length=4)]
    blob: Annotated[bytes, Meta(min_length=1, max_length=3)]
    at: Annotated[datetime, Meta(tz=True)]
    local: Annotated[datetime, Meta(tz=False)]
    day: date
    clock: time
    span: timedelta
    id: UUID
    price: Decimal
    colour: Colour
    side: Literal["left", "right"]
    flag: bool
    nothing: None
    either: int | str
    inner: Inner
    several: Annotated[tuple[Inner, ...], Meta(min_length=1, max_length=2)]
    pair: tuple[int, str]
    listed: list[int]
    unique: frozenset[str]
    mutable: set[int]
    named: dict[str, int]
    place: Place
    sizes: Sizes
    left_out: int = 7


@given(values(Zoo))
def test_every_value_is_one_that_msgspec_reads(zoo: Zoo) -> None:
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(zoo), type=Zoo) == zoo


@pytest.mark.parametrize(
    "union",
    [
        union
        for module in (customer, loyalty, opportunity, ticket)
        for union in (module.Command, module.Event)
    ],
)
def test_our_own_types_are_made_within_their_bounds(union: object) -> None:
    kinds = get_args(union)

    @given(values(union))
    def stored(value: object) -> None:
        assert type(value) in kinds
        assert msgspec.json.decode(msgspec.json.encode(value), type=union) == value

    stored()


@given(st.from_type(customer.Register))
def test_hypothesis_makes_our_types_itself(command: customer.Register) -> None:
    assert msgspec.json.decode(msgspec.json.encode(command), type=customer.Register) == command


def test_a_strategy_is_named_by_its_type() -> None:
    made = values(Inner, overrides={Inner: st.just(Inner(size=4))})

    @given(made)
    def only(value: Inner) -> None:
        assert value.size == 4

    only()


def test_a_type_that_msgspec_does_not_know_is_named() -> None:
    with pytest.raises(TypeError, match="name one in `overrides`"):
        values(object)
