"""Writing the ends of many attempts with everything that belongs to them, in one transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.backoff import Backoff
from quilate.kit.database.arrays import boolean_array, bytes_array, number_array, text_array, uuid_array
from quilate.kit.database.database import Connection
from quilate.outbox.events import append_events
from quilate.sandbox.model import RETRYABLE, FailureClass
from quilate.scripts.executions.events import finished_event
from quilate.scripts.executions.model import Ended, Quota, Result, Status, Written
from quilate.scripts.executions.quotas import use_processor
from quilate.scripts.executions.sql import QUERIES
from quilate.scripts.exports import store as exports

_ACTOR = "system:quilate"
_LONGEST_MESSAGE = 4_000
_BACKOFF = Backoff(first_seconds=0.2, longest_seconds=30.0)

Ends = Sequence[Ended]


class Crashes(Protocol):
    """Counts the crashes of versions: ``quilate.scripts.versions.service.VersionService``."""

    async def record_crash(self, connection: Connection, version_id: UUID) -> bool:
        """Count one within the caller's transaction; tell whether the version is quarantined now."""
        ...


def is_retried(ended: Ended) -> bool:
    """Tell whether another attempt follows: the failure is the host's, and attempts are left."""
    failure = ended.result.failure
    return failure is not None and failure.kind in RETRYABLE and ended.claim.attempt < ended.claim.options.attempts


def is_dead(ended: Ended) -> bool:
    """Tell whether an execution ends as a dead letter: it would be retried if attempts were left."""
    failure = ended.result.failure
    return failure is not None and failure.kind in RETRYABLE and not is_retried(ended)


def _is_exported(ended: Ended) -> bool:
    return ended.claim.options.target is not None and ended.result.status is Status.COMPLETED


async def write_ends(  # noqa: PLR0913 - what an end is written with
    connection: Connection,
    ends: Ends,
    *,
    worker: UUID,
    crashes: Crashes,
    defaults: Quota,
    backoff: Callable[[int], float] = _BACKOFF.pause,
) -> Written:
    """Write what became of attempts, within the caller's transaction.

    An attempt whose execution this worker does not hold any more (it was cancelled, or its lease ran out and another
    has it) leaves no trace. Safe to repeat: what was written before is not held any more.
    """
    retried = await _retry(connection, [each for each in ends if is_retried(each)], worker, backoff)
    final = [each for each in ends if not is_retried(each)]
    finished = await _finish(connection, final, worker)
    counted = [each for each in ends if each.claim.id in finished or each.claim.id in retried]
    quarantined = await _count_crashes(connection, counted, crashes)
    ended = [each for each in final if each.claim.id in finished]
    await append_entries(
        connection,
        [_entry(each) for each in ended] + [_retry_entry(each) for each in counted if each.claim.id in retried],
    )
    await append_events(
        connection,
        [
            finished_event(
                project_id=each.claim.project_id,
                execution_id=each.claim.id,
                script_id=each.claim.script_id,
                version_id=each.claim.version_id,
                status=each.result.status.value,
                failure=each.result.failure.kind.value if each.result.failure else None,
            )
            for each in ended
        ],
    )
    await exports.insert(connection, [(each.claim.id, each.claim.project_id) for each in ended if _is_exported(each)])
    await use_processor(connection, _used(counted), defaults)
    return Written(
        counted=frozenset(each.claim.id for each in counted),
        awaited={execution: row["ended_at"] for execution, row in finished.items() if row["awaited"]},
        more=not finished or any(row["more"] for row in finished.values()),
        retried=retried,
        quarantined=quarantined,
    )


async def _finish(connection: Connection, ends: Ends, worker: UUID) -> dict[UUID, Mapping[str, Any]]:
    """Return the executions whose end counts, each with whether somebody waits for it, and whether others wait."""
    if not ends:
        return {}
    cursor = await connection.execute(QUERIES["finish"], {"worker": worker, **_columns(ends)})
    return {row["execution_id"]: row for row in await cursor.fetchall()}


def _columns(ends: Ends) -> dict[str, Any]:
    results = [each.result for each in ends]
    outputs = [each.output for each in results]
    failures = [each.failure for each in results]
    return {
        "ids": uuid_array(each.claim.id for each in ends),
        "fences": number_array(each.claim.fence for each in ends),
        "statuses": text_array(_values(results, "status")),
        "formats": text_array(_values(outputs, "format")),
        "sizes": number_array(_each(outputs, "size")),
        "digests": text_array(_each(outputs, "digest")),
        "references": text_array(_each(outputs, "reference")),
        "classes": text_array(_values(failures, "kind")),
        "messages": text_array(map(_message, _each(failures, "message"))),
        "lines": number_array(_each(failures, "line")),
        "columns": number_array(_each(failures, "column")),
        "records": number_array(_each(failures, "record")),
        "rules": text_array(_each(failures, "rule")),
        "parts": text_array(map(_json, _each(results, "parts"))),
        "started": text_array(each.started_at.isoformat() for each in results),
        "walls": number_array(_each(results, "wall_us")),
        "cpus": number_array(_each(results, "cpu_us")),
        "peaks": number_array(_each(results, "peak_memory")),
        "fuels": number_array(_each(results, "fuel")),
        "engines": text_array(_each(results, "engine")),
        "levels": text_array(_each(results, "level")),
        "dead": boolean_array(is_dead(each) for each in ends),
        "outputs": bytes_array(_each(outputs, "inline")),
        "consoles": bytes_array(each.console or None for each in results),
    }


def _each(things: Iterable[Any], name: str) -> list[Any]:
    """Return one attribute of each, ``None`` where there is no such thing."""
    return [None if thing is None else getattr(thing, name) for thing in things]


def _values(things: Iterable[Any], name: str) -> list[str | None]:
    return [None if found is None else found.value for found in _each(things, name)]


def _json(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _message(text: str | None) -> str | None:
    """Return a message as it can be stored: what a script throws may hold anything."""
    if text is None:
        return None
    kept = text[:_LONGEST_MESSAGE].replace("\0", "\ufffd")
    return kept if kept.isascii() else kept.encode("utf-8", "replace").decode()


async def _retry(connection: Connection, ends: Ends, worker: UUID, backoff: Callable[[int], float]) -> frozenset[UUID]:
    if not ends:
        return frozenset()
    failures = [each.result.failure for each in ends]
    arguments = {
        "worker": worker,
        "ids": uuid_array(each.claim.id for each in ends),
        "fences": number_array(each.claim.fence for each in ends),
        "pauses": number_array(backoff(each.claim.attempt) for each in ends),
        "classes": text_array(_values(failures, "kind")),
        "messages": text_array(map(_message, _each(failures, "message"))),
    }
    cursor = await connection.execute(QUERIES["retry"], arguments)
    return frozenset(row["id"] for row in await cursor.fetchall())


async def _count_crashes(connection: Connection, ends: Ends, crashes: Crashes) -> tuple[UUID, ...]:
    crashed = [each for each in ends if _kind(each.result) is FailureClass.CRASHED]
    # In the order of the ids: two workers must not lock two versions the other way round.
    ordered = sorted(each.claim.version_id for each in crashed)
    return tuple(dict.fromkeys([each for each in ordered if await crashes.record_crash(connection, each)]))


def _kind(result: Result) -> FailureClass | None:
    return result.failure.kind if result.failure is not None else None


def _used(ends: Iterable[Ended]) -> dict[UUID, float]:
    used: dict[UUID, float] = defaultdict(float)
    for each in ends:
        used[each.claim.project_id] += each.result.cpu_us / 1000
    return used


def _entry(ended: Ended) -> AuditEntry:
    claim, result = ended.claim, ended.result
    return AuditEntry(
        action="script.execution.finished",
        actor=_ACTOR,
        subject=f"execution:{claim.id}",
        project_id=claim.project_id,
        details={
            "script": str(claim.script_id),
            "version": str(claim.version_id),
            "status": result.status.value,
            "failure": result.failure.kind.value if result.failure is not None else None,
            "attempt": claim.attempt,
            "output": result.output.digest if result.output is not None else None,
            "wall_us": result.wall_us,
            "cpu_us": result.cpu_us,
            "peak_memory": result.peak_memory,
            "engine": result.engine,
            "level": result.level,
        },
    )


def _retry_entry(ended: Ended) -> AuditEntry:
    claim = ended.claim
    kind = _kind(ended.result)
    return AuditEntry(
        action="script.execution.retried",
        actor=_ACTOR,
        subject=f"execution:{claim.id}",
        project_id=claim.project_id,
        details={"version": str(claim.version_id), "attempt": claim.attempt, "failure": kind.value if kind else None},
    )
