"""Every way to tamper with the log by SQL or in an export is found, and named (C10)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.audit.checkpoints import Checkpoint, cosign, sign_checkpoint
from quilate.audit.database_verification import verify_database
from quilate.audit.findings import AnchorKind, LogReport, Reference, Trust
from quilate.audit.head import Head
from quilate.audit.keys import LogKey
from quilate.audit.notes import SignatureType
from quilate.audit.verification import verify_lines
from quilate.kit.database.database import Database
from tests.support.audit_log import Log, entries, kinds, new_signer


@pytest.fixture
def log(database: Database, tmp_path: Path) -> Log:
    return Log(database, tmp_path)


def spans(report: LogReport, kind: str) -> list[tuple[int | None, int | None]]:
    return [(finding.first, finding.last) for finding in report.findings if finding.kind.value == kind]


EDITS: list[tuple[LiteralString, str]] = [
    (
        "UPDATE audit_entries SET leaf = replace(leaf::text, '50415353', '4641494c')::bytea WHERE entry_index = 7",
        "entry",
    ),
    ("UPDATE audit_entries SET leaf = 'no json' WHERE entry_index = 7", "entry"),
    ("UPDATE audit_entries SET leaf = leaf || '\\x0a'::bytea WHERE entry_index = 7", "entry"),
    ("UPDATE audit_entries SET leaf_hash = sha256('x') WHERE entry_index = 7", "entry"),
    (
        "UPDATE audit_entries SET leaf = '[]', leaf_hash = sha256('\\x005b5d'::bytea) WHERE entry_index = 7",
        "entry",
    ),
    ("DELETE FROM audit_entries WHERE entry_index = 7", "missing"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("edit", "kind"), EDITS)
async def test_an_edited_or_deleted_entry_is_named(log: Log, edit: LiteralString, kind: str) -> None:
    await log.grow(5, 10)
    await log.sql(edit)

    for report in await log.verify(head=log.head()):
        assert spans(report, kind) == [(7, 7)], report.findings
        assert kinds(report) == {kind}


@pytest.mark.asyncio
async def test_swapped_entries_are_both_named(log: Log) -> None:
    await log.grow(10)
    await log.sql("UPDATE audit_entries SET entry_index = -1 WHERE entry_index = 3")
    await log.sql("UPDATE audit_entries SET entry_index = 3 WHERE entry_index = 4")
    await log.sql("UPDATE audit_entries SET entry_index = 4 WHERE entry_index = -1")

    for report in await log.verify():
        assert spans(report, "entry") == [(3, 3), (4, 4)]


@pytest.mark.asyncio
async def test_columns_that_lists_are_filtered_by_are_held_against_the_content(log: Log) -> None:
    await log.grow(10)
    await log.sql("UPDATE audit_entries SET action = 'run.cancelled' WHERE entry_index = 2")
    await log.sql("UPDATE audit_entries SET project_id = gen_random_uuid() WHERE entry_index = 3")

    _, stored = await log.verify()
    assert spans(stored, "entry") == [(2, 2), (3, 3)]


@pytest.mark.asyncio
async def test_a_consistent_rewrite_is_named_as_the_range_between_two_checkpoints(log: Log) -> None:
    await log.grow(5, 10, 10, 10)
    await log.rewrite(lambda index, leaf: leaf.replace(b"PASS", b"FAIL") if index == 18 else leaf)

    for report in await log.verify():
        assert spans(report, "rewritten") == [(16, 25)]
        assert kinds(report) == {"rewritten"}
        assert report.anchored == 16


@pytest.mark.asyncio
async def test_a_rewrite_with_checkpoints_of_a_foreign_key_is_found(log: Log) -> None:
    await log.grow(5, 10)
    key = LogKey(signers=(new_signer(log.head().origin),))
    await log.rewrite(lambda index, leaf: leaf.replace(b"PASS", b"FAIL") if index == 8 else leaf)
    await log.sign_again([16], key)

    for report in await log.verify():
        assert "signature" in kinds(report)
        assert report.anchored == 6


@pytest.mark.asyncio
async def test_a_rewrite_signed_with_the_stolen_key_is_found_by_the_kept_head(log: Log) -> None:
    await log.grow(5, 10, 10)
    kept = log.head()
    await log.rewrite(lambda index, leaf: leaf.replace(b"PASS", b"FAIL") if index == 18 else leaf)
    await log.sign_again([26], await log.stolen_key())

    assert all(report.intact for report in await log.verify()), "nothing within the database can show it"
    for report in await log.verify(head=kept):
        assert kinds(report) == {"fork"}
        assert "two histories were signed" in report.findings[0].message
        assert "the kept head" in report.findings[0].message


@pytest.mark.asyncio
async def test_older_checkpoints_narrow_the_fork(log: Log) -> None:
    await log.grow(5)
    first = log.head()
    await log.grow(10)
    second = log.head()
    await log.rewrite(lambda index, leaf: leaf.replace(b"PASS", b"FAIL") if index == 9 else leaf)
    await log.sign_again([6, 16], await log.stolen_key())
    references = (Reference(name="second", head=second), Reference(name="first", head=first))

    for report in await log.verify(Trust(references=references)):
        assert spans(report, "fork") == [(6, 15)]
        assert [anchor.name for anchor in report.anchors if anchor.kind is AnchorKind.HEAD] == ["first"]


@pytest.mark.asyncio
async def test_a_truncated_log_is_found_by_its_checkpoints(log: Log) -> None:
    await log.grow(5, 10)
    await log.copy()
    await log.grow(10)
    later = await log.sql("SELECT * FROM audit_checkpoints WHERE size = 26")
    await log.restore()
    await log.sql(
        "INSERT INTO audit_checkpoints (size, root, note) VALUES (%s, %s, %s)",
        later[0]["size"],
        later[0]["root"],
        later[0]["note"],
    )

    for report in await log.verify():
        assert spans(report, "truncated") == [(16, 25)]


@pytest.mark.asyncio
async def test_an_older_dump_is_found_by_the_kept_head(log: Log) -> None:
    await log.grow(5)
    await log.copy()
    await log.grow(10)
    kept = log.head()
    await log.restore()

    assert all(report.intact for report in await log.verify()), "an older log is a log"
    for report in await log.verify(head=kept):
        assert spans(report, "rollback") == [(6, 15)]
        assert "knows 16 entries, it ends after 6" in report.findings[0].message


@pytest.mark.asyncio
async def test_a_wiped_database_is_found_by_the_kept_head(log: Log) -> None:
    await log.grow(5)
    kept = log.head()
    await log.sql("TRUNCATE audit_entries, audit_tiles, audit_tree, audit_checkpoints, audit_cosignatures, audit_keys")

    for report in await log.verify(head=kept):
        assert kinds(report) == {"rollback"}


@pytest.mark.asyncio
async def test_a_wiped_database_is_no_log_of_a_trusted_key(log: Log) -> None:
    await log.grow(5)
    own = await log.keys()
    await log.sql("TRUNCATE audit_entries, audit_tiles, audit_tree, audit_checkpoints, audit_cosignatures, audit_keys")

    for report in await log.verify(Trust(keys=own)):
        assert kinds(report) == {"signature"}
        assert "signed by a key that is trusted" in report.findings[0].message


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "edit",
    [
        "DROP TABLE audit_entries",
        "DROP TABLE audit_checkpoints CASCADE",
        "ALTER TABLE audit_entries DROP COLUMN leaf_hash",
    ],
)
async def test_a_dropped_table_or_column_is_named(log: Log, edit: LiteralString) -> None:
    await log.grow(5)
    await log.sql(edit)

    report = await verify_database(log.database, Trust())
    assert not report.intact
    assert any(name in report.findings[0].message for name in ("audit_entries", "audit_checkpoints", "leaf_hash"))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ("UPDATE audit_tree SET root = sha256('x')", "its row holds another root than 16 entries have"),
        (
            "UPDATE audit_checkpoints SET root = sha256('x') WHERE size = 16",
            "the checkpoint of 16 entries was changed: its columns are not what its note says",
        ),
    ],
)
async def test_what_the_sequencer_refuses_to_go_on_from_is_named(log: Log, edit: LiteralString, told: str) -> None:
    await log.grow(5, 10)
    await log.sql(edit)
    (log.state / "audit-head").unlink()
    await log.append(entries(1))
    await log.sequence()
    assert await log.refusal()

    exported, stored = await log.verify()
    assert exported.intact, "an export holds neither"
    assert kinds(stored) == {"tree"}
    assert told in stored.findings[0].message


@pytest.mark.asyncio
async def test_two_histories_after_a_restore_are_a_fork(log: Log) -> None:
    await log.grow(5)
    await log.copy()
    await log.grow(10)
    kept = log.head()
    await log.restore()
    (log.state / "audit-head").unlink()
    await log.append(entries(20, action="run.other"))
    await log.sequence()

    for report in await log.verify(head=kept):
        assert kinds(report) == {"fork"}
        assert "two histories were signed" in report.findings[0].message


@pytest.mark.asyncio
async def test_a_second_checkpoint_between_good_ones_is_a_fork(log: Log) -> None:
    await log.grow(5, 10, 10)
    origin, key = log.head().origin, await log.stolen_key()
    forged = sign_checkpoint(Checkpoint(origin=origin, size=16, root=bytes(32)), key.signers, 1)
    await log.sql("UPDATE audit_checkpoints SET root = %s, note = %s WHERE size = 16", bytes(32), forged.encode())

    for report in await log.verify():
        assert kinds(report) == {"fork"}
        assert "two histories were signed" in report.findings[0].message


@pytest.mark.asyncio
async def test_damaged_tiles_name_their_entries(log: Log) -> None:
    await log.grow(600)
    await log.sql("UPDATE audit_tiles SET hashes = sha256('x') || substr(hashes, 33) WHERE level = 1")

    exported, stored = await log.verify()
    assert exported.intact, "an export holds no upper tiles"
    assert spans(stored, "tree") == [(0, 255)]


@pytest.mark.asyncio
async def test_a_missing_tile_a_foreign_entry_and_a_foreign_key_are_named(log: Log) -> None:
    await log.grow(300)
    await log.sql("DELETE FROM audit_tiles WHERE level = 0 AND number = 1")
    await log.sql("UPDATE audit_keys SET verifiers = array['x+00000000+AAAA']")
    await log.sql(
        "INSERT INTO audit_entries SELECT 9000, id, project_id, action, actor, subject, appended_at, leaf, leaf_hash "
        "FROM audit_entries WHERE entry_index = 1"
    )

    _, stored = await log.verify()
    assert {"entry", "tree", "key"} <= kinds(stored)
    assert spans(stored, "entry")[0] == (256, 256)
    assert spans(stored, "tree") == [(9000, 9000)]


@pytest.mark.asyncio
async def test_deleted_checkpoints_leave_nothing_signed(log: Log) -> None:
    await log.grow(5)
    await log.sql("DELETE FROM audit_checkpoints")

    for report in await log.verify():
        assert kinds(report) == {"signature"}
        assert report.anchored == 0


@pytest.mark.asyncio
async def test_only_trusted_keys_count(log: Log) -> None:
    await log.grow(5)
    own, stranger = await log.keys(), new_signer(log.head().origin).verifier

    trusted, _ = await log.verify(Trust(keys=own))
    assert trusted.intact
    assert not any("on trust" in note for note in trusted.notes)
    for report in await log.verify(Trust(keys=(stranger,))):
        assert kinds(report) == {"signature"}
        assert "signed by a key that is trusted" in report.findings[0].message


@pytest.mark.asyncio
async def test_the_anchored_range_is_told_for_signature_witness_and_head(log: Log) -> None:
    witness = new_signer("witness.example/w1", SignatureType.COSIGNATURE_ED25519)
    await log.grow(5)
    old = log.head()
    await log.grow(10)
    head = log.head()
    line = cosign(Checkpoint(origin=head.origin, size=head.size, root=head.root), witness, 1_700_000_000)
    await log.sql(
        "INSERT INTO audit_cosignatures VALUES (%s, %s, %s, now())", head.size, witness.verifier.name, str(line)
    )
    await log.grow(10)

    trust = Trust(witnesses=(witness.verifier,), references=(Reference(name="old head", head=old),))
    for report in await log.verify(trust):
        assert report.intact, report.findings
        assert {(anchor.kind.value, anchor.size) for anchor in report.anchors} == {
            ("signature", 26),
            ("witness", 16),
            ("head", 6),
        }
    await log.sql("UPDATE audit_cosignatures SET line = replace(line, 'AAAA', 'AAAB')")
    for report in await log.verify(trust):
        assert kinds(report) == {"signature"}
        assert "witness.example/w1 did not sign" in report.findings[0].message


@pytest.mark.asyncio
async def test_a_head_of_another_log_is_no_reference(log: Log) -> None:
    await log.grow(5)
    foreign = Head(origin="quilate/audit/another", size=3, root=bytes(32))

    for report in await log.verify(head=foreign):
        assert kinds(report) == {"fork"}
        assert "another log" in report.findings[0].message


def _without(number: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [*lines[:number], *lines[number + 1 :]]


TAMPERED: list[tuple[Callable[[list[bytes]], list[bytes]], str]] = [
    (_without(0), "format"),
    (_without(5), "missing"),
    (lambda lines: lines[:-1], "truncated"),
    (lambda lines: lines[:8], "truncated"),
    (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], "missing"),
    (lambda lines: [*lines[:5], lines[4], *lines[5:]], "format"),
    (lambda lines: [*lines[:5], lines[5].replace(b"PASS", b"FAIL"), *lines[6:]], "entry"),
    (lambda lines: [*lines[:5], b"nonsense\n", *lines[6:]], "format"),
    (lambda lines: [line for line in lines if b"checkpoint" not in line], "signature"),
    (lambda _: [], "format"),
    (lambda lines: [lines[0].replace(b"quilate-audit/v1", b"quilate-audit/v9"), *lines[1:]], "format"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("tamper", "kind"), TAMPERED)
async def test_an_edited_export_is_found(log: Log, tamper: Callable[[list[bytes]], list[bytes]], kind: str) -> None:
    await log.grow(5, 5)
    lines = tamper(await log.export())

    assert kind in kinds(verify_lines(lines, Trust()))


@pytest.mark.asyncio
async def test_a_long_log_is_verified_across_tiles_and_pieces(log: Log) -> None:
    await log.grow(3000, 2000, 4000)
    lines = await log.export()

    report = verify_lines(lines, Trust(references=(Reference(name="head", head=log.head()),)))
    assert report.intact, report.findings
    assert (report.size, report.anchored) == (9001, 9001)
    assert json.loads(lines[0]) == {"format": "quilate-audit/v1", "origin": log.head().origin, "size": 9001}
    assert all(json.loads(line) for line in lines)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)
_KEYS = st.sampled_from(
    ["format", "origin", "size", "hash", "index", "leaf", "checkpoint", "end", "damaged", "leaf_base64"]
)


@given(st.lists(st.binary(max_size=80) | st.dictionaries(_KEYS, _JSON, max_size=5), max_size=8))
def test_no_file_from_a_stranger_crashes_the_verifier_or_is_intact(lines: list[bytes | dict[str, Any]]) -> None:
    content = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]

    report = verify_lines([line.replace(b"\n", b"") + b"\n" for line in content], Trust())

    assert not report.intact or report.size == 0
