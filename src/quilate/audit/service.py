"""Reading the log: lists, proofs, checkpoints, tiles, exports; and taking in the cosignatures of witnesses."""

import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from quilate.audit import store
from quilate.audit.checkpoints import parse_checkpoint, verify_signature
from quilate.audit.entries import AuditEntry, append_entries
from quilate.audit.export import export_lines
from quilate.audit.head import Head
from quilate.audit.merkle import EMPTY_ROOT, HASH_BYTES, Range, consistency_ranges, inclusion_ranges
from quilate.audit.notes import NoteSignature, VerifierKey, parse_signature
from quilate.audit.proofs import LogProof
from quilate.audit.store import EntryFilter, StoredEntry
from quilate.audit.tiles import WIDTH, TilePlace, encode_bundle, fetch_hashes, width_at
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.problems import Problem

DECIDED = "run.decided"
"""Action of the entries that hold the digests of decisions and seals."""
_CLOCK_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEntry:
    """An entry with the personal values that are still kept beside it."""

    entry: StoredEntry
    personal: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEntry:
    """An entry with its proof; without one while no checkpoint covers it."""

    listed: ListedEntry
    proof: LogProof | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadStatus:
    """How the log stands; sizes are numbers of entries, ``None`` where there is no such thing yet."""

    origin: str
    size: int
    root: bytes
    waiting: int
    signed_size: int | None
    witnessed_size: int | None
    refusal: str
    refused_at: datetime | None
    keys: tuple[tuple[int, tuple[VerifierKey, ...]], ...]


class AuditService:
    """The log as its readers see it; ``witnesses`` are the keys whose cosignatures are taken."""

    def __init__(self, database: Database, *, witnesses: Sequence[VerifierKey] = ()) -> None:
        self._database = database
        self._witnesses = tuple(witnesses)

    async def list_entries(
        self, filtered: EntryFilter, *, before: int | None = None, limit: int = 50
    ) -> list[ListedEntry]:
        """Return entries, newest first, below an index."""
        async with self._database.connection() as connection:
            entries = await store.list_entries(connection, filtered, before=before, limit=limit)
            kept = await store.personal_of(connection, [entry.id for entry in entries])
        return [ListedEntry(entry=entry, personal=kept.get(entry.id, {})) for entry in entries]

    async def entry(self, index: int, projects: Collection[UUID] | None) -> ProvenEntry:
        """Return an entry with its proof.

        Args:
            index: Its place in the log.
            projects: The projects whose entries the caller may read; ``None`` for all entries.

        Raises:
            Problem: 404, there is none that the caller may know of.
        """
        async with self._database.connection() as connection:
            entry = await store.entry_at(connection, index)
            if entry is None or (projects is not None and entry.project_id not in projects):
                raise Problem(status=404, type="not-found", detail=f"there is no entry {index}")
            kept = await store.personal_of(connection, [entry.id])
            proof = await self._proof(connection, index, entry.leaf)
        return ProvenEntry(listed=ListedEntry(entry=entry, personal=kept.get(entry.id, {})), proof=proof)

    async def proof_of_run(self, project_id: UUID, run_id: UUID) -> dict[str, Any] | None:
        """Return the proof that the log holds a run's newest decision and its seal, as a seal's bundle carries it.

        ``None`` while there is none, or no checkpoint covers it.
        """
        async with self._database.connection() as connection:
            found = await store.find_leaves(connection, f"run:{run_id}", DECIDED, project_id)
            proof = await self._proof(connection, *found[0]) if found else None
        return proof.document() if proof is not None else None

    async def _proof(self, connection: Connection, index: int, leaf: bytes) -> LogProof | None:
        head = await self._last(connection)
        if head is None or head.size <= index:
            return None
        hashes = await _hashes(connection, inclusion_ranges(index, head.size))
        note = await _with_cosignatures(connection, head)
        return LogProof(leaf=leaf, index=index, hashes=tuple(hashes), checkpoint=note)

    async def checkpoint(self) -> str:
        """Return the newest checkpoint with its cosignatures.

        Raises:
            Problem: 404, nothing has been signed yet.
        """
        async with self._database.connection() as connection:
            head = await self._last(connection)
            if head is None:
                raise Problem(status=404, type="not-found", detail="no checkpoint has been signed yet")
            return await _with_cosignatures(connection, head)

    async def witnessed_checkpoint(self, size: int) -> str:
        """Return the checkpoint of a size with its cosignatures.

        Raises:
            Problem: 404, none of this size is kept.
        """
        async with self._database.connection() as connection:
            return await _with_cosignatures(connection, await self._at(connection, size))

    async def consistency(self, first: int, second: int) -> tuple[list[bytes], bytes, bytes]:
        """Return the proof that the tree of one size begins the other one, and both roots.

        Raises:
            Problem: 422, the first is larger than the second; 404, not so many entries are signed.
        """
        if first > second:
            raise Problem(status=422, type="validation", detail=f"a tree of {first} entries begins none of {second}")
        async with self._database.connection() as connection:
            head = await self._last(connection)
            if head is None or second > head.size:
                raise Problem(status=404, type="not-found", detail=f"no {second} entries have been signed yet")
            proof = await _hashes(connection, consistency_ranges(first, second))
            roots = [await _root(connection, size) for size in (first, second)]
        return proof, roots[0], roots[1]

    async def tile(self, level: int, place: TilePlace) -> bytes:
        """Return a hash tile.

        Raises:
            Problem: 404, the log is not that large.
        """
        async with self._database.connection() as connection:
            await self._require_tile(connection, level, place)
            tiles = await store.read_tiles(connection, [(level, place.number)])
        tile = tiles.get((level, place.number), b"")[: place.width * HASH_BYTES]
        if len(tile) != place.width * HASH_BYTES:
            raise _damaged()
        return tile

    async def bundle(self, place: TilePlace) -> bytes:
        """Return an entry bundle.

        Raises:
            Problem: 404, the log is not that large.
        """
        first = place.number * WIDTH
        async with self._database.connection() as connection:
            await self._require_tile(connection, 0, place)
            rows = await store.leaves_between(connection, first, first + place.width)
        return encode_bundle(row["leaf"] for row in rows)

    async def _require_tile(self, connection: Connection, level: int, place: TilePlace) -> None:
        head = await self._last(connection)
        if head is None or width_at(level, place.number, head.size) < place.width:
            raise Problem(status=404, type="not-found", detail="the log has no such tile yet")

    async def export(self, actor: str) -> AsyncIterator[bytes]:
        """Return the whole log, in pieces; that somebody took it becomes an entry itself, before the first piece."""
        entry = AuditEntry(action="audit.exported", actor=actor, subject="audit:log")
        async with self._database.transaction() as connection:
            await append_entries(connection, [entry])
        return export_lines(self._database)

    async def cosign(self, size: int, lines: Sequence[str]) -> str:
        """Take in cosignatures of a checkpoint and return it with all that it has.

        Raises:
            Problem: 404, no such checkpoint is kept; 422, a line is no valid signature of a configured witness.
        """
        # Whoever is no witness costs no transaction.
        given = [self._given(line) for line in lines]
        async with self._database.transaction() as connection:
            head = await self._at(connection, size)
            for witness, line in given:
                at = verify_signature(witness, parse_checkpoint(head.note), line)
                if at is None or at > time.time() + _CLOCK_SKEW_SECONDS:
                    raise _no_cosignature()
                name = f"{witness.name}+{witness.key_id.hex()}"
                signed_at = datetime.fromtimestamp(at, UTC)
                if await store.put_cosignature(connection, size, name, str(line), signed_at):
                    await append_entries(connection, [_witnessed(witness, head)])
            return await _with_cosignatures(connection, head)

    async def head(self) -> HeadStatus:
        """Return how the log stands.

        Raises:
            Problem: 404, the log has not begun yet.
        """
        async with self._database.connection() as connection:
            tree = await store.read_tree(connection)
            if tree is None:
                raise Problem(status=404, type="not-found", detail="the audit log has not begun yet")
            last = await store.last_checkpoint(connection, tree.origin)
            return HeadStatus(
                origin=tree.origin,
                size=tree.size,
                root=tree.root,
                waiting=await store.pending_count(connection),
                signed_size=last.size if last is not None else None,
                witnessed_size=await store.witnessed_size(connection),
                refusal=tree.refusal,
                refused_at=tree.refused_at,
                keys=tuple(await store.read_keys(connection)),
            )

    async def refusal(self) -> str:
        """Return why the log does not go on, for ``/health``; empty where it does."""
        async with self._database.connection() as connection:
            tree = await store.read_tree(connection)
        return tree.refusal if tree is not None else ""

    def _given(self, line: str) -> tuple[VerifierKey, NoteSignature]:
        try:
            signature = parse_signature(line)
        except ValueError as error:
            raise _no_cosignature() from error
        witness = next((key for key in self._witnesses if signature.is_by(key)), None)
        if witness is None:
            raise _no_cosignature()
        return witness, signature

    async def _last(self, connection: Connection) -> Head | None:
        tree = await store.read_tree(connection)
        return await store.last_checkpoint(connection, tree.origin) if tree is not None else None

    async def _at(self, connection: Connection, size: int) -> Head:
        tree = await store.read_tree(connection)
        head = await store.checkpoint_at(connection, size, tree.origin) if tree is not None else None
        if head is None:
            raise Problem(
                status=404,
                type="not-found",
                detail=f"no checkpoint of {size} entries is kept",
                next_step="sign the newest one",
            )
        return head


def _no_cosignature() -> Problem:
    return Problem(
        status=422,
        type="validation",
        detail="a line is no valid cosignature of this checkpoint by a configured witness",
        next_step="have the witness's key added to QUILATE_WITNESSES, and sign the newest checkpoint",
    )


def _witnessed(witness: VerifierKey, head: Head) -> AuditEntry:
    details = {"size": head.size, "root": head.root.hex(), "key": witness.key_id.hex()}
    return AuditEntry(
        action="audit.witnessed", actor="system:quilate", subject=f"witness:{witness.name}", details=details
    )


async def _with_cosignatures(connection: Connection, head: Head) -> str:
    return head.note + "".join(f"{line}\n" for line in await store.cosignatures_of(connection, head.size))


async def _hashes(connection: Connection, ranges: Sequence[Range]) -> list[bytes]:
    try:
        return await fetch_hashes(ranges, lambda places: store.read_tiles(connection, places))
    except ValueError as error:
        raise _damaged() from error


def _damaged() -> Problem:
    return Problem(
        status=500,
        type="corrupt",
        detail="the audit log's tree is damaged",
        next_step="ask an administrator to run: quilate audit verify",
    )


async def _root(connection: Connection, size: int) -> bytes:
    return (await _hashes(connection, [(0, size)]))[0] if size else EMPTY_ROOT
