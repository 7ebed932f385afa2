"""The one sequencer: gives committed entries their places in the log, and signs checkpoints.

Any number may run; a lock in the database lets one work. Entries are placed in the order of their arrival as far as
they are committed: one whose transaction ends later just gets a later place. Everything about a batch (places, tiles,
head, and the end of its waiting) is one transaction.

A checkpoint is signed only if it extends the last one that was signed, which is also kept in the state directory,
outside the database. Where the log contradicts it, nothing more is placed or signed, and ``/health`` says why; what was
accepted meanwhile waits and is not lost.
"""

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from quilate.audit import store
from quilate.audit.checkpoints import Checkpoint, is_signed_by, parse_checkpoint, sign_checkpoint
from quilate.audit.entries import AuditEntry, append_entries, leaf_of
from quilate.audit.errors import LogMovedError, LogRefusalError
from quilate.audit.head import Head, HeadFile
from quilate.audit.key_entries import KeyChain, created_entry, read_key_entry
from quilate.audit.keys import FileKeyring, Keyring, LogKey
from quilate.audit.merkle import EMPTY_ROOT, consistency_ranges, leaf_hash, verify_consistency
from quilate.audit.notes import VerifierKey
from quilate.audit.sql import QUERIES
from quilate.audit.tiles import GrowingTree, fetch_hashes
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.database import RETRIED_ERRORS, Connection, Database
from quilate.kit.ids import uuid7

BATCH = 8192
"""Entries placed in one transaction at most."""
CHECKPOINT_SECONDS = 1.0
"""Time between two checkpoints at least."""
_IDLE_SECONDS = 0.1
_TURN_SECONDS = 1.0
_THINNING_SECONDS = 60.0

_LOG = logging.getLogger("quilate.audit")


async def run_sequencer(
    database: Database, state_directory: Path, stop: asyncio.Event, *, keyring: Keyring | None = None
) -> None:
    """Keep the log until ``stop``; then place what is committed, sign it and end.

    Args:
        database: The service's database.
        state_directory: Where ``audit-head`` is kept, and the keys unless ``keyring`` has them.
        stop: Asks it to end.
        keyring: Where the log's keys are, for example in a key management service.
    """
    sequencer = Sequencer(keyring or FileKeyring(state_directory), HeadFile(state_directory))
    told = ""
    while True:
        pause = _TURN_SECONDS
        try:
            async with database.connection() as connection:
                await _take_turn(sequencer, connection, stop)
                told = ""
        except LogMovedError:
            pause = 0.0
        except (LogRefusalError, ConfigurationError) as refusal:
            await _tell(database, refusal, told)
            told = refusal.message
        except RETRIED_ERRORS as error:
            _LOG.warning("the audit log waits for its database: %s", type(error).__name__)
        if stop.is_set():
            return
        await _wait(stop, pause)


async def _take_turn(sequencer: "Sequencer", connection: Connection, stop: asyncio.Event) -> None:
    """Work for as long as the lock is ours; the connection is closed wherever the lock may outlive the work."""
    if not await store.try_lock(connection):
        return
    try:
        await sequencer.load(connection)
        await _work(sequencer, connection, stop)
    except BaseException:
        await connection.close()
        raise
    await store.release_lock(connection)


async def _work(sequencer: "Sequencer", connection: Connection, stop: asyncio.Event) -> None:
    while True:
        ending = stop.is_set()
        placed = await sequencer.place(connection) if await store.something_pending(connection) else 0
        if ending and not placed:
            await sequencer.sign(connection)
            return
        if sequencer.checkpoint_is_due():
            await sequencer.sign(connection)
        if placed < BATCH:
            await _wait(stop, _IDLE_SECONDS)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _tell(database: Database, refusal: LogRefusalError | ConfigurationError, told: str) -> None:
    if refusal.message != told:
        _LOG.error("the audit log does not go on: %s; %s", refusal.message, refusal.next_step)
    with contextlib.suppress(*RETRIED_ERRORS):
        async with database.connection() as connection:
            await store.note_refusal(connection, refusal.message)


class Sequencer:
    """The state of one sequencer: the right edge of the tree, the key, and what was signed last."""

    def __init__(self, keyring: Keyring, head_file: HeadFile) -> None:
        self._keyring = keyring
        self._head_file = head_file
        self._tree = GrowingTree()
        self._chain = KeyChain(origin="")
        self._key: LogKey | None = None
        self._head: Head | None = None
        self._published = 0
        self._signed_at = self._thinned_at = -CHECKPOINT_SECONDS

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self._tree.size

    async def load(self, connection: Connection) -> None:
        """Read the log's state and hold it against what was signed last.

        Raises:
            LogRefusalError: The log contradicts it, or its key is not here.
            ConfigurationError: The key or the head cannot be read or written.
        """
        row = await store.read_tree(connection)
        head = self._head_file.read()
        if row is None:
            if head is not None and head.size:
                raise _turned_back(head, "the database has no log at all")
            async with connection.transaction():
                await self._begin(connection)
            row = await store.read_tree(connection)
        if row is None:
            raise LogMovedError
        self._chain = KeyChain(origin=row.origin, keys=await _keys(connection))
        self._key = await self._key_at_start(connection, row.size)
        self._tree = await _edge(connection, row)
        self._head = await self._checked_head(connection, head)
        last = await store.last_checkpoint(connection, row.origin)
        self._published = last.size if last is not None else 0
        if self._head is not None and self._head.size > self._published and self._head.note:
            await self._publish(connection, self._head)
        await store.note_refusal(connection, "")

    async def _begin(self, connection: Connection) -> None:
        """Begin the log with the entry of its first key."""
        origin = f"quilate/audit/{uuid4()}"
        await store.create_tree(connection, origin, EMPTY_ROOT)
        row = await store.read_tree(connection, for_update=True)
        if row is None or row.origin != origin:
            raise LogMovedError
        key = self._keyring.create(origin)
        entry, entry_id = created_entry(origin, key), uuid7()
        leaf = leaf_of(entry_id, datetime.now(UTC).isoformat(timespec="milliseconds"), entry, {})
        hashed = leaf_hash(leaf)
        named = {"action": entry.action, "actor": entry.actor, "subject": entry.subject}
        await store.put_first(connection, {"id": entry_id, "leaf": leaf, "leaf_hash": hashed, **named})
        tree = GrowingTree()
        await store.advance(connection, 0, tree, tree.append([hashed]))
        await store.put_key(connection, 1, key.verifiers)

    async def _key_at_start(self, connection: Connection, size: int) -> LogKey | None:
        """Return the log's key; ``None`` where it is lost and the entry of its successor waits to be placed."""
        leaf = await store.pending_replacement(connection)
        entry = read_key_entry(leaf, self._chain.origin) if leaf is not None else None
        replaced = entry is not None and entry.old == self._chain.at(size)
        if replaced and entry is not None and self._keyring.find(entry.old) is None:
            return None
        return self._find_key(size)

    def _find_key(self, size: int) -> LogKey:
        verifiers = self._chain.at(size)
        key = self._keyring.find(verifiers)
        if key is None:
            name = verifiers[0].key_id.hex() if verifiers else "none"
            raise LogRefusalError(
                f"the audit log's signing key ({name}) is not on this machine",
                next_step="copy audit-key.pem from the machine that has it; if it is lost for good: "
                "quilate audit rotate-key --old-key-lost",
            )
        return key

    async def _checked_head(self, connection: Connection, head: Head | None) -> Head | None:
        """Return the last head that was signed, once it is certain that the log extends it."""
        if head is None:
            head = await self._adopted_head(connection)
        if head is None:
            return None
        if head.origin != self._chain.origin:
            raise _turned_back(head, f"the database holds another log ({self._chain.origin})")
        if head.size > self.size:
            raise _turned_back(head, f"the database has {self.size}")
        try:
            proof = await fetch_hashes(
                consistency_ranges(head.size, self.size), lambda places: store.read_tiles(connection, places)
            )
        except ValueError as error:
            raise LogRefusalError(
                f"the audit log's tree was damaged: {error}", next_step="see where: quilate audit verify"
            ) from error
        if not verify_consistency(head.size, head.root, self.size, self._tree.root(), proof):
            raise LogRefusalError(
                f"the audit log was rewritten: its first {head.size} entries are not those that were signed",
                next_step="see where: quilate audit verify; then restore the database's last good backup",
            )
        return head

    async def _adopted_head(self, connection: Connection) -> Head | None:
        """Return the newest checkpoint of the database where the state directory has none, and say so in the log."""
        last = await store.last_checkpoint(connection, self._chain.origin)
        if last is None:
            return None
        try:
            signed = parse_checkpoint(last.note)
        except ValueError:
            signed = None
        told = signed.checkpoint if signed is not None else None
        if (
            signed is None
            or told != Checkpoint(origin=last.origin, size=last.size, root=last.root)
            or not is_signed_by(self._chain.at(last.size), signed)
        ):
            raise LogRefusalError(
                f"the newest checkpoint ({last.size} entries) is not signed by the log's key",
                next_step="see what was changed: quilate audit verify",
            )
        _LOG.warning("no audit-head in the state directory: taken from the newest checkpoint, %d entries", last.size)
        details = {"size": last.size, "root": last.root.hex()}
        subject = f"audit:{self._chain.origin}"
        entry = AuditEntry(action="audit.head-adopted", actor="system:quilate", subject=subject, details=details)
        async with connection.transaction():
            await append_entries(connection, [entry])
        self._head_file.write(last)
        return last

    async def place(self, connection: Connection, limit: int = BATCH) -> int:
        """Give pending entries their places, in one transaction, and return how many.

        Raises:
            LogMovedError: The log in the database is not the one in memory.
        """
        tree = self._tree.copy()
        async with connection.transaction():
            await connection.execute(QUERIES["durable_commit"])
            row = await store.read_tree(connection, for_update=True)
            if row is None or (row.size, row.root) != (tree.size, tree.root()):
                raise LogMovedError
            placed = await store.place_pending(connection, tree.size, limit)
            if not placed:
                return 0
            tiles = tree.append([entry.leaf_hash for entry in placed])
            if not await store.advance(connection, row.size, tree, tiles):
                raise LogMovedError
            rotated = await self._take_up_keys(connection, placed)
        self._tree = tree
        if rotated:
            self._chain.keys = await _keys(connection)
            self._key = self._find_key(tree.size)
        return len(placed)

    async def _take_up_keys(self, connection: Connection, placed: list[store.PlacedEntry]) -> bool:
        chain = KeyChain(origin=self._chain.origin, keys=list(self._chain.keys))
        rotated = False
        for entry in placed:
            added = chain.add(entry.index, entry.key_leaf) if entry.key_leaf else None
            if added is not None:
                await store.put_key(connection, entry.index + 1, added.new)
                rotated = True
        return rotated

    def checkpoint_is_due(self) -> bool:
        """Tell whether there is something new, and the last checkpoint is old enough."""
        return self.size > self._published and time.monotonic() - self._signed_at >= CHECKPOINT_SECONDS

    async def sign(self, connection: Connection) -> None:
        """Sign and publish a checkpoint if there is something new.

        Raises:
            LogRefusalError: It would contradict what was signed before.
        """
        if self._key is None or self.size <= self._published:
            return
        present = self._head_file.read()
        if present != self._head:
            # Somebody else wrote it, or took it away: nothing is certain until it is held against the tree.
            self._head = await self._checked_head(connection, present)
        origin = self._chain.origin
        checkpoint = Checkpoint(origin=origin, size=self.size, root=self._tree.root())
        note = sign_checkpoint(checkpoint, self._key.signers, int(time.time())).encode()
        head = Head(origin=origin, size=checkpoint.size, root=checkpoint.root, note=note)
        # First outside the database: what others may see must be remembered even if the database forgets it.
        self._head_file.write(head)
        self._head = head
        await self._publish(connection, head)

    async def _publish(self, connection: Connection, head: Head) -> None:
        await store.put_checkpoint(connection, head)
        self._published = head.size
        self._signed_at = time.monotonic()
        if self._signed_at - self._thinned_at >= _THINNING_SECONDS:
            self._thinned_at = self._signed_at
            await store.thin_checkpoints(connection)


async def _keys(connection: Connection) -> list[tuple[int, tuple[VerifierKey, ...]]]:
    try:
        return await store.read_keys(connection)
    except ValueError as error:
        raise LogRefusalError(
            "a public key of the audit log was damaged", next_step="see what was changed: quilate audit verify"
        ) from error


async def _edge(connection: Connection, row: store.TreeRow) -> GrowingTree:
    """Return the tree's right edge from its tiles."""
    places = GrowingTree.edge_places(row.size)
    tiles = await store.read_tiles(connection, places)
    try:
        tree = GrowingTree(row.size, [tiles.get(place, b"") for place in places])
    except ValueError as error:
        raise LogRefusalError(
            f"the audit log's tree was damaged: {error}", next_step="see where: quilate audit verify"
        ) from error
    if tree.root() != row.root:
        raise LogRefusalError(
            "the audit log's tree was damaged: its tiles do not lead to its root",
            next_step="see where: quilate audit verify",
        )
    return tree


def _turned_back(head: Head, found: str) -> LogRefusalError:
    return LogRefusalError(
        f"the audit log was turned back: {head.size} entries were signed, {found}",
        next_step="restore the newest backup of the database; if there is none, keep `audit-head` as evidence "
        "and move it away to go on from here",
    )
