"""Looking at many runs and logs at once, for the streams."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from quilate.domain.verdict import RunStatus
from quilate.runs.api.evidence_reader import EvidenceReader
from quilate.runs.api.model import AttemptRow, WatchedAttempt, WatchedLog, WatchedRun
from quilate.runs.api.store import RunStore
from quilate.runs.api.streams.polling import SharedPoll

LogKey = tuple[UUID, str]

RunWatcher = SharedPoll[UUID, WatchedRun]
LogWatcher = SharedPoll[LogKey, WatchedLog]


def watch_runs(store: RunStore, evidence: EvidenceReader) -> RunWatcher:
    """Return the watcher of runs: what it has seen of a run is not read again."""

    async def look(seen: Mapping[UUID, WatchedRun | None]) -> Mapping[UUID, WatchedRun]:
        # An ended run stays as it is.
        wanted = {run: state.version if state else -1 for run, state in seen.items() if not (state and state.ended)}
        if not wanted:
            return {}
        rows, attempts, flights = await store.watched_runs(wanted)
        new: dict[UUID, list[WatchedAttempt]] = {}
        for attempt in attempts:
            new.setdefault(attempt["run_id"], []).append(await _attempt(attempt, evidence))
        in_flight: dict[UUID, dict[str, tuple[str, int]]] = {}
        for flight in flights:
            in_flight.setdefault(flight["run_id"], {})[flight["check_id"]] = (flight["status"], flight["attempt"])
        return {
            row["id"]: _run(row, seen[row["id"]], new.get(row["id"], []), in_flight.get(row["id"], {})) for row in rows
        }

    return SharedPoll(look)


def _run(
    row: Mapping[str, Any],
    before: WatchedRun | None,
    new: list[WatchedAttempt],
    in_flight: Mapping[str, tuple[str, int]],
) -> WatchedRun:
    return WatchedRun(
        id=row["id"],
        status=RunStatus(row["status"]),
        held=row["held"],
        verdict=row["verdict"],
        version=row["version"],
        failure=row["failure"],
        in_flight=in_flight,
        attempts=(*(before.attempts if before else ()), *new),
    )


async def _attempt(row: AttemptRow, evidence: EvidenceReader) -> WatchedAttempt:
    return WatchedAttempt(
        check=row["check_id"],
        attempt=row["attempt"],
        version=row["run_version"],
        result=row["result"],
        final=row["final"],
        summary=(await evidence.brief(row)).summary,
        reason=row["reason"],
        next_step=row["next_step"],
        duration_seconds=row["duration_ms"] / 1000,
        cached_age_seconds=row["cached_age_seconds"],
    )


def watch_logs(store: RunStore) -> LogWatcher:
    """Return the watcher of logs."""

    async def look(seen: Mapping[LogKey, WatchedLog | None]) -> Mapping[LogKey, WatchedLog]:
        wanted = [key for key, state in seen.items() if not (state and state.ended)]
        if not wanted:
            return {}
        return {
            (row["run_id"], row["check_id"]): WatchedLog(
                attempt=row["attempt"] or 0,
                sequence=-1 if row["sequence"] is None else row["sequence"],
                ended=row["ended"],
            )
            for row in await store.watched_logs(wanted)
        }

    return SharedPoll(look)
