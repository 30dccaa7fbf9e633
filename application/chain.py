"""What makes an alteration show: digests of facts, hashes of seals, and the leaves of the tree.

Both are SHA-256 (FIPS 180-4) over rows in PostgreSQL's binary form, so that plain SQL can check
them too: docs/how-to/verify-with-sql.md.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from struct import Struct

from crmcore.application.binary import BIGINT, BYTEA, TIMESTAMPTZ, column, microseconds, record
from crmcore.application.merkle import leaf_hash

DIGEST_BYTES = 32
GENESIS = bytes(DIGEST_BYTES)
"""What stands before the first fact of a stream, and before the first seal."""

_int8 = Struct("!q").pack


def fact_digest(previous: bytes, stored: bytes) -> bytes:
    """Return the digest of a fact: of the one before it in its stream, and of all that is stored.

    `stored` is the row of `infrastructure.rows.Row` in its binary form.
    """
    return sha256(previous + stored).digest()


def seal_hash(
    previous: bytes,
    first: int,
    sealed_at: datetime,
    batches: Iterable[tuple[datetime, bytes]],
) -> bytes:
    """Return the hash of a seal: of the one before it, and of what it puts in order.

    That is a row of the position of its first fact and the instant when the seal was made, and for
    each batch a row of its recorded time and of the digests of its facts one behind the other.
    """
    found = sha256(previous + record(2, column(BIGINT, _int8(first)), _instant(sealed_at)))
    for recorded_at, digests in batches:
        found.update(record(2, _instant(recorded_at), column(BYTEA, digests)))
    return found.digest()


def leaves(recorded_at: datetime, digests: bytes) -> list[bytes]:
    """Return the leaves of the facts of a batch in the tree over the order (RFC 9162).

    An entry is a row of a recorded time and a digest; its place is that of the fact.
    """
    start = record(2, _instant(recorded_at), column(BYTEA, GENESIS))[:-DIGEST_BYTES]
    return [
        leaf_hash(start + digests[at : at + DIGEST_BYTES])
        for at in range(0, len(digests), DIGEST_BYTES)
    ]


def _instant(value: datetime) -> bytes:
    return column(TIMESTAMPTZ, _int8(microseconds(value)))
