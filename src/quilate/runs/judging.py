"""From what checks left to what policy decides about: pure translations between the floors."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

import msgspec

from quilate.blueprints.model import Plan, PlannedCheck
from quilate.domain.ids import CheckId, Digest
from quilate.domain.subject import Subject
from quilate.domain.verdict import CheckResult, Completion, Verdict
from quilate.evidence.model import Evidence
from quilate.kit.canonical import sha256_of
from quilate.policy.decision import decide
from quilate.policy.environment import environment_for_when
from quilate.policy.judgement import judge, result_of
from quilate.policy.language import evaluate, parse
from quilate.policy.model import (
    Baseline,
    Binding,
    CheckDecision,
    DecisionInput,
    JudgedCheck,
    PolicyRule,
    Truth,
    Waiver,
)
from quilate.runs.state import Attempt, CheckRun, Graph, Judge, Snapshot, everything_before, graph_of

_EVIDENCE = msgspec.json.Encoder(order="deterministic")


def judged_check(check: PlannedCheck, run: CheckRun) -> JudgedCheck:
    """Return one check as the decision sees it; a check that failed and then passed is flaky."""
    attempt = run.last if run.attempts else Attempt(completion=Completion.SKIPPED, reason="it did not run")
    evidence = attempt.evidence or Evidence()
    if check.severity is not None:
        findings = tuple(replace(finding, severity=check.severity) for finding in evidence.findings)
        evidence = replace(evidence, findings=findings)
    return JudgedCheck(
        check_id=check.id,
        type=check.type,
        stage=check.stage,
        required=check.required,
        completion=attempt.completion,
        severity_threshold=check.severity_threshold,
        produces=tuple(spec.name for spec in check.produces),
        reason=attempt.reason,
        next_step=attempt.next_step,
        enforce_from=check.enforce_from,
        facts=evidence.facts,
        findings=evidence.findings,
        undecided=evidence.undecided,
        flaky_tests=flaky_tests(check, run),
        evidence_digest=Digest("" if attempt.evidence is None else sha256_of(encoded_evidence(attempt.evidence))),
    )


def encoded_evidence(evidence: Evidence) -> bytes:
    """Return evidence as it is stored and digested: msgspec's deterministic JSON, which many findings do not make slow.

    It is what the check left. A severity that the blueprint sets is a matter of judging, and not in it.
    """
    return _EVIDENCE.encode(evidence)


def flaky_tests(check: PlannedCheck, run: CheckRun) -> tuple[str, ...]:
    """Return the tests that failed and then passed, and the check itself where a retry made it pass."""
    evidence = run.last.evidence if run.attempts else None
    outcomes: dict[str, list[bool]] = {}
    for attempt in evidence.test_attempts if evidence else ():
        outcomes.setdefault(attempt.test, []).append(attempt.passed)
    named = [test for test, passed in outcomes.items() if passed[-1] and not all(passed)]
    if len(run.attempts) > 1 and run.last.completion is Completion.COMPLETED:
        named.append(f"{check.id} (attempt {len(run.attempts)})")
    return tuple(named)


class RunJudge:
    """The judge of one run: results, conditions and gates by the same pure functions as the decision."""

    def __init__(  # noqa: PLR0913 - everything that a decision depends on
        self,
        plan: Plan,
        *,
        subject: Subject,
        waivers: tuple[Waiver, ...],
        baseline: Baseline | None,
        evaluated_on: date,
        event: str = "manual",
        graph: Graph | None = None,
    ) -> None:
        self._plan = plan
        self._checks = {check.id: check for check in plan.checks}
        self._subject = subject
        self._waivers = waivers
        self._baseline = baseline
        self._evaluated_on = evaluated_on
        self._before = (graph or graph_of(plan.checks)).before
        self._memory: dict[CheckId, tuple[tuple[Attempt, ...], JudgedCheck]] = {}
        self._results: dict[CheckId, tuple[tuple[Attempt, ...], CheckResult]] = {}
        self._names: Mapping[str, str | bool] = {
            "branch": subject.branch,
            "event": event,
            "project_type": plan.project.type,
            "subject_kind": subject.kind.value,
            "dirty": subject.dirty,
        }

    def judge(self) -> Judge:
        """Return what the state machine asks."""
        return Judge(result=self.result, condition=self.condition, gate=self.gate)

    def result(self, run: CheckRun) -> CheckResult:
        """Return the result of an ended check, computed once for the attempts that it has."""
        known = self._results.get(run.check_id)
        if known is None or known[0] is not run.attempts:
            result = result_of(self.judged(run), self._waivers, self._baseline, self._evaluated_on, self.binds_on)
            known = self._results[run.check_id] = (run.attempts, result)
        return known[1]

    def check_decision(self, run: CheckRun) -> CheckDecision:
        """Return what became of an ended check."""
        return judge(self.judged(run), self._waivers, self._baseline, self._evaluated_on, self.binds_on).decision

    def judged(self, run: CheckRun) -> JudgedCheck:
        """Return ``judged_check``, computed once for the attempts that the check has."""
        known = self._memory.get(run.check_id)
        if known is None or known[0] is not run.attempts:
            known = (run.attempts, judged_check(self._checks[run.check_id], run))
            self._memory[run.check_id] = known
        return known[1]

    @property
    def binds_on(self) -> Binding:
        """New findings only, where there is a baseline."""
        return Binding.NEW if self._baseline else Binding.ALL

    def condition(self, check: PlannedCheck, text: str, snapshot: Snapshot) -> tuple[Truth, str]:
        """Return the truth of a ``when`` text over what had to end before the check.

        What merely happens to have ended does not count, so that the answer does not depend on timing.
        """
        before = everything_before(check.id, self._before)
        known = [self.judged(snapshot[other.id]) for other in self._plan.checks if other.id in before]
        environment = environment_for_when(
            known, self._plan.vocabulary, self._names, self._waivers, self._baseline, self._evaluated_on
        )
        clause = evaluate(parse(text), environment)
        return clause.truth, clause.reason or "what it reads is not known yet"

    def gate(self, check: PlannedCheck, snapshot: Snapshot) -> Truth:
        """Return whether everything before ``check`` is PASS: required checks and the policies of their stages."""
        before = everything_before(check.id, self._before)
        ended = [other for other in self._plan.checks if other.id in before]
        if not ended:
            return Truth.TRUE
        stages = {other.stage for other in ended if other.stage != check.stage}
        required = PolicyRule(name="everything_before", rule="all_required_checks_pass")
        policies = (*(policy for policy in self._plan.policies if policy.stage in stages), required)
        decision = decide(self.decision_input(ended, snapshot, self.binding_policies(policies)))
        # Not the verdict: where nothing before was required, nothing stands in the way.
        verdicts = {policy.verdict for policy in decision.policies}
        if Verdict.FAIL in verdicts:
            return Truth.FALSE
        completed = any(check.completion is Completion.COMPLETED for check in decision.checks)
        return Truth.TRUE if verdicts == {Verdict.PASS} and completed else Truth.UNKNOWN

    def binding_policies(self, policies: tuple[PolicyRule, ...]) -> tuple[PolicyRule, ...]:
        """Return the policies as they bind in this run: on new findings only, where there is a baseline."""
        return bind_on_new(policies) if self._baseline else policies

    def decision_input(
        self, checks: Iterable[PlannedCheck], snapshot: Snapshot, policies: tuple[PolicyRule, ...]
    ) -> DecisionInput:
        """Return everything that a decision over ``checks`` depends on."""
        return DecisionInput(
            project=self._plan.project.project,
            subject=self._subject,
            blueprint=self._plan.blueprint.document,
            profile=self._plan.profile,
            evaluated_on=self._evaluated_on,
            checks=tuple(self.judged(snapshot[check.id]) for check in checks),
            policies=policies,
            waivers=self._waivers,
            baseline=self._baseline,
        )


def bind_on_new(policies: Iterable[PolicyRule]) -> tuple[PolicyRule, ...]:
    """Return the policies counting new findings only, as ``--baseline`` asks."""
    return tuple(replace(policy, binds_on=Binding.NEW) for policy in policies)
