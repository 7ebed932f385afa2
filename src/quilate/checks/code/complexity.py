"""Measure how hard each function is to follow.

Why: Faults gather in functions with many nested branches, and nobody dares to change them.

Input: Python files and notebooks of the workspace, or of the bound `paths`. Comments that silence the tools are not
obeyed: an accepted function needs a waiver, which names who accepted it and until when.

Facts: `max_complexity`, `functions_analysed`, `files_analysed`, `files_unparsed`.

Limits: No function above `max_complexity`. `metric` is `cognitive` (complexipy; Campbell's cognitive complexity, in
which nesting weighs) or `cyclomatic` (ruff's C901; McCabe's number of independent paths).

Findings: `complexipy/cognitive` or `ruff/C901`, one per function, medium; high from twice the limit on.

Raises: EvidenceError where the tool is missing or a bound path holds nothing.

Source: G. A. Campbell, "Cognitive Complexity" (SonarSource, 2018), whose default limit is 15; T. J. McCabe, "A
Complexity Measure" (IEEE TSE, 1976).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue, Tool
from quilate.checks.ruff import RUFF, run_ruff, syntax_errors
from quilate.checks.source_files import (
    FILE_FACTS,
    PythonFiles,
    UnparsedError,
    file_facts,
    nothing_to_judge,
    python_files,
    read_source,
    unparsed_undecided,
)
from quilate.domain.errors import EvidenceError, ToolMissingError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import Evidence, FactSpec, FactType, Finding, FindingKind, Location, number_fact
from quilate.kit.words import counted

COMPLEXIPY = Tool(name="complexipy", install="pip install 'quilate[code]'", distribution="complexipy")
_MCCABE = re.compile(r"`(?P<name>[^`]+)` is too complex \((?P<complexity>\d+) > \d+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplexityParameters:
    """``metric`` is what is measured, ``max_complexity`` its limit per function, a whole number."""

    metric: Literal["cognitive", "cyclomatic"]
    max_complexity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplexityBinding:
    """``paths`` are workspace paths; none means all."""

    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    name: str
    complexity: int
    location: Location


class Complexity:
    """See the module's docstring."""

    parameters: ClassVar[type] = ComplexityParameters
    binding: ClassVar[type] = ComplexityBinding
    type: ClassVar[str] = "COMPLEXITY"
    version: ClassVar[str] = "1"
    profile: ClassVar[Mapping[str, Any]] = {
        "severity_threshold": "medium",
        "metric": "cognitive",
        "max_complexity": Decimal(15),
    }
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def produces(self, parameters: ComplexityParameters) -> tuple[FactSpec, ...]:  # noqa: ARG002 - the contract
        """Return the facts."""
        return (
            FactSpec(name="max_complexity", type=FactType.NUMBER, description="of the most complex function"),
            FactSpec(
                name="functions_analysed", type=FactType.NUMBER, unit="count", description="functions and methods"
            ),
            *FILE_FACTS,
        )

    def inputs(self, parameters: ComplexityParameters, binding: ComplexityBinding) -> Inputs:
        """Return the bound files and the tool of the metric."""
        tool = COMPLEXIPY if parameters.metric == "cognitive" else RUFF
        return Inputs(files=binding.paths or None, tools=(tool,))

    def run(self, context: Context) -> Evidence:
        """Measure every function of the bound files."""
        files = python_files(context.workspace, context.binding.paths)
        measure = _cognitive if context.parameters.metric == "cognitive" else _cyclomatic
        functions, unparsed = measure(context, files)
        limit = context.parameters.max_complexity
        findings = tuple(
            _finding(function, limit, context.parameters.metric)
            for function in functions
            if function.complexity > limit
        )
        highest = max((function.complexity for function in functions), default=None)
        analysed = files.total - len(unparsed)
        return Evidence(
            summary=f"{len(findings)} of {counted(len(functions), 'function')} above {limit}",
            facts=(
                number_fact("max_complexity", highest if functions or unparsed or not analysed else 0),
                number_fact("functions_analysed", len(functions), unit="count"),
                *file_facts(files.total, unparsed),
            ),
            findings=findings,
            undecided=unparsed_undecided(unparsed) if files.total else (nothing_to_judge("Python file"),),
        )

    def canary(self, directory: Path) -> Canary:
        """Write a function with branches nested seven deep."""
        lines = ["def tangled(x):"]
        lines += [f"{'    ' * depth}if x > {depth}:" for depth in range(1, 8)]
        lines += [f"{'    ' * 8}return x", "    return 0", ""]
        (directory / "canary.py").write_text("\n".join(lines), encoding="utf-8")
        return Canary(expected_rules=("complexipy/cognitive",))


def _cognitive(context: Context, files: PythonFiles) -> tuple[tuple[_Function, ...], dict[str, str]]:
    try:
        from complexipy import code_complexity  # noqa: PLC0415 - an extra, and needed only here
    except ImportError as error:
        raise ToolMissingError("complexipy is not installed", next_step=f"install it: {COMPLEXIPY.install}") from error

    functions: list[_Function] = []
    unparsed = dict(files.unparsed)
    for path in files.paths:
        try:
            source = read_source(context.workspace, path)
            measured = code_complexity(source.text, no_ignore=True, with_plans=False).functions
        except UnparsedError as error:
            unparsed[path] = str(error)
            continue
        except ValueError as error:
            unparsed[path] = " ".join(str(error).split()).replace("Failed to parse code", "has a syntax error")
            continue
        for function in sorted(measured, key=lambda one: (one.line_start, one.name)):
            cell, line = source.place(function.line_start)
            name = function.name.replace("::", ".")
            location = Location(path=path, line=line, cell=cell)
            functions.append(_Function(name=name, complexity=function.complexity, location=location))
    return tuple(functions), unparsed


def _cyclomatic(context: Context, files: PythonFiles) -> tuple[tuple[_Function, ...], dict[str, str]]:
    arguments = [
        "check",
        "--isolated",
        "--quiet",
        "--ignore-noqa",
        "--target-version",
        "py314",
        "--select",
        "C901,E902",
    ]
    report = run_ruff(context, [*arguments, "--config", "lint.mccabe.max-complexity=0"], files)
    functions: list[_Function] = []
    unparsed = syntax_errors(report) | report.unparsed
    for diagnostic in report.diagnostics:
        if diagnostic.path in unparsed:
            continue
        match = _MCCABE.fullmatch(diagnostic.message)
        if match is None:
            raise EvidenceError(f"ruff's C901 message {diagnostic.message!r} holds no complexity")
        complexity = int(match["complexity"])
        functions.append(_Function(name=match["name"], complexity=complexity, location=diagnostic.location))
    return tuple(functions), unparsed


def _finding(function: _Function, limit: Decimal, metric: str) -> Finding:
    return Finding(
        rule=RuleId("complexipy/cognitive" if metric == "cognitive" else "ruff/C901"),
        kind=FindingKind.CODE,
        severity=Severity.HIGH if function.complexity >= 2 * limit else Severity.MEDIUM,
        message=f"`{function.name}` has a {metric} complexity of {function.complexity}",
        location=function.location,
        measured=str(function.complexity),
        limit=f"at most {limit}",
        fix="Split the function: give each branch or loop body that has a purpose of its own a function with a name",
        help_url="https://rohaquinlop.github.io/complexipy/"
        if metric == "cognitive"
        else "https://docs.astral.sh/ruff/rules/complex-structure",
    )
