"""From rows to what is shown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from quilate.domain.verdict import CheckResult, RunStatus, Verdict
from quilate.kit.canonical import to_document
from quilate.runs.api.model import AttemptRow, CheckState, EvidenceBrief, RunDetail, RunRow, state_of_result
from quilate.runs.api.schemas import (
    AttemptView,
    CheckView,
    FactView,
    FailureView,
    Links,
    RunSummary,
    RunView,
    StageView,
    SubjectView,
)
from quilate.runs.durable.plan_request import OutlinedCheck, PlanText

_ENDED = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})
_PLAN = msgspec.json.Decoder(PlanText)
_NO_BRIEF = EvidenceBrief()


class _Notes(msgspec.Struct):
    notes: tuple[str, ...] = ()


_NOTES = msgspec.json.Decoder(_Notes)


def links_of(project: str, run_id: UUID) -> Links:
    """Return the addresses of a run; relative to the host, so that they hold behind any proxy."""
    base = f"/api/v1/projects/{project}/runs/{run_id}"
    return Links(
        self=base,
        events=f"{base}/events",
        checks=f"{base}/checks",
        findings=f"{base}/findings",
        decision=f"{base}/decision",
    )


def _summary(project: str, row: RunRow) -> dict[str, Any]:
    subject = None
    if row["subject_digest"] is not None:
        subject = SubjectView(
            kind=row["subject_kind"],
            name=row["subject_name"],
            digest=row["subject_digest"],
            revision=row["revision"],
            branch=row["branch"],
        )
    return {
        "id": row["id"],
        "status": RunStatus(row["status"]),
        "held": row["held"],
        "verdict": Verdict(row["verdict"]) if row["verdict"] else None,
        "event": row["event"],
        "actor": row["actor"],
        "source": {name: value for name, value in (row["source"] or {}).items() if value},
        "parameters": row["parameters"] or {},
        "trigger": row["trigger"],
        "subject": subject,
        "priority": row["priority"],
        "concurrency_key": row["concurrency_key"],
        "rerun_of": row["rerun_of"],
        "version": row["version"],
        "submitted_at": row["submitted_at"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"],
        "links": links_of(project, row["id"]),
    }


def run_summary(project: str, row: RunRow) -> RunSummary:
    """Return a run as lists show it."""
    return RunSummary(**_summary(project, row))


def run_view(project: str, detail: RunDetail) -> RunView:
    """Return a run with its stages and checks."""
    row = detail.run
    plan = _PLAN.decode(bytes(row["plan"])) if row["plan"] is not None else None
    preparation = row["preparation"]
    return RunView(
        **_summary(project, row),
        blueprint=row["blueprint_id"] or (plan.blueprint if plan else "") or row["asked_blueprint"] or "",
        blueprint_digest=row["blueprint_digest"],
        partial=bool(plan and (plan.only or plan.from_stage)),
        failure=FailureView(**row["failure"]) if row["failure"] else None,
        stages=stages_of(outline_of(plan, detail.attempts), detail),
        decision_digest=row["decision_digest"],
        seal_digest=row["seal_digest"],
        what_if=row["what_if"],
        notes=list(_NOTES.decode(bytes(preparation)).notes) if preparation is not None else [],
    )


def outline_of(plan: PlanText | None, attempts: Iterable[AttemptRow]) -> Sequence[OutlinedCheck]:
    """Return the planned checks; of a plan that does not say, those that have run."""
    if plan is not None and plan.checks:
        return plan.checks
    names = dict.fromkeys(row["check_id"] for row in attempts)
    return [OutlinedCheck(id=name, type="", stage="", required=True, queue="") for name in names]


def decode_outline(plan: bytes | None) -> Sequence[OutlinedCheck]:
    """Return the planned checks of a stored plan."""
    return _PLAN.decode(bytes(plan)).checks if plan is not None else ()


def stages_of(outline: Iterable[OutlinedCheck], detail: RunDetail) -> list[StageView]:
    """Return the stages in the order of the plan."""
    attempts: dict[str, list[AttemptRow]] = {}
    for row in detail.attempts:
        attempts.setdefault(row["check_id"], []).append(row)
    run_ended = RunStatus(detail.run["status"]) in _ENDED
    stages: dict[str, list[CheckView]] = {}
    for check in outline:
        view = check_view(check, attempts.get(check.id, []), detail, run_ended=run_ended)
        stages.setdefault(check.stage, []).append(view)
    return [StageView(name=name, state=_together(checks), checks=checks) for name, checks in stages.items()]


def check_view(
    check: OutlinedCheck, attempts: Sequence[AttemptRow], detail: RunDetail, *, run_ended: bool
) -> CheckView:
    """Return one check."""
    flight = detail.in_flight.get(check.id)
    last = attempts[-1] if attempts else None
    key = (check.id, last["attempt"]) if last else (check.id, 0)
    brief = detail.briefs.get(key, _NO_BRIEF)
    return CheckView(
        id=check.id,
        type=check.type,
        stage=check.stage,
        required=check.required,
        queue=check.queue,
        needs=list(check.needs),
        state=_state(flight, last, run_ended=run_ended),
        result=CheckResult(last["result"]) if last and last["final"] else None,
        summary=brief.summary,
        started_at=flight["started_at"] if flight else None,
        attempts=[attempt_view(row, detail) for row in attempts],
        facts=[FactView(**to_document(fact)) for fact in brief.facts],
        findings=dict(detail.findings.get(key, {})),
    )


def attempt_view(row: AttemptRow, detail: RunDetail) -> AttemptView:
    """Return one attempt."""
    key = (row["check_id"], row["attempt"])
    return AttemptView(
        attempt=row["attempt"],
        completion=row["completion"],
        result=row["result"],
        final=row["final"],
        summary=detail.briefs.get(key, _NO_BRIEF).summary,
        reason=row["reason"],
        next_step=row["next_step"],
        duration_seconds=row["duration_ms"] / 1000,
        cached_age_seconds=row["cached_age_seconds"],
        ended_at=row["ended_at"],
        findings=dict(detail.findings.get(key, {})),
        evidence_digest=row["evidence_digest"],
    )


def _state(flight: Mapping[str, Any] | None, last: AttemptRow | None, *, run_ended: bool) -> CheckState:
    if flight is not None:
        return CheckState(flight["status"])
    if last is not None and last["final"]:
        return state_of_result(last["result"])
    if run_ended:
        return CheckState.CANCELLED
    return CheckState.WAITING if last is None else CheckState.QUEUED


_WORST_FIRST = (
    CheckState.RUNNING,
    CheckState.QUEUED,
    CheckState.FAILED,
    CheckState.CANCELLED,
)


def _together(checks: Sequence[CheckView]) -> CheckState:
    states = {check.state for check in checks}
    for state in _WORST_FIRST:
        if state in states:
            return state
    if states == {CheckState.SUCCEEDED}:
        return CheckState.SUCCEEDED
    return CheckState.RUNNING if CheckState.SUCCEEDED in states else CheckState.WAITING
