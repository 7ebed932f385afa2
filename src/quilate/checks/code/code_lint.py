"""Lint Python code with ruff.

Why: A linter finds names that do not exist, code that cannot run and habits that breed faults, before anybody runs it.

Input: Python files and notebooks (`*.py`, `*.pyi`, `*.pyw`, `*.ipynb`) of the workspace, or of the bound `paths`. The
project's own ruff configuration holds as it stands, its excludes and `noqa` comments with it; `select` and `ignore`
stand in for its rule selection when they are not empty.

Facts: `files_analysed`, `files_unparsed`, `files_excluded` (by the project's ruff configuration), `findings_total`.

Limits: Every finding at or above `severity_threshold` fails. Ruff grades nothing, so that the table in
`quilate/checks/code/ruff_output.py` does: code that cannot run is high, probable faults are medium, style is low.

Findings: `ruff/<code>`, for example `ruff/F401`; a syntax error is `ruff/invalid-syntax`. A file that is not UTF-8,
larger than 8 MiB or no notebook is unparsed and leaves the check undecided.

Raises: EvidenceError where ruff is missing or refuses the project's configuration, or where a bound path holds nothing.

Source: https://docs.astral.sh/ruff/linter/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.code.ruff_output import lint_severity
from quilate.checks.ruff import CONFIGURATION_FILES, INVALID_SYNTAX, RUFF, Diagnostic, run_ruff, without_excluded
from quilate.checks.source_files import FILE_FACTS, file_facts, nothing_to_judge, python_files, unparsed_undecided
from quilate.domain.ids import RuleId
from quilate.evidence.model import Evidence, FactSpec, FactType, Finding, FindingKind, number_fact
from quilate.kit.words import counted, form


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLintParameters:
    """``select`` and ``ignore`` are ruff rule codes or prefixes; empty means the project's own configuration."""

    select: tuple[str, ...]
    ignore: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLintBinding:
    """``paths`` are workspace paths; none means all."""

    paths: tuple[str, ...] = ()


class CodeLint:
    """See the module's docstring."""

    parameters: ClassVar[type] = CodeLintParameters
    binding: ClassVar[type] = CodeLintBinding
    type: ClassVar[str] = "CODE_LINT"
    version: ClassVar[str] = "1"
    profile: ClassVar[Mapping[str, Any]] = {"severity_threshold": "low", "select": (), "ignore": ()}
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def produces(self, parameters: CodeLintParameters) -> tuple[FactSpec, ...]:  # noqa: ARG002 - the contract
        """Return the facts."""
        return (
            *FILE_FACTS,
            FactSpec(
                name="files_excluded",
                type=FactType.NUMBER,
                unit="count",
                description="left out by ruff's configuration",
            ),
            FactSpec(name="findings_total", type=FactType.NUMBER, unit="count", description="findings of any severity"),
        )

    def inputs(self, parameters: CodeLintParameters, binding: CodeLintBinding) -> Inputs:  # noqa: ARG002 - the contract
        """Return the whole workspace, since ruff's configuration may lie anywhere in it, and ruff."""
        return Inputs(files=None, configuration=CONFIGURATION_FILES, tools=(RUFF,))

    def run(self, context: Context) -> Evidence:
        """Lint the bound files."""
        everything = python_files(context.workspace, context.binding.paths)
        files, excluded = without_excluded(context, everything)
        arguments = ["check", "--force-exclude", "--quiet", "--no-fix"]
        if context.parameters.select:
            arguments += ["--select", ",".join(context.parameters.select)]
        if context.parameters.ignore:
            arguments += ["--ignore", ",".join(context.parameters.ignore)]
        report = run_ruff(context, [*arguments, "--extend-select", "E902"], files)
        findings = tuple(_finding(diagnostic) for diagnostic in report.diagnostics)
        analysed = files.total - len(report.unparsed)
        undecided = unparsed_undecided(report.unparsed)
        return Evidence(
            summary=f"{counted(len(findings), 'finding')} in {counted(analysed, 'file')}",
            facts=(
                *file_facts(files.total, report.unparsed),
                number_fact("files_excluded", len(excluded), unit="count"),
                number_fact("findings_total", len(findings), unit="count"),
            ),
            findings=findings,
            undecided=undecided if files.total else (nothing_to_judge("Python file"),),
            notes=exclusion_notes(excluded),
        )

    def canary(self, directory: Path) -> Canary:
        """Write code that uses a name which does not exist."""
        (directory / "canary.py").write_text("print(undefined_name)\n", encoding="utf-8")
        return Canary(expected_rules=("ruff/F821",))


def exclusion_notes(excluded: tuple[str, ...]) -> tuple[str, ...]:
    """Return a note that says which files the project's ruff configuration leaves out."""
    if not excluded:
        return ()
    more = f" and {len(excluded) - 5} more" if len(excluded) > 5 else ""  # noqa: PLR2004 - enough to recognise them by
    files = f"{counted(len(excluded), 'file')} {form(len(excluded), 'is', 'are')}"
    return (f"{files} excluded by the project's ruff configuration: {', '.join(excluded[:5])}{more}",)


def _finding(diagnostic: Diagnostic) -> Finding:
    syntax = diagnostic.code == INVALID_SYNTAX
    return Finding(
        rule=RuleId(f"ruff/{diagnostic.code}"),
        kind=FindingKind.CODE,
        severity=lint_severity(diagnostic.code),
        message=diagnostic.message,
        location=diagnostic.location,
        measured="a syntax error" if syntax else f"a breach of {diagnostic.code}",
        limit="none",
        fix=diagnostic.fix or ("Correct the syntax" if syntax else f"Change the code so that {diagnostic.code} holds"),
        fixable=diagnostic.fixable,
        help_url=diagnostic.url,
    )
