"""Tiles: how the tree is kept and served. A tile holds up to 256 hashes of one height, eight levels of the tree.

Source: C2SP tlog-tiles (paths, hash tiles, entry bundles).
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from quilate.audit.merkle import HASH_BYTES, Node, Range, complete_root, nodes_of, range_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES
LARGEST_LEAF = 0xFFFF
"""Bytes of an entry at most: bundles write its length with 16 bits."""

_INDEX = re.compile(r"((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")

Coordinate = tuple[int, int]
"""Level of a tile and its number within the level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePlace:
    """Which tile: its number within the level and its width, 256 unless it is partial."""

    number: int
    width: int = WIDTH

    def path(self) -> str:
        """Return the last part of its address: ``x001/x234/067`` or ``000.p/17``."""
        groups = f"{self.number:03d}"
        groups = groups.zfill(-(-len(groups) // 3) * 3)
        parts = [groups[at : at + 3] for at in range(0, len(groups), 3)]
        name = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        return name if self.width == WIDTH else f"{name}.p/{self.width}"


def parse_place(path: str) -> TilePlace:
    """Return the tile that the last part of an address names.

    Raises:
        ValueError: It names none, or not in the one spelling that it has.
    """
    matched = _INDEX.fullmatch(path)
    if matched is None:
        raise ValueError("no tile has this address")
    number = int(matched[1].replace("x", "").replace("/", ""))
    place = TilePlace(number=number, width=int(matched[2]) if matched[2] else WIDTH)
    if place.path() != path or place.width > WIDTH:
        raise ValueError("no tile has this address")
    return place


def width_at(level: int, number: int, size: int) -> int:
    """Return how many hashes a tile has in a tree of ``size`` entries, from 0 to 256."""
    return min(max((size >> HEIGHT * level) - number * WIDTH, 0), WIDTH)


def encode_bundle(leaves: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length as 16 bits, big-endian."""
    return b"".join([len(leaf).to_bytes(2, "big") + leaf for leaf in leaves])


def decode_bundle(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        ValueError: It ends within an entry.
    """
    leaves, at = [], 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if len(bundle) < max(end, at + 2):
            raise ValueError("the bundle ends within an entry")
        leaves.append(bundle[at + 2 : end])
        at = end
    return leaves


def tile_of(node: Node) -> Coordinate:
    """Return the tile that a subtree's hash is computed from."""
    level, number = node
    return level // HEIGHT, number >> (HEIGHT - level % HEIGHT)


def hash_in(tile: bytes, node: Node) -> bytes:
    """Return a subtree's hash from its tile.

    Raises:
        ValueError: The tile does not hold all of the subtree.
    """
    level, number = node
    inner = level % HEIGHT
    start = ((number << inner) & (WIDTH - 1)) * HASH_BYTES
    hashes = tile[start : start + (HASH_BYTES << inner)]
    if len(hashes) != HASH_BYTES << inner:
        raise ValueError(f"the tile of subtree {level}/{number} is cut short")
    return complete_root(hashes)


def tiles_for(ranges: Sequence[Range]) -> set[Coordinate]:
    """Return the tiles that the hashes of ranges are computed from."""
    return {tile_of(node) for covered in ranges for node in nodes_of(covered)}


def hashes_of(ranges: Sequence[Range], tiles: Mapping[Coordinate, bytes]) -> list[bytes]:
    """Return the hash of each range.

    Raises:
        ValueError: A tile is missing or cut short.
    """
    return [range_hash(covered, lambda node: hash_in(tiles.get(tile_of(node), b""), node)) for covered in ranges]


async def fetch_hashes(
    ranges: Sequence[Range], fetch: Callable[[set[Coordinate]], Awaitable[Mapping[Coordinate, bytes]]]
) -> list[bytes]:
    """Return the hash of each range, its tiles fetched in one go.

    Raises:
        ValueError: A tile is missing or cut short.
    """
    return hashes_of(ranges, await fetch(tiles_for(ranges)))


class GrowingTree:
    """The right edge of the tree: one partial tile for each level, which is all that appending needs."""

    __slots__ = ("_edges", "size")

    def __init__(self, size: int = 0, edges: Sequence[bytes] = ()) -> None:
        """Begin with the partial tile of each level of a tree of ``size`` entries.

        Raises:
            ValueError: The edges are not those of such a tree.
        """
        self.size = size
        self._edges = [bytearray(edge) for edge in edges]
        if len(edges) != len(self.edge_places(size)) or any(
            len(edge) != ((size >> HEIGHT * level) % WIDTH) * HASH_BYTES for level, edge in enumerate(edges)
        ):
            raise ValueError(f"the tiles at the edge are not those of a tree of {size} entries")

    @staticmethod
    def edge_places(size: int) -> list[Coordinate]:
        """Return the last tile of each level of a tree, whether it holds hashes already or not."""
        places: list[Coordinate] = []
        while size:
            places.append((len(places), size // WIDTH))
            size //= WIDTH
        return places

    def copy(self) -> "GrowingTree":
        """Return a tree that grows by itself."""
        return GrowingTree(self.size, [bytes(edge) for edge in self._edges])

    def append(self, hashes: Sequence[bytes]) -> dict[Coordinate, bytes]:
        """Add leaf hashes and return every tile that has changed."""
        changed: dict[Coordinate, bytes] = {}
        level, added, count = 0, b"".join(hashes), self.size
        self.size += len(hashes)
        while added:
            if level == len(self._edges):
                self._edges.append(bytearray())
            added = self._fill(level, count // WIDTH, added, changed)
            count //= WIDTH
            level += 1
        return changed

    def _fill(self, level: int, number: int, added: bytes, changed: dict[Coordinate, bytes]) -> bytes:
        """Add hashes to a level and return the roots of the tiles that they completed."""
        content = bytes(self._edges[level]) + added
        whole = len(content) // TILE_BYTES * TILE_BYTES
        roots = []
        for at in range(0, whole, TILE_BYTES):
            tile = content[at : at + TILE_BYTES]
            changed[level, number] = tile
            roots.append(complete_root(tile))
            number += 1
        self._edges[level] = bytearray(content[whole:])
        if whole < len(content):
            changed[level, number] = content[whole:]
        return b"".join(roots)

    def root(self) -> bytes:
        """Return the tree's root."""

        def hash_of(node: Node) -> bytes:
            return hash_in(bytes(self._edges[node[0] // HEIGHT]), node)

        return range_hash((0, self.size), hash_of)
