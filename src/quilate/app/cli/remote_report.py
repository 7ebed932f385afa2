"""What a service tells of a run, in the forms that the local run is printed from."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from quilate.blueprints.model import Blueprint, Plan, PlannedCheck, ProjectFile
from quilate.checks.api import Inputs, Isolation, NoBinding, Queue
from quilate.client import Client, NotFoundError
from quilate.client.model import CheckAttempt, RunCheck, RunDetail
from quilate.domain.ids import CheckId, CheckType, Digest, StageName
from quilate.domain.severity import Severity
from quilate.domain.subject import Subject, SubjectKind
from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.model import Evidence
from quilate.policy.decision import input_from_bytes
from quilate.policy.model import CheckDecision, Decision, DecisionInput, JudgedCheck, VersionedDocument, Vocabulary
from quilate.runs.report import BaselineComparison, RunReport
from quilate.runs.session import comparison_of
from quilate.runs.state import Attempt, CheckRun

_UNKNOWN = VersionedDocument(id="", version="", digest=Digest(""))


def plan_of_run(detail: RunDetail, project: ProjectFile) -> Plan:
    """Return the plan as far as the service tells it: which checks, in which stages."""
    document = VersionedDocument(id=detail.blueprint, version="", digest=Digest(detail.blueprint_digest or ""))
    return Plan(
        project=project,
        blueprint=Blueprint(document=document, project_types=(), stages=(), policies=()),
        profile=_UNKNOWN,
        stages=(),
        checks=tuple(_planned(check) for check in detail.checks),
        policies=(),
        vocabulary=Vocabulary(),
        partial=detail.partial,
    )


def _planned(check: RunCheck) -> PlannedCheck:
    return PlannedCheck(
        id=CheckId(check.id),
        type=CheckType(check.type),
        version="",
        stage=StageName(check.stage),
        required=check.required,
        queue=Queue.CODE,
        isolation=Isolation.PROCESS,
        parameters=NoBinding(),
        binding=NoBinding(),
        severity_threshold=Severity.INFO,
        inputs=Inputs(),
        produces=(),
    )


def subject_of_run(detail: RunDetail) -> Subject:
    """Return what the service judges; it knows the content of an archive and nothing of the repository behind it."""
    found = detail.subject
    if found is None:
        return Subject(kind=SubjectKind.TREE, name="", digest=Digest(""))
    revision = found.revision or str(detail.parameters.get("revision", ""))
    return Subject(
        kind=SubjectKind(found.kind),
        name=found.name,
        digest=Digest(found.digest),
        revision=revision,
        branch=found.branch or str(detail.parameters.get("branch", "")),
        dirty=bool(detail.parameters.get("dirty")) and not found.revision,
    )


def check_run(check_id: CheckId, attempts: Mapping[int, Attempt]) -> CheckRun:
    """Return a check with its attempts in their order."""
    return CheckRun(check_id=check_id, attempts=tuple(attempts[number] for number in sorted(attempts)))


def shown_decision(check: PlannedCheck, result: CheckResult) -> CheckDecision:
    """Return what became of a check as the live output needs it."""
    return CheckDecision(
        check_id=check.id,
        type=check.type,
        stage=check.stage,
        required=check.required,
        completion=Completion.COMPLETED,
        result=result,
    )


def report_of_run(client: Client, slug: str, detail: RunDetail, plan: Plan, address: str) -> RunReport:
    """Return the report of a run that has ended, with everything that its checks left.

    Raises:
        ClientError: The service does not tell all of it.
    """
    runs = {CheckId(check.id): _check_run(client, slug, detail, check) for check in detail.checks}
    results = {CheckId(check.id): _result(check) for check in detail.checks}
    subject = subject_of_run(detail)
    decision = given = None
    if detail.decision_digest:
        decision = msgspec.json.decode(client.runs.decision(slug, detail.id), type=Decision)
        given = input_from_bytes(client.runs.decision_input(slug, detail.id))
        plan = replace(plan, blueprint=replace(plan.blueprint, document=decision.blueprint), profile=decision.profile)
    begun = detail.started_at or detail.submitted_at
    return RunReport(
        number=0,
        plan=plan,
        subject=subject,
        runs=runs,
        results=results,
        decision_input=given or _undecided_input(plan, subject, runs),
        decision=decision,
        started_at=begun.isoformat(timespec="seconds"),
        duration_seconds=((detail.ended_at or datetime.now(UTC)) - begun).total_seconds(),
        directory=address,
        seal_digest=detail.seal_digest or "",
        comparison=_comparison(given),
        notes=detail.notes,
    )


def _comparison(given: DecisionInput | None) -> BaselineComparison | None:
    """Return how the findings stand against the baseline by which the service decided."""
    if given is None or given.baseline is None:
        return None
    return comparison_of((finding for check in given.checks for finding in check.findings), given.baseline)


def _check_run(client: Client, slug: str, detail: RunDetail, check: RunCheck) -> CheckRun:
    attempts = {each.attempt: attempt_of(each, _evidence(client, slug, detail, check, each)) for each in check.attempts}
    return check_run(CheckId(check.id), attempts)


def attempt_of(told: CheckAttempt, evidence: Evidence | None) -> Attempt:
    """Return an attempt."""
    return Attempt(
        completion=told.completion,
        evidence=evidence,
        reason=told.reason,
        next_step=told.next_step,
        duration_seconds=told.duration_seconds,
        cached_age_seconds=told.cached_age_seconds,
    )


def _evidence(client: Client, slug: str, detail: RunDetail, check: RunCheck, attempt: CheckAttempt) -> Evidence | None:
    if not attempt.evidence_digest:
        return None
    try:
        content = client.runs.evidence(slug, detail.id, check.id, attempt.attempt)
    except NotFoundError:
        return None  # Deleted by retention: the record of the run stays.
    return msgspec.json.decode(content, type=Evidence)


def _result(check: RunCheck) -> CheckResult:
    return check.result or (CheckResult.CANCELLED if check.state == "cancelled" else CheckResult.SKIPPED)


def _undecided_input(plan: Plan, subject: Subject, runs: Mapping[CheckId, CheckRun]) -> DecisionInput:
    """Return what a partial run shows of its checks: it has no decision, and so no input of one."""
    judged = []
    for check in plan.checks:
        run = runs[check.id]
        last = run.attempts[-1] if run.attempts else Attempt(completion=Completion.CANCELLED)
        evidence = last.evidence or Evidence()
        judged.append(
            JudgedCheck(
                check_id=check.id,
                type=check.type,
                stage=check.stage,
                required=check.required,
                completion=last.completion,
                severity_threshold=check.severity_threshold,
                reason=last.reason,
                next_step=last.next_step,
                facts=evidence.facts,
                findings=evidence.findings,
                undecided=evidence.undecided,
            )
        )
    return DecisionInput(
        project=plan.project.project,
        subject=subject,
        blueprint=plan.blueprint.document,
        profile=plan.profile,
        evaluated_on=datetime.now(UTC).date(),
        checks=tuple(judged),
        policies=(),
    )
