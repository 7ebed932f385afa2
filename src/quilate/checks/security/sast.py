"""Look for insecure code with the rules of bandit.

Why: Many vulnerabilities are visible in the source: a shell that runs joined text, a query put together from strings,
data that can run code when it is read.

Input: Python files and notebooks of the workspace, or of the bound `paths`. The project's own ruff or bandit
configuration is not obeyed, so that a change under review cannot switch rules off.

Facts: `vulnerabilities` (findings of any severity), `vulnerabilities_high` (high or critical), `suppressed_findings`
(by `noqa` or `nosec` comments: counted, listed in the notes, not failing), `files_analysed`, `files_unparsed`.

Limits: Findings at or above `severity_threshold` fail. `engine` is `ruff` (its rules S, flake8-bandit) or `bandit`.
`ignored_in_tests` are rule codes that do not count in test files, as `assert` is what tests are made of.

Findings: `ruff/S324` or `bandit/B324`. Bandit grades its own; ruff's are graded as bandit grades the same test.

Raises: EvidenceError where the engine is missing or fails, or where a bound path holds nothing.

Source: https://docs.astral.sh/ruff/rules/#flake8-bandit-s and https://bandit.readthedocs.io/
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.ruff import INVALID_SYNTAX, ISOLATED_CHECK, RUFF, Diagnostic, run_ruff, syntax_errors
from quilate.checks.security.bandit_engine import BANDIT, run_bandit
from quilate.checks.security.severity_map import rule_fix, rule_severity
from quilate.checks.source_files import (
    FILE_FACTS,
    PythonFiles,
    file_facts,
    is_test_file,
    nothing_to_judge,
    python_files,
    unparsed_undecided,
)
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import Evidence, FactSpec, FactType, Finding, FindingKind, number_fact
from quilate.kit.words import counted

_SHOWN_SUPPRESSIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SastParameters:
    """``engine`` is the tool that looks; ``ignored_in_tests`` are rule codes of either engine."""

    engine: Literal["ruff", "bandit"]
    ignored_in_tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SastBinding:
    """``paths`` are workspace paths; none means all."""

    paths: tuple[str, ...] = ()


class Sast:
    """See the module's docstring."""

    parameters: ClassVar[type] = SastParameters
    binding: ClassVar[type] = SastBinding
    type: ClassVar[str] = "SAST"
    version: ClassVar[str] = "1"
    profile: ClassVar[Mapping[str, Any]] = {
        "severity_threshold": "medium",
        "engine": "ruff",
        "ignored_in_tests": ("S101", "B101"),
    }
    queue: ClassVar[Queue] = Queue.SECURITY
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def produces(self, parameters: SastParameters) -> tuple[FactSpec, ...]:  # noqa: ARG002 - the contract
        """Return the facts."""
        return (
            FactSpec(
                name="vulnerabilities", type=FactType.NUMBER, unit="count", description="findings of any severity"
            ),
            FactSpec(
                name="vulnerabilities_high", type=FactType.NUMBER, unit="count", description="high or critical ones"
            ),
            FactSpec(
                name="suppressed_findings", type=FactType.NUMBER, unit="count", description="silenced by a comment"
            ),
            *FILE_FACTS,
        )

    def inputs(self, parameters: SastParameters, binding: SastBinding) -> Inputs:
        """Return the bound files and the engine."""
        return Inputs(files=binding.paths or None, tools=(RUFF if parameters.engine == "ruff" else BANDIT,))

    def run(self, context: Context) -> Evidence:
        """Look with the chosen engine, once with and once without the comments that silence it."""
        files = python_files(context.workspace, context.binding.paths)
        engine = _with_ruff if context.parameters.engine == "ruff" else run_bandit
        everything, kept, unparsed = engine(context, files)
        ignored = context.parameters.ignored_in_tests
        findings = [finding for finding in kept if not _is_ignored(finding, ignored)]
        suppressed = _without(everything, kept, ignored)
        high = sum(finding.severity >= Severity.HIGH for finding in findings)
        analysed = files.total - len(unparsed)
        return Evidence(
            summary=f"{counted(len(findings), 'finding')}, {high} high, in {counted(analysed, 'file')}",
            facts=(
                number_fact("vulnerabilities", len(findings), unit="count"),
                number_fact("vulnerabilities_high", high, unit="count"),
                number_fact("suppressed_findings", len(suppressed), unit="count"),
                *file_facts(files.total, unparsed),
            ),
            findings=tuple(findings),
            undecided=unparsed_undecided(unparsed) if files.total else (nothing_to_judge("Python file"),),
            notes=_suppression_notes(suppressed),
        )

    def canary(self, directory: Path) -> Canary:
        """Write code that hands joined text to a shell."""
        code = "import subprocess\n\n\ndef show(name):\n    subprocess.run('cat ' + name, shell=True)\n"
        (directory / "canary.py").write_text(code, encoding="utf-8")
        return Canary(expected_rules=("ruff/S602",))


def _is_ignored(finding: Finding, ignored: tuple[str, ...]) -> bool:
    return finding.rule.partition("/")[2] in ignored and is_test_file(finding.location.path)


def _without(everything: list[Finding], kept: list[Finding], ignored: tuple[str, ...]) -> list[Finding]:
    """Return what the comments silenced: everything less what was kept."""
    left = Counter((finding.rule, finding.location) for finding in kept)
    suppressed = []
    for finding in everything:
        key = (finding.rule, finding.location)
        if left[key] > 0:
            left[key] -= 1
        elif not _is_ignored(finding, ignored):
            suppressed.append(finding)
    return suppressed


def _suppression_notes(suppressed: list[Finding]) -> tuple[str, ...]:
    if not suppressed:
        return ()
    places = [f"{one.rule} at {one.location.path}:{one.location.line}" for one in suppressed[:_SHOWN_SUPPRESSIONS]]
    if len(suppressed) > _SHOWN_SUPPRESSIONS:
        places.append(f"{len(suppressed) - _SHOWN_SUPPRESSIONS} more")
    return (f"silenced by comments in the code ({len(suppressed)}): {', '.join(places)}",)


def _with_ruff(context: Context, files: PythonFiles) -> tuple[list[Finding], list[Finding], dict[str, str]]:
    arguments = (*ISOLATED_CHECK, "--select", "S,E902")
    report = run_ruff(context, (*arguments, "--ignore-noqa"), files)
    unparsed = syntax_errors(report) | report.unparsed
    obeying = run_ruff(context, arguments, files)
    everything = [_finding(one) for one in report.diagnostics if one.path not in unparsed]
    kept = [_finding(one) for one in obeying.diagnostics if one.path not in unparsed and one.code != INVALID_SYNTAX]
    return everything, kept, unparsed


def _finding(diagnostic: Diagnostic) -> Finding:
    return Finding(
        rule=RuleId(f"ruff/{diagnostic.code}"),
        kind=FindingKind.VULNERABILITY,
        severity=rule_severity(diagnostic.code),
        message=diagnostic.message,
        location=diagnostic.location,
        measured=f"code that {diagnostic.code} describes",
        limit="none",
        fix=rule_fix(diagnostic.code, diagnostic.message),
        fixable=diagnostic.fixable,
        help_url=diagnostic.url,
    )
