"""Bundles: made from a log, and checked without one."""

from collections.abc import Iterator, Sequence
from struct import error
from uuid import UUID

import msgspec
from msgspec.structs import replace

from crmcore.application.chain import GENESIS, leaves
from crmcore.application.evidence import FORMAT, Bundle, Evidence, Proven
from crmcore.application.merkle import Nodes, NotProved, inclusion_proof, proved_root
from crmcore.application.notes import Checkpoint, Key, unsigned
from crmcore.domain.recorded import Stream
from crmcore.infrastructure.rows import Row
from crmcore.infrastructure.signing import opened

BUNDLE_BYTES_MAX = 100_000_000


def bundle(customer: UUID, note: str, facts: Sequence[Evidence], nodes: Nodes) -> bytes:
    """Return the bundle of these facts of a customer; raise NotProved if one is not as signed."""
    checkpoint = unsigned(note)
    proved = [
        replace(fact, proof=inclusion_proof(fact.position - 1, checkpoint.size, nodes))
        for fact in facts
    ]
    made = Bundle(format=FORMAT, customer=customer, checkpoint=note, facts=tuple(proved))
    _require_proved(made, checkpoint)
    return _written(made)


def check(data: bytes, key: Key) -> Proven:
    """Return what a bundle proves to who trusts a public key; raise NotProved if it does not.

    Nothing in it may be altered, not even how it is written.
    """
    if len(data) > BUNDLE_BYTES_MAX:
        raise NotProved(f"a bundle has {BUNDLE_BYTES_MAX} bytes at most")
    try:
        found = msgspec.json.decode(data, type=Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotProved("this is no bundle such as `crmcore prove` makes") from None
    if _written(found) != data or not all(map(_in_utc, found.facts)):
        raise NotProved("the bundle is not written as `crmcore prove` writes it")
    checkpoint = opened(found.checkpoint, key)
    streams = _require_proved(found, checkpoint)
    return Proven(
        origin=checkpoint.origin,
        size=checkpoint.size,
        customer=found.customer,
        facts=len(found.facts),
        streams=streams,
    )


def _require_proved(found: Bundle, checkpoint: Checkpoint) -> tuple[Stream, ...]:
    """Return the streams of a bundle; raise NotProved unless all of it follows from the root."""
    theirs, position = set[Stream](), 0
    tips: dict[Stream, tuple[int, bytes]] = {}
    for fact, stream, row in _rows(found):
        if fact.position <= position:
            raise NotProved(f"position {fact.position} is not behind {position}")
        position = fact.position
        version, previous = tips.get(stream, (0, GENESIS))
        if fact.version != version + 1:
            raise NotProved(f"version {version + 1} of {stream} is missing")
        tips[stream] = fact.version, _digest(row, previous, position)
        [leaf] = leaves(fact.recorded_at, tips[stream][1])
        if proved_root(leaf, position - 1, checkpoint.size, fact.proof) != checkpoint.root:
            raise NotProved(f"the fact at position {position} is not the one that was signed")
        if fact.customer == found.customer:
            theirs.add(stream)
    if not tips or theirs != tips.keys():
        raise NotProved("there is nothing of the customer in it, or something of somebody else")
    return tuple(tips)


def _rows(found: Bundle) -> Iterator[tuple[Evidence, Stream, Row]]:
    """Yield each fact with its stream, and the row that its digest covers."""
    for fact in found.facts:
        said = {name: getattr(fact, name) for name in Row._fields}
        row = Row(**said | {"payload": fact.payload.encode()})
        yield fact, Stream(kind=fact.kind, id=fact.stream), row


def _digest(row: Row, previous: bytes, position: int) -> bytes:
    try:
        return row.linked(previous).digest
    except error:
        raise NotProved(f"nothing such can be stored at position {position}") from None


def _in_utc(fact: Evidence) -> bool:
    return not any(
        (fact.recorded_at.utcoffset(), fact.effective_at.utcoffset(), fact.written_at.utcoffset())
    )


def _written(made: Bundle) -> bytes:
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"
