"""Check that Python code is formatted as ``ruff format`` would.

Why: One layout for all code keeps changes readable: a difference then shows what changed, not who wrote it.

Input: Python files and notebooks of the workspace, or of the bound `paths`, under the project's own ruff configuration.

Facts: `files_analysed`, `files_unparsed`, `files_excluded` (by the project's ruff configuration), `files_unformatted`.

Limits: No file may be unformatted; each counts as low, which fails at the shipped `severity_threshold`.

Findings: `ruff/format`, one per file, at the first line that would change.

Raises: EvidenceError where ruff is missing or refuses the project's configuration, or where a bound path holds nothing.

Source: https://docs.astral.sh/ruff/formatter/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.code.code_lint import exclusion_notes
from quilate.checks.ruff import CONFIGURATION_FILES, RUFF, Diagnostic, run_ruff, syntax_errors, without_excluded
from quilate.checks.source_files import FILE_FACTS, file_facts, nothing_to_judge, python_files, unparsed_undecided
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import Evidence, FactSpec, FactType, Finding, FindingKind, number_fact
from quilate.kit.words import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFormatParameters:
    """The project's ruff configuration holds all there is to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFormatBinding:
    """``paths`` are workspace paths; none means all."""

    paths: tuple[str, ...] = ()


class CodeFormat:
    """See the module's docstring."""

    parameters: ClassVar[type] = CodeFormatParameters
    binding: ClassVar[type] = CodeFormatBinding
    type: ClassVar[str] = "CODE_FORMAT"
    version: ClassVar[str] = "1"
    profile: ClassVar[Mapping[str, Any]] = {"severity_threshold": "low"}
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def produces(self, parameters: CodeFormatParameters) -> tuple[FactSpec, ...]:  # noqa: ARG002 - the contract
        """Return the facts."""
        return (
            *FILE_FACTS,
            FactSpec(
                name="files_excluded",
                type=FactType.NUMBER,
                unit="count",
                description="left out by ruff's configuration",
            ),
            FactSpec(
                name="files_unformatted", type=FactType.NUMBER, unit="count", description="files that would change"
            ),
        )

    def inputs(self, parameters: Any, binding: Any) -> Inputs:  # noqa: ARG002 - the contract
        """Return the whole workspace, since ruff's configuration may lie anywhere in it, and ruff."""
        return Inputs(files=None, configuration=CONFIGURATION_FILES, tools=(RUFF,))

    def run(self, context: Context) -> Evidence:
        """Ask ruff which files it would change."""
        files, excluded = without_excluded(context, python_files(context.workspace, context.binding.paths))
        report = run_ruff(context, ["format", "--check", "--force-exclude", "--quiet"], files)
        unparsed = syntax_errors(report) | report.unparsed
        first: dict[str, Diagnostic] = {}
        for diagnostic in report.diagnostics:
            first.setdefault(diagnostic.path, diagnostic)
        findings = tuple(_finding(diagnostic) for path, diagnostic in first.items() if path not in unparsed)
        analysed = files.total - len(unparsed)
        return Evidence(
            summary=f"{len(findings)} of {counted(analysed, 'file')} unformatted",
            facts=(
                *file_facts(files.total, unparsed),
                number_fact("files_excluded", len(excluded), unit="count"),
                number_fact("files_unformatted", len(findings), unit="count"),
            ),
            findings=findings,
            undecided=unparsed_undecided(unparsed) if files.total else (nothing_to_judge("Python file"),),
            notes=exclusion_notes(excluded),
        )

    def canary(self, directory: Path) -> Canary:
        """Write a file that ruff would lay out otherwise."""
        (directory / "canary.py").write_text("x=[1,2 ]\n", encoding="utf-8")
        return Canary(expected_rules=("ruff/format",))


def _finding(diagnostic: Diagnostic) -> Finding:
    return Finding(
        rule=RuleId("ruff/format"),
        kind=FindingKind.CODE,
        severity=Severity.LOW,
        message="The file is not formatted",
        location=diagnostic.location,
        measured="a layout that ruff would change",
        limit="the layout of `ruff format`",
        fix=f"Run `ruff format {diagnostic.path}`",
        context="file layout",
        fixable=True,
        help_url="https://docs.astral.sh/ruff/formatter/",
    )
