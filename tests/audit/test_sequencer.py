"""The sequencer over a real PostgreSQL: nothing committed is lost or doubled, nothing false is signed (C10)."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from quilate.audit.checkpoints import is_signed_by, parse_checkpoint
from quilate.audit.entries import append_entries
from quilate.audit.head import HeadFile
from quilate.audit.keys import KEY_FILE
from quilate.audit.sequencer import run_sequencer
from quilate.audit.store import last_checkpoint, thin_checkpoints
from quilate.kit.database.database import Database
from tests.support.audit_log import Log, entries

_PATIENCE_SECONDS = 60


@pytest.fixture
def log(database: Database, tmp_path: Path) -> Log:
    return Log(database, tmp_path)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await true():  # noqa: ASYNC110 - another process of the database has to do it
            await asyncio.sleep(0.02)


async def numbers(log: Log) -> list[int]:
    """Return the entries' own numbers in the order of the log, its own entries left out."""
    rows = await log.sql("SELECT leaf FROM audit_entries ORDER BY entry_index")
    details = [json.loads(row["leaf"])["details"] for row in rows]
    return [each["number"] for each in details if "number" in each]


@pytest.mark.asyncio
async def test_entries_get_dense_places_and_a_signed_checkpoint(log: Log) -> None:
    await log.grow(300, 1, 700)

    indexes = [row["entry_index"] for row in await log.sql("SELECT entry_index FROM audit_entries ORDER BY 1")]
    assert indexes == list(range(1002))
    assert await log.sql("SELECT 1 FROM audit_pending") == []
    assert [row["size"] for row in await log.sql("SELECT size FROM audit_checkpoints ORDER BY 1")] == [301, 302, 1002]
    head = log.head()
    signed = parse_checkpoint(head.note)
    assert (head.size, signed.checkpoint.root) == (1002, head.root)
    assert is_signed_by(await log.keys(), signed)
    assert (log.state / KEY_FILE).stat().st_mode & 0o077 == 0
    exported, stored = await log.verify(head=head)
    assert exported.intact, exported.findings
    assert stored.intact, stored.findings
    assert exported.anchored == 1002


@pytest.mark.asyncio
async def test_nothing_new_is_not_signed_again(log: Log) -> None:
    await log.grow(3)
    before = log.head()
    await log.sequence()

    assert log.head() == before


@pytest.mark.asyncio
async def test_an_open_transaction_keeps_its_entries_to_itself_and_gets_later_places(log: Log) -> None:
    async with log.database.transaction() as early:
        await append_entries(early, entries(1, action="run.early"))
        await log.append(entries(1, action="run.late"))
        await log.sequence()
        actions = [row["action"] for row in await log.sql("SELECT action FROM audit_entries ORDER BY entry_index")]
        assert actions == ["audit.key-created", "run.late"]
    with contextlib.suppress(ZeroDivisionError):
        async with log.database.transaction() as undone:
            await append_entries(undone, entries(1, action="run.undone"))
            raise ZeroDivisionError
    await log.sequence()

    actions = [row["action"] for row in await log.sql("SELECT action FROM audit_entries ORDER BY entry_index")]
    assert actions == ["audit.key-created", "run.late", "run.early"]
    assert (await log.verify())[1].intact


@pytest.mark.asyncio
async def test_a_thousand_writers_at_once_with_two_sequencers(
    log: Log, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await log.grow(1)
    other = tmp_path_factory.mktemp("other-machine")
    shutil.copy(log.state / KEY_FILE, other / KEY_FILE)
    stops = [asyncio.Event(), asyncio.Event()]
    async with (
        Database.open(database_url, name="one", max_size=2) as one,
        Database.open(database_url, name="two", max_size=2) as two,
    ):
        running = [
            asyncio.create_task(run_sequencer(one, log.state, stops[0])),
            asyncio.create_task(run_sequencer(two, other, stops[1])),
        ]
        written = entries(1001)[1:]
        await asyncio.gather(*(log.append([entry]) for entry in written[:900]))

        # Whichever worked, the other goes on.
        stops[0].set()
        await running[0]
        await asyncio.gather(*(log.append([entry]) for entry in written[900:]))
        await until(lambda: _is_signed(log, await_size=1002))
        stops[1].set()
        await running[1]

    assert sorted(await numbers(log)) == list(range(1001))
    exported, stored = await log.verify()
    assert exported.intact, exported.findings
    assert stored.intact, stored.findings
    heads = [HeadFile(state).read() for state in (log.state, other)]
    assert max(head.size for head in heads if head is not None) == await log.size()


async def _is_signed(log: Log, await_size: int) -> bool:
    async with log.database.connection() as connection:
        last = await last_checkpoint(connection, "")
    return last is not None and last.size >= await_size


@pytest.mark.asyncio
async def test_a_sequencer_that_is_killed_again_and_again_loses_and_doubles_nothing(
    log: Log, database_url: str
) -> None:
    stop = asyncio.Event()
    async with Database.open(database_url, name="victim", max_size=2) as own:
        running = asyncio.create_task(run_sequencer(own, log.state, stop))
        for number in range(40):
            await log.append(
                [entry for entry in entries(200 * (number + 1)) if entry.details["number"] >= 200 * number]
            )
            await log.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'victim' AND datname = current_database()"
            )
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        again = asyncio.create_task(run_sequencer(own, log.state, stop))
        await until(lambda: _is_signed(log, await_size=8001))
        stop.set()
        await again

    assert await numbers(log) == list(range(8000))
    assert await log.size() == 8001
    exported, stored = await log.verify(head=log.head())
    assert exported.intact, exported.findings
    assert stored.intact, stored.findings


@pytest.mark.asyncio
async def test_a_database_turned_back_is_never_signed(log: Log) -> None:
    await log.grow(10)
    await log.copy()
    await log.grow(10)
    kept = log.head()
    await log.restore()
    await log.append(entries(30))
    await log.sequence()

    assert "turned back: 21 entries were signed, the database has 11" in await log.refusal()
    assert log.head() == kept
    assert [row["size"] for row in await log.sql("SELECT size FROM audit_checkpoints ORDER BY 1")] == [11]
    assert len(await log.sql("SELECT 1 FROM audit_pending")) == 30, "what was accepted waits"


@pytest.mark.asyncio
async def test_an_empty_database_beside_a_head_is_refused(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    await log.grow(5)
    await log.sql("TRUNCATE audit_entries, audit_tiles, audit_tree, audit_checkpoints, audit_cosignatures, audit_keys")
    await log.sequence()

    assert await log.size() == 0
    assert "no log at all" in caplog.text


@pytest.mark.asyncio
async def test_a_rewritten_history_is_never_signed(log: Log) -> None:
    await log.grow(10)
    kept = log.head()
    await log.rewrite(lambda index, leaf: leaf.replace(b"PASS", b"FAIL") if index == 4 else leaf)
    await log.append(entries(5))
    await log.sequence()

    assert "rewritten: its first 11 entries are not those that were signed" in await log.refusal()
    assert log.head() == kept


@pytest.mark.asyncio
async def test_damaged_tiles_are_refused_and_a_repair_lets_the_log_go_on(log: Log) -> None:
    await log.grow(10)
    tiles = await log.sql("SELECT hashes FROM audit_tiles WHERE level = 0")
    await log.sql("UPDATE audit_tiles SET hashes = substr(hashes, 33)")
    await log.append(entries(5))
    await log.sequence()
    assert "damaged" in await log.refusal()

    await log.sql("UPDATE audit_tiles SET hashes = %s", tiles[0]["hashes"])
    await log.sequence()

    assert await log.refusal() == ""
    assert log.head().size == 16
    assert (await log.verify())[1].intact


@pytest.mark.asyncio
async def test_a_machine_without_the_key_signs_nothing(log: Log, tmp_path_factory: pytest.TempPathFactory) -> None:
    await log.grow(3)
    await log.append(entries(1))
    await log.sequence(tmp_path_factory.mktemp("stranger"))

    assert "is not on this machine" in await log.refusal()
    assert await log.size() == 4


@pytest.mark.asyncio
async def test_a_key_that_others_may_read_is_not_used(log: Log) -> None:
    await log.grow(3)
    (log.state / KEY_FILE).chmod(0o644)
    await log.append(entries(1))
    await log.sequence()

    assert "others may read" in await log.refusal()
    assert await log.size() == 4


@pytest.mark.asyncio
async def test_a_lost_head_is_taken_from_the_newest_checkpoint_and_the_log_says_so(log: Log) -> None:
    await log.grow(3)
    (log.state / "audit-head").unlink()
    await log.grow(2)

    actions = [row["action"] for row in await log.sql("SELECT action FROM audit_entries ORDER BY entry_index")]
    assert actions.count("audit.head-adopted") == 1
    assert log.head().size == await log.size() == 7
    await log.sql("UPDATE audit_checkpoints SET note = replace(note, E'\\n7\\n', E'\\n8\\n') WHERE size = 7")
    (log.state / "audit-head").unlink()
    await log.append(entries(1))
    await log.sequence()
    assert "is not signed by the log's key" in await log.refusal()


@pytest.mark.asyncio
async def test_a_head_that_was_signed_but_not_published_is_published_at_the_next_start(log: Log) -> None:
    await log.grow(3)
    await log.sql("DELETE FROM audit_checkpoints")
    await log.sequence()

    assert [row["size"] for row in await log.sql("SELECT size FROM audit_checkpoints")] == [4]


@pytest.mark.asyncio
async def test_old_checkpoints_are_thinned_to_one_of_each_256_entries(log: Log) -> None:
    await log.grow(10, 10, 300, 10)
    await log.sql("UPDATE audit_checkpoints SET signed_at = now() - interval '1 hour'")
    async with log.database.connection() as connection:
        await thin_checkpoints(connection)

    assert [row["size"] for row in await log.sql("SELECT size FROM audit_checkpoints ORDER BY 1")] == [11, 321]
    assert (await log.verify())[0].anchored == 321
