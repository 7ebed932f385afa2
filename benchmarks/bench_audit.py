"""The audit log: entries appended and placed beside a plain batched insert, and a million entries verified.

Both inserts write the same rows in batches of the same size to the same server, with fsync on. ``append`` is what the
engine pays within its own transactions; ``place`` is the sequencer over what waits: places, hashes, tiles, head;
``together`` is both at once, until the last entry has its place and a checkpoint covers it. Verified is a whole export
by the command itself, from the start of its process on; beside it stands SHA-256 over the same bytes.
"""

import asyncio
import hashlib
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from measure import report, run_quietly, wall_milliseconds
from quilate.app.service.schema import service_migrations
from quilate.audit.checkpoints import Checkpoint, sign_checkpoint
from quilate.audit.entries import AuditEntry, append_entries, leaf_of
from quilate.audit.export import entry_line
from quilate.audit.export_format import FORMAT
from quilate.audit.key_entries import created_entry
from quilate.audit.keys import FileKeyring
from quilate.audit.merkle import leaf_hash
from quilate.audit.sequencer import run_sequencer
from quilate.audit.tiles import GrowingTree
from quilate.kit.canonical import canonical_json
from quilate.kit.database.arrays import bytes_array, uuid_array
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.migrations import migrate
from quilate.kit.ids import uuid7

ENTRIES = 100_000
BATCH = 500
ROUNDS = 3
VERIFIED = 1_000_000
CHECKPOINT_EVERY = 1024
TARGET_PER_SECOND = 20_000
TARGET_SECONDS = 10.0
ORIGIN = "quilate/audit/benchmark"
AT = "2026-11-21T12:00:00.000+00:00"


def entry(number: int) -> AuditEntry:
    """Return an entry of the size that a decision has."""
    return AuditEntry(
        action="run.decided",
        actor="system:quilate",
        subject=f"run:{number}",
        details={"verdict": "PASS", "decision": f"sha256:{number:064x}", "seal": f"sha256:{number + 1:064x}"},
    )


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    """Return entries a second."""
    begin = time.perf_counter()
    await work()
    return ENTRIES / (time.perf_counter() - begin)


async def appended(database: Database, batches: Sequence[Sequence[AuditEntry]]) -> None:
    """Append each batch in a transaction of its own."""
    for batch in batches:
        async with database.transaction() as connection:
            await append_entries(connection, batch)


async def plainly_inserted(database: Database, batches: Sequence[Sequence[AuditEntry]]) -> None:
    """Insert the same rows: id, project and content."""
    for batch in batches:
        ids = [uuid7() for _ in batch]
        leaves = [canonical_json({"id": str(key), "entry": each}) for key, each in zip(ids, batch, strict=True)]
        async with database.transaction() as connection:
            await connection.execute(
                "INSERT INTO plain (id, project_id, leaf) SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bytea[])",
                (uuid_array(ids), uuid_array([None] * len(ids)), bytes_array(leaves)),
            )


async def placed(database: Database, state: Path) -> None:
    """Give everything that waits its place, and sign."""
    stop = asyncio.Event()
    stop.set()
    await run_sequencer(database, state, stop)


async def together(database: Database, state: Path, batches: Sequence[Sequence[AuditEntry]]) -> None:
    """Append while the sequencer works, until everything is placed and signed."""
    stop = asyncio.Event()
    running = asyncio.create_task(run_sequencer(database, state, stop))
    await appended(database, batches)
    stop.set()
    await running


async def measured(url: str, state: Path) -> dict[str, float]:
    """Return the medians of all ways, which take turns."""
    await migrate(url, service_migrations())
    batches = [[entry(first + number) for number in range(BATCH)] for first in range(0, ENTRIES, BATCH)]
    rates: dict[str, list[float]] = {"plain": [], "append": [], "place": [], "together": []}
    async with Database.open(url, name="benchmark", max_size=4) as database:
        async with database.connection() as connection:
            await connection.execute(
                "CREATE TABLE plain (arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL, "
                "project_id uuid, leaf bytea NOT NULL)"
            )
        for _ in range(ROUNDS):
            rates["plain"].append(await timed(lambda: plainly_inserted(database, batches)))
            rates["append"].append(await timed(lambda: appended(database, batches)))
            rates["place"].append(await timed(lambda: placed(database, state)))
            rates["together"].append(await timed(lambda: together(database, state, batches)))
    return {name: statistics.median(values) for name, values in rates.items()}


def write_export(path: Path, state: Path) -> None:
    """Write an export of a million entries, with a signed checkpoint after each 1,024."""
    key = FileKeyring(state).create(ORIGIN)
    tree = GrowingTree()
    with path.open("wb") as stream:
        stream.write(canonical_json({"format": FORMAT, "origin": ORIGIN, "size": VERIFIED}) + b"\n")
        for index in range(VERIFIED):
            said = entry(index) if index else created_entry(ORIGIN, key)
            leaf = leaf_of(uuid7(), AT, said, {})
            hashed = leaf_hash(leaf)
            tree.append([hashed])
            stream.write(entry_line(index, hashed, {"leaf": leaf, "leaf_hash": hashed}))
            if (index + 1) % CHECKPOINT_EVERY == 0 or index + 1 == VERIFIED:
                checkpoint = Checkpoint(origin=ORIGIN, size=index + 1, root=tree.root())
                note = sign_checkpoint(checkpoint, key.signers, 1).encode()
                stream.write(canonical_json({"checkpoint": note}) + b"\n")
        stream.write(canonical_json({"end": VERIFIED}) + b"\n")


def sha256_of_file(path: Path) -> None:
    """Hash the bytes of a file, line by line, as any verification of single entries has to."""
    with path.open("rb", buffering=1 << 20) as stream:
        for line in stream:
            hashlib.sha256(line).digest()


def verification(directory: Path) -> dict[str, float]:
    """Return how long the command takes over a million entries, with its memory."""
    export = directory / "audit.ndjson"
    write_export(export, directory)
    command = [str(Path(sys.executable).with_name("quilate")), "audit", "verify", str(export)]

    def verify() -> None:
        done = run_quietly(command)
        if done.returncode:
            raise SystemExit(done.stdout.decode() + done.stderr.decode())

    verify_times, hash_times = [], []
    for _ in range(ROUNDS):
        verify_times.append(wall_milliseconds(verify) / 1000)
        hash_times.append(wall_milliseconds(lambda: sha256_of_file(export)) / 1000)
    return {
        "verified_entries": VERIFIED,
        "verify_seconds": statistics.median(verify_times),
        "verify_peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "sha256_seconds": statistics.median(hash_times),
        "verify_ratio": statistics.median(verify_times) / statistics.median(hash_times),
    }


def main() -> None:
    """Measure and print the JSON line."""
    with tempfile.TemporaryDirectory(prefix="quilate-benchmark-") as name:
        directory = Path(name)
        verified = verification(directory)
        server = EmbeddedPostgres(directory / "postgres")
        url = server.start()
        try:
            rates = asyncio.run(measured(url, directory / "state"))
        finally:
            server.stop()
    report(
        "audit",
        **{f"{name}_per_second": rate for name, rate in rates.items()},
        append_ratio=rates["append"] / rates["plain"],
        together_ratio=rates["together"] / rates["plain"],
        **verified,
        target_per_second=TARGET_PER_SECOND,
        target_seconds=TARGET_SECONDS,
        within_target=rates["append"] >= TARGET_PER_SECOND
        and rates["place"] >= TARGET_PER_SECOND
        and verified["verify_seconds"] <= TARGET_SECONDS,
    )


if __name__ == "__main__":
    main()
