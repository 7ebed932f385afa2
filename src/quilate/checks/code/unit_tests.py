"""Run the project's tests: failures, flaky tests, and coverage against a limit.

Why: A change whose tests fail, or that no test reaches, is not known to work. A test that fails and then passes is
flaky: it hides the next real failure, so both attempts are kept and it is never silently green.

Input: The tests of the workspace, run by the project's own interpreter with pytest in a private copy (whose root and
`src` directory are on the path), or by the bound `argv` that writes the bound `junit` report; or an existing `junit`
and `coverage` report of the workspace, without running anything. Coverage is coverage.py's, lines and branches, over
the bound `source`, else what the project's own configuration names, else `src`, else everything. The project's pytest
configuration applies, but for what would hide something: an early stop, an own coverage limit, own retries.

Facts: `tests_total`, `tests_passed`, `tests_failed`, `tests_skipped`, `tests_flaky`; `coverage` (ratio),
`coverage_covered` and `coverage_total` (lines and branches) where coverage is measured.

Limits: no failure; coverage at least `min_coverage`; at least `min_tests` tests run, and never none. Failed tests run
again up to `reruns` times, unless there are more than 500 of them.

Findings: `QL-TST-001` a test fails; `QL-TST-002` coverage below the limit; `QL-TST-003` a flaky test; `QL-TST-004`
too few tests; `QL-TST-005` a test module cannot be collected.

Raises: EvidenceError where no interpreter is bound, pytest or coverage is missing in it, the run does not come to its
end or fails beside a green report, or a report cannot be read or contradicts itself.

Source: JUnit XML as pytest writes it (https://docs.pytest.org), Cobertura XML, coverage.py's JSON report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.code.coverage_input import read_coverage
from quilate.checks.code.junit_input import TestCase, TestOutcome, read_junit
from quilate.checks.code.suite_findings import (
    coverage_finding,
    facts_of,
    failure_finding,
    flaky_finding,
    summary_of,
    too_few,
)
from quilate.checks.code.suite_run import TestRun, run_own_command, run_pytest
from quilate.domain.errors import EvidenceError
from quilate.evidence.model import Artifact, Evidence, FactSpec, FactType, TestAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTestsParameters:
    """``min_coverage`` is a ratio, or null to measure none; ``reruns`` is how often a failed test is tried again."""

    min_coverage: Decimal | None
    min_tests: int
    reruns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTestsBinding:
    """``paths`` are handed to pytest; ``source`` is what coverage measures; ``argv`` replaces pytest."""

    paths: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    junit: str = ""
    coverage: str = ""


class UnitTests:
    """See the module's docstring."""

    parameters: ClassVar[type] = UnitTestsParameters
    binding: ClassVar[type] = UnitTestsBinding
    type: ClassVar[str] = "UNIT_TESTS"
    version: ClassVar[str] = "2"
    profile: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"severity_threshold": "medium", "min_coverage": None, "min_tests": 1, "reruns": 1}
    )
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def produces(self, parameters: UnitTestsParameters) -> tuple[FactSpec, ...]:
        """Return the facts; coverage only where it is asked for."""
        counts = ("tests_total", "tests_passed", "tests_failed", "tests_skipped", "tests_flaky")
        specs = tuple(FactSpec(name=name, type=FactType.NUMBER, unit="count") for name in counts)
        if parameters.min_coverage is None:
            return specs
        return (
            *specs,
            FactSpec(name="coverage", type=FactType.NUMBER, unit="ratio", description="lines and branches covered"),
            FactSpec(name="coverage_covered", type=FactType.NUMBER, unit="count"),
            FactSpec(name="coverage_total", type=FactType.NUMBER, unit="count"),
        )

    def inputs(self, parameters: UnitTestsParameters, binding: UnitTestsBinding) -> Inputs:  # noqa: ARG002 - the contract
        """Return the whole workspace, the bound reports and, where something runs, the project's packages."""
        reports = () if binding.argv else tuple(filter(None, (binding.junit, binding.coverage)))
        return Inputs(also=reports, interpreter=not binding.junit or bool(binding.argv))

    def run(self, context: Context) -> Evidence:
        """Run or read the tests, run the failed ones again, and compare with the limits."""
        parameters: UnitTestsParameters = context.parameters
        binding: UnitTestsBinding = context.binding
        if parameters.min_coverage is not None and (binding.argv or binding.junit) and not binding.coverage:
            raise EvidenceError(
                "coverage is asked for, but no coverage report is bound",
                next_step="bind `coverage` to the report that the tests write, in quilate.yaml",
            )
        if binding.argv:
            first = run_own_command(context, binding.argv, binding.junit, binding.coverage)
        elif binding.junit:
            first = _existing_reports(context, binding)
        else:
            first = run_pytest(context, binding.paths, binding.source, cover=parameters.min_coverage is not None)
        attempts, flaky, failed = _run_again(context, first, parameters.reruns)
        coverage = first.coverage
        if parameters.min_coverage is not None and (coverage is None or coverage.ratio is None):
            raise EvidenceError(
                "the coverage report holds no line", next_step="bind `source` to the code that the tests reach"
            )
        findings = [failure_finding(case) for case in failed]
        findings += [flaky_finding(case, attempts) for case in flaky]
        run_count = sum(case.outcome is not TestOutcome.SKIPPED for case in first.cases)
        if run_count < max(parameters.min_tests, 1):
            findings.append(too_few(run_count, max(parameters.min_tests, 1)))
        if parameters.min_coverage is not None and coverage is not None:
            findings += coverage_finding(coverage, parameters.min_coverage)
        return Evidence(
            summary=summary_of(first.cases, failed, flaky, coverage),
            facts=facts_of(first.cases, failed, flaky, coverage if parameters.min_coverage is not None else None),
            findings=tuple(findings),
            artifacts=_artifacts(context, first),
            test_attempts=tuple(attempts),
        )

    def canary(self, directory: Path) -> Canary:
        """Have a test that fails."""
        (directory / "test_canary.py").write_text("def test_canary():\n    assert 1 == 2\n", encoding="utf-8")
        return Canary(expected_rules=("QL-TST-001",))


def _existing_reports(context: Context, binding: UnitTestsBinding) -> TestRun:
    report = context.workspace.read_bytes(binding.junit)
    coverage = context.workspace.read_bytes(binding.coverage) if binding.coverage else b""
    return TestRun(
        cases=read_junit(report, binding.junit),
        junit=report,
        coverage=read_coverage(coverage, binding.coverage) if coverage else None,
        coverage_report=coverage,
    )


def _run_again(
    context: Context, first: TestRun, reruns: int
) -> tuple[list[TestAttempt], list[TestCase], list[TestCase]]:
    """Return every attempt of every test that failed at first, the flaky tests, and those that fail to the end."""
    failed = [case for case in first.cases if case.outcome in {TestOutcome.FAILED, TestOutcome.ERROR}]
    attempts = [_attempt(case, 1) for case in failed]
    flaky: list[TestCase] = []
    if first.again is None:
        return attempts, flaky, failed
    for number in range(2, reruns + 2):
        if not failed:
            break
        outcomes = {case.identity: case for case in first.again(tuple(failed))}
        still_failing = []
        for case in failed:
            now = outcomes.get(case.identity)
            if now is None:
                still_failing.append(case)
                continue
            attempts.append(_attempt(now, number))
            (flaky if now.outcome is TestOutcome.PASSED else still_failing).append(case)
        failed = still_failing
    del context
    return attempts, flaky, failed


def _attempt(case: TestCase, number: int) -> TestAttempt:
    passed = case.outcome is TestOutcome.PASSED
    return TestAttempt(test=case.identity, attempt=number, passed=passed, message=case.message)


def _artifacts(context: Context, run: TestRun) -> tuple[Artifact, ...]:
    kept = [context.artifact("junit.xml", run.junit, "application/xml")] if run.junit else []
    if run.coverage_report:
        kind = "application/xml" if run.coverage_report.lstrip()[:1] == b"<" else "application/json"
        kept.append(context.artifact("coverage", run.coverage_report, kind))
    return tuple(kept)
