"""Executions: submitted, looked up, cancelled, replayed, waited for."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.canonical import digest_of
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.web.problems import Problem
from quilate.outbox.events import append_events
from quilate.sandbox.model import FailureClass
from quilate.scripts.executions import errors
from quilate.scripts.executions.events import finished_event
from quilate.scripts.executions.intake import Intake
from quilate.scripts.executions.model import (
    Execution,
    Filter,
    Options,
    Part,
    Quota,
    QuotaState,
    Refusal,
    Status,
    Submission,
    Taken,
)
from quilate.scripts.executions.quotas import read_states, set_quota, use_processor
from quilate.scripts.executions.reading import execution_of, with_exports
from quilate.scripts.executions.rows import execution_from
from quilate.scripts.executions.sql import QUERIES
from quilate.scripts.executions.waiting import Waiting
from quilate.scripts.executions.wakeups import CANCELLED, DONE_CHANNEL, WORK, WORK_CHANNEL, Notifier, notice_of
from quilate.scripts.exports import store as exports
from quilate.scripts.exports.model import ExportState
from quilate.scripts.model import ScriptVersion
from quilate.scripts.payloads.model import StoredPayload

MOST_WAIT_SECONDS = 60.0


class Versions(Protocol):
    """Knows which version of a script may be executed: ``quilate.scripts.versions.service.VersionService``."""

    async def executable(self, project_id: UUID, script_id: UUID, version: UUID | str | None) -> ScriptVersion:
        """Return the version.

        Raises:
            Problem: 404, there is none; 409, it may not be executed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A submission that was taken in.

    Attributes:
        id: The execution.
        created: It is new, no repetition.
        pending: A new one as it was when it was taken in.
        ended: Its end, where somebody waited long enough for it.
    """

    id: UUID
    created: bool
    pending: Execution | None = None
    ended: Execution | None = None


class ExecutionService:
    """What the API does with executions; one for each process.

    Args:
        database: Where they are.
        versions: Knows what may be executed.
        quota: What a project may use where nobody has set anything else.
        observe: Hears the size of each group that was taken in together.
    """

    def __init__(
        self,
        database: Database,
        versions: Versions,
        *,
        quota: Quota | None = None,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self.database = database
        self.versions = versions
        self.quota = quota or Quota()
        self._workers = Notifier(database, WORK_CHANNEL)
        self._done = Notifier(database, DONE_CHANNEL)
        self._intake = Intake(database, defaults=self.quota, observe=observe)
        self._waiting = Waiting(database)

    def stop_waiting(self) -> None:
        """Answer those who wait for ends with what there is: this process stops."""
        self._waiting.stop()

    async def close(self) -> None:
        """End what the service has running."""
        await self._waiting.close()
        await self._workers.close()
        await self._done.close()

    async def submit(  # noqa: PLR0913 - the parts of a submission
        self,
        access: ProjectAccess,
        version: ScriptVersion,
        payload: StoredPayload,
        *,
        named: UUID | str | None = None,
        idempotency_key: str | None = None,
        options: Options | None = None,
        subjects: Sequence[bytes] = (),
        execution_id: UUID | None = None,
        wait_seconds: float = 0.0,
    ) -> Submitted:
        """Queue an execution; return once it is durable, or has ended if that comes within ``wait_seconds``.

        Args:
            access: Who asks, in which project.
            version: What is executed: the one that let the data in, whatever became of it since.
            payload: The data, as ``quilate.scripts.payloads`` has received it.
            named: What the caller called the version; ``None`` for the active one.
            idempotency_key: The caller's name for this; the same one again gives the same execution.
            options: What else was said.
            subjects: Keyed digests of those whom the data is about.
            execution_id: What to call it, where data was sealed for it before.
            wait_seconds: At most ``MOST_WAIT_SECONDS``.

        Raises:
            Problem: 409, 422, 429 or 503.
        """
        chosen = options or Options()
        seconds = min(max(wait_seconds, 0.0), MOST_WAIT_SECONDS)
        submission = Submission(
            id=execution_id or uuid7(),
            project_id=access.project.id,
            script_id=version.script_id,
            version_id=version.id,
            actor=str(access.actor),
            input=payload,
            subjects=tuple(subjects),
            options=chosen,
            # As for runs: a caller's names mean nothing to another.
            idempotency_key=f"{access.actor} {idempotency_key}" if idempotency_key is not None else None,
            request_digest=request_digest(version.script_id, named, payload, chosen) if idempotency_key else "",
            awaited=seconds > 0,
        )
        if not seconds:
            return await self._taken(submission)
        with self._waiting.expected(submission.id) as future:
            taken = await self._taken(submission)
            if taken.pending is not None:
                self._waiting.know(taken.pending)
                return replace(taken, pending=None, ended=await _within(future, seconds))
        return Submitted(id=taken.id, created=False, ended=await self.ended(taken.id, seconds))

    async def _taken(self, submission: Submission) -> Submitted:
        taken = await self._intake.submit(submission)
        if taken.refusal is not None:
            raise _refusal(taken)
        pending = _pending(submission, taken.at) if taken.created and taken.at is not None else None
        return Submitted(id=taken.id, created=taken.created, pending=pending)

    async def ended(self, execution_id: UUID, seconds: float) -> Execution | None:
        """Return an execution once it has ended; ``None`` where that does not come within so many seconds."""
        with self._waiting.expected(execution_id) as future:
            async with self.database.connection() as connection:
                await connection.execute(QUERIES["await_execution"], {"id": execution_id})
            self._waiting.look_at(execution_id)
            return await _within(future, min(seconds, MOST_WAIT_SECONDS))

    async def get(self, project_id: UUID, execution_id: UUID) -> Execution:
        """Return an execution, its output with it where that lies in the database.

        Raises:
            Problem: 404, the project has none of this id.
        """
        return await execution_of(self.database, project_id, execution_id)

    async def content(self, execution_id: UUID, part: Part) -> bytes | None:
        """Return data as it lies in the database, sealed or not; ``None`` where there is none."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(QUERIES["payload"], {"id": execution_id, "part": part.value})
            row = await cursor.fetchone()
        return bytes(row["data"]) if row is not None else None

    async def with_content(self, execution_id: UUID, part: Part, payload: StoredPayload) -> StoredPayload:
        """Return a payload with what of it lies in the database."""
        if payload.inline is not None:
            return payload
        return replace(payload, inline=await self.content(execution_id, part))

    async def listed(self, project_id: UUID, wanted: Filter, *, before: UUID | None, limit: int) -> Sequence[Execution]:
        """Return executions, the newest first, from before an id on."""
        arguments = {
            "project": project_id,
            "before": before,
            "limit": limit,
            "script": wanted.script,
            "version": wanted.version,
            "since": wanted.since,
            "dead": wanted.dead,
            "status": wanted.status.value if wanted.status is not None else None,
            "export": wanted.export.value if wanted.export is not None else None,
        }
        async with self.database.connection() as connection:
            cursor = await connection.execute(QUERIES["executions"], arguments)
            return await with_exports(connection, [execution_from(row) for row in await cursor.fetchall()])

    async def dead_letters(self, project_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Execution]:
        """Return executions whose retries are used up, the newest first."""
        arguments = {"project": project_id, "before": before, "limit": limit}
        async with self.database.connection() as connection:
            cursor = await connection.execute(QUERIES["dead_executions"], arguments)
            return [execution_from(row) for row in await cursor.fetchall()]

    async def cancel(self, access: ProjectAccess, execution_id: UUID, reason: str) -> Execution:
        """End an execution that has not ended; whichever process runs it stops within a moment.

        Raises:
            Problem: 404, the project has none of this id; 409, it has ended.
        """
        project = access.project.id

        async def work(connection: Connection) -> Mapping[str, Any] | None:
            arguments = {"id": execution_id, "project": project, "reason": reason}
            row = await (await connection.execute(QUERIES["cancel_execution"], arguments)).fetchone()
            if row is not None:
                await _tell_cancelled(connection, access, execution_id, row["version_id"], row["script_id"])
                if row["used_ms"]:
                    await use_processor(connection, {project: row["used_ms"]}, self.quota)
            return row

        row = await self.database.run(work)
        execution = await self.get(project, execution_id)
        if row is None:
            if execution.status is Status.CANCELLED:
                return execution
            raise errors.has_ended(execution_id, execution.status.value)
        self._workers.tell(CANCELLED)
        if row["awaited"]:
            self._done.tell(*notice_of([execution_id]))
        return execution

    async def replay(self, access: ProjectAccess, execution_id: UUID) -> Execution:
        """Queue a dead letter again, its attempts so far stay in its history; or an export that was given up.

        Raises:
            Problem: 404, the project has none of this id; 409, it is no dead letter and has no such export.
        """
        project, actor = access.project.id, str(access.actor)

        async def work(connection: Connection) -> bool:
            arguments = {"id": execution_id, "project": project, "actor": actor}
            row = await (await connection.execute(QUERIES["replay_execution"], arguments)).fetchone()
            if row is None:
                return False
            entry = AuditEntry(
                action="script.execution.replayed",
                actor=actor,
                subject=f"execution:{execution_id}",
                project_id=project,
                details={"script": str(row["script_id"]), "version": str(row["version_id"])},
            )
            await append_entries(connection, [entry])
            return True

        known = await self.get(project, execution_id)
        if known.export is not None and known.export.state is ExportState.FAILED:
            await self.database.run(lambda connection: exports.begin_again(connection, access, execution_id))
            return await self.get(project, execution_id)
        # A version that was quarantined or retired since is not begun again.
        await self.versions.executable(project, known.script_id, known.version_id)
        if not await self.database.run(work):
            raise errors.not_dead(execution_id)
        self._workers.tell(WORK)
        return await self.get(project, execution_id)

    async def quota_of(self, project_id: UUID) -> QuotaState:
        """Return what a project may use and has in use."""
        async with self.database.connection() as connection:
            return (await read_states(connection, [project_id], self.quota))[project_id]

    async def set_quota(
        self, access: ProjectAccess, own: Mapping[str, int | None], *, revision: int | None
    ) -> QuotaState:
        """Set what a project may use.

        Raises:
            Problem: 412, it was changed since the caller read it.
        """
        project = access.project.id
        state = await set_quota(
            self.database, project, own, revision=revision, defaults=self.quota, actor=str(access.actor)
        )
        self.forget_standing(project)
        return state

    def forget_standing(self, project_id: UUID) -> None:
        """Read what a project has in use anew with its next submission."""
        self._intake.standings.forget(project_id)


def request_digest(script_id: UUID, version: UUID | str | None, payload: StoredPayload, options: Options) -> str:
    """Return what tells one request from another: everything that the caller asked for."""
    return digest_of(
        {
            "script": str(script_id),
            "version": str(version) if version is not None else None,
            "input": payload.digest,
            "format": payload.format.value,
            "priority": options.priority,
            "output": options.output_format.value if options.output_format else None,
            "attempts": options.attempts,
            # Only where there is one: keys that came before there were any keep their meaning.
            **({"target": asdict(options.target)} if options.target is not None else {}),
        }
    )


async def _tell_cancelled(
    connection: Connection, access: ProjectAccess, execution_id: UUID, version_id: UUID, script_id: UUID
) -> None:
    project = access.project.id
    entry = AuditEntry(
        action="script.execution.cancelled",
        actor=str(access.actor),
        subject=f"execution:{execution_id}",
        project_id=project,
        details={"script": str(script_id), "version": str(version_id)},
    )
    await append_entries(connection, [entry])
    event = finished_event(
        project_id=project,
        execution_id=execution_id,
        script_id=script_id,
        version_id=version_id,
        status=Status.CANCELLED.value,
        failure=FailureClass.CANCELLED.value,
    )
    await append_events(connection, [event])


def _pending(submission: Submission, at: datetime) -> Execution:
    """Return a new execution as its row has it."""
    return Execution(
        id=submission.id,
        project_id=submission.project_id,
        script_id=submission.script_id,
        version_id=submission.version_id,
        status=Status.PENDING,
        options=submission.options,
        created_by=submission.actor,
        input=submission.input,
        output=None,
        failure=None,
        parts=None,
        submitted_at=at,
        started_at=None,
        ended_at=None,
        wall_us=None,
        cpu_us=None,
        peak_memory=None,
        fuel=None,
        engine=None,
        level=None,
        attempts=0,
    )


async def _within(future: "asyncio.Future[Execution | None]", seconds: float) -> Execution | None:
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError:
        return None


def _refusal(taken: Taken) -> Problem:
    if taken.refusal is Refusal.MISMATCH:
        return errors.other_request(taken.id)
    if taken.refusal is Refusal.QUEUE_FULL:
        return errors.queue_full(taken.reason)
    if taken.refusal is Refusal.QUOTA:
        return errors.processor_used_up(taken.wait_seconds)
    return errors.no_sandbox(taken.reason)
