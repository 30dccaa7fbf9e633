"""Rows in PostgreSQL's binary form: what digests cover, and what is sent to be stored.

It is the form of its function record_send: the number of columns, then of each the object id of its
type (pg_type.dat), its length and its value; NULL has the length -1 and no value. So that SQL alone
can check a digest, and any language can that has SHA-256.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from uuid import UUID

BYTEA, BIGINT, SMALLINT, INTEGER, TEXT, TIMESTAMPTZ, UUID_ = 17, 20, 21, 23, 25, 1184, 2950

WORDS_MAX = 4_096

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_COUNT = Struct("!i").pack
_HEADER = Struct("!ii").pack


def record(columns: int, *values: bytes) -> bytes:
    """Return a row of so many columns."""
    return b"".join((_COUNT(columns), *values))


def column(type_: int, value: bytes | None) -> bytes:
    """Return a column, given its value in the binary form of its type."""
    return _HEADER(type_, -1) if value is None else _HEADER(type_, len(value)) + value


def text(value: str) -> bytes:
    """Return a column of text."""
    return column(TEXT, value.encode())


word = lru_cache(WORDS_MAX)(text)
"""The same for text that comes again and again."""


def identity(value: UUID | None) -> bytes:
    """Return a column of an id."""
    return column(UUID_, None if value is None else value.bytes)


def microseconds(value: datetime) -> int:
    """Return the value of an instant: microseconds since the year 2000."""
    return (value - _EPOCH) // _MICROSECOND
