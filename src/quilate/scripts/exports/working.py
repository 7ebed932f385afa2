"""Carrying exports out: claimed under leases by any number of processes, tried again where the fault will pass.

Everything that an export does is safe to repeat: the same content is the same dataset version, the same version of the
same execution the same run, the same execution the same object. So an attempt whose process died is made anew.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from quilate.accounts.model import (
    Actor,
    ActorKind,
    Permission,
    Principal,
    ProjectAccess,
    ProjectReference,
)
from quilate.accounts.trail.model import AccessKind
from quilate.accounts.trail.recording import AccessTrail
from quilate.audit.entries import AuditEntry, append_entries
from quilate.domain.errors import QuilateError
from quilate.kit.backoff import Backoff
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.log import logger
from quilate.kit.waiting import end_tasks, happened
from quilate.kit.web.problems import Problem
from quilate.outbox.events import OutgoingEvent, append_events
from quilate.scripts.executions.model import Execution, Part
from quilate.scripts.executions.reading import execution_of, require_contents
from quilate.scripts.exports import store
from quilate.scripts.exports.model import ClaimedExport, Exported
from quilate.scripts.payloads.lineage import lineage_of
from quilate.scripts.payloads.model import StoredPayload
from quilate.scripts.payloads.outputs import OutputStore
from quilate.scripts.versions.executable import Executables

_LOG = logger(__name__)
_ACTOR = "system:quilate"
_ROUTE = "script export"
_LEAST_SERVER_ERROR = 500
_TOO_MANY = 429
_LONGEST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportParts:
    """What exports are carried out with.

    Attributes:
        database: Where they are.
        outputs: Hands outputs on.
        trail: Takes down that an output was read.
    """

    database: Database
    outputs: OutputStore
    trail: AccessTrail


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How the loop works.

    Attributes:
        places: Exports under way at once in this process.
        look_seconds: Pause between looks for what is due.
        lease_seconds: How long an export outlives the last sign of life of who carries it out.
        most_attempts: After so many it is given up.
        backoff: Pauses between attempts.
    """

    places: int = 4
    look_seconds: float = 0.5
    lease_seconds: float = 60.0
    most_attempts: int = 12
    backoff: Backoff = field(default_factory=lambda: Backoff(first_seconds=2.0, longest_seconds=900.0))


async def run_exports(parts: ExportParts, stop: asyncio.Event, options: ExportOptions | None = None) -> None:
    """Carry exports out until ``stop``; what is under way then is given back and done by the next process.

    Raises:
        Exception: The database is away for longer than its patience.
    """
    chosen = options or ExportOptions()
    exporter = Exporter(parts, chosen)
    tasks: set[asyncio.Task[None]] = set()
    try:
        while not stop.is_set():
            room = chosen.places - len(tasks)
            claimed = await exporter.claim(room) if room else []
            for each in claimed:
                task = asyncio.create_task(exporter.carry_out(each))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if len(claimed) < room or not room:
                await happened(stop, chosen.look_seconds)
    finally:
        await end_tasks(tasks)


class Exporter:
    """One process's part of the work."""

    def __init__(self, parts: ExportParts, options: ExportOptions) -> None:
        self._parts = parts
        self._options = options
        self._versions = Executables(parts.database)

    async def claim(self, limit: int) -> list[ClaimedExport]:
        """Take what is due."""

        async def work(connection: Connection) -> list[ClaimedExport]:
            return await store.claim(connection, limit=limit, lease_seconds=self._options.lease_seconds)

        return await self._parts.database.run(work)

    async def carry_out(self, claimed: ClaimedExport) -> None:
        """Make one attempt and write what came of it; given back where this is cancelled."""
        held = asyncio.create_task(self._hold(claimed))
        try:
            await self._ended(claimed)
        except asyncio.CancelledError:
            with contextlib.suppress(DATABASE_ERROR, OSError):
                await asyncio.shield(self._parts.database.run(lambda each: store.release(each, claimed)))
            raise
        except (DATABASE_ERROR, OSError) as error:
            # Its lease runs out, and it is made again.
            _LOG.warning("the end of an export could not be written", error=type(error).__name__)
        finally:
            await end_tasks((held,))

    async def _ended(self, claimed: ClaimedExport) -> None:
        """Make one attempt and write its end."""
        done = Exported()
        try:
            await self._attempt(claimed, done)
        except Problem as problem:
            passing = problem.status >= _LEAST_SERVER_ERROR or problem.status == _TOO_MANY
            await self._failed(claimed, done, str(problem.detail), problem.next_step or "", passing=passing)
        except QuilateError as error:
            await self._failed(claimed, done, error.message, error.next_step or "", passing=True)
        except Exception as error:  # noqa: BLE001 - whatever it is: the attempt counts, and the others go on
            _LOG.error("an export ended by a fault", execution=str(claimed.execution_id), exc_info=True)
            await self._failed(claimed, done, f"a fault of the service: {type(error).__name__}", "", passing=True)
        else:
            await self._completed(claimed, done)

    async def _attempt(self, claimed: ClaimedExport, done: Exported) -> None:
        """Do all that is asked for; ``done`` says how far it came."""
        execution = await execution_of(self._parts.database, claimed.project_id, claimed.execution_id)
        target, output = execution.options.target, self._output(execution)
        if target is None:
            raise Problem(status=409, type="conflict", detail="the execution asks for nothing of that kind")
        access = _access(claimed, execution)
        await self._parts.trail.record_route(_ROUTE, access, AccessKind.DATA, f"execution:{execution.id}/output")
        outputs = self._parts.outputs
        if target.dataset:
            version = await self._versions.pinned(execution.project_id, execution.version_id)
            lineage = lineage_of(execution, version)
            registered, _ = await outputs.register(access, target.dataset, output, lineage)
            done.version = registered.number
            if target.gate:
                run = await outputs.gate(access, target.dataset, registered, lineage, blueprint=target.blueprint)
                done.run = run.run_id
        if target.url:
            kept = await outputs.keep(access, execution.id, output, target=target.url)
            done.object = kept.reference

    @staticmethod
    def _output(execution: Execution) -> StoredPayload:
        require_contents(execution, Part.OUTPUT)
        output = execution.output
        if output is None or (output.inline is None and output.reference is None):
            raise Problem(
                status=410,
                type="gone",
                detail="the output is not kept any more",
                next_step="execute the version again, and keep outputs for longer",
            )
        return output

    async def _hold(self, claimed: ClaimedExport) -> None:
        """Renew the lease while the attempt goes on."""
        seconds = self._options.lease_seconds

        async def work(connection: Connection) -> bool:
            return await store.renew(connection, claimed, seconds)

        while True:
            await asyncio.sleep(seconds / 3)
            with contextlib.suppress(DATABASE_ERROR, OSError):
                await self._parts.database.run(work)

    async def _failed(
        self, claimed: ClaimedExport, done: Exported, problem: str, next_step: str, *, passing: bool
    ) -> None:
        told, step = problem[:_LONGEST] or "it cannot be done", next_step[:_LONGEST]
        if passing and claimed.attempts < self._options.most_attempts:
            pause = self._options.backoff.pause(claimed.attempts)

            async def put_off(connection: Connection) -> None:
                await store.put_off(connection, claimed, done, pause_seconds=pause, problem=told, next_step=step)

            await self._parts.database.run(put_off)
            return

        async def give_up(connection: Connection) -> None:
            if await store.end(connection, claimed, done, problem=told, next_step=step):
                await _tell(connection, claimed, done, "export_failed")

        await self._parts.database.run(give_up)

    async def _completed(self, claimed: ClaimedExport, done: Exported) -> None:
        async def work(connection: Connection) -> None:
            if await store.end(connection, claimed, done):
                await _tell(connection, claimed, done, "exported")

        await self._parts.database.run(work)


def _access(claimed: ClaimedExport, execution: Execution) -> ProjectAccess:
    """Return the access of whoever submitted the execution, as far as this needs it: it was judged then."""
    kind, _, name = execution.created_by.partition(":")
    project = ProjectReference(id=claimed.project_id, slug=claimed.slug, name=claimed.project_name)
    granted = frozenset({Permission.DATASET_WRITE, Permission.RUN_SUBMIT})
    principal = Principal(actor=Actor(kind=ActorKind(kind), id=name), user_id=None, grants={project.id: granted})
    return ProjectAccess(principal=principal, project=project)


async def _tell(connection: Connection, claimed: ClaimedExport, done: Exported, what: str) -> None:
    """Write the audit entry of an end, and its outgoing event."""
    subject = f"execution:{claimed.execution_id}"
    facts = {
        "attempt": claimed.attempts,
        "version": done.version,
        "run": str(done.run) if done.run is not None else None,
        "object": done.object is not None,
    }
    entry = AuditEntry(
        action=f"script.execution.{what}",
        actor=_ACTOR,
        subject=subject,
        project_id=claimed.project_id,
        details=facts,
    )
    await append_entries(connection, [entry])
    event = OutgoingEvent(
        type=f"dev.quilate.script.execution.{what}",
        project_id=claimed.project_id,
        subject=subject,
        data={"execution": str(claimed.execution_id), **facts},
    )
    await append_events(connection, [event])
