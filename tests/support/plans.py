"""Plans made by hand, for tests of what comes after planning."""

from collections.abc import Iterable, Mapping
from typing import Any

from quilate.blueprints.model import Blueprint, Plan, PlannedCheck, ProjectFile
from quilate.checks.api import Inputs, Isolation, NoBinding, Queue
from quilate.domain.ids import CheckId, CheckType, Digest, StageName
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, Completion
from quilate.policy.model import PolicyRule, Truth, VersionedDocument, Vocabulary
from quilate.runs.state import Attempt, CheckRun, Judge, Snapshot

_DIGEST = Digest("sha256:" + "0" * 64)


def planned(name: str, *, needs: Iterable[str] = (), stage: str = "one", **changes: Any) -> PlannedCheck:
    """Return a planned check that judges nothing by itself."""
    values: dict[str, Any] = {
        "id": CheckId(name),
        "type": CheckType("COMMAND"),
        "version": "1",
        "stage": StageName(stage),
        "required": True,
        "queue": Queue.CODE,
        "isolation": Isolation.PROCESS,
        "parameters": NoBinding(),
        "binding": NoBinding(),
        "severity_threshold": Severity.LOW,
        "inputs": Inputs(),
        "produces": (),
        "needs": tuple(CheckId(need) for need in needs),
    }
    return PlannedCheck(**(values | changes))


def plan_of_checks(root: str, checks: Iterable[PlannedCheck], policies: tuple[PolicyRule, ...] = ()) -> Plan:
    """Return a plan over checks made by hand."""
    document = VersionedDocument(id="by-hand", version="1", digest=_DIGEST)
    return Plan(
        project=ProjectFile(project="sample", type="ds", blueprint="by-hand", root=root),
        blueprint=Blueprint(document=document, project_types=(), stages=(), policies=policies),
        profile=document,
        stages=(),
        checks=tuple(checks),
        policies=policies,
        vocabulary=Vocabulary(),
    )


def completed() -> Attempt:
    """Return an attempt that completed."""
    return Attempt(completion=Completion.COMPLETED)


def scripted_judge(
    results: Mapping[str, CheckResult] | None = None,
    conditions: Mapping[str, Truth] | None = None,
    gate: Truth = Truth.TRUE,
) -> Judge:
    """Return a judge whose answers are given; a check without one passes when it completed."""

    def result(run: CheckRun) -> CheckResult:
        given = (results or {}).get(run.check_id)
        if given is not None:
            return given
        if run.last.completion is Completion.COMPLETED:
            return CheckResult.PASS
        return CheckResult(run.last.completion.value)

    def condition(check: PlannedCheck, text: str, snapshot: Snapshot) -> tuple[Truth, str]:
        del check, snapshot
        return (conditions or {})[text], "the test says so"

    return Judge(result=result, condition=condition, gate=lambda _check, _snapshot: gate)
