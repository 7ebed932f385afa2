"""The findings, facts and summary of a test run."""

from decimal import ROUND_FLOOR, Decimal

from quilate.checks.code.coverage_input import Coverage
from quilate.checks.code.junit_input import TestCase, TestOutcome
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import Fact, Finding, FindingKind, Location, TestAttempt, number_fact
from quilate.evidence.redaction import redact
from quilate.kit.canonical import decimal_text
from quilate.kit.words import counted

_NAMED_FILES = 3
_RATIO_STEP = Decimal("0.0001")
_FACT_STEP = Decimal("0.00000001")
"""The fact is rounded down: no limit is met by rounding."""


def failure_finding(case: TestCase) -> Finding:
    """Return the finding of a test that fails to the end, or of a module that cannot be collected."""
    collection = case.outcome is TestOutcome.ERROR and not case.class_name
    return Finding(
        rule=RuleId("QL-TST-005" if collection else "QL-TST-001"),
        kind=FindingKind.TEST,
        severity=Severity.HIGH,
        message=f"{case.identity} {'cannot be collected' if collection else 'fails'}: {redact(case.message)}".rstrip(
            ": "
        ),
        location=Location(path=case.path, line=case.line),
        measured=case.outcome.value,
        limit="passed",
        fix="mend the code or the test",
        context=case.identity,
    )


def flaky_finding(case: TestCase, attempts: list[TestAttempt]) -> Finding:
    """Return the finding of a test that failed and then passed."""
    tries = sum(attempt.test == case.identity for attempt in attempts)
    return Finding(
        rule=RuleId("QL-TST-003"),
        kind=FindingKind.TEST,
        severity=Severity.LOW,
        message=f"{case.identity} is flaky: it failed and passed on attempt {tries}",
        location=Location(path=case.path, line=case.line),
        measured=f"passed on attempt {tries}",
        limit="passed on attempt 1",
        fix="find what it depends on (time, order, network, randomness) and fix that in the test",
        context=case.identity,
    )


def too_few(count: int, minimum: int) -> Finding:
    """Return the finding of a run with too few tests."""
    return Finding(
        rule=RuleId("QL-TST-004"),
        kind=FindingKind.TEST,
        severity=Severity.HIGH,
        message="no test ran" if count == 0 else f"only {counted(count, 'test')} ran",
        location=Location(),
        measured=counted(count, "test"),
        limit=f"at least {minimum}",
        fix="add tests, or bind `paths` to where they are",
    )


def coverage_finding(coverage: Coverage, minimum: Decimal) -> list[Finding]:
    """Return the finding of a coverage below the limit, if it is."""
    ratio = coverage.ratio
    if ratio is None or ratio >= minimum:
        return []
    least = ", ".join(f"{file.path} ({file.covered}/{file.total})" for file in coverage.least_covered(_NAMED_FILES))
    return [
        Finding(
            rule=RuleId("QL-TST-002"),
            kind=FindingKind.TEST,
            severity=Severity.HIGH,
            message=f"coverage {_shown(ratio)} is below {decimal_text(minimum)}",
            location=Location(),
            measured=f"{_shown(ratio)} ({coverage.covered} of {coverage.total} lines and branches)",
            limit=f"at least {decimal_text(minimum)}",
            fix=f"test what is covered least: {least}",
            context="coverage",
        )
    ]


def facts_of(
    cases: tuple[TestCase, ...], failed: list[TestCase], flaky: list[TestCase], coverage: Coverage | None
) -> tuple[Fact, ...]:
    """Return the facts of a test run; a flaky test counts as passed and as flaky."""
    skipped = sum(case.outcome is TestOutcome.SKIPPED for case in cases)
    counts = {
        "tests_total": len(cases),
        "tests_passed": len(cases) - skipped - len(failed),
        "tests_failed": len(failed),
        "tests_skipped": skipped,
        "tests_flaky": len(flaky),
    }
    facts = [number_fact(name, number, unit="count") for name, number in counts.items()]
    if coverage is not None:
        ratio = None if coverage.ratio is None else coverage.ratio.quantize(_FACT_STEP, rounding=ROUND_FLOOR)
        facts.append(number_fact("coverage", ratio, unit="ratio"))
        facts.append(number_fact("coverage_covered", coverage.covered, unit="count"))
        facts.append(number_fact("coverage_total", coverage.total, unit="count"))
    return tuple(facts)


def summary_of(
    cases: tuple[TestCase, ...], failed: list[TestCase], flaky: list[TestCase], coverage: Coverage | None
) -> str:
    """Return for example ``311 passed, 1 failed, 1 flaky (passed on the 2nd try), coverage 0.87``."""
    skipped = sum(case.outcome is TestOutcome.SKIPPED for case in cases)
    parts = [f"{len(cases) - skipped - len(failed)} passed"]
    parts += [f"{len(failed)} failed"] if failed else []
    parts += [f"{skipped} skipped"] if skipped else []
    parts += [f"{len(flaky)} flaky (passed on a later try)"] if flaky else []
    if coverage is not None and coverage.ratio is not None:
        parts.append(f"coverage {_shown(coverage.ratio)}")
    return ", ".join(parts)


def _shown(ratio: Decimal) -> str:
    """Round down, so that a coverage just below its limit never looks as if it met it."""
    return decimal_text(ratio.quantize(_RATIO_STEP, rounding=ROUND_FLOOR))
