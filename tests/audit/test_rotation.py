"""Keys of the log: rotation signed by both, loss told, nothing taken up that not everybody signed (C10)."""

from pathlib import Path

import pytest

from quilate.audit.entries import AuditEntry
from quilate.audit.findings import Trust
from quilate.audit.key_entries import KeyChain, rotated_entry
from quilate.audit.keys import KEY_FILE, NEXT_KEY_FILE, FileKeyring, LogKey
from quilate.audit.rotation import rotate_key, wait_until_taken_up
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.database import Database
from tests.support.audit_log import Log, entries, kinds, new_signer


@pytest.fixture
def log(database: Database, tmp_path: Path) -> Log:
    return Log(database, tmp_path)


async def rotate(log: Log, *, lost: bool = False) -> None:
    new = await rotate_key(log.database, FileKeyring(log.state), "local:0", old_key_lost=lost)
    await log.sequence()
    assert await wait_until_taken_up(log.database, new, 0)


@pytest.mark.asyncio
async def test_the_chain_of_keys_is_verified_from_the_first_on(log: Log) -> None:
    await log.grow(5)
    first = await log.keys()
    await rotate(log)
    await log.grow(5)
    await rotate(log)
    await log.grow(5)
    last = await log.keys()

    assert first != last
    assert not (log.state / NEXT_KEY_FILE).exists()
    for trust in (Trust(), Trust(keys=first), Trust(keys=last)):
        for report in await log.verify(trust, head=None):
            assert report.intact, report.findings
            assert report.anchored == 18
            assert [size for size, _ in report.keys] == [1, 7, 13]
    actions = [row["action"] for row in await log.sql("SELECT action FROM audit_entries ORDER BY entry_index")]
    assert actions.count("audit.key-rotated") == 2


@pytest.mark.asyncio
async def test_a_retired_key_signs_no_more(log: Log) -> None:
    await log.grow(5)
    retired = await log.stolen_key()
    await rotate(log)
    await log.grow(5)
    await log.sign_again([12], retired)

    for report in await log.verify():
        assert kinds(report) == {"signature"}
        assert "a key that signed from 1 entries on only" in report.findings[0].message


@pytest.mark.asyncio
async def test_a_lost_key_is_replaced_and_verifiers_are_told(log: Log) -> None:
    await log.grow(5)
    first = await log.keys()
    (log.state / KEY_FILE).unlink()
    with pytest.raises(ConfigurationError, match="not on this machine"):
        await rotate_key(log.database, FileKeyring(log.state), "local:0")
    await log.append(entries(2))
    await log.sequence()
    assert "not on this machine" in await log.refusal()
    new = await rotate_key(log.database, FileKeyring(log.state), "local:0", old_key_lost=True)
    assert not await wait_until_taken_up(log.database, new, 0), "nobody sequences now"
    await log.sequence()

    assert await log.refusal() == ""
    assert await log.keys() == new
    for report in await log.verify(Trust(keys=first)):
        assert kinds(report) == {"key"}
        assert "another key signs" in report.findings[0].message
    for report in await log.verify(Trust(keys=(*first, *new))):
        assert report.intact, report.findings


@pytest.mark.asyncio
async def test_a_rotation_that_not_everybody_signed_is_no_rotation(log: Log) -> None:
    await log.grow(5)
    origin, key = log.head().origin, await log.keys()
    thief = LogKey(signers=(new_signer(origin),))
    forged = rotated_entry(origin, "user:thief", thief, thief)
    await log.append(
        [AuditEntry(action=forged.action, actor=forged.actor, subject=forged.subject, details=forged.details)]
    )
    await log.grow(5)

    assert await log.keys() == key
    for report in await log.verify():
        assert kinds(report) == {"key"}
        assert report.findings[0].first == 6


@pytest.mark.asyncio
async def test_one_rotation_at_a_time(log: Log) -> None:
    keyring = FileKeyring(log.state)
    with pytest.raises(ConfigurationError, match="not begun"):
        await rotate_key(log.database, keyring, "local:0")
    await log.grow(5)
    await rotate_key(log.database, keyring, "local:0")

    with pytest.raises(ConfigurationError, match="under way"):
        await rotate_key(log.database, keyring, "local:0")


def test_keys_in_files_are_refused_unless_they_are_private_and_whole(tmp_path: Path) -> None:
    keyring = FileKeyring(tmp_path / "state")
    made = keyring.create("quilate/audit/test")

    found = keyring.find(made.verifiers)
    assert found is not None
    assert found.verifiers == made.verifiers
    assert keyring.create("quilate/audit/test").verifiers == made.verifiers
    assert [each.type.name for each in made.verifiers] == ["ED25519", "COSIGNATURE_ML_DSA_44"]
    assert keyring.find(()) is None
    path = tmp_path / "state" / KEY_FILE
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read"):
        keyring.find(made.verifiers)
    path.chmod(0o600)
    path.write_text("no key", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no Ed25519 key"):
        keyring.find(made.verifiers)
    path.write_bytes(b"-----BEGIN " + b"PRIVATE KEY-----\nAAAA\n-----END " + b"PRIVATE KEY-----\n")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        keyring.find(made.verifiers)


def test_a_chain_takes_no_entry_out_of_turn() -> None:
    chain = KeyChain(origin="quilate/audit/test")

    assert chain.at(5) == ()
    assert chain.add(0, b'{"action":"audit.key-created"}') is None
    assert chain.add(0, b"anything") is None
