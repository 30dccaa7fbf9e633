"""The tree is that of RFC 9162: its own definitions, written down once more, say the same."""

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from crmcore.application.merkle import (
    EMPTY,
    NotProved,
    Range,
    complete,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    proved_root,
    require_consistent,
    root,
)

SIZES = range(201)
LARGE = 100_000
ENTRIES = [str(number).encode() for number in range(LARGE)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
SEED = 9162
MUTATIONS = 10_000

sizes = st.integers(1, LARGE)


@cache
def nodes(level: int, number: int) -> bytes:
    return complete(LEAVES[number << level : (number + 1) << level])


# RFC 9162, section 2.1, line by line: D[begin:end] stands for a list of entries.


def power_below(n: int) -> int:
    """Return the largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


@cache
def mth(begin: int, end: int) -> bytes:
    n = end - begin
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + ENTRIES[begin]).digest()
    k = power_below(n)
    return sha256(b"\x01" + mth(begin, begin + k) + mth(begin + k, end)).digest()


def path(m: int, begin: int, end: int) -> list[bytes]:
    n = end - begin
    if n == 1:
        return []
    k = power_below(n)
    if m < k:
        return [*path(m, begin, begin + k), mth(begin + k, end)]
    return [*path(m - k, begin + k, end), mth(begin, begin + k)]


def subproof(m: int, begin: int, end: int, *, b: bool) -> list[bytes]:
    n = end - begin
    if m == n:
        return [] if b else [mth(begin, end)]
    k = power_below(n)
    if m <= k:
        return [*subproof(m, begin, begin + k, b=b), mth(begin + k, end)]
    return [*subproof(m - k, begin + k, end, b=False), mth(begin, begin + k)]


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def rfc_accepts_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes
) -> bool:
    """Verify as section 2.1.3.2 does."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root_hash


def rfc_accepts_consistency(
    first: int, second: int, first_hash: bytes, second_hash: bytes, proof: Sequence[bytes]
) -> bool:
    """Verify as section 2.1.4.2 does, which leaves two equal trees to who calls it."""
    if first == second:
        return not proof and first_hash == second_hash
    if not proof:
        return False
    rest = list(proof) if first & (first - 1) else [first_hash, *proof]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = rest[0]
    for c in rest[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == first_hash and sr == second_hash and sn == 0


def holds(check: Callable[[], object]) -> bool:
    try:
        check()
    except NotProved:
        return False
    return True


# The tree


def test_the_roots_of_all_small_trees_are_those_of_the_rfc_and_of_another_library() -> None:
    theirs, grown = InmemoryTree(), Range()
    for size in SIZES:
        assert root(size, nodes) == grown.root() == mth(0, size)
        if size:
            assert theirs.get_root() == mth(0, size)
        theirs.append_entry(ENTRIES[size])
        grown.append(LEAVES[size])
    assert root(0, nodes) == EMPTY


@given(size=sizes, more=st.integers(0, 300))
def test_a_tree_goes_on_from_the_subtrees_of_any_size(size: int, more: int) -> None:
    grown = Range(size, nodes)
    for leaf in LEAVES[size : size + more]:
        grown.append(leaf)
    assert grown.size == min(size + more, LARGE)
    assert grown.root() == root(grown.size, nodes) == mth(0, grown.size)


# One leaf


def test_all_inclusion_proofs_of_small_trees_are_those_of_the_rfc_and_of_another_library() -> None:
    theirs = InmemoryTree()
    for size in SIZES[1:]:
        theirs.append_entry(ENTRIES[size - 1])
        for index in range(size):
            proof = inclusion_proof(index, size, nodes)
            assert list(proof) == path(index, 0, size)
            assert proved_root(LEAVES[index], index, size, proof) == mth(0, size)
        middle = inclusion_proof(size // 2, size, nodes)
        assert list(middle) == theirs.prove_inclusion(size // 2 + 1).path[1:]


@given(data=st.data(), size=sizes)
def test_a_leaf_of_a_large_tree_is_proved(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, nodes)
    assert list(proof) == path(index, 0, size)
    assert proved_root(LEAVES[index], index, size, proof) == mth(0, size)


# Two sizes


def test_all_consistency_proofs_of_small_trees_are_those_of_the_rfc() -> None:
    for size in SIZES[1:]:
        for before in range(1, size + 1):
            proof = consistency_proof(before, size, nodes)
            assert list(proof) == subproof(before, 0, size, b=True)
            require_consistent(before, size, mth(0, before), mth(0, size), proof)


@given(data=st.data(), size=sizes)
def test_a_large_tree_begins_with_any_smaller_one(data: st.DataObject, size: int) -> None:
    before = data.draw(st.integers(1, size))
    proof = consistency_proof(before, size, nodes)
    assert list(proof) == subproof(before, 0, size, b=True)
    require_consistent(before, size, mth(0, before), mth(0, size), proof)


# What is no proof


def mutated(chance: Random, proof: Sequence[bytes]) -> list[bytes]:
    """Return a proof with one bit, one hash, or its length altered."""
    other = list(proof)
    what = chance.randrange(4) if other else 3
    place = chance.randrange(len(other) or 1)
    if what == 0:
        bit = 1 << chance.randrange(256)
        other[place] = (int.from_bytes(other[place], "big") ^ bit).to_bytes(32, "big")
    elif what == 1:
        del other[place]
    elif what == 2:
        other[place] = LEAVES[chance.randrange(LARGE)]
    else:
        other.insert(place, LEAVES[chance.randrange(LARGE)])
    return other


def test_no_mutated_proof_of_a_leaf_is_accepted() -> None:
    chance, agreed = Random(SEED), 0  # noqa: S311 - to repeat
    for _ in range(MUTATIONS):
        size = chance.randrange(1, 2_000)
        index = chance.randrange(size)
        proof: Sequence[bytes] = inclusion_proof(index, size, nodes)
        leaf, said, of = LEAVES[index], index, size
        match chance.randrange(4):
            case 0:
                said = chance.choice([i for i in (index - 1, index + 1, size) if i >= 0])
            case 1:
                leaf = LEAVES[(index + 1) % LARGE]
            case _:
                proof = mutated(chance, proof)
        assert not holds(lambda: require_root(leaf, said, of, proof, mth(0, of)))  # noqa: B023 - at once
        agreed += not rfc_accepts_inclusion(leaf, said, of, proof, mth(0, of))
    assert agreed == MUTATIONS


def require_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes], wanted: bytes) -> None:
    if proved_root(leaf, index, size, proof) != wanted:
        raise NotProved("another root")


def test_no_mutated_proof_of_two_sizes_is_accepted() -> None:
    chance, agreed = Random(SEED), 0  # noqa: S311 - to repeat
    for _ in range(MUTATIONS):
        size = chance.randrange(1, 2_000)
        before = chance.randrange(1, size + 1)
        proof: Sequence[bytes] = consistency_proof(before, size, nodes)
        first, second = mth(0, before), mth(0, size)
        if chance.randrange(4) == 0:
            first, second = chance.choice([(first, mth(0, size + 1)), (second[::-1], second)])
        else:
            proof = mutated(chance, proof)
        assert not holds(lambda: require_consistent(before, size, first, second, proof))  # noqa: B023 - at once
        agreed += not rfc_accepts_consistency(before, size, first, second, proof)
    assert agreed == MUTATIONS


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_that_is_not_there_is_not_proved(index: int, size: int) -> None:
    with pytest.raises(NotProved, match=f"there is no leaf {index} among {size}"):
        proved_root(LEAVES[0], index, size, ())


@pytest.mark.parametrize(("before", "size"), [(0, 3), (4, 3)])
def test_nothing_is_consistent_with_no_leaves_or_with_fewer(before: int, size: int) -> None:
    with pytest.raises(NotProved, match=f"{size} leaves do not begin with {before}"):
        require_consistent(before, size, EMPTY, mth(0, size), ())
