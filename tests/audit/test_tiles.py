"""Tile addresses and entry bundles as C2SP tlog-tiles writes them (C10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.audit.merkle import complete_root, leaf_hash
from quilate.audit.tiles import (
    GrowingTree,
    TilePlace,
    decode_bundle,
    encode_bundle,
    hash_in,
    parse_place,
    width_at,
)


def test_addresses_are_those_of_the_specification() -> None:
    assert TilePlace(number=1234067).path() == "x001/x234/067"
    assert TilePlace(number=0, width=17).path() == "000.p/17"
    assert TilePlace(number=999).path() == "999"
    assert TilePlace(number=1000).path() == "x001/000"


@given(number=st.integers(0, 10**15), width=st.integers(1, 256))
def test_every_address_leads_back_to_its_tile(number: int, width: int) -> None:
    place = TilePlace(number=number, width=width)

    assert parse_place(place.path()) == place


@pytest.mark.parametrize(
    "path",
    ["", "0", "00", "x000/000", "000.p/0", "000.p/256", "000.p/257", "000.p/01", "000/", "x01/000", "../etc", "000.p"],
)
def test_another_spelling_names_no_tile(path: str) -> None:
    with pytest.raises(ValueError, match="no tile"):
        parse_place(path)


def test_a_tree_of_70000_has_the_tiles_of_the_specifications_example() -> None:
    tree = GrowingTree()
    tiles = tree.append([leaf_hash(b"%d" % number) for number in range(70_000)])

    assert {level: sum(1 for each, _ in tiles if each == level) for level in range(3)} == {0: 274, 1: 2, 2: 1}
    assert (len(tiles[0, 273]), len(tiles[1, 1]), len(tiles[2, 0])) == (112 * 32, 17 * 32, 32)
    assert [width_at(level, number, 70_000) for level, number in ((0, 0), (0, 273), (0, 274), (1, 1), (2, 0))] == [
        256,
        112,
        0,
        17,
        1,
    ]
    assert complete_root(tiles[0, 5]) == tiles[1, 0][5 * 32 : 6 * 32] == hash_in(tiles[1, 0], (8, 5))
    with pytest.raises(ValueError, match="cut short"):
        hash_in(tiles[0, 273], (7, 546))


@given(leaves=st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_holds_its_entries(leaves: list[bytes]) -> None:
    bundle = encode_bundle(leaves)

    assert decode_bundle(bundle) == leaves
    if bundle:
        with pytest.raises(ValueError, match="ends within"):
            decode_bundle(bundle + b"\x00")
