"""What projects may use, and what they have in use: read a few times a second at most, corrected in between."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.arrays import number_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.problems import Problem
from quilate.scripts.executions.model import Quota, QuotaState
from quilate.scripts.executions.sql import QUOTAS

FRESH_SECONDS = 0.5
QUOTA_NAMES = tuple(each.name for each in fields(Quota))


@dataclass(slots=True, kw_only=True)
class Standing:
    """What a project may use and has in use, as it was read, and what this process has added since."""

    state: QuotaState
    read_at: float
    added: int = 0

    @property
    def queue_is_full(self) -> bool:
        """Whether no more executions may wait."""
        return self.state.waiting + self.added >= self.state.quota.queue_length

    @property
    def processor_wait(self) -> float:
        """Seconds until there is processor time again; zero where there is some."""
        missing = -self.state.cpu_ms_left
        return max(missing, 1.0) / self.state.quota.cpu_ms_per_second if missing >= 0 else 0.0


class Standings:
    """The standings of projects, each read anew after half a second."""

    def __init__(self, defaults: Quota) -> None:
        self._defaults = defaults
        self._known: dict[UUID, Standing] = {}

    async def of(self, connection: Connection, projects: Iterable[UUID]) -> Mapping[UUID, Standing]:
        """Return the standings of projects."""
        now = time.monotonic()
        wanted = set(projects)
        stale = [
            each for each in wanted if (known := self._known.get(each)) is None or now - known.read_at > FRESH_SECONDS
        ]
        if stale:
            states = await read_states(connection, stale, self._defaults)
            self._known |= {project: Standing(state=state, read_at=now) for project, state in states.items()}
        return {each: self._known[each] for each in wanted}

    def forget(self, project: UUID) -> None:
        """Read a project's standing anew next time."""
        self._known.pop(project, None)


async def read_states(connection: Connection, projects: Sequence[UUID], defaults: Quota) -> Mapping[UUID, QuotaState]:
    """Return what projects may use and have in use."""
    arguments = {"projects": list(projects), "most": defaults.queue_length}
    cursor = await connection.execute(QUOTAS["standing"], arguments)
    return {row["project_id"]: _state(row, defaults) for row in await cursor.fetchall()}


def _state(row: Mapping[str, Any], defaults: Quota) -> QuotaState:
    own = {name: row[name] for name in QUOTA_NAMES}
    quota = Quota(**{name: getattr(defaults, name) if value is None else value for name, value in own.items()})
    left = float(quota.cpu_ms_burst)
    if row["cpu_ms_left"] is not None:
        left = min(left, row["cpu_ms_left"] + max(row["age_seconds"], 0.0) * quota.cpu_ms_per_second)
    return QuotaState(
        quota=quota,
        own=own,
        revision=row["revision"],
        waiting=row["waiting"],
        running=row["running"],
        cpu_ms_left=left,
    )


async def use_processor(connection: Connection, used: Mapping[UUID, float], defaults: Quota) -> None:
    """Take milliseconds of processor time from projects' buckets, within the caller's transaction."""
    if not used:
        return
    projects = sorted(used)
    await connection.execute(
        QUOTAS["use_processor"],
        {
            "projects": uuid_array(projects),
            "used": number_array([used[each] for each in projects]),
            "burst": defaults.cpu_ms_burst,
            "rate": defaults.cpu_ms_per_second,
        },
    )


async def set_quota(  # noqa: PLR0913 - the parts of a change
    database: Database,
    project_id: UUID,
    own: Mapping[str, int | None],
    *,
    revision: int | None,
    defaults: Quota,
    actor: str,
) -> QuotaState:
    """Set what a project may use; ``None`` lets the service's default hold.

    Args:
        database: Where it is kept.
        project_id: Of which project.
        own: A value or ``None`` by each name of ``Quota``.
        revision: What the caller has seen; ``None`` for any.
        defaults: The service's.
        actor: Who asks, for the audit log.

    Raises:
        Problem: 412, it was changed since.
    """

    async def work(connection: Connection) -> QuotaState:
        await connection.execute(QUOTAS["lock_quota"], {"project": project_id})
        before = (await read_states(connection, [project_id], defaults))[project_id]
        if revision is not None and before.revision != revision:
            raise Problem(
                status=412,
                type="precondition-failed",
                detail="the quota was changed since you read it",
                next_step="read it again, and send its ETag as If-Match",
            )
        quota = before.quota
        settled = {"project": project_id, "burst": quota.cpu_ms_burst, "rate": quota.cpu_ms_per_second}
        await connection.execute(QUOTAS["settle_usage"], settled)
        values = {name: own.get(name) for name in QUOTA_NAMES}
        await connection.execute(QUOTAS["set_quota"], {"project": project_id, "actor": actor, **values})
        await append_entries(
            connection,
            [
                AuditEntry(
                    action="script.quota.changed",
                    actor=actor,
                    subject=f"project:{project_id}",
                    project_id=project_id,
                    details={"before": dict(before.own), "after": values},
                )
            ],
        )
        return (await read_states(connection, [project_id], defaults))[project_id]

    return await database.run(work)
