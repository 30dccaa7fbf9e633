"""A Merkle tree over hashes in order, as RFC 9162 (section 2.1) defines it.

Whoever keeps the root of so many leaves can be shown by a few hashes that one of them is in its
place, and that a larger tree begins with them.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from crmcore.domain.value import CRMError

EMPTY = sha256().digest()
"""The root of no leaves."""

Nodes: TypeAlias = Callable[[int, int], bytes]
"""Gives the hash of a complete subtree: of 2**level leaves, by its number among those, from 0."""

TILE_LEVELS = 8
TILE = 1 << TILE_LEVELS
"""What is kept of a tree: complete subtrees of so many leaves, of so many of those, and so on."""


class NotProved(CRMError):
    """A checkpoint, a signature or a proof does not show what it is said to show."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the leaf of an entry."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees side by side."""
    return sha256(b"\1" + left + right).digest()


class Range:
    """The complete subtrees that the first so many leaves consist of: all it takes to go on."""

    def __init__(self, size: int = 0, nodes: Nodes | None = None) -> None:
        assert nodes is not None or not size
        self.size = size
        self._hashes = [nodes(*part) for part in _parts(0, size)] if nodes else []

    def append(self, leaf: bytes) -> list[bytes]:
        """Add a leaf; return the complete subtrees that it is the last of, the smallest first."""
        completed, size = [leaf], self.size
        while size & 1:
            completed.append(node_hash(self._hashes.pop(), completed[-1]))
            size >>= 1
        self._hashes.append(completed[-1])
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root of the leaves so far."""
        return _joined(self._hashes)


def complete(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over subtrees of one size, as many of them as some power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def root(size: int, nodes: Nodes) -> bytes:
    """Return the root of the first so many leaves."""
    return _hash(0, size, nodes)


def inclusion_proof(index: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Return the proof that a leaf, counted from 0, is in its place among so many."""
    assert 0 <= index < size
    steps, _ = _way(index + 1, size, whole=False)
    return tuple(_hash(step.begin, step.end, nodes) for step in steps)


def consistency_proof(before: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Return the proof that so many leaves begin with so many of before."""
    assert 0 < before <= size
    steps, begin = _way(before, size, whole=True)
    first = [_hash(begin, before, nodes)] if begin else []
    return (*first, *(_hash(step.begin, step.end, nodes) for step in steps))


def proved_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root of so many leaves, given one of them and its proof; raise NotProved."""
    if not 0 <= index < size:
        raise NotProved(f"there is no leaf {index} among {size}")
    steps, _ = _way(index + 1, size, whole=False)
    if len(steps) != len(proof):
        raise NotProved(f"a proof of {len(proof)} hashes is none of leaf {index} among {size}")
    found = leaf
    for step, beside in zip(steps, proof, strict=True):
        found = node_hash(beside, found) if step.is_left else node_hash(found, beside)
    return found


def require_consistent(
    before: int, size: int, root_before: bytes, root_after: bytes, proof: Sequence[bytes]
) -> None:
    """Raise NotProved unless a proof shows that the tree of one root begins with the other's."""
    if not 0 < before <= size:
        raise NotProved(f"{size} leaves do not begin with {before}")
    steps, begin = _way(before, size, whole=True)
    first, rest = (proof[:1], proof[1:]) if begin else ([root_before], proof)
    if not first or len(rest) != len(steps):
        raise NotProved(f"a proof of {len(proof)} hashes is none of {before} among {size}")
    smaller = larger = first[0]
    for step, beside in zip(steps, rest, strict=True):
        if step.is_left:
            smaller, larger = node_hash(beside, smaller), node_hash(beside, larger)
        else:
            larger = node_hash(larger, beside)
    if (smaller, larger) != (root_before, root_after):
        raise NotProved(f"the first {before} of {size} leaves are others")


class _Step(NamedTuple):
    """What lies beside the way through the tree: on which side, and which leaves it is over."""

    is_left: bool
    begin: int
    end: int


def _way(last: int, size: int, *, whole: bool) -> tuple[list[_Step], int]:
    """Return the way up from the last of so many leaves, or from the whole subtree it closes.

    And where that subtree begins.
    """
    begin, end, steps = 0, size, list[_Step]()
    while end - begin > 1 and not (whole and end == last):
        middle = begin + (1 << (end - begin - 1).bit_length() - 1)
        if last <= middle:
            steps.append(_Step(is_left=False, begin=middle, end=end))
            end = middle
        else:
            steps.append(_Step(is_left=True, begin=begin, end=middle))
            begin = middle
    return steps[::-1], begin


def _parts(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield level and number of the complete subtrees that a subtree consists of."""
    for level in reversed(range((end - begin).bit_length())):
        if (end - begin) >> level & 1:
            number = begin >> level
            yield level, number
            begin = (number + 1) << level


def _hash(begin: int, end: int, nodes: Nodes) -> bytes:
    """Return the hash of the subtree over these leaves."""
    return _joined([nodes(*part) for part in _parts(begin, end)])


def _joined(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over complete subtrees, the largest first."""
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes)) if hashes else EMPTY
