"""Writing the ends of runs: decided ones with their seals, and those that no plan could be made for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from quilate.audit.entries import AuditEntry, append_entries
from quilate.domain.verdict import RunStatus, Verdict
from quilate.kit.database.arrays import text_array, uuid_array
from quilate.kit.database.database import Connection
from quilate.kit.ids import uuid7
from quilate.outbox.events import append_events
from quilate.runs.durable.cancelling import free_held_runs
from quilate.runs.durable.items import Decided, Item, Unplannable, is_mine, run_event
from quilate.runs.durable.model import Step
from quilate.runs.durable.rows import LONGEST_INLINE_BYTES
from quilate.runs.durable.sql import QUERIES

Ended = tuple[UUID, RunStatus, Verdict | None]
"""A run that has ended."""


async def write_endings(
    connection: Connection, items: Sequence[Item], rows: Mapping[UUID, Mapping[str, Any]], worker: UUID
) -> tuple[list[Ended], bool]:
    """Write decisions and failures, within the caller's transaction.

    Returns:
        The runs that have ended, and whether a run that waited for one of them may go on.
    """
    failed = await _write_unplannable(connection, items, rows, worker)
    decided = await _write_decisions(connection, items, rows, worker)
    ended: list[Ended] = [(item.claim.run_id, RunStatus.FAILED, Verdict.UNKNOWN) for item in failed]
    ended += [(item.run_id, item.decided.status, item.decided.verdict) for item in decided]
    keys = [(rows[run_id]["project_id"], rows[run_id]["concurrency_key"]) for run_id, _, _ in ended]
    return ended, bool(await free_held_runs(connection, keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run that ends without a decision; one with ``losses`` becomes a dead letter."""

    run_id: UUID
    project_id: UUID
    failure: Mapping[str, Any]
    step: str
    losses: int = 0


async def _write_unplannable(
    connection: Connection, items: Sequence[Item], rows: Mapping[UUID, Mapping[str, Any]], worker: UUID
) -> list[Unplannable]:
    valid = [
        item
        for item in items
        if isinstance(item, Unplannable)
        and is_mine(rows.get(item.claim.run_id), item.claim.step, worker, item.claim.attempt)
    ]
    failed = [
        FailedRun(
            run_id=item.claim.run_id,
            project_id=item.claim.project_id,
            failure=item.failure,
            step=item.claim.step,
            losses=item.claim.losses if item.lost else 0,
        )
        for item in valid
    ]
    if failed:
        await fail_runs(connection, failed)
    return valid


async def fail_runs(connection: Connection, failed: Sequence[FailedRun]) -> None:
    """End runs whose rows the caller has locked, within the caller's transaction: UNKNOWN, with the reason."""
    failures = [msgspec.json.encode(each.failure).decode() for each in failed]
    await connection.execute(QUERIES["fail_runs"], {"runs": [each.run_id for each in failed], "failures": failures})
    await append_entries(
        connection,
        [
            AuditEntry(
                action="run.failed",
                actor="system:quilate",
                subject=f"run:{each.run_id}",
                project_id=each.project_id,
                details={"verdict": "UNKNOWN", "error": str(each.failure.get("error", ""))},
            )
            for each in failed
        ],
    )
    finished = {"status": "failed", "verdict": "UNKNOWN"}
    await append_events(
        connection,
        [run_event("dev.quilate.run.finished", each.run_id, each.project_id, finished) for each in failed],
    )
    await _keep_dead_letters(connection, [each for each in failed if each.losses])


async def _keep_dead_letters(connection: Connection, lost: Sequence[FailedRun]) -> None:
    """Keep a dead letter for each run that was given up, so that an operator sees it and may replay it."""
    if not lost:
        return
    await connection.execute(
        QUERIES["insert_dead_letters"],
        {
            "ids": [uuid7() for _ in lost],
            "projects": [each.project_id for each in lost],
            "runs": [each.run_id for each in lost],
            "checks": [None for _ in lost],
            "reasons": ["worker lost" for _ in lost],
            "details": [msgspec.json.encode({"losses": each.losses, "step": each.step}).decode() for each in lost],
        },
    )


async def _write_decisions(
    connection: Connection, items: Sequence[Item], rows: Mapping[UUID, Mapping[str, Any]], worker: UUID
) -> list[Decided]:
    valid = [
        item
        for item in items
        if isinstance(item, Decided) and is_mine(rows.get(item.run_id), Step.DECIDE, worker, item.attempt)
    ]
    if not valid:
        return []
    await connection.execute(QUERIES["insert_decisions"], _decision_columns(valid))
    await append_entries(connection, [_decided_entry(item) for item in valid])
    await append_events(
        connection,
        [
            run_event(
                "dev.quilate.run.finished",
                item.run_id,
                item.project_id,
                {
                    "status": item.decided.status.value,
                    "verdict": item.decided.verdict.value if item.decided.verdict else None,
                    "subject": item.decided.subject_digest,
                    "blueprint": item.decided.blueprint_id,
                    "seal": item.decided.seal_digest,
                },
            )
            for item in valid
        ],
    )
    return valid


def _decided_entry(item: Decided) -> AuditEntry:
    decided = item.decided
    return AuditEntry(
        action="run.decided",
        actor="system:quilate",
        subject=f"run:{item.run_id}",
        project_id=item.project_id,
        details={
            "status": decided.status.value,
            "verdict": decided.verdict.value if decided.verdict else None,
            "judged": decided.subject_digest,
            "blueprint": decided.blueprint_digest,
            "decision": decided.decision_digest,
            "input": decided.input_digest,
            "seal": decided.seal_digest,
        },
    )


def _decision_columns(valid: Sequence[Decided]) -> dict[str, Any]:
    return {
        "runs": uuid_array(item.run_id for item in valid),
        "statuses": text_array(item.decided.status.value for item in valid),
        "verdicts": text_array(item.decided.verdict.value if item.decided.verdict else None for item in valid),
        **_sealed_columns([item for item in valid if item.decided.verdict is not None]),
    }


def _sealed_columns(sealed: Sequence[Decided]) -> dict[str, Any]:
    return {
        "d_runs": uuid_array(item.run_id for item in sealed),
        "d_projects": uuid_array(item.project_id for item in sealed),
        "d_verdicts": text_array(str(item.decided.verdict) for item in sealed),
        "d_subjects": text_array(item.decided.subject_digest for item in sealed),
        "d_blueprints": text_array(item.decided.blueprint_id for item in sealed),
        "d_blueprint_digests": text_array(item.decided.blueprint_digest for item in sealed),
        "d_digests": text_array(item.decided.decision_digest for item in sealed),
        "d_input_digests": text_array(item.decided.input_digest for item in sealed),
        "d_seal_digests": text_array(item.decided.seal_digest for item in sealed),
        **_document_columns(sealed),
    }


def _document_columns(sealed: Sequence[Decided]) -> dict[str, Any]:
    return {
        "d_documents": [_inline(item.decided.decision) for item in sealed],
        "d_inputs": [_inline(item.decided.input) for item in sealed],
        "d_seals": [item.decided.seal for item in sealed],
        "d_failing": [msgspec.json.encode(item.decided.failing).decode() for item in sealed],
        "d_what_ifs": [item.decided.what_if.decode() or None for item in sealed],
    }


def _inline(document: bytes) -> bytes | None:
    return document if len(document) <= LONGEST_INLINE_BYTES else None
