"""Many facts and commands as one parameter each: arrays of rows in their binary form.

psycopg would write every value by itself, and the server read every column as an array of its own.
"""

from collections.abc import Sequence
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_ARRAY = Struct("!iiiii").pack  # dimensions, has nulls, type of elements, length, lower bound
_LENGTH = Struct("!i").pack
_TYPES = "SELECT 'crm.fact'::regtype::oid, 'crm.command'::regtype::oid"


class Facts:
    """A parameter for `%s::crm.fact[]`, given as records."""

    __slots__ = ("records",)

    def __init__(self, records: Sequence[bytes]) -> None:
        self.records = records


class Commands(Facts):
    """A parameter for `%s::crm.command[]`, given as records."""

    __slots__ = ()


def register(connection: "Connection[Any]") -> None:
    """Teach a connection to send these arrays: each database has its own ids for their types."""
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class ArrayDumper(Dumper):
        format = Format.BINARY
        element: int

        def dump(self, obj: Facts) -> bytes:
            records = obj.records
            header = _ARRAY(1, 0, self.element, len(records), 1)
            sized = chain.from_iterable((_LENGTH(len(record)), record) for record in records)
            return b"".join((header, *sized))

    [types] = connection.execute(_TYPES).fetchall()
    for cls, oid in zip((Facts, Commands), types, strict=True):
        dumper = type(f"{cls.__name__}Dumper", (ArrayDumper,), {"element": oid})
        connection.adapters.register_dumper(cls, dumper)
