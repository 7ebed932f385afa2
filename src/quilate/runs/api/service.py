"""What the routes of runs decide: who gets which run, what a submission becomes, what cannot be done."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

import msgspec

from quilate.accounts.model import ProjectAccess
from quilate.domain.verdict import RunStatus
from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.canonical import digest_of
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.paging import Page
from quilate.kit.web.problems import Problem
from quilate.runs.api.evidence_reader import EvidenceReader
from quilate.runs.api.model import FindingFilter, RunDetail, RunFilter, RunRow
from quilate.runs.api.repositories import JudgedSources, Repositories, Sources
from quilate.runs.api.schemas import (
    ArchiveSource,
    DatasetSource,
    GitSource,
    ModelSource,
    NoSource,
    RunRequest,
)
from quilate.runs.api.store import Row, RunStore
from quilate.runs.api.streams.watching import watch_logs, watch_runs
from quilate.runs.api.submissions import checked_parameters, idempotency_of, refuse
from quilate.runs.durable.commands import cancel_run, replay_dead_letter
from quilate.runs.durable.intake import Intake, Wakeup, known_run
from quilate.runs.durable.model import Idempotency, Refusal, Submission, Submitted
from quilate.runs.durable.wakeups import CANCELLED, CONTROL
from quilate.runs.workspaces.errors import SourceRefusedError
from quilate.runs.workspaces.model import Source, SourceKind

RETRY_SECONDS = 30
"""A project whose queue is full is told to come back after this long."""


class InclusionProofs(Protocol):
    """Says where in the audit log a decision stands; ``None`` where the sequencer has not come to it yet."""

    async def proof_of_run(self, project_id: UUID, run_id: UUID) -> Mapping[str, Any] | None:
        """Return the proof that the log holds the run's decision."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunServiceParts:
    """What the service works with.

    Attributes:
        intake: Makes submissions durable.
        sources: Judges where a run's files may come from.
        wakeup: Tells workers of cancellations and replays; ``None`` where they look by themselves only.
        proofs: Inclusion proofs for the deploy gate; ``None`` where there is no audit log to ask.
    """

    database: Database
    intake: Intake
    sources: Sources
    artifacts: ArtifactStore
    wakeup: Wakeup | None = None
    proofs: InclusionProofs | None = None


class RunService:
    """Everything that the routes of runs do."""

    def __init__(self, parts: RunServiceParts) -> None:
        self._database = parts.database
        self._intake = parts.intake
        self._wakeup = parts.wakeup
        self._sources = JudgedSources(parts.sources)
        self.artifacts = parts.artifacts
        self.proofs = parts.proofs
        self.store = RunStore(parts.database)
        self.evidence = EvidenceReader(parts.artifacts)
        self.repositories = Repositories(parts.database)
        self.runs = watch_runs(self.store, self.evidence)
        self.logs = watch_logs(self.store)

    async def close(self) -> None:
        """End what looks at the database for the streams."""
        await self.runs.close()
        await self.logs.close()

    # Submitting ---------------------------------------------------------------------------------------------------

    async def submit(
        self, access: ProjectAccess, body: RunRequest, *, key: str | None, traceparent: str = ""
    ) -> Submitted:
        """Make a run durable; the same ``Idempotency-Key`` gives the same run.

        Raises:
            Problem: 422, it cannot be carried out or its key named another run; 429, the project's queue is full.
        """
        submission = Submission(
            project_id=access.project.id,
            project=access.project.slug,
            source=await self._source(access, body),
            actor=access.actor,
            event=body.event,
            parameters=checked_parameters(body.parameters),
            blueprint=body.blueprint,
            project_file=body.project_file,
            only=tuple(body.only),
            from_stage=body.from_stage,
            priority=body.priority,
            concurrency_key=body.concurrency_key,
            supersede=body.supersede,
            idempotency=idempotency_of(access.principal, key),
            asked=digest_of(["runs", body.model_dump(mode="json")]) if key is not None else "",
            use_cache=body.use_cache,
            governed=body.governed,
            traceparent=traceparent,
        )
        return await self.take_asked(access, submission)

    async def take_asked(self, access: ProjectAccess, submission: Submission) -> Submitted:
        """Make durable what a caller asks for, its source as the project may use it.

        A request that was taken before gives its run, also where its source is gone by now.

        Raises:
            Problem: 422 or 429, it was refused.
        """
        try:
            source = await self.permitted(access, submission.source)
        except Problem:
            known = await known_run(self._database, submission)
            if known is None:
                raise
            return self._taken(submission, known)
        return await self.take(replace(submission, source=source))

    async def take(self, submission: Submission) -> Submitted:
        """Make a submission durable.

        Raises:
            Problem: 422 or 429, it was refused.
        """
        return self._taken(submission, await self._intake.submit(submission))

    def _taken(self, submission: Submission, submitted: Submitted) -> Submitted:
        if submitted.refusal is Refusal.QUEUE_FULL:
            raise Problem(
                status=429,
                type="queue-full",
                detail=f"project {submission.project!r} has too many runs waiting",
                next_step="wait until some have started, or cancel those that nobody needs",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        if submitted.refusal is Refusal.IDEMPOTENCY_MISMATCH:
            raise Problem(
                status=422,
                type="idempotency-mismatch",
                detail="this Idempotency-Key named another request",
                next_step="take a new key for a new request",
                extensions={"run": str(submitted.run_id)},
            )
        return submitted

    async def permitted(self, access: ProjectAccess, source: Source) -> Source:
        """Return a source as the project may use it.

        Raises:
            Problem: 422, it may not, or the source is not there.
        """
        try:
            return await self._sources.resolve(access.project, source)
        except SourceRefusedError as error:
            raise Problem(status=422, type="source-refused", detail=error.message, next_step=error.next_step) from error

    async def _source(self, access: ProjectAccess, body: RunRequest) -> Source:
        match body.source:
            case GitSource() as git:
                location = git.repository or await self.repositories.of(access.project.id)
                if not location:
                    raise refuse(
                        f"project {access.project.slug!r} has no repository",
                        "name one in source.repository, or set the project's repository",
                        field="source.repository",
                    )
                return Source(
                    kind=SourceKind.GIT,
                    location=location,
                    revision=git.revision,
                    branch=git.branch,
                    subdirectory=git.subdirectory,
                )
            case ArchiveSource() as archive:
                return Source(
                    kind=SourceKind.ARCHIVE,
                    digest=archive.digest,
                    branch=archive.branch,
                    subdirectory=archive.subdirectory,
                )
            case DatasetSource() as dataset:
                return Source(kind=SourceKind.DATASET, location=dataset.name, revision=dataset.version)
            case ModelSource() as model:
                return Source(kind=SourceKind.MODEL, location=model.name, revision=model.version)
            case NoSource():
                if not body.project_file:
                    raise refuse(
                        "a run without files needs a project file",
                        "send its text as project_file",
                        field="project_file",
                    )
                return Source(kind=SourceKind.NONE)

    async def rerun(
        self, access: ProjectAccess, run_id: UUID, *, failed_only: bool, key: str | None, traceparent: str = ""
    ) -> Submitted:
        """Submit a run again, whole, or so that what passed is taken over.

        Raises:
            Problem: 404, the project has no such run; 422 and 429 as for ``submit``.
        """
        row = await self.store.submission(access.project.id, run_id)
        if row is None:
            raise no_run(run_id)
        submission = msgspec.convert(
            {
                **msgspec.json.decode(row["document"]),
                "project_id": access.project.id,
                "actor": msgspec.to_builtins(access.actor),
            },
            type=Submission,
        )
        name = idempotency_of(access.principal, key)
        # The same key for another run, or asked for otherwise, is another request: its name says which.
        named = Idempotency(source=f"{name.source}:rerun:{run_id}:{failed_only}", id=name.id) if name else None
        return await self.take_asked(
            access,
            replace(
                submission,
                idempotency=named,
                asked=digest_of(["rerun", str(run_id), failed_only]) if named is not None else "",
                rerun_of=run_id if failed_only else None,
                use_cache=failed_only and submission.use_cache,
                traceparent=traceparent,
            ),
        )

    async def cancel(self, access: ProjectAccess, run_id: UUID, reason: str) -> RunStatus:
        """Cancel a run and return where it stands now; one that had ended stays as it is.

        Raises:
            Problem: 404, the project has no such run.
        """
        await self.require(access.project.id, run_id)

        async def work(connection: Connection) -> RunStatus | None:
            return await cancel_run(connection, access.project.id, run_id, access.actor, reason or "cancelled")

        status = await self._database.run(work)
        if status is None:
            raise no_run(run_id)
        if self._wakeup is not None and status is RunStatus.CANCELLED:
            self._wakeup.work_is_there(CANCELLED)
            self._wakeup.work_is_there(CONTROL)
        self.runs.wake()
        return status

    # Reading ------------------------------------------------------------------------------------------------------

    async def require(self, project_id: UUID, run_id: UUID) -> int:
        """Return a run's version.

        Raises:
            Problem: 404, the project has no such run.
        """
        version = await self.store.version(project_id, run_id)
        if version is None:
            raise no_run(run_id)
        return version

    async def has_seen_all(self, project_id: UUID, run_id: UUID, version: int) -> bool:
        """Tell whether a run has ended and who has seen ``version`` of it has seen all.

        Raises:
            Problem: 404, the project has no such run.
        """
        row = await self.store.standing(project_id, run_id)
        if row is None:
            raise no_run(run_id)
        return row["status"] not in {"queued", "running"} and bool(row["version"] <= version)

    async def list(self, project_id: UUID, wanted: RunFilter, cursor: str, limit: int) -> Page[RunRow]:
        """Return a page of runs, newest first."""
        return await self.store.list_runs(project_id, wanted, cursor, limit)

    async def detail(self, project_id: UUID, run_id: UUID) -> RunDetail:
        """Return a run with all its checks.

        Raises:
            Problem: 404, the project has no such run.
        """
        found = await self.store.run(project_id, run_id)
        if found is None:
            raise no_run(run_id)
        run, attempts, counts, in_flight = found
        findings: dict[tuple[str, int], dict[str, int]] = {}
        for row in counts:
            findings.setdefault((row["check_id"], row["attempt"]), {})[row["severity"]] = row["findings"]
        return RunDetail(
            run=run,
            attempts=tuple(attempts),
            briefs=await self.evidence.briefs(attempts),
            findings=findings,
            in_flight={row["check_id"]: row for row in in_flight},
        )

    async def findings(
        self, project_id: UUID, run_id: UUID, wanted: FindingFilter, cursor: str, limit: int
    ) -> Page[Row]:
        """Return a page of findings.

        Raises:
            Problem: 404, the project has no such run.
        """
        await self.require(project_id, run_id)
        return await self.store.findings(run_id, wanted, cursor, limit)

    # Dead letters -------------------------------------------------------------------------------------------------

    async def dead_letter(self, project_id: UUID, letter_id: UUID) -> Row:
        """Return a dead letter.

        Raises:
            Problem: 404, the project has no such dead letter.
        """
        row = await self.store.dead_letter(project_id, letter_id)
        if row is None:
            raise _no_letter(letter_id)
        return row

    async def replay(self, access: ProjectAccess, letter_id: UUID) -> Submitted:
        """Submit the run of a dead letter again; a second time gives the same run.

        Raises:
            Problem: 404, the project has no such dead letter.
        """

        async def work(connection: Connection) -> Submitted | None:
            return await replay_dead_letter(connection, access.project.id, letter_id, access.actor)

        submitted = await self._database.run(work)
        if submitted is None:
            raise _no_letter(letter_id)
        if self._wakeup is not None:
            self._wakeup.work_is_there(CONTROL)
        return submitted


def no_run(run_id: UUID | str) -> Problem:
    """Return the problem of a run that the project does not have."""
    return Problem(status=404, type="not-found", detail=f"there is no run {run_id} in this project")


def _no_letter(letter_id: UUID) -> Problem:
    return Problem(status=404, type="not-found", detail=f"there is no dead letter {letter_id} in this project")
