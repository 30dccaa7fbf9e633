"""What makes an alteration show: the digest of each fact, and the hash of each seal.

Both are SHA-256 (FIPS 180-4) over a MessagePack array in its shortest form, so that any language
can check them: text as UTF-8, ids as their 16 bytes, instants as MessagePack's own timestamps.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

DIGEST_BYTES = 32
GENESIS = bytes(DIGEST_BYTES)
"""What stands before the first fact of a stream, and before the first seal."""

_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode


def fact_digest(previous: bytes, stored: Sequence[Any]) -> bytes:
    """Return the digest of a fact: of the one before it in its stream, and of all that is stored.

    `stored` are the columns in the order of `infrastructure.rows.Row`.
    """
    return sha256(_encode((previous, *stored))).digest()


def seal_hash(
    previous: bytes,
    first: int,
    sealed_at: datetime,
    batches: Iterable[tuple[datetime, bytes]],
) -> bytes:
    """Return the hash of a seal: of the one before it, and of what it puts in order.

    That is batches of facts, each with its recorded time and its digests one behind the other;
    `first` is the position of the first fact, `sealed_at` when the seal was made.
    """
    return sha256(_encode((previous, first, sealed_at, list(batches)))).digest()
