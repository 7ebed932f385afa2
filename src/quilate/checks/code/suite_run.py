"""Run a project's tests and take up their reports."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quilate.checks.api import Context
from quilate.checks.code.coverage_input import Coverage, read_coverage
from quilate.checks.code.junit_input import TestCase, read_junit
from quilate.domain.errors import EvidenceError, ToolMissingError
from quilate.evidence.redaction import redact
from quilate.kit.process.model import ProcessResult

_NO_TESTS = 5
_USABLE = frozenset({0, 1, 2, _NO_TESTS})
"""pytest's exit codes after which its report says what happened; 3 is an internal error, 4 a usage error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """The reports of one test run; ``again`` runs the given cases once more, where that is possible."""

    __test__ = False

    cases: tuple[TestCase, ...]
    junit: bytes
    coverage: Coverage | None = None
    coverage_report: bytes = b""
    again: Callable[[tuple[TestCase, ...]], tuple[TestCase, ...]] | None = None


def run_pytest(context: Context, paths: tuple[str, ...], source: tuple[str, ...], *, cover: bool) -> TestRun:
    """Run pytest with the project's interpreter in a private copy, under coverage where asked.

    Raises:
        EvidenceError: There is no interpreter, no pytest or coverage in it, or pytest itself fails.
    """
    python = context.interpreter()
    copy = context.writable_copy()
    _require(context, python, ("pytest", "coverage") if cover else ("pytest",), copy)
    report = context.scratch / "junit.xml"
    data = context.scratch / "coverage.data"
    prefix = ["-m", "coverage", "run", "--branch", f"--data-file={data}"] if cover else []
    if cover:
        measured = ",".join(source) if source else "."
        prefix.append(f"--source={measured}")
    result = _pytest(context, [python, *prefix], report, [*paths], copy)
    if result.returncode not in _USABLE or (not report.exists() and result.returncode != _NO_TESTS):
        raise EvidenceError(
            f"pytest could not run the tests: {_tail(result)}",
            next_step="run `python -m pytest` with the project's interpreter and mend what it says",
        )
    content = report.read_bytes() if report.exists() else b""
    coverage_report = _coverage_json(context, python, data, copy) if cover else b""

    def again(failed: tuple[TestCase, ...]) -> tuple[TestCase, ...]:
        second = context.scratch / "junit-again.xml"
        second.unlink(missing_ok=True)
        _pytest(context, [python], second, _node_ids(failed, copy), copy)
        return _located(read_junit(second.read_bytes(), "junit.xml"), copy) if second.exists() else ()

    return TestRun(
        cases=_located(read_junit(content, "junit.xml"), copy) if content else (),
        junit=content,
        coverage=read_coverage(coverage_report, "coverage.json") if coverage_report else None,
        coverage_report=coverage_report,
        again=again,
    )


def _pytest(context: Context, start: list[str], report: Path, arguments: list[str], copy: Path) -> ProcessResult:
    options = [f"--junitxml={report}", "-o", "junit_family=xunit1", "-p", "no:cacheprovider", "-q"]
    paths = [str(copy / "src"), str(copy)] if (copy / "src").is_dir() else [str(copy)]
    environment = {"PYTHONPATH": os.pathsep.join(paths)}
    return context.run([*start, "-m", "pytest", *options, *arguments], directory=copy, environment=environment)


def _require(context: Context, python: str, modules: tuple[str, ...], copy: Path) -> None:
    """See that the interpreter has what is needed; asked of the interpreter itself, outside the project's code."""
    program = "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
    done = context.run([python, "-I", "-c", program, *modules], directory=copy)
    if done.returncode:
        names = " and ".join(modules)
        raise ToolMissingError(
            f"{names} not installed for the project's interpreter {python}",
            next_step=f"install it: {python} -m pip install {' '.join(modules)}",
        )


def _coverage_json(context: Context, python: str, data: Path, copy: Path) -> bytes:
    target = context.scratch / "coverage.json"
    done = context.run(
        [python, "-m", "coverage", "json", f"--data-file={data}", "-o", str(target), "-q", "-i"], directory=copy
    )
    if not target.exists():
        raise EvidenceError(
            f"coverage could not write its report: {_tail(done)}",
            next_step="bind `source` to the code that the tests reach",
        )
    return target.read_bytes()


def _located(cases: tuple[TestCase, ...], copy: Path) -> tuple[TestCase, ...]:
    """Return the cases with paths relative to the workspace where pytest gave absolute ones."""
    from dataclasses import replace  # noqa: PLC0415 - next to its only use

    prefix = str(copy) + os.sep
    return tuple(replace(case, path=case.path.removeprefix(prefix)) for case in cases)


def _node_ids(cases: tuple[TestCase, ...], copy: Path) -> list[str]:
    """Return pytest's node ids: the file, the classes below it, the test with its parameters."""
    ids = []
    for case in cases:
        module = case.path.removesuffix(".py").replace("/", ".")
        if not case.path or not (copy / case.path).exists():
            continue
        classes = case.class_name.removeprefix(module).strip(".").split(".") if case.class_name != module else []
        ids.append("::".join([case.path, *[name for name in classes if name], case.name]))
    return ids


def run_own_command(context: Context, argv: tuple[str, ...], junit: str, coverage: str) -> TestRun:
    """Run a project's own test command and read the reports that it writes.

    Raises:
        EvidenceError: It wrote no report where one is bound.
    """
    if not junit:
        raise EvidenceError(
            "the test command has no report", next_step="bind `junit` to the JUnit XML file that it writes"
        )
    copy = context.writable_copy()
    (copy / junit).unlink(missing_ok=True)
    result = context.run(argv, directory=copy)
    content = _written(copy, junit, result)
    covered = _written(copy, coverage, result) if coverage else b""
    return TestRun(
        cases=read_junit(content, junit),
        junit=content,
        coverage=read_coverage(covered, coverage) if covered else None,
        coverage_report=covered,
    )


def _written(copy: Path, name: str, result: ProcessResult) -> bytes:
    path = (copy / name).resolve()
    if not path.is_relative_to(copy.resolve()) or not path.is_file():
        raise EvidenceError(
            f"the test command did not write {name}: {_tail(result)}", next_step="mend the command or the binding"
        )
    return path.read_bytes()


def _tail(result: ProcessResult) -> str:
    printed = (result.stderr.strip() or result.stdout.strip()).decode("utf-8", "replace").splitlines()
    return redact(" / ".join(line.strip() for line in printed[-3:]))[:400] or f"exit code {result.returncode}"
