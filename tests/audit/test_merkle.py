"""The Merkle tree against RFC 6962's own recursive definition and known vectors (C10)."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.audit.merkle import (
    EMPTY_ROOT,
    Range,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    nodes_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from quilate.audit.tiles import GrowingTree, fetch_hashes, tiles_for

# The test data of Certificate Transparency's reference implementation, which RFC 6962's authors published.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSION_OF_0_IN_8 = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)
CONSISTENCY_OF_6_AND_8 = (
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
)


def naive_root(leaves: list[bytes]) -> bytes:
    """Return ``MTH`` as section 2.1 of RFC 6962 writes it down."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return ``PATH`` of section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_proof(first: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """Return ``SUBPROOF`` of section 2.1.2."""
    if first == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if first <= split:
        return [*naive_proof(first, leaves[:split], whole=whole), naive_root(leaves[split:])]
    return [*naive_proof(first - split, leaves[split:], whole=False), naive_root(leaves[:split])]


def leaves_of(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


def hashes_of_ranges(ranges: list[Range], leaves: list[bytes]) -> list[bytes]:
    return [naive_root(leaves[start:end]) for start, end in ranges]


def test_known_roots_and_proofs() -> None:
    for size, root in enumerate(ROOTS, start=1):
        assert root_of(list(map(leaf_hash, LEAVES[:size]))).hex() == root
    assert root_of([]) == EMPTY_ROOT
    inclusion = hashes_of_ranges(inclusion_ranges(0, 8), LEAVES)
    assert [each.hex() for each in inclusion] == list(INCLUSION_OF_0_IN_8)
    consistency = hashes_of_ranges(consistency_ranges(6, 8), LEAVES)
    assert [each.hex() for each in consistency] == list(CONSISTENCY_OF_6_AND_8)


@given(size=st.integers(1, 200), data=st.data())
def test_an_inclusion_proof_is_the_rfcs_and_holds_for_its_entry_only(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    root = naive_root(leaves)
    proof = hashes_of_ranges(inclusion_ranges(index, size), leaves)

    assert proof == naive_path(index, leaves)
    assert verify_inclusion(index, size, leaf_hash(leaves[index]), proof, root)
    assert not verify_inclusion(index, size, leaf_hash(b"another"), proof, root)
    assert not verify_inclusion(index, size, leaf_hash(leaves[index]), [*proof, root], root)
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert not verify_inclusion(other, size, leaf_hash(leaves[index]), proof, root)
    if proof:
        assert not verify_inclusion(index, size, leaf_hash(leaves[index]), proof[:-1], root)
        at = data.draw(st.integers(0, len(proof) - 1))
        forged = [*proof[:at], sha256(proof[at]).digest(), *proof[at + 1 :]]
        assert not verify_inclusion(index, size, leaf_hash(leaves[index]), forged, root)


@given(second=st.integers(0, 200), data=st.data())
def test_a_consistency_proof_is_the_rfcs_and_holds_for_its_trees_only(second: int, data: st.DataObject) -> None:
    leaves = leaves_of(second)
    first = data.draw(st.integers(0, second))
    older, newer = naive_root(leaves[:first]), naive_root(leaves)
    proof = hashes_of_ranges(consistency_ranges(first, second), leaves)

    assert proof == (naive_proof(first, leaves) if first else [])
    assert verify_consistency(first, older, second, newer, proof)
    rewritten = naive_root([b"changed", *leaves[1:first]]) if first else b"\0" * 32
    assert not verify_consistency(first, rewritten, second, newer, proof)
    assert not verify_consistency(first, older, second, newer, [*proof, newer])
    if 0 < first < second:
        changed = naive_root([b"changed", *leaves[1:]])
        assert not verify_consistency(first, older, second, changed, proof)
        assert not verify_consistency(first, older, second, newer, proof[:-1])
        assert not verify_consistency(second, newer, first, older, proof)


@given(
    index=st.integers(-5, 2**64),
    size=st.integers(-5, 2**64),
    proof=st.lists(st.binary(min_size=0, max_size=40), max_size=8),
)
def test_no_proof_from_a_stranger_is_accepted_or_crashes(index: int, size: int, proof: list[bytes]) -> None:
    root = sha256(b"some root").digest()
    assert not verify_inclusion(index, size, leaf_hash(b"x"), proof, root)
    assert not verify_consistency(index, root, size, sha256(b"other root").digest(), proof)


@given(batches=st.lists(st.integers(1, 700), min_size=1, max_size=6))
@pytest.mark.asyncio
async def test_a_growing_tree_has_the_same_root_and_proofs_from_its_tiles(batches: list[int]) -> None:
    leaves: list[bytes] = []
    tree = GrowingTree()
    tiles: dict[tuple[int, int], bytes] = {}
    for batch in batches:
        added = [b"entry %d" % number for number in range(len(leaves), len(leaves) + batch)]
        tiles |= tree.copy().append(list(map(leaf_hash, added)))
        tree.append(list(map(leaf_hash, added)))
        leaves += added
        assert tree.root() == root_of(list(map(leaf_hash, leaves)))
    size = len(leaves)
    again = GrowingTree(size, [tiles.get(place, b"") for place in GrowingTree.edge_places(size)])
    assert again.root() == tree.root()

    async def fetch(places: set[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        return {place: tiles[place] for place in places}

    for first in {1, size // 3, size - 1} - {0}:
        proof = await fetch_hashes(consistency_ranges(first, size), fetch)
        older = root_of(list(map(leaf_hash, leaves[:first])))
        assert verify_consistency(first, older, size, tree.root(), proof)
        inclusion = await fetch_hashes(inclusion_ranges(first - 1, size), fetch)
        assert verify_inclusion(first - 1, size, leaf_hash(leaves[first - 1]), inclusion, tree.root())
        assert len(tiles_for(inclusion_ranges(first - 1, size))) <= 4


def test_what_cannot_be_proved_is_an_error() -> None:
    for wrong in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="no entry"):
            inclusion_ranges(*wrong)
    with pytest.raises(ValueError, match="does not begin"):
        consistency_ranges(4, 3)
    assert nodes_of((0, 7)) == [(2, 0), (1, 2), (0, 6)]
    with pytest.raises(ValueError, match="edge"):
        GrowingTree(3, [b"short"])
