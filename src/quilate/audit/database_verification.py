"""Verify the log where it lies: what an export shows, and what only the tables can show."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from quilate.audit import store
from quilate.audit.export import export_lines
from quilate.audit.findings import FindingKind, LogReport, Trust
from quilate.audit.merkle import HASH_BYTES
from quilate.audit.tiles import HEIGHT, WIDTH
from quilate.audit.verification import LogVerifier
from quilate.kit.database.database import Database
from quilate.kit.database.faults import SCHEMA_ERRORS, said_by

_TILES = 1024


class _Leaf(msgspec.Struct):
    id: str
    action: str
    actor: str
    subject: str
    project: str | None = None


async def verify_database(database: Database, trust: Trust) -> LogReport:
    """Return what is wrong with the log of a database."""
    verifier = LogVerifier(trust)
    try:
        return await _verified(database, verifier)
    except SCHEMA_ERRORS as error:
        # The schema's version was looked at before: somebody has taken a table away, or changed it, since it was made.
        verifier.note(FindingKind.MISSING, f"the log's tables are not whole: {said_by(error)}")
        return verifier.finish()


async def _verified(database: Database, verifier: LogVerifier) -> LogReport:
    def on_rows(rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            _compare_columns(verifier, row)

    async for piece in export_lines(database, on_rows=on_rows):
        verifier.feed(piece.splitlines(keepends=True))
    report = verifier.finish()
    if verifier.root is not None:
        await _compare_tiles(database, verifier, report.size)
        await _compare_head(database, verifier, report.size, verifier.root)
    await _compare_rest(database, verifier, report.size)
    return verifier.with_later_findings(report)


def _compare_columns(verifier: LogVerifier, row: Mapping[str, Any]) -> None:
    """Hold the columns that lists are filtered by against what was hashed."""
    try:
        leaf = msgspec.json.decode(row["leaf"], type=_Leaf)
    except msgspec.MsgspecError:
        return
    project = str(row["project_id"]) if row["project_id"] else None
    kept = (str(row["id"]), project, row["action"], row["actor"], row["subject"])
    told = (leaf.id, leaf.project, *(text.replace("\0", "\ufffd") for text in (leaf.action, leaf.actor, leaf.subject)))
    if kept != told:
        index = row["entry_index"]
        verifier.note(FindingKind.ENTRY, f"entry {index} was changed: its columns are not what its content says", index)


async def _compare_tiles(database: Database, verifier: LogVerifier, size: int) -> None:
    """Hold the upper tiles, which proofs are made from, against the tree over the entries."""
    level, count = 1, size >> HEIGHT
    while count:
        for first in range(0, -(-count // WIDTH), _TILES):
            async with database.connection() as connection:
                stored = dict(await store.tiles_of_level(connection, level, first, _TILES))
            for number in range(first, min(first + _TILES, -(-count // WIDTH))):
                _compare_tile(verifier, (level, number), stored.get(number, b""), size)
        level, count = level + 1, count >> HEIGHT


def _compare_tile(verifier: LogVerifier, place: tuple[int, int], stored: bytes, size: int) -> None:
    level, number = place
    told = verifier.upper_tiles.get(place, b"")
    if stored[: len(told)] == told:
        return
    wrong = [at for at in range(0, len(told), HASH_BYTES) if stored[at : at + HASH_BYTES] != told[at : at + HASH_BYTES]]
    span = 1 << HEIGHT * level
    start = (number * WIDTH + wrong[0] // HASH_BYTES) * span
    end = min(start + span, size) - 1
    message = f"the tree was changed: tile {level}/{number} does not fit entries {start} to {end}"
    verifier.note(FindingKind.TREE, message, start, end)


async def _compare_head(database: Database, verifier: LogVerifier, size: int, root: bytes) -> None:
    """Hold the log's own row, from which the sequencer goes on, and what stands beside checkpoints against the tree."""
    async with database.connection() as connection:
        tree = await store.read_tree(connection)
        differing = await store.differing_checkpoints(connection)
    # A log that has grown meanwhile was gone on from, which the sequencer does from no other row than the tree's own.
    if tree is not None and tree.size == size and tree.root != root:
        verifier.note(FindingKind.TREE, f"the tree was changed: its row holds another root than {size} entries have")
    for each in differing:
        verifier.note(
            FindingKind.TREE, f"the checkpoint of {each} entries was changed: its columns are not what its note says"
        )


async def _compare_rest(database: Database, verifier: LogVerifier, size: int) -> None:
    async with database.connection() as connection:
        outside, first = await store.entries_beyond(connection)
        try:
            keys = await store.read_keys(connection)
        except ValueError:
            keys = []
    if outside:
        verifier.note(FindingKind.TREE, f"{outside} entries lie outside the log, the first is {first}", first)
    covered = [(first_size, key) for first_size, key in keys if first_size <= size]
    if covered != verifier.chain.keys:
        verifier.note(FindingKind.KEY, "the table of public keys is not what the log's entries say")
