"""The source document's rule, already parsed, over 14 checks, without findings and with 10,000.

Timed is what one policy costs: its environment is made and the rule evaluated with its whole tree. Judging and
counting the findings happens once per decision, for all its policies; that is ``aggregation_us``, a figure of its own.
The reference is the same rule written by hand in Python over the same aggregated values: no tree, no reasons, and each
part stops at the first check that settles it.
"""

import statistics
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial

from measure import report
from quilate.domain.ids import CheckId, CheckType, RuleId, StageName
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.model import Finding, FindingKind, Location, finite_decimal, number_fact
from quilate.policy.environment import DecisionEnvironment, JudgedFacts
from quilate.policy.judgement import judge_all
from quilate.policy.language import Expression, evaluate, parse
from quilate.policy.model import JudgedCheck, Truth

TARGET_MICROSECONDS = 100
ROUNDS = 1000
AGGREGATIONS = 15
FINDINGS = 10_000
COVERAGE_LIMIT = Decimal("0.8")
DAY = date(2026, 11, 20)
RULE = """\
all_required_checks_pass and
coverage >= 0.8 and
no_vulnerabilities_with_severity_at_or_above("high") and
no_crypto_anti_patterns_detected
"""
PRODUCES = {
    "code_lint": (),
    "code_format": (),
    "unit_tests": ("coverage",),
    "complexity": (),
    "sast": ("vulnerabilities",),
    "secrets": ("secrets_found",),
    "crypto_static_analysis": ("crypto_anti_patterns",),
    "schema_validation": ("rows",),
    "data_quality_profile": (),
    "offline_metrics": ("f1_score",),
    "fairness_check": (),
    "perf_test": ("latency_ms_p95",),
    "penetration_test": ("vulnerabilities",),
    "tls_policy": (),
}
KINDS = {"sast": FindingKind.VULNERABILITY, "crypto_static_analysis": FindingKind.CRYPTOGRAPHY}


def checks_with(findings: int) -> tuple[JudgedCheck, ...]:
    """Return the 14 checks, the findings spread evenly over them and over all severities."""
    severities = tuple(Severity)
    each = [
        tuple(
            Finding(
                rule=RuleId(f"tool/R{number % 40}"),
                kind=KINDS.get(name, FindingKind.CODE),
                severity=severities[number % len(severities)],
                message="wrong",
                location=Location(path=f"a{number % 300}.py", line=number + 1),
                measured="1",
                limit="0",
                fix="Mend it.",
                fingerprint=f"{name}{number}",
            )
            for number in range(position, findings, len(PRODUCES))
        )
        for position, name in enumerate(PRODUCES)
    ]
    return tuple(
        JudgedCheck(
            check_id=CheckId(name),
            type=CheckType(name.upper()),
            stage=StageName("all"),
            required=name != "fairness_check",
            completion=Completion.COMPLETED,
            severity_threshold=Severity.MEDIUM,
            produces=facts,
            facts=tuple(number_fact(fact, Decimal("0.8571428571428571"), unit="ratio") for fact in facts),
            findings=found,
        )
        for (name, facts), found in zip(PRODUCES.items(), each, strict=True)
    )


def aggregated(checks: tuple[JudgedCheck, ...]) -> JudgedFacts:
    """Return what all policies of a decision share."""
    judgements, _ = judge_all(checks, (), None, DAY)
    return JudgedFacts(checks, judgements)


def by_hand(judged: JudgedFacts) -> bool:
    """Return the rule's answer as plain Python gives it."""
    required = all(
        judgement.decision.result in {CheckResult.PASS, CheckResult.WARN}
        for judgement in judged.judgements.values()
        if judgement.decision.required
    )
    fact = judged.facts["coverage"][1]
    coverage = finite_decimal(fact.value) if fact else None
    covered = coverage is not None and coverage >= COVERAGE_LIMIT
    secure = not any(
        judged.counts[check_id].at_or_above(Severity.HIGH.rank, FindingKind.VULNERABILITY)
        for check_id, check in judged.checks.items()
        if "vulnerabilities" in check.produces
    )
    sound = not any(
        judged.counts[check_id].at_or_above(Severity.LOW.rank, FindingKind.CRYPTOGRAPHY)
        for check_id, check in judged.checks.items()
        if "crypto_anti_patterns" in check.produces
    )
    return all((required, covered, secure, sound))


def by_language(expression: Expression, judged: JudgedFacts) -> Truth:
    """Return the rule's answer as the language gives it, the whole tree built."""
    return evaluate(expression, DecisionEnvironment(judged)).truth


def median_microseconds(call: Callable[[], object], rounds: int) -> float:
    """Return the median time of a call in microseconds, after a tenth of the rounds as warm-up."""
    times = []
    for number in range(rounds + rounds // 10):
        begin = time.perf_counter_ns()
        call()
        if number >= rounds // 10:
            times.append(time.perf_counter_ns() - begin)
    return statistics.median(times) / 1000


def main() -> None:
    """Print the figures."""
    expression = parse(RULE)
    figures: dict[str, float | bool] = {"parse_us": median_microseconds(partial(parse, RULE), ROUNDS)}
    worst, agree = 0.0, True
    for findings in (0, FINDINGS):
        checks = checks_with(findings)
        judged = aggregated(checks)
        policy = median_microseconds(partial(by_language, expression, judged), ROUNDS)
        reference = median_microseconds(partial(by_hand, judged), ROUNDS)
        expected = Truth.FALSE if findings else Truth.TRUE
        agree &= by_language(expression, judged) is expected and by_hand(judged) is (expected is Truth.TRUE)
        worst = max(worst, policy)
        figures[f"evaluate_us_{findings}_findings"] = policy
        figures[f"by_hand_us_{findings}_findings"] = reference
        figures[f"ratio_to_by_hand_{findings}_findings"] = policy / reference
        figures[f"aggregation_us_{findings}_findings"] = median_microseconds(partial(aggregated, checks), AGGREGATIONS)
    report(
        "policy",
        checks=len(PRODUCES),
        **figures,
        both_sides_agree=agree,
        target_us=TARGET_MICROSECONDS,
        met=worst <= TARGET_MICROSECONDS and agree,
    )


if __name__ == "__main__":
    main()
