"""The last step of a run: decide by policy and seal. Pure but for the key; evaluated outside every lock."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from quilate.domain.ids import CheckId
from quilate.domain.verdict import CheckResult, RunStatus, Verdict
from quilate.kit.canonical import sha256_of
from quilate.kit.tracing import PIPELINE_RESULT, PIPELINE_RUN_ID, span
from quilate.policy.decision import decide_with_bytes, decision_bytes
from quilate.policy.model import PolicyRule
from quilate.runs.durable.governing import what_if
from quilate.runs.durable.live import LiveRun
from quilate.seals.keys import SigningKey
from quilate.seals.sealing import seal_decision
from quilate.seals.statement import Environment

_PASSED = frozenset({CheckResult.PASS, CheckResult.WARN, CheckResult.NOT_APPLICABLE})
_BLOCKING = frozenset({CheckResult.FAIL, CheckResult.ERROR, CheckResult.UNDECIDED, CheckResult.TIMED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedRun:
    """What a run came to. A partial run has results and neither verdict nor seal.

    ``failing`` holds (check, rule) of everything that blocks; ``what_if`` what a change's own blueprint would have
    said.
    """

    status: RunStatus
    verdict: Verdict | None
    subject_digest: str
    blueprint_id: str
    blueprint_digest: str
    decision: bytes = b""
    decision_digest: str = ""
    input: bytes = b""
    input_digest: str = ""
    seal: bytes = b""
    seal_digest: str = ""
    failing: tuple[tuple[str, str], ...] = ()
    what_if: bytes = b""


async def decided_run(run: LiveRun, key: SigningKey, environment: Environment) -> DecidedRun:
    """Return the decision of a run without keeping the event loop waiting."""
    if run.decides_at_once:
        return traced_decision(run, key, environment)
    return await asyncio.to_thread(traced_decision, run, key, environment)


def traced_decision(run: LiveRun, key: SigningKey, environment: Environment) -> DecidedRun:
    """Return the decision of a run, as a span of its trace."""
    with span("run.decide", parent=run.traceparent, **{PIPELINE_RUN_ID: str(run.id)}) as current:
        decided = decide_run(run, key, environment)
        current.set_attribute(PIPELINE_RESULT, decided.verdict.value if decided.verdict else "partial")
    return decided


def decide_run(run: LiveRun, key: SigningKey, environment: Environment) -> DecidedRun:
    """Return the decision of a run whose checks have all ended, sealed with the service's key."""
    prepared = run.prepared
    plan = prepared.plan
    document = plan.blueprint.document
    results = {check_id: run.judge.result(state) for check_id, state in run.snapshot.items()}
    subject = str(prepared.subject.digest)
    if plan.partial:
        passed = all(result in _PASSED for result in results.values())
        return DecidedRun(
            status=RunStatus.SUCCEEDED if passed else RunStatus.FAILED,
            verdict=None,
            subject_digest=subject,
            blueprint_id=document.id,
            blueprint_digest=str(document.digest),
        )
    policies = plan.policies or (PolicyRule(name="required_checks", rule="all_required_checks_pass"),)
    decision_input = run.judge.decision_input(plan.checks, run.snapshot, run.judge.binding_policies(policies))
    decision, given = decide_with_bytes(decision_input)
    content = decision_bytes(decision)
    seal = seal_decision(content, sealed_at=datetime.now(UTC), key=key, environment=environment)
    return DecidedRun(
        status=RunStatus.SUCCEEDED if decision.verdict is Verdict.PASS else RunStatus.FAILED,
        verdict=decision.verdict,
        subject_digest=subject,
        blueprint_id=document.id,
        blueprint_digest=str(document.digest),
        decision=content,
        decision_digest=sha256_of(content),
        input=given,
        input_digest=str(decision.input_digest),
        seal=seal,
        seal_digest=sha256_of(seal),
        failing=_failing(run, results),
        what_if=what_if(decision_input, plan, prepared.proposal) if prepared.proposal is not None else b"",
    )


def _failing(run: LiveRun, results: dict[CheckId, CheckResult]) -> tuple[tuple[str, str], ...]:
    keys: list[tuple[str, str]] = []
    for check_id, state in run.snapshot.items():
        if results[check_id] not in _BLOCKING:
            continue
        judged = run.judge.judged(state)
        rules = sorted({str(found.rule) for found in judged.findings if found.severity >= judged.severity_threshold})
        keys.extend((str(check_id), rule) for rule in rules or [""])
    return tuple(keys)
