"""A log over a test's database: append, sequence, verify, and tamper with it as somebody with the database could."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quilate.audit.checkpoints import Checkpoint, sign_checkpoint
from quilate.audit.database_verification import verify_database
from quilate.audit.entries import AuditEntry, append_entries
from quilate.audit.export import export_lines
from quilate.audit.findings import LogReport, Reference, Trust
from quilate.audit.head import Head, HeadFile
from quilate.audit.keys import FileKeyring, LocalSigner, LogKey
from quilate.audit.merkle import leaf_hash
from quilate.audit.notes import SignatureType, VerifierKey
from quilate.audit.sequencer import run_sequencer
from quilate.audit.store import read_keys, read_tree
from quilate.audit.tiles import GrowingTree
from quilate.audit.verification import verify_lines
from quilate.kit.database.database import Database

TABLES = ("audit_entries", "audit_tiles", "audit_tree", "audit_checkpoints", "audit_cosignatures", "audit_keys")


def entries(count: int, action: str = "run.decided", project: UUID | None = None) -> list[AuditEntry]:
    """Return entries that look like the engine's."""
    return [
        AuditEntry(
            action=action,
            actor="system:quilate",
            subject=f"run:{number}",
            project_id=project,
            details={"verdict": "PASS", "seal": "sha256:" + "ab" * 32, "number": number},
        )
        for number in range(count)
    ]


@dataclass(slots=True)
class Log:
    """A log with its state directory."""

    database: Database
    state: Path

    async def append(self, appended: Sequence[AuditEntry]) -> None:
        """Commit entries."""
        async with self.database.transaction() as connection:
            await append_entries(connection, appended)

    async def sequence(self, state: Path | None = None) -> None:
        """Place everything that is committed, and sign."""
        stop = asyncio.Event()
        stop.set()
        await run_sequencer(self.database, state or self.state, stop)

    async def grow(self, *batches: int) -> None:
        """Append batches of entries, each signed by a checkpoint of its own."""
        for batch in batches:
            await self.append(entries(batch))
            await self.sequence()

    async def sql(self, statement: LiteralString, *values: Any) -> list[dict[str, Any]]:
        """Do what somebody with the database's password could."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement, values or None)
            return await cursor.fetchall() if cursor.description else []

    async def size(self) -> int:
        """Return how many entries have a place."""
        async with self.database.connection() as connection:
            tree = await read_tree(connection)
        return tree.size if tree is not None else 0

    async def refusal(self) -> str:
        """Return why the log does not go on."""
        async with self.database.connection() as connection:
            tree = await read_tree(connection)
        return tree.refusal if tree is not None else ""

    async def export(self) -> list[bytes]:
        """Return the lines of an export."""
        content = b"".join([piece async for piece in export_lines(self.database)])
        return content.splitlines(keepends=True)

    async def keys(self) -> tuple[VerifierKey, ...]:
        """Return the newest public key."""
        async with self.database.connection() as connection:
            return (await read_keys(connection))[-1][1]

    def head(self) -> Head:
        """Return the head in the state directory."""
        head = HeadFile(self.state).read()
        assert head is not None
        return head

    async def verify(self, trust: Trust | None = None, *, head: Head | None = None) -> tuple[LogReport, LogReport]:
        """Return what the offline verification of an export finds, and what the verification of the database finds."""
        references = (Reference(name="the kept head", head=head),) if head is not None else ()
        trust = trust or Trust(references=references)
        return verify_lines(await self.export(), trust), await verify_database(self.database, trust)

    async def copy(self) -> None:
        """Keep a dump of the log's tables."""
        async with self.database.connection() as connection:
            for table in TABLES:
                await connection.execute(f"DROP TABLE IF EXISTS kept_{table}")
                await connection.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")

    async def restore(self) -> None:
        """Put the dump in the place of the log."""
        async with self.database.transaction() as connection:
            await connection.execute("TRUNCATE audit_pending, " + ", ".join(TABLES))
            for table in TABLES:
                await connection.execute(f"INSERT INTO {table} TABLE kept_{table}")

    async def rewrite(self, change: Callable[[int, bytes], bytes]) -> None:
        """Change entries with all hashes, tiles and the root, as a careful forger would; checkpoints stay."""
        rows = await self.sql("SELECT entry_index, leaf FROM audit_entries ORDER BY entry_index")
        tree = GrowingTree()
        async with self.database.transaction() as connection:
            hashes = []
            for row in rows:
                leaf = change(row["entry_index"], row["leaf"])
                hashes.append(leaf_hash(leaf))
                await connection.execute(
                    "UPDATE audit_entries SET leaf = %s, leaf_hash = %s WHERE entry_index = %s",
                    (leaf, hashes[-1], row["entry_index"]),
                )
            for (level, number), content in tree.append(hashes).items():
                await connection.execute(
                    "UPDATE audit_tiles SET hashes = %s WHERE level = %s AND number = %s", (content, level, number)
                )
            await connection.execute("UPDATE audit_tree SET root = %s", (tree.root(),))

    async def sign_again(self, sizes: Iterable[int], key: LogKey) -> None:
        """Put checkpoints by a key in the place of the present ones."""
        rows = await self.sql("SELECT leaf_hash FROM audit_entries ORDER BY entry_index")
        tree = await self.sql("SELECT origin FROM audit_tree")
        for size in sizes:
            grown = GrowingTree()
            grown.append([row["leaf_hash"] for row in rows[:size]])
            checkpoint = Checkpoint(origin=tree[0]["origin"], size=size, root=grown.root())
            note = sign_checkpoint(checkpoint, key.signers, 1).encode()
            await self.sql(
                "UPDATE audit_checkpoints SET root = %s, note = %s WHERE size = %s", checkpoint.root, note, size
            )

    async def stolen_key(self) -> LogKey:
        """Return the log's own private key."""
        key = FileKeyring(self.state).find(await self.keys())
        assert key is not None
        return key


def new_signer(name: str, kind: SignatureType = SignatureType.ED25519) -> LocalSigner:
    """Return a key of nobody that is trusted."""
    private_key = Ed25519PrivateKey.generate()
    verifier = VerifierKey(name=name, type=kind, public_key=private_key.public_key().public_bytes_raw())
    return LocalSigner(verifier=verifier, private_key=private_key)


def kinds(report: LogReport) -> set[str]:
    """Return the kinds of findings; each must say something."""
    assert all(finding.message and not finding.message.endswith(".") for finding in report.findings)
    return {finding.kind.value for finding in report.findings}
