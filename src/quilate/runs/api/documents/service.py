"""Documents of runs: evidence, artifacts, decisions with their reasons, seals."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

import msgspec

from quilate.evidence.artifacts import ArtifactCorruptError, ArtifactMissingError
from quilate.evidence.model import Artifact
from quilate.kit.canonical import to_document
from quilate.kit.web.paging import Page
from quilate.kit.web.problems import Problem
from quilate.policy.decision import decide, input_from_bytes
from quilate.policy.explanation import Explanation, HistoryEntry, explain, render_explanation
from quilate.runs.api.model import AttemptRow, RunDetail
from quilate.runs.api.schemas import ArtifactView, CheckDetail, SealPage, SealView
from quilate.runs.api.service import RunService
from quilate.runs.api.store import Row
from quilate.runs.api.views import check_view, decode_outline, outline_of
from quilate.runs.durable.plan_request import OutlinedCheck

_PASS = "PASS"  # noqa: S105 - a verdict, not a password


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A stored document as it is, with the digest that is its ETag."""

    content: bytes
    digest: str


class RunNumber(int):
    """A run's id where explanations have a number: ordered as ids are, written as the id."""

    def __str__(self) -> str:
        return str(UUID(int=int(self)))

    def __format__(self, specification: str) -> str:
        return format(str(self), specification)


class RunDocuments:
    """Reads what runs left. Every method first makes sure that the run is the project's."""

    def __init__(self, service: RunService) -> None:
        self._service = service
        self._store = service.store
        self._evidence = service.evidence

    async def check(self, project: str, project_id: UUID, run_id: UUID, check: str) -> CheckDetail:
        """Return a check with its attempts and what the last one left.

        Raises:
            Problem: 404, the run has no such check.
        """
        detail = await self._service.detail(project_id, run_id)
        outline = _outlined(check, detail)
        rows = await self._store.attempts_of_check(run_id, check)
        ended = detail.run["status"] not in {"queued", "running"}
        view = check_view(outline, rows, detail, run_ended=ended)
        brief = await self._evidence.brief(rows[-1]) if rows else None
        return CheckDetail(
            **view.model_dump(),
            undecided=[to_document(each) for each in brief.undecided] if brief else [],
            artifacts=[artifact_view(project, run_id, each) for each in brief.artifacts] if brief else [],
            notes=list(brief.notes) if brief else [],
            report=rows[-1]["report"] if rows else "",
        )

    async def evidence(self, project_id: UUID, run_id: UUID, check: str, attempt: int | None) -> Document:
        """Return the evidence of a check's last attempt, or of the one that is asked for.

        Raises:
            Problem: 404, there is no such check or attempt, or it left no evidence.
        """
        await self._service.require(project_id, run_id)
        rows = await self._store.attempts_of_check(run_id, check)
        wanted = [row for row in rows if attempt is None or row["attempt"] == attempt]
        if not wanted:
            raise _no_check(check)
        row = wanted[-1]
        content = await self._evidence.document(row["evidence"], row["evidence_digest"])
        if content is None:
            raise Problem(
                status=404,
                type="not-found",
                detail=f"attempt {row['attempt']} of {check} left no evidence",
                next_step=row["next_step"],
            )
        return Document(content=content, digest=row["evidence_digest"] or "")

    async def artifact(self, project_id: UUID, run_id: UUID, digest: str) -> tuple[Artifact, BinaryIO]:
        """Return a file that a check of this run left, open and verified.

        Raises:
            Problem: 404, no evidence of this run names that digest, whoever else may have such a file.
        """
        await self._service.require(project_id, run_id)
        found = await self._service.store.run(project_id, run_id)
        attempts: Sequence[AttemptRow] = found[1] if found is not None else ()
        for row in attempts:
            for artifact in (await self._evidence.brief(row)).artifacts:
                if artifact.digest == digest:
                    return artifact, await self._open(digest)
        raise Problem(status=404, type="not-found", detail=f"this run left no artifact {digest}")

    async def _open(self, digest: str) -> BinaryIO:
        try:
            return await asyncio.to_thread(self._service.artifacts.open, digest)
        except ArtifactMissingError as error:
            raise Problem(
                status=410, type="gone", detail=f"{digest} is not kept any more", next_step=error.next_step
            ) from error
        except ArtifactCorruptError as error:
            raise Problem(status=500, type="corrupt", detail=error.message, next_step=error.next_step) from error

    async def decision(self, project_id: UUID, run_id: UUID) -> Document:
        """Return the decision's bytes.

        Raises:
            Problem: 404, there is none (yet).
        """
        row = await self._decided(project_id, run_id)
        return await self._document(row["decision"], row["decision_digest"])

    async def decision_input(self, project_id: UUID, run_id: UUID) -> Document:
        """Return the bytes of what the decision was made from.

        Raises:
            Problem: 404, there is none (yet).
        """
        row = await self._decided(project_id, run_id)
        return await self._document(row["input"], row["input_digest"])

    async def seal(self, project_id: UUID, run_id: UUID) -> Document:
        """Return the seal's bytes.

        Raises:
            Problem: 404, there is none (yet).
        """
        row = await self._decided(project_id, run_id)
        return Document(content=bytes(row["seal"]), digest=row["seal_digest"])

    async def explanation(self, project_id: UUID, run_id: UUID) -> Explanation:
        """Return why the run was decided as it was, with since when what fails has failed on its branch.

        Raises:
            Problem: 404, there is no decision (yet).
        """
        row = await self._decided(project_id, run_id)
        given = await self._document(row["input"], row["input_digest"])
        history = [
            HistoryEntry(
                run=RunNumber(entry["run_id"].int),
                verdict=entry["verdict"],
                failing=frozenset(tuple(key) for key in entry["failing"]),
            )
            for entry in await self._store.history(project_id, run_id, row["branch"] or "")
        ]

        def explained() -> Explanation:
            decision_input = input_from_bytes(given.content)
            number = RunNumber(run_id.int)
            return explain(decide(decision_input), decision_input, run=number, history=history)

        return await asyncio.to_thread(explained)

    async def seals(self, project_id: UUID, subject: str, cursor: str, limit: int) -> SealPage:
        """Return the seals of a subject, newest first, for a deploy gate."""
        page = await self._store.seals(project_id, subject, cursor, limit)
        newest: Page[Row] = page if not cursor else await self._store.seals(project_id, subject, "", 1)
        return SealPage(
            allowed=bool(newest.items) and newest.items[0]["verdict"] == _PASS,
            items=[await self._seal_view(project_id, row) for row in page.items],
            next_cursor=page.cursor,
        )

    async def _seal_view(self, project_id: UUID, row: Row) -> SealView:
        proofs = self._service.proofs
        inclusion: Mapping[str, Any] | None = None
        if proofs is not None:
            inclusion = await proofs.proof_of_run(project_id, row["run_id"])
        return SealView(
            run=row["run_id"],
            verdict=row["verdict"],
            subject=row["subject_digest"],
            blueprint=row["blueprint_id"],
            blueprint_digest=row["blueprint_digest"],
            decision_digest=row["decision_digest"],
            seal_digest=row["seal_digest"],
            decided_at=row["decided_at"],
            envelope=msgspec.json.decode(bytes(row["seal"])),
            inclusion=dict(inclusion) if inclusion is not None else None,
        )

    async def _decided(self, project_id: UUID, run_id: UUID) -> Row:
        row = await self._store.decision(project_id, run_id)
        if row is None:
            await self._service.require(project_id, run_id)
            raise Problem(
                status=404,
                type="not-decided",
                detail=f"run {run_id} has no decision",
                next_step="wait until it has ended; a partial, cancelled or unplannable run gets none",
            )
        return row

    async def _document(self, column: Any, digest: str) -> Document:
        content = await self._evidence.document(column, digest)
        return Document(content=content or b"", digest=digest)


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON, runs by their ids."""
    document: dict[str, Any] = {
        "headline": explanation.headline,
        "verdict": explanation.verdict.value,
        "open_questions": to_document(explanation.open_questions),
        "not_causes": list(explanation.not_causes),
        "next_steps": list(explanation.next_steps),
        "lines": render_explanation(explanation),
    }
    document["causes"] = [
        {
            "policy": cause.policy,
            "clause": cause.clause,
            "actual": cause.actual,
            "required": cause.required,
            "reason": cause.reason,
            "checks": [
                {
                    "check": str(check.check),
                    "result": check.result.value,
                    "summary": check.summary,
                    "findings": list(check.findings),
                    "since_run": None if check.since_run is None else str(check.since_run),
                    "last_good_run": None if check.last_good_run is None else str(check.last_good_run),
                    "next_steps": list(check.next_steps),
                }
                for check in cause.checks
            ],
        }
        for cause in explanation.causes
    ]
    return document


def artifact_view(project: str, run_id: UUID, artifact: Artifact) -> ArtifactView:
    """Return an artifact with its address."""
    return ArtifactView(
        name=artifact.name,
        media_type=artifact.media_type,
        digest=artifact.digest,
        size=artifact.size,
        href=f"/api/v1/projects/{project}/runs/{run_id}/artifacts/{artifact.digest}",
    )


def _outlined(check: str, detail: RunDetail) -> OutlinedCheck:
    plan = detail.run["plan"]
    for each in decode_outline(plan) or outline_of(None, detail.attempts):
        if each.id == check:
            return each
    raise _no_check(check)


def _no_check(check: str) -> Problem:
    return Problem(status=404, type="not-found", detail=f"this run has no check or attempt of that name: {check!r}")
