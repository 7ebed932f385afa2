"""Reading the state of a run back: for the worker that goes on with a run that another began."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from quilate.domain.ids import CheckId, Digest
from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.database.database import Connection, Database
from quilate.runs.durable.live import LiveRun, RecordedAttempt, make_live, restored
from quilate.runs.durable.preparation import Preparer
from quilate.runs.durable.rows import recorded_attempt
from quilate.runs.durable.sql import QUERIES

_LARGEST_EVIDENCE_BYTES = 1 << 30


def evidence_of_row(row: Mapping[str, Any], artifacts: ArtifactStore) -> bytes | None:
    """Return the evidence of an attempt: its column's content, or the artifact of its digest."""
    if row["evidence"] is not None:
        return bytes(row["evidence"])
    if row["evidence_digest"] is None:
        return None
    return artifacts.read(Digest(row["evidence_digest"]), _LARGEST_EVIDENCE_BYTES)


async def load_runs(
    database: Database, runs: Sequence[UUID], preparer: Preparer, artifacts: ArtifactStore
) -> dict[UUID, LiveRun]:
    """Return the runs with the state that the database has now; those without a plan are left out.

    All of it is read in one snapshot, so that version, attempts and rows in flight belong together.

    Raises:
        QuilateError: The files of a run cannot be had any more.
    """

    async def work(connection: Connection) -> list[list[dict[str, Any]]]:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = []
        for query in ("preparations", "attempts_of_runs", "checks_in_flight"):
            cursor = await connection.execute(QUERIES[query], {"runs": list(runs)})
            found.append(await cursor.fetchall())
        return found

    preparations, attempt_rows, flight_rows = await database.run(work)
    attempts: dict[UUID, dict[CheckId, list[RecordedAttempt]]] = {}
    for row in attempt_rows:
        evidence = await asyncio.to_thread(evidence_of_row, row, artifacts)
        by_check = attempts.setdefault(row["run_id"], {})
        by_check.setdefault(CheckId(row["check_id"]), []).append(recorded_attempt(row, evidence))
    in_flight: dict[UUID, dict[CheckId, int]] = {}
    for row in flight_rows:
        in_flight.setdefault(row["run_id"], {})[CheckId(row["check_id"])] = row["attempt"]
    found = {}
    for row in preparations:
        prepared = await asyncio.to_thread(
            preparer.restore, row["project"], row["event"], bytes(row["plan"]), bytes(row["document"])
        )
        run = make_live(
            run_id=row["run_id"],
            project_id=row["project_id"],
            priority=row["priority"],
            version=row["version"],
            prepared=prepared,
            traceparent=row["traceparent"],
        )
        found[run.id] = restored(run, attempts.get(run.id, {}), in_flight.get(run.id, {}), row["version"])
    return found
