"""PostgreSQL arrays in their binary form: whole columns of facts as parameters.

psycopg writes lists too, as text and one value at a time; here a value that repeats in its column
is written once, and the server has no text to parse.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from psycopg import Connection

Encode: TypeAlias = Callable[[Any], bytes]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HEADER = Struct("!iiiii").pack  # dimensions, has nulls, type of elements, length, lower bound
_LENGTH = Struct("!i").pack
_INT2, _INT4, _INT8 = Struct("!ih").pack, Struct("!ii").pack, Struct("!iq").pack
_NULL = _LENGTH(-1)


class Type(NamedTuple):
    """A type of elements, its object id and that of its arrays (pg_type.dat), and its writer.

    `repeats` says that a column has few values, so that each is written once.
    """

    name: str
    oid: int
    array_oid: int
    encode: Encode
    repeats: bool


def _sized(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


def _uuid(value: UUID | None) -> bytes:
    return _NULL if value is None else b"\x00\x00\x00\x10" + value.bytes


def _instant(value: datetime) -> bytes:
    return _INT8(8, (value - _EPOCH) // _MICROSECOND)


TEXT = Type("text", 25, 1009, lambda value: _sized(value.encode()), repeats=True)
BYTEA = Type("bytea", 17, 1001, _sized, repeats=False)
UUID_ = Type("uuid", 2950, 2951, _uuid, repeats=False)
SMALLINT = Type("smallint", 21, 1005, lambda value: _INT2(2, value), repeats=True)
INTEGER = Type("integer", 23, 1007, lambda value: _INT4(4, value), repeats=True)
TIMESTAMPTZ = Type("timestamptz", 1184, 1185, _instant, repeats=True)
TYPES = (TEXT, BYTEA, UUID_, SMALLINT, INTEGER, TIMESTAMPTZ)


class _Array:
    """An array in its binary form; each type has a class of its own, by which psycopg knows it."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


_CLASSES = {kind: type(f"_{kind.name}_array", (_Array,), {"__slots__": ()}) for kind in TYPES}


def array(kind: Type, values: Sequence[Any]) -> object:
    """Return a parameter for `%s::kind[]`; only among ids there may be None, which is NULL."""
    if kind.repeats:
        written = {value: kind.encode(value) for value in set(values)}
        elements = [written[value] for value in values]
    else:
        elements = [kind.encode(value) for value in values]
    data = _HEADER(1, 1, kind.oid, len(values), 1) + b"".join(elements)
    array: object = _CLASSES[kind](data)
    return array


def register(connection: "Connection[Any]") -> None:
    """Teach a connection to send these arrays."""
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class ArrayDumper(Dumper):
        format = Format.BINARY

        def dump(self, obj: _Array) -> bytes:
            return obj.data

    for kind, cls in _CLASSES.items():
        dumper = type(f"{kind.name}Dumper", (ArrayDumper,), {"oid": kind.array_oid})
        connection.adapters.register_dumper(cls, dumper)
