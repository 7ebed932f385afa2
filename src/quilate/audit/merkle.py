"""The Merkle tree of RFC 6962: hashes, inclusion and consistency proofs, and the verification of both.

Source: RFC 6962, section 2.1 (tree, proofs); RFC 9162, sections 2.1.3.2 and 2.1.4.2 (verification of the same proofs).
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]
"""Entries from the first up to, not including, the second."""
Node = tuple[int, int]
"""A complete subtree: ``(level, number)`` covers ``2**level`` entries from ``number * 2**level`` on."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of an entry."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def complete_root(hashes: bytes) -> bytes:
    """Return the root over concatenated hashes whose number is a power of two."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs])
    return hashes


def fold(peaks: Iterable[bytes]) -> bytes:
    """Return the root over complete subtrees that follow each other, given from the last (smallest) to the first."""
    root = b""
    for peak in peaks:
        root = node_hash(peak, root) if root else peak
    return root or EMPTY_ROOT


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    return range_hash((0, len(hashes)), lambda node: complete_root(b"".join(_leaves_below(hashes, node))))


def _leaves_below(hashes: Sequence[bytes], node: Node) -> Sequence[bytes]:
    level, number = node
    return hashes[number << level : (number + 1) << level]


def nodes_of(covered: Range) -> list[Node]:
    """Return the complete subtrees that make up a range, from the first to the last.

    The range must be one that a tree of some size is split into: it begins at a multiple of the power of two that is at
    least as long as it.
    """
    start, end = covered
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def range_hash(covered: Range, hash_of: Callable[[Node], bytes]) -> bytes:
    """Return the Merkle tree hash of a range from the hashes of its complete subtrees."""
    return fold(hash_of(node) for node in reversed(nodes_of(covered)))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the ranges whose hashes prove that an entry is in a tree, in the order of the proof.

    Raises:
        ValueError: There is no such entry.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} entries has no entry {index}")
    start, end = 0, size
    ranges = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """Return the ranges whose hashes prove that one tree begins another, in the order of the proof.

    Raises:
        ValueError: The first tree is larger than the second.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {first} entries does not begin one of {second}")
    if first in {0, second}:
        return []
    start, end = 0, second
    ranges = []
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:
        # The first tree's last part is not known to the verifier by its root alone.
        ranges.append((start, end))
    return ranges[::-1]


def _split(size: int) -> int:
    """Return the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a proof leads from the hash of an entry to the root of a tree."""
    if not 0 <= index < size or not _are_hashes(proof):
        return False
    number, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            current = node_hash(sibling, current)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and current == root


def verify_consistency(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that the second tree begins with the first."""
    if not 0 <= first <= second or not _are_hashes(proof):
        return False
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    if first == second:
        return not proof and first_root == second_root
    hashes = list(proof) if first & (first - 1) else [first_root, *proof]
    return bool(hashes) and _climb(first, second, hashes) == (first_root, second_root)


def _climb(first: int, second: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return both roots that the hashes lead to, or ``None`` where they do not fit the sizes."""
    number, last = first - 1, second - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return None
        if number & 1 or number == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        number, last = number >> 1, last >> 1
    return (older, newer) if last == 0 else None


def _are_hashes(proof: Sequence[bytes]) -> bool:
    return all(len(each) == HASH_BYTES for each in proof)
