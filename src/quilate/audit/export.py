"""Write the export of the log from its tables."""

import base64
import binascii
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from quilate.audit import store
from quilate.audit.export_format import FORMAT, CheckpointLine, Damaged, End, Header
from quilate.audit.merkle import HASH_BYTES
from quilate.audit.tiles import WIDTH
from quilate.kit.database.database import Database

_TILES = 8
"""Tiles read at once: 2,048 entries."""


async def export_lines(
    database: Database, *, on_rows: Callable[[Sequence[Mapping[str, Any]]], None] | None = None
) -> AsyncIterator[bytes]:
    """Give the export in pieces that end with whole lines; memory does not grow with the log.

    Args:
        database: The service's database.
        on_rows: Sees the rows of the entries as they are read.
    """
    async with database.connection() as connection:
        tree = await store.read_tree(connection)
    size, origin = (tree.size, tree.origin) if tree is not None else (0, "")
    yield _line(Header(format=FORMAT, origin=origin, size=size))
    for first in range(0, size, _TILES * WIDTH):
        end = min(first + _TILES * WIDTH, size)
        # A connection for each piece, so that a slow reader holds none.
        async with database.connection() as connection:
            rows = await store.leaves_between(connection, first, end)
            tiles = dict(await store.tiles_of_level(connection, 0, first // WIDTH, _TILES))
            checkpoints = await store.checkpoints_between(connection, first, end)
        if on_rows is not None:
            on_rows(rows)
        yield b"".join(_piece(first, end, rows, tiles, dict(checkpoints)))
    async with database.connection() as connection:
        # A log that was cut short may have left them behind.
        beyond = [note for after, note in await store.checkpoints_beyond(connection, size) if after > size]
        grown = await store.read_tree(connection)
    stale = grown is None or grown.size == size
    yield b"".join([*(_line(CheckpointLine(checkpoint=note)) for note in beyond if stale), _line(End(end=size))])


def _piece(
    first: int,
    end: int,
    rows: Sequence[Mapping[str, Any]],
    tiles: Mapping[int, bytes],
    checkpoints: Mapping[int, str],
) -> Iterator[bytes]:
    found = {row["entry_index"]: row for row in rows}
    for index in range(first, end):
        at = index % WIDTH * HASH_BYTES
        hashed = tiles.get(index // WIDTH, b"")[at : at + HASH_BYTES]
        yield entry_line(index, hashed if len(hashed) == HASH_BYTES else b"", found.get(index))
        if index + 1 in checkpoints:
            yield _line(CheckpointLine(checkpoint=checkpoints[index + 1]))


def entry_line(index: int, hashed: bytes, row: Mapping[str, Any] | None) -> bytes:
    """Return the line of an entry; ``hashed`` is what the tree holds for it."""
    if row is None:
        return _line(Damaged(index=index, hash=_text(hashed)))
    leaf: bytes = row["leaf"]
    if row["leaf_hash"] == hashed and leaf[:1] == b"{" and _is_one_line_of_json(leaf):
        encoded = binascii.b2a_base64(hashed, newline=False)
        return b'{"hash":"%b","index":%d,"leaf":%b}\n' % (encoded, index, leaf)
    return _line(Damaged(index=index, hash=_text(hashed), leaf_base64=_text(leaf), row_hash=_text(row["leaf_hash"])))


def _is_one_line_of_json(leaf: bytes) -> bool:
    """Tell whether a leaf may stand in a line as it is; one that was tampered with may be anything."""
    if b"\n" in leaf or b"\r" in leaf:
        return False
    try:
        leaf.decode()
        msgspec.json.decode(leaf)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _line(document: msgspec.Struct) -> bytes:
    return msgspec.json.encode(document) + b"\n"
