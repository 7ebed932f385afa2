"""The decision: a pure function of evidence, policies, waivers, baseline and a date.

The same input gives the same bytes, whatever the machine, the order in which checks ended or the seed of the hash
function: checks are in the order of their ids, waivers and policies in an order of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from quilate.domain.errors import ConfigurationError
from quilate.domain.ids import CheckId, Digest
from quilate.domain.verdict import Completion, Verdict
from quilate.evidence.model import Finding
from quilate.kit.canonical import sha256_of
from quilate.policy.environment import DecisionEnvironment, JudgedFacts
from quilate.policy.judgement import Judgement, judge_all
from quilate.policy.language import PolicyError, evaluate, parse
from quilate.policy.language.syntax import Call, Name
from quilate.policy.model import (
    Binding,
    CheckDecision,
    Clause,
    Decision,
    DecisionInput,
    PolicyDecision,
    PolicyEngine,
    PolicyRule,
    Truth,
    WaiverUse,
)
from quilate.policy.vocabulary import ALL_REQUIRED
from quilate.policy.waiver_matching import waiver_order

DECISION_FORMAT = "quilate-decision/v1"
INPUT_FORMAT = "quilate-decision-input/v1"
IMPLICIT_POLICY = "required_checks"

RegoEvaluator = Callable[[str, Any], Clause]
"""A Rego module's text and its input document to a clause; see ``quilate.policy.rego.evaluate_rego``."""

_VERDICTS = {Truth.TRUE: Verdict.PASS, Truth.FALSE: Verdict.FAIL, Truth.UNKNOWN: Verdict.UNKNOWN}


def decide(decision_input: DecisionInput, *, rego: RegoEvaluator | None = None) -> Decision:
    """Return the decision on everything that a run left.

    The verdict is the conjunction of all policies by Kleene's logic, capped at UNKNOWN where no check completed that
    any policy asks about.
    ``required`` means required: unless a policy of the whole run reads ``all_required_checks_pass`` itself, the
    implicit policy ``required_checks`` asks for it. A policy that cannot be read or evaluated is UNKNOWN.

    Args:
        decision_input: What the run left and what it is judged by.
        rego: Evaluates Rego policies; by default ``quilate.policy.rego`` in its own locked-down process.
    """
    return decide_with_bytes(decision_input, rego=rego)[0]


def decide_with_bytes(decision_input: DecisionInput, *, rego: RegoEvaluator | None = None) -> tuple[Decision, bytes]:
    """Return ``decide`` and ``input_bytes`` of an input, which the decision's digest is made of anyway."""
    given = normalised(decision_input)
    content = _input_bytes(given)
    policies = with_implicit_policy(given.policies)
    judged = {binding: _Judged(given, binding) for binding in {policy.binds_on for policy in policies}}
    decided = tuple(_policy_decision(policy, judged[policy.binds_on], rego) for policy in policies)
    # Where one policy counts all findings, the results of the checks do so too.
    shown = judged.get(Binding.ALL) or judged[Binding.NEW]
    decision = Decision(
        format=DECISION_FORMAT,
        project=given.project,
        subject=given.subject,
        blueprint=given.blueprint,
        profile=given.profile,
        evaluated_on=given.evaluated_on,
        verdict=_verdict(given, decided),
        policies=decided,
        checks=shown.decisions,
        waivers=shown.waiver_uses,
        baseline=given.baseline.reference if given.baseline else "",
        input_digest=Digest(sha256_of(content)),
    )
    return decision, content


def normalised(decision_input: DecisionInput) -> DecisionInput:
    """Return the input in its one order: checks by id, waivers by id and place, policies by line and name."""
    return replace(
        decision_input,
        checks=tuple(sorted(decision_input.checks, key=lambda check: check.check_id)),
        waivers=tuple(sorted(decision_input.waivers, key=waiver_order)),
        policies=tuple(sorted(decision_input.policies, key=lambda policy: (policy.line, policy.name, policy.rule))),
    )


def with_implicit_policy(policies: tuple[PolicyRule, ...]) -> tuple[PolicyRule, ...]:
    """Return the policies, and ``required_checks`` before them unless one of the whole run says as much itself."""
    if any(policy.stage is None and _reads_all_required(policy) for policy in policies):
        return policies
    binding = Binding.NEW if policies and all(policy.binds_on is Binding.NEW for policy in policies) else Binding.ALL
    return (PolicyRule(name=IMPLICIT_POLICY, rule=ALL_REQUIRED, binds_on=binding), *policies)


def decision_bytes(decision: Decision) -> bytes:
    """Return the one byte string that stands for a decision (RFC 8785)."""
    # Equal to canonical JSON for this type, as below; a test compares the two.
    return msgspec.json.encode(decision, order="sorted")


def input_bytes(decision_input: DecisionInput) -> bytes:
    """Return the one byte string that stands for an input; ``Decision.input_digest`` is its digest."""
    return _input_bytes(normalised(decision_input))


def input_from_bytes(data: bytes) -> DecisionInput:
    """Return the input that ``input_bytes`` wrote.

    Raises:
        ConfigurationError: These are not such bytes, or those of another version.
    """
    try:
        stored = msgspec.json.decode(data, type=_StoredInput)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the stored decision input cannot be read: {error}", next_step="run again") from error
    if stored.format != INPUT_FORMAT:
        raise ConfigurationError(
            f"the stored decision input is not of the format {INPUT_FORMAT}",
            next_step="replay it with the version of Quilate that wrote it",
        )
    return stored.input


def replay(data: bytes, *, rego: RegoEvaluator | None = None) -> bytes:
    """Return the bytes of the decision on a stored input, the same as when it was first made.

    Raises:
        ConfigurationError: The stored input cannot be read.
    """
    return decision_bytes(decide(input_from_bytes(data), rego=rego))


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredInput:
    format: str
    input: DecisionInput


def _input_bytes(given: DecisionInput) -> bytes:
    # Equal to canonical JSON for this type (its keys are ASCII, it holds no floats; a test compares the two), and a
    # hundred times as fast over many findings. Sets are sorted: their order follows the seed of the hash function.
    return msgspec.json.encode(_StoredInput(format=INPUT_FORMAT, input=given), order="sorted")


class _Judged:
    """All checks of an input judged under one binding."""

    def __init__(self, given: DecisionInput, binding: Binding) -> None:
        self.given = given
        self.judgements: Sequence[Judgement]
        self.waiver_uses: tuple[WaiverUse, ...]
        self.judgements, self.waiver_uses = judge_all(
            given.checks, given.waivers, given.baseline, given.evaluated_on, binding
        )
        self.facts = JudgedFacts(given.checks, self.judgements)

    @property
    def decisions(self) -> tuple[CheckDecision, ...]:
        return tuple(judgement.decision for judgement in self.judgements)

    @property
    def counted(self) -> Mapping[CheckId, Sequence[Finding]]:
        return {judgement.decision.check_id: judgement.counted for judgement in self.judgements}


def _policy_decision(policy: PolicyRule, judged: _Judged, rego: RegoEvaluator | None) -> PolicyDecision:
    if policy.engine is PolicyEngine.REGO:
        tree = _rego_clause(policy, judged, rego)
    else:
        tree = _clause(policy, DecisionEnvironment(judged.facts, stage=policy.stage))
    return PolicyDecision(
        name=policy.name,
        engine=policy.engine,
        rule=policy.rule,
        stage=policy.stage,
        binds_on=policy.binds_on,
        line=policy.line,
        verdict=_VERDICTS[tree.truth],
        tree=tree,
    )


def _clause(policy: PolicyRule, environment: DecisionEnvironment) -> Clause:
    try:
        expression = parse(policy.rule)
    except PolicyError as error:
        return _failed(policy, f"the rule cannot be read: {error}", error.next_step or "mend the rule")
    return evaluate(expression, environment)


def _rego_clause(policy: PolicyRule, judged: _Judged, rego: RegoEvaluator | None) -> Clause:
    from quilate.policy.rego_input import rego_input  # noqa: PLC0415 - most blueprints hold no Rego

    if rego is None:
        from quilate.policy.rego import evaluate_rego  # noqa: PLC0415 - as above

        rego = evaluate_rego
    document = rego_input(judged.given, judged.decisions, judged.counted)
    try:
        return rego(policy.rule, document)
    except Exception as error:  # noqa: BLE001 - whatever an engine raises, its policy is unknown and never a pass
        return _failed(policy, f"the Rego engine failed: {type(error).__name__}", "see `quilate doctor`")


def _failed(policy: PolicyRule, reason: str, next_step: str) -> Clause:
    return Clause(source=policy.rule, operator="call", truth=Truth.UNKNOWN, reason=reason, next_step=next_step)


def _reads_all_required(policy: PolicyRule) -> bool:
    if policy.engine is not PolicyEngine.QUILATE:
        return False
    try:
        nodes = list(parse(policy.rule).nodes())
    except PolicyError:
        return False
    return any(
        (isinstance(node, Name) and node.name == ALL_REQUIRED)
        or (isinstance(node, Call) and node.function == ALL_REQUIRED)
        for node in nodes
    )


def _verdict(given: DecisionInput, policies: Sequence[PolicyDecision]) -> Verdict:
    verdicts = {policy.verdict for policy in policies}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    completed = {check.check_id for check in given.checks if check.completion is Completion.COMPLETED}
    # "All required checks pass" is true of none at all: a pass rests on something that was looked at.
    rests = any(
        policy.engine is PolicyEngine.REGO or not completed.isdisjoint(policy.tree.origin) for policy in policies
    )
    return Verdict.PASS if verdicts == {Verdict.PASS} and completed and rests else Verdict.UNKNOWN
