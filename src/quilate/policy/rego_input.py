"""The input document of Rego policies: what ``input`` holds. Documented in ``docs/policy.md``."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from quilate.domain.ids import CheckId
from quilate.domain.severity import Severity
from quilate.evidence.model import Fact, FactType, Finding, finite_decimal
from quilate.kit.canonical import to_document
from quilate.policy.model import CheckDecision, DecisionInput


def rego_input(
    decision_input: DecisionInput,
    checks: Sequence[CheckDecision],
    counted: Mapping[CheckId, Sequence[Finding]],
) -> dict[str, Any]:
    """Return the document that a Rego policy judges.

    Args:
        decision_input: What the decision is made from.
        checks: What became of each of its checks.
        counted: The findings of each check that count: neither waived nor, where the policy binds on new ones, known.
    """
    facts = {check.check_id: check.facts for check in decision_input.checks}
    documents: dict[str, Any] = {}
    total = dict.fromkeys(map(str, Severity), 0)
    for check in checks:
        findings = _by_severity(counted.get(check.check_id, ()))
        total = {severity: total[severity] + findings[severity] for severity in total}
        documents[check.check_id] = _check(check, facts.get(check.check_id, ()), findings)
    return {
        "project": decision_input.project,
        "subject": to_document(decision_input.subject),
        "evaluated_on": decision_input.evaluated_on.isoformat(),
        "checks": documents,
        "findings": total,
    }


def _check(check: CheckDecision, facts: Sequence[Fact], findings: Mapping[str, int]) -> dict[str, Any]:
    return {
        "type": check.type,
        "stage": check.stage,
        "required": check.required,
        "result": str(check.result),
        "reason": check.reason,
        "facts": {fact.name: value for fact in facts if (value := _exact_value(fact)) is not None},
        "intervals": {fact.name: bounds for fact in facts if (bounds := _interval(fact)) is not None},
        "findings": dict(findings),
        "waived": check.waived,
        "known": check.known,
        "undecided": check.undecided,
    }


def _by_severity(findings: Sequence[Finding]) -> dict[str, int]:
    counts = dict.fromkeys(map(str, Severity), 0)
    for finding in findings:
        counts[str(finding.severity)] += 1
    return counts


def _exact_value(fact: Fact) -> float | int | str | bool | None:
    """Return a fact that is exactly known; one within an interval stands under ``intervals`` alone."""
    if fact.type is not FactType.NUMBER:
        expected = bool if fact.type is FactType.BOOLEAN else str
        return fact.value if isinstance(fact.value, expected) else None
    number = fact.number
    if number is None or _has_width(fact):
        return None
    return _number(number)


def _interval(fact: Fact) -> dict[str, Any] | None:
    number = fact.number
    if number is None or not _has_width(fact):
        return None
    bounds = {"low": finite_decimal(fact.low), "high": finite_decimal(fact.high)}
    known = {name: _number(bound) for name, bound in bounds.items() if bound is not None}
    return {"value": _number(number), **known, "sample_size": fact.sample_size}


def _has_width(fact: Fact) -> bool:
    if fact.low is None and fact.high is None:
        return False
    low, high = finite_decimal(fact.low), finite_decimal(fact.high)
    return low is None or low != high or low != fact.number


def _number(number: Decimal) -> float | int:
    """Return a number as JSON holds it: whole up to 2**53, else the nearest double, which is all that Rego has."""
    if number.copy_abs() <= 1 << 53 and number == int(number):
        return int(number)
    return float(number)
