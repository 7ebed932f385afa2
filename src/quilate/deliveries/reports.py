"""What there is to say about a run, read from what it left: the same for a decision however often it is told."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from quilate import __version__
from quilate.deliveries.connector import DeliveryError, ReportedCheck, ReportedFinding, RunReport
from quilate.deliveries.store import one
from quilate.evidence.artifacts import ArtifactStore
from quilate.evidence.model import Finding
from quilate.evidence.report import ReportedCheck as SarifCheck
from quilate.evidence.report import ReportedFinding as SarifFinding
from quilate.evidence.report import WaiverNote
from quilate.evidence.sarif import sarif_document
from quilate.kit.database.database import Database
from quilate.kit.web.problems import Problem
from quilate.policy.decision import decide, input_from_bytes
from quilate.policy.explanation import explain, render_explanation
from quilate.policy.model import Decision, DecisionInput
from quilate.runs.api.evidence_reader import EvidenceReader
from quilate.runs.triggers.model import Trigger

MOST_FINDINGS = 1_000


class ReportReader:
    """Reads reports of runs; ``base_url`` is where people reach the service."""

    def __init__(self, database: Database, artifacts: ArtifactStore, base_url: str) -> None:
        self._database = database
        self._evidence = EvidenceReader(artifacts)
        self._base_url = base_url.rstrip("/")

    async def report(self, project_id: UUID, run_id: UUID) -> RunReport:
        """Return what there is to say about a run.

        Raises:
            DeliveryError: It is gone, or what it left is.
        """
        row = await self._row(project_id, run_id)
        common = self._common(row)
        given = await self._input(row)
        if given is None:
            return _undecided(row, common)
        return await asyncio.to_thread(_decided, given, common)

    async def sarif(self, project_id: UUID, run_id: UUID) -> bytes:
        """Return the run's findings as SARIF 2.1.0; without a decision there are none.

        Raises:
            DeliveryError: It is gone, or what it left is.
        """
        row = await self._row(project_id, run_id)
        given = await self._input(row)
        if given is None:
            raise DeliveryError(f"run {run_id} has no decision and so no report", permanent=True)
        return await asyncio.to_thread(_sarif, given, str(run_id))

    async def _row(self, project_id: UUID, run_id: UUID) -> Mapping[str, Any]:
        async with self._database.connection() as connection:
            row = await one(connection, "reported_run", run=run_id, project=project_id)
        if row is None:
            raise DeliveryError(f"run {run_id} is not kept any more", permanent=True)
        return row

    async def _input(self, row: Mapping[str, Any]) -> DecisionInput | None:
        if row["decision_digest"] is None:
            return None
        try:
            content = await self._evidence.document(row["input"], row["input_digest"])
        except Problem as problem:
            raise DeliveryError(problem.detail, next_step=problem.next_step, permanent=True) from problem
        return input_from_bytes(content or b"")

    def _common(self, row: Mapping[str, Any]) -> dict[str, Any]:
        what_if = row["what_if"] or {}
        submission = msgspec.json.decode(row["submission"])
        return {
            "id": row["id"],
            "project": row["slug"],
            "status": row["status"],
            "verdict": row["verdict"] or "",
            "decision_digest": row["decision_digest"] or "",
            "subject_kind": row["subject_kind"] or "",
            "subject_name": row["subject_name"] or row["slug"],
            "subject_digest": row["subject_digest"] or "",
            "revision": row["revision"] or submission["source"].get("revision", ""),
            "branch": row["branch"] or submission["source"].get("branch", ""),
            "url": f"{self._base_url}/api/v1/projects/{row['slug']}/runs/{row['id']}",
            "trigger": msgspec.convert(row["trigger"], Trigger) if row["trigger"] else None,
            "what_if": str(what_if.get("summary", "")),
            "superseded": row["superseded"],
            "submitted_at": row["submitted_at"],
            "started_at": row["started_at"],
            "ended_at": row["ended_at"],
        }


_HEADLINES = {
    "queued": "waits to be judged",
    "running": "is being judged",
    "succeeded": "passed its checks; a partial run has no verdict",
    "failed": "could not be judged",
    "cancelled": "was cancelled",
}


def _undecided(row: Mapping[str, Any], common: dict[str, Any]) -> RunReport:
    failure = row["failure"] or {}
    reasons = [failure["error"]] if failure.get("error") else []
    steps = [failure["next_step"]] if failure.get("next_step") else []
    headline = f"{common['subject_name']} {_HEADLINES[row['status']]}"
    if row["superseded"]:
        headline = f"{common['subject_name']} was superseded by a newer run"
    return RunReport(**common, headline=headline, reasons=reasons, next_steps=steps)


def _decided(given: DecisionInput, common: dict[str, Any]) -> RunReport:
    decision = decide(given)
    explanation = explain(decision, given)
    results = {check.check_id: check for check in decision.checks}
    waived = _waived(decision)
    findings = sorted(
        (
            (-found.severity.rank, str(check.check_id), number, check, found)
            for check in given.checks
            for number, found in enumerate(check.findings)
            if found.fingerprint not in waived
        ),
        key=lambda each: each[:3],
    )
    return RunReport(
        **common,
        headline=explanation.headline,
        reasons=tuple(render_explanation(explanation)[1:]),
        next_steps=explanation.next_steps,
        checks=tuple(
            ReportedCheck(
                id=str(check.check_id),
                type=str(check.type),
                stage=str(check.stage),
                result=results[check.check_id].result.value,
                required=check.required,
                reason=results[check.check_id].reason,
                url=f"{common['url']}/checks/{check.check_id}",
            )
            for check in given.checks
        ),
        findings=tuple(_finding(str(check.check_id), found) for *_, check, found in findings[:MOST_FINDINGS]),
        findings_total=len(findings),
        blueprint=f"{given.blueprint.id}@{given.blueprint.version}",
        blueprint_digest=str(given.blueprint.digest),
        waivers=tuple(f"{use.rule} until {use.until} (by {use.owner})" for use in decision.waivers if use.effective),
    )


def _finding(check: str, found: Finding) -> ReportedFinding:
    return ReportedFinding(
        check=check,
        rule=str(found.rule),
        severity=found.severity.value,
        message=found.message,
        fingerprint=found.fingerprint,
        path=found.location.path,
        line=found.location.line,
        fix=found.fix,
    )


def _waived(decision: Decision) -> frozenset[str]:
    return frozenset(print_ for use in decision.waivers if use.effective for print_ in use.fingerprints)


def _sarif(given: DecisionInput, run: str) -> bytes:
    decision = decide(given)
    results = {check.check_id: check for check in decision.checks}
    notes = {
        fingerprint: WaiverNote(
            justification=f"{use.reason} (by {use.owner} until {use.until})",
            inline=not use.source.startswith("quilate.yaml"),
            effective=use.effective,
        )
        for use in decision.waivers
        for fingerprint in use.fingerprints
    }
    known = given.baseline.fingerprints if given.baseline is not None else None
    checks = tuple(
        SarifCheck(
            check_id=check.check_id,
            type=check.type,
            stage=check.stage,
            result=results[check.check_id].result,
            completion=check.completion,
            reason=check.reason,
            next_step=check.next_step,
            findings=tuple(
                SarifFinding(
                    finding=found,
                    state="" if known is None else "unchanged" if found.fingerprint in known else "new",
                    waiver=notes.get(found.fingerprint),
                )
                for found in check.findings
            ),
            undecided=check.undecided,
        )
        for check in given.checks
    )
    document = sarif_document(
        tool_version=__version__,
        checks=checks,
        automation_id=f"{given.blueprint.id}/{run}",
        revision=given.subject.revision,
        branch=given.subject.branch,
    )
    return msgspec.json.encode(document)
