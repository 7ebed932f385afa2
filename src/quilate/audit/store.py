"""The log's tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from quilate.audit.head import Head
from quilate.audit.notes import VerifierKey, parse_verifier_key
from quilate.audit.sql import QUERIES
from quilate.audit.tiles import Coordinate, GrowingTree
from quilate.kit.database.database import Connection

LOCK = 7_215_003_082
"""Held by the one sequencer that works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """The log as the database has it; ``refusal`` says why the sequencer does not go on, if it does not."""

    origin: str
    size: int
    root: bytes
    refusal: str = ""
    refused_at: datetime | None = None
    worked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedEntry:
    """An entry that got its place; ``key_leaf`` is its leaf where it tells of a key."""

    index: int
    leaf_hash: bytes
    key_leaf: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry of the log."""

    index: int
    id: UUID
    project_id: UUID | None
    appended_at: datetime
    leaf: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries a list holds; ``None`` stands for any. Times are those at which entries got their places."""

    project_id: UUID | None = None
    action: str | None = None
    actor: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def try_lock(connection: Connection) -> bool:
    """Take the sequencer's lock for the time of the connection, unless another one has it."""
    row = await _one(connection, "try_lock", lock=LOCK)
    return bool(row and row["locked"])


async def release_lock(connection: Connection) -> None:
    """Let another sequencer work."""
    await connection.execute(QUERIES["release_lock"], {"lock": LOCK})


async def something_pending(connection: Connection) -> bool:
    """Tell whether entries wait for their places."""
    row = await _one(connection, "something_pending")
    return bool(row and row["pending"])


async def read_tree(connection: Connection, *, for_update: bool = False) -> TreeRow | None:
    """Return the log's row; ``None`` while there is no log."""
    row = await _one(connection, "lock_tree" if for_update else "read_tree")
    return TreeRow(**row) if row else None


async def create_tree(connection: Connection, origin: str, root: bytes) -> None:
    """Begin the log."""
    await connection.execute(QUERIES["create_tree"], {"origin": origin, "root": root})


async def place_pending(connection: Connection, size: int, limit: int) -> list[PlacedEntry]:
    """Move pending entries, oldest first, to the end of the log."""
    cursor = await connection.execute(QUERIES["place_pending"], {"size": size, "limit": limit})
    return [
        PlacedEntry(index=row["entry_index"], leaf_hash=row["leaf_hash"], key_leaf=row["key_leaf"])
        for row in await cursor.fetchall()
    ]


async def put_first(connection: Connection, values: Mapping[str, Any]) -> None:
    """Write the first entry of the log."""
    await connection.execute(QUERIES["put_first"], values)


async def advance(connection: Connection, before: int, tree: GrowingTree, tiles: Mapping[Coordinate, bytes]) -> bool:
    """Write changed tiles and the new head; ``False`` where the log was not of the size that it should have been."""
    await connection.execute(
        QUERIES["put_tiles"],
        {
            "levels": [level for level, _ in tiles],
            "numbers": [number for _, number in tiles],
            "hashes": list(tiles.values()),
        },
    )
    cursor = await connection.execute(
        QUERIES["advance_tree"], {"size": tree.size, "root": tree.root(), "before": before}
    )
    return cursor.rowcount == 1


async def read_tiles(connection: Connection, places: Iterable[Coordinate]) -> dict[Coordinate, bytes]:
    """Return tiles; those that are not there are left out."""
    wanted = list(places)
    cursor = await connection.execute(
        QUERIES["read_tiles"], {"levels": [level for level, _ in wanted], "numbers": [number for _, number in wanted]}
    )
    return {(row["level"], row["number"]): row["hashes"] for row in await cursor.fetchall()}


async def tiles_of_level(connection: Connection, level: int, first: int, limit: int) -> list[tuple[int, bytes]]:
    """Return tiles of a level from a number on."""
    cursor = await connection.execute(QUERIES["tiles_of_level"], {"level": level, "first": first, "limit": limit})
    return [(row["number"], row["hashes"]) for row in await cursor.fetchall()]


async def put_key(connection: Connection, first_size: int, verifiers: Sequence[VerifierKey]) -> None:
    """Note a key and the size from which it signs."""
    await connection.execute(QUERIES["put_key"], {"first_size": first_size, "verifiers": list(map(str, verifiers))})


async def read_keys(connection: Connection) -> list[tuple[int, tuple[VerifierKey, ...]]]:
    """Return every key with the size from which it signs.

    Raises:
        ValueError: A key was damaged.
    """
    cursor = await connection.execute(QUERIES["read_keys"])
    return [(row["first_size"], tuple(map(parse_verifier_key, row["verifiers"]))) for row in await cursor.fetchall()]


async def key_entry_pending(connection: Connection) -> bool:
    """Tell whether an entry about a key waits for its place."""
    row = await _one(connection, "key_entry_pending")
    return bool(row and row["pending"])


async def pending_replacement(connection: Connection) -> bytes | None:
    """Return the leaf of an entry that replaces a lost key and waits for its place."""
    row = await _one(connection, "pending_replacement")
    return row["leaf"] if row else None


async def put_checkpoint(connection: Connection, head: Head) -> None:
    """Publish a checkpoint."""
    await connection.execute(QUERIES["put_checkpoint"], {"size": head.size, "root": head.root, "note": head.note})


async def thin_checkpoints(connection: Connection) -> None:
    """Delete checkpoints older than ten minutes but the first of each 256 entries and those with cosignatures."""
    await connection.execute(QUERIES["thin_checkpoints"])


async def last_checkpoint(connection: Connection, origin: str) -> Head | None:
    """Return the newest checkpoint."""
    return _head(await _one(connection, "last_checkpoint"), origin)


async def checkpoint_at(connection: Connection, size: int, origin: str) -> Head | None:
    """Return the checkpoint of a size."""
    return _head(await _one(connection, "checkpoint_at", size=size), origin)


def _head(row: Mapping[str, Any] | None, origin: str) -> Head | None:
    return Head(origin=origin, size=row["size"], root=row["root"], note=row["note"]) if row else None


async def checkpoints_between(connection: Connection, after: int, until: int) -> list[tuple[int, str]]:
    """Return checkpoints with sizes above ``after`` up to ``until``, with their cosignatures."""
    cursor = await connection.execute(QUERIES["checkpoints_from"], {"after": after, "until": until})
    return await _with_cosignatures(connection, await cursor.fetchall())


async def checkpoints_beyond(connection: Connection, size: int) -> list[tuple[int, str]]:
    """Return the first checkpoints that are larger than the log."""
    cursor = await connection.execute(QUERIES["checkpoints_beyond"], {"after": size})
    return await _with_cosignatures(connection, await cursor.fetchall())


async def differing_checkpoints(connection: Connection) -> list[int]:
    """Return the sizes of the first checkpoints whose root is not the one in their note."""
    cursor = await connection.execute(QUERIES["differing_checkpoints"])
    return [row["size"] for row in await cursor.fetchall()]


async def cosignatures_of(connection: Connection, size: int) -> list[str]:
    """Return the signature lines of witnesses over a checkpoint."""
    cursor = await connection.execute(QUERIES["cosignatures_of"], {"sizes": [size]})
    return [row["line"] for row in await cursor.fetchall()]


async def _with_cosignatures(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    cursor = await connection.execute(QUERIES["cosignatures_of"], {"sizes": [row["size"] for row in rows]})
    lines: dict[int, str] = {}
    for row in await cursor.fetchall():
        lines[row["size"]] = lines.get(row["size"], "") + row["line"] + "\n"
    return [(row["size"], row["note"] + lines.get(row["size"], "")) for row in rows]


async def put_cosignature(connection: Connection, size: int, witness: str, line: str, signed_at: datetime) -> bool:
    """Keep a witness's newest signature of a checkpoint; ``False`` where there is a newer one."""
    cursor = await connection.execute(
        QUERIES["put_cosignature"], {"size": size, "witness": witness, "line": line, "signed_at": signed_at}
    )
    return cursor.rowcount == 1


async def entry_at(connection: Connection, index: int) -> StoredEntry | None:
    """Return one entry."""
    row = await _one(connection, "entry_at", index=index)
    return _entry(row) if row else None


async def list_entries(
    connection: Connection, filtered: EntryFilter, *, before: int | None, limit: int
) -> list[StoredEntry]:
    """Return entries below an index, newest first."""
    cursor = await connection.execute(
        QUERIES["list_entries"],
        {
            "before": before,
            "limit": limit,
            "project": filtered.project_id,
            "action": filtered.action,
            "actor": filtered.actor,
            "subject": filtered.subject,
            "since": filtered.since,
            "until": filtered.until,
        },
        # Which of the conditions count differs from call to call, and with it the best plan.
        prepare=False,
    )
    return [_entry(row) for row in await cursor.fetchall()]


def _entry(row: Mapping[str, Any]) -> StoredEntry:
    return StoredEntry(
        index=row["entry_index"],
        id=row["id"],
        project_id=row["project_id"],
        appended_at=row["appended_at"],
        leaf=row["leaf"],
        leaf_hash=row["leaf_hash"],
    )


async def leaves_between(connection: Connection, first: int, end: int) -> list[Mapping[str, Any]]:
    """Return rows of entries from an index up to, not including, another."""
    cursor = await connection.execute(QUERIES["entries_from"], {"first": first, "end": end})
    return list(await cursor.fetchall())


async def find_leaves(connection: Connection, subject: str, action: str, project_id: UUID) -> list[tuple[int, bytes]]:
    """Return the newest entries about a subject of a project, with their indexes."""
    arguments = {"subject": subject, "action": action, "project": project_id}
    cursor = await connection.execute(QUERIES["find_by_subject"], arguments)
    return [(row["entry_index"], row["leaf"]) for row in await cursor.fetchall()]


async def entries_beyond(connection: Connection) -> tuple[int, int]:
    """Return how many entries lie outside the log's size, and the first of them."""
    row = await _one(connection, "entries_beyond")
    return (row["entries"], row["first"] or 0) if row else (0, 0)


async def pending_count(connection: Connection) -> int:
    """Return how many entries wait for their places, 100,000 at most."""
    row = await _one(connection, "pending_count")
    return int(row["waiting"]) if row else 0


async def witnessed_size(connection: Connection) -> int | None:
    """Return the size of the largest checkpoint that a witness signed."""
    row = await _one(connection, "witnessed_head")
    return row["size"] if row else None


async def note_refusal(connection: Connection, refusal: str) -> None:
    """Write down why the log does not go on; empty once it does."""
    await connection.execute(QUERIES["note_refusal"], {"refusal": refusal})


async def personal_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
    """Return the personal values that are still kept, by entry."""
    cursor = await connection.execute(QUERIES["personal_of"], {"ids": list(ids)})
    values: dict[UUID, dict[str, str]] = {}
    for row in await cursor.fetchall():
        values.setdefault(row["entry_id"], {})[row["name"]] = row["value"]
    return values


async def _one(connection: Connection, query: str, **arguments: Any) -> dict[str, Any] | None:
    cursor = await connection.execute(QUERIES[query], arguments or None)
    return await cursor.fetchone()
