"""Taking runs in: durable before the caller hears of it, the same submission only once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from quilate.audit.entries import AuditEntry, append_entries
from quilate.domain.verdict import RunStatus
from quilate.kit.canonical import canonical_json, sha256_of, to_document
from quilate.kit.database.arrays import number_array, text_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.group_commit import GroupCommit
from quilate.kit.ids import uuid7, uuid7s
from quilate.outbox.events import OutgoingEvent, append_events
from quilate.runs.durable.model import Refusal, Submission, Submitted
from quilate.runs.durable.sql import QUERIES

LONGEST_QUEUE = 100_000
"""A project may have this many runs waiting unless it says otherwise; further ones are refused until some started."""

_COUNT_SECONDS = 1.0


class Wakeup(Protocol):
    """Tells waiting workers that there is work."""

    def work_is_there(self, queue: str) -> None:
        """Note that a queue has work; told to the others soon, together with what else happens meanwhile."""
        ...


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """What a project's queue held when it was last counted, and what this process has put into it since."""

    counted_at: float
    waiting: int
    most: int


@dataclass(slots=True, kw_only=True)
class _Asked:
    """A submission and the id of its run, the same one where its transaction is repeated."""

    submission: Submission
    run_id: UUID | None = None


class Intake:
    """Takes submissions that arrive together into one transaction.

    A project's queue is counted once a second at most; between two counts it may grow beyond its limit by what other
    processes take in meanwhile.
    """

    def __init__(
        self, database: Database, wakeup: Wakeup | None = None, *, observe: Callable[[int], None] | None = None
    ) -> None:
        self._wakeup = wakeup
        self._waiting: dict[UUID, _Waiting] = {}
        self._group: GroupCommit[_Asked, Submitted] = GroupCommit(database, self._insert, observe=observe)

    async def _insert(self, connection: Connection, asked: Sequence[_Asked]) -> list[Submitted]:
        submissions = [each.submission for each in asked]
        if any(each.run_id is None for each in asked):
            # Ascending within one millisecond too: of two runs of a key the older one gives way.
            for each, run_id in zip(asked, uuid7s(len(asked)), strict=True):
                each.run_id = run_id
        await self._count(connection, {submission.project_id for submission in submissions})
        full = frozenset(project for project, queue in self._waiting.items() if queue.waiting >= queue.most)
        ids = [each.run_id for each in asked if each.run_id is not None]
        return await insert_runs(connection, submissions, ids=ids, full=full)

    async def _count(self, connection: Connection, projects: set[UUID]) -> None:
        now = time.monotonic()
        stale = [
            project
            for project in projects
            if project not in self._waiting or now - self._waiting[project].counted_at > _COUNT_SECONDS
        ]
        if stale:
            arguments = {"projects": stale, "most": LONGEST_QUEUE}
            cursor = await connection.execute(QUERIES["waiting_runs"], arguments)
            for row in await cursor.fetchall():
                self._waiting[row["project_id"]] = _Waiting(counted_at=now, waiting=row["waiting"], most=row["most"])

    async def submit(self, submission: Submission) -> Submitted:
        """Return once the run is durable."""
        submitted = await self._group.submit(_Asked(submission=submission))
        if submitted.created:
            self._waiting[submission.project_id].waiting += 1
            if self._wakeup is not None:
                self._wakeup.work_is_there("control")
        return submitted


async def full_projects(connection: Connection, projects: Sequence[UUID]) -> frozenset[UUID]:
    """Return which of the projects have as many runs waiting as they may have."""
    arguments = {"projects": list(projects), "most": LONGEST_QUEUE}
    cursor = await connection.execute(QUERIES["waiting_runs"], arguments)
    return frozenset(row["project_id"] for row in await cursor.fetchall() if row["waiting"] >= row["most"])


async def insert_runs(
    connection: Connection,
    submissions: Sequence[Submission],
    *,
    ids: Sequence[UUID] = (),
    full: frozenset[UUID] = frozenset(),
) -> list[Submitted]:
    """Insert runs with their audit entries and outgoing events, within the caller's transaction.

    A submission whose idempotency name is known gives the run that is there, or a refusal where it asks for something
    else; one of a project in ``full`` is refused. Safe to repeat with the same ``ids``, one for each submission, or
    where a name or the caller's own state decides which insert counted.
    """
    documents = [_document(submission) for submission in submissions]
    digests = list(map(_digest, submissions, documents))
    ids = ids or uuid7s(len(submissions))
    wanted = [place for place, submission in enumerate(submissions) if submission.project_id not in full]
    inserted = await _insert_submissions(
        connection, [(ids[i], submissions[i], documents[i], digests[i]) for i in wanted]
    )
    new = [place for place in wanted if ids[place] in inserted]
    if new:
        await connection.execute(
            QUERIES["insert_runs"],
            {
                "ids": uuid_array(ids[i] for i in new),
                "projects": uuid_array(submissions[i].project_id for i in new),
                "priorities": number_array(submissions[i].priority for i in new),
                "keys": text_array(submissions[i].concurrency_key or None for i in new),
            },
        )
        await _tell(connection, [(ids[i], submissions[i], digests[i]) for i in new])
    known = await _known(connection, [submissions[i] for i in wanted if ids[i] not in inserted])
    # With those of a commit that counted, and that nobody heard of.
    there = inserted | await _taken_before(connection, [each for each in ids if each not in inserted])
    return [
        _outcome(ids[place], submission, digests[place], there, known, full=submission.project_id in full)
        for place, submission in enumerate(submissions)
    ]


async def _taken_before(connection: Connection, ids: Sequence[UUID]) -> frozenset[UUID]:
    if not ids:
        return frozenset()
    cursor = await connection.execute(QUERIES["taken_runs"], {"ids": uuid_array(ids)})
    return frozenset(row["run_id"] for row in await cursor.fetchall())


def _document(submission: Submission) -> bytes:
    document = to_document(submission)
    for name in ("project_id", "actor", "idempotency", "asked", "rerun_of", "traceparent"):
        del document[name]
    return canonical_json(document)


def _digest(submission: Submission, document: bytes) -> str:
    return submission.asked or sha256_of(document)


async def known_run(database: Database, submission: Submission) -> Submitted | None:
    """Return what became of an earlier submission of the same name; nothing where there was none."""
    name = submission.idempotency
    if name is None:
        return None
    async with database.connection() as connection:
        known = await _known(connection, [submission])
    if (submission.project_id, name.source, name.id) not in known:
        return None
    digest = _digest(submission, _document(submission))
    return _outcome(uuid7(), submission, digest, frozenset(), known, full=False)


async def _insert_submissions(
    connection: Connection, rows: Sequence[tuple[UUID, Submission, bytes, str]]
) -> frozenset[UUID]:
    if not rows:
        return frozenset()
    cursor = await connection.execute(
        QUERIES["insert_submissions"],
        {
            "ids": uuid_array(row[0] for row in rows),
            "projects": uuid_array(row[1].project_id for row in rows),
            "events": text_array(row[1].event for row in rows),
            "actors": text_array(str(row[1].actor) for row in rows),
            "documents": text_array(row[2].decode() for row in rows),
            "reruns": uuid_array(row[1].rerun_of for row in rows),
            "sources": text_array(row[1].idempotency.source if row[1].idempotency else None for row in rows),
            "names": text_array(row[1].idempotency.id if row[1].idempotency else None for row in rows),
            "digests": text_array(row[3] for row in rows),
            "traces": text_array(row[1].traceparent for row in rows),
        },
    )
    return frozenset(row["run_id"] for row in await cursor.fetchall())


async def _known(
    connection: Connection, submissions: Sequence[Submission]
) -> dict[tuple[UUID, str, str], dict[str, Any]]:
    named = [(each.project_id, each.idempotency) for each in submissions if each.idempotency]
    if not named:
        return {}
    cursor = await connection.execute(
        QUERIES["known_submissions"],
        {
            "projects": [project for project, _ in named],
            "sources": [name.source for _, name in named],
            "names": [name.id for _, name in named],
        },
    )
    return {
        (row["project_id"], row["idempotency_source"], row["idempotency_id"]): row for row in await cursor.fetchall()
    }


def _outcome(  # noqa: PLR0913 - everything that a submission's fate depends on
    run_id: UUID,
    submission: Submission,
    digest: str,
    there: frozenset[UUID],
    known: dict[tuple[UUID, str, str], dict[str, Any]],
    *,
    full: bool,
) -> Submitted:
    if run_id in there:
        return Submitted(run_id=run_id)
    if full or submission.idempotency is None:
        return Submitted(run_id=run_id, created=False, refusal=Refusal.QUEUE_FULL)
    row = known[submission.project_id, submission.idempotency.source, submission.idempotency.id]
    same = row["request_digest"] == digest
    return Submitted(
        run_id=row["run_id"],
        status=RunStatus(row["status"]),
        created=False,
        refusal=None if same else Refusal.IDEMPOTENCY_MISMATCH,
    )


async def _tell(connection: Connection, new: Sequence[tuple[UUID, Submission, str]]) -> None:
    told = [(str(run_id), submission, digest) for run_id, submission, digest in new]
    await append_entries(
        connection,
        [
            AuditEntry(
                action="run.submitted",
                actor=str(submission.actor),
                subject=f"run:{run}",
                project_id=submission.project_id,
                details={"event": submission.event, "request": digest},
            )
            for run, submission, digest in told
        ],
    )
    queued_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    await append_events(
        connection,
        [
            OutgoingEvent(
                type="dev.quilate.run.queued",
                project_id=submission.project_id,
                subject=f"run:{run}",
                data={"run": run, "event": submission.event, "at": queued_at},
            )
            for run, submission, _ in told
        ],
    )
