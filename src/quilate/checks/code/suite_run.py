"""Run a project's tests and take up their reports."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from quilate.checks.api import Context
from quilate.checks.code.coverage_input import Coverage, read_coverage
from quilate.checks.code.junit_input import MAX_REPORT_BYTES, TestCase, TestOutcome, read_junit
from quilate.domain.errors import EvidenceError, ToolMissingError
from quilate.evidence.redaction import redact
from quilate.kit.process.model import ProcessResult

MOST_RERUN = 500
"""With more failures than these, none is run again: that many are no flaky tests."""

_TESTS_FAILED = 1
_NO_TESTS = 5
"""pytest's exit codes; 2 is an interruption, 3 an internal error, 4 a usage error."""


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

    The project's own configuration applies, but not what would hide something: an early stop at the first failure, an
    own coverage limit, an own retry of failed tests.

    Raises:
        EvidenceError: There is no interpreter, no pytest or coverage in it, or pytest itself fails.
    """
    python = context.interpreter()
    copy = context.writable_copy()
    for path in paths:
        context.workspace.resolve(path.partition("::")[0])
    installed = _installed(context, python, copy, cover=cover)
    suite = _Suite(context=context, python=python, copy=copy, plugins=installed.found)
    report = context.scratch / "junit.xml"
    data = context.scratch / "coverage" / "data"
    start: list[str] = []
    if cover:
        data.parent.mkdir()
        start = ["-m", "coverage", "run", "--branch", f"--data-file={data}"]
        start += _source_option(source, copy, configured=installed.configured)
    result = suite.run(start, report, [str(copy / path) for path in paths])
    cases = suite.cases(report)
    _require_complete(result, cases, copy)
    coverage_report = _coverage_json(context, python, data, copy) if cover else b""

    def again(failed: tuple[TestCase, ...]) -> tuple[TestCase, ...]:
        ids = _node_ids(failed, copy)
        if not ids or len(failed) > MOST_RERUN:
            return ()
        second = context.scratch / "junit-again.xml"
        second.unlink(missing_ok=True)
        suite.run([], second, ids)
        return suite.cases(second)

    return TestRun(
        cases=cases,
        junit=_content(report, "junit.xml") if report.exists() else b"",
        coverage=read_coverage(coverage_report, "coverage.json") if coverage_report else None,
        coverage_report=coverage_report,
        again=again,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suite:
    """One project's tests: where they are and what runs them."""

    context: Context
    python: str
    copy: Path
    plugins: tuple[str, ...]

    def run(self, start: list[str], report: Path, arguments: list[str]) -> ProcessResult:
        """Run pytest, behind ``start``, on what ``arguments`` name."""
        options = [f"--rootdir={self.copy}", f"--junitxml={report}", "-o", "junit_family=xunit1", "--maxfail=0"]
        # Not `-p no:cacheprovider`: a project whose own options name the cache could not start then.
        options += ["-o", f"cache_dir={self.context.scratch / 'pytest-cache'}", "--continue-on-collection-errors", "-q"]
        # Named as well: the options of a plugin that the project keeps from loading by itself would be unknown.
        options += ["-p", "pytest_cov", "--no-cov"] if "pytest_cov" in self.plugins else []
        options += ["-p", "rerunfailures", "--reruns=0"] if "pytest_rerunfailures" in self.plugins else []
        paths = [str(self.copy / "src"), str(self.copy)] if (self.copy / "src").is_dir() else [str(self.copy)]
        programs = [str(Path(self.python).parent), os.environ.get("PATH", os.defpath)]
        environment = {"PYTHONPATH": os.pathsep.join(paths), "PATH": os.pathsep.join(programs)}
        argv = [self.python, *start, "-m", "pytest", *options, "--", *arguments]
        return self.context.run(argv, directory=self.copy, environment=environment)

    def cases(self, report: Path) -> tuple[TestCase, ...]:
        """Return the cases of a report with paths relative to the workspace; none where there is no report."""
        if not report.exists():
            return ()
        prefix = str(self.copy) + os.sep
        cases = read_junit(_content(report, "junit.xml"), "junit.xml")
        return tuple(replace(case, path=(case.path or self._module(case)).removeprefix(prefix)) for case in cases)

    def _module(self, case: TestCase) -> str:
        """Return the file of a module that could not be collected, which pytest names with dots."""
        path = f"{case.name.replace('.', '/')}.py"
        return path if not case.class_name and (self.copy / path).is_file() else ""


def _require_complete(result: ProcessResult, cases: tuple[TestCase, ...], copy: Path) -> None:
    """See that pytest came to its end and says so by the same exit code as its report."""
    bad = any(case.outcome in {TestOutcome.FAILED, TestOutcome.ERROR} for case in cases)
    code = result.returncode
    if (code == 0 and cases) or (code == _NO_TESTS and not bad) or (code == _TESTS_FAILED and bad):
        return
    raise EvidenceError(
        f"pytest did not run all tests: {_tail(result, copy)}",
        next_step="run `python -m pytest` with the project's interpreter and mend what it says",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installed:
    """What the project's interpreter has; ``configured``: the project itself says what coverage measures."""

    found: tuple[str, ...] = ()
    configured: bool = False


_PROBE = """
import importlib.util, json, sys
found = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
configured = False
if "coverage" in found:
    import coverage
    options = coverage.Coverage()
    configured = any(options.get_option("run:" + key) for key in ("source", "source_pkgs", "include"))
print(json.dumps({"found": found, "configured": configured}))
"""


def _installed(context: Context, python: str, copy: Path, *, cover: bool) -> _Installed:
    """Ask the interpreter, outside the project's code, for what is needed."""
    needed = ("pytest", "coverage") if cover else ("pytest",)
    names = (*needed, "pytest_cov", "pytest_rerunfailures")
    done = context.run([python, "-I", "-c", _PROBE, *names], directory=copy)
    try:
        installed = msgspec.json.decode(done.stdout, type=_Installed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EvidenceError(
            f"the interpreter {python} cannot be asked what it has: {_tail(done, copy)}",
            next_step="mend `interpreter` in quilate.yaml or coverage's configuration",
        ) from error
    missing = [name for name in needed if name not in installed.found]
    if missing:
        raise ToolMissingError(
            f"{' and '.join(missing)} not installed for the project's interpreter {python}",
            next_step=f"install it: {python} -m pip install {' '.join(missing)}",
        )
    return installed


def _source_option(source: tuple[str, ...], copy: Path, *, configured: bool) -> list[str]:
    """Return what coverage measures: the binding's, else the project's own, else ``src``, else everything."""
    if not source and configured:
        return []
    default = "src" if (copy / "src").is_dir() else "."
    return [f"--source={','.join(source) or default}"]


def _coverage_json(context: Context, python: str, data: Path, copy: Path) -> bytes:
    option = f"--data-file={data}"
    if any(data.parent.glob(f"{data.name}.*")):
        append = ["--append"] if data.exists() else []
        context.run([python, "-m", "coverage", "combine", "-q", option, *append, str(data.parent)], directory=copy)
    target = context.scratch / "coverage.json"
    done = context.run([python, "-m", "coverage", "json", option, "-o", str(target), "-q"], directory=copy)
    if not target.exists():
        raise EvidenceError(
            f"coverage could not write its report: {_tail(done, copy)}",
            next_step="bind `source` to the code that the tests reach, or omit the file in coverage's configuration",
        )
    return _content(target, "coverage.json")


def _node_ids(cases: tuple[TestCase, ...], copy: Path) -> list[str]:
    """Return pytest's node ids: the file, the classes below it, the test with its parameters."""
    ids = []
    for case in cases:
        module = case.path.removesuffix(".py").replace("/", ".")
        if not case.path or not case.class_name or not (copy / case.path).exists():
            continue
        classes = case.class_name.removeprefix(module).strip(".").split(".") if case.class_name != module else []
        ids.append("::".join([case.path, *[name for name in classes if name], case.name]))
    return ids


def run_own_command(context: Context, argv: tuple[str, ...], junit: str, coverage: str) -> TestRun:
    """Run a project's own test command and read the reports that it writes.

    Raises:
        EvidenceError: It wrote no report where one is bound, or failed although its report names no failure.
    """
    if not junit:
        raise EvidenceError(
            "the test command has no report", next_step="bind `junit` to the JUnit XML file that it writes"
        )
    copy = context.writable_copy()
    for name in filter(None, (junit, coverage)):
        _inside(copy, name).unlink(missing_ok=True)
    result = context.run(argv, directory=copy)
    content = _written(copy, junit, result)
    covered = _written(copy, coverage, result) if coverage else b""
    cases = read_junit(content, junit)
    bad = any(case.outcome in {TestOutcome.FAILED, TestOutcome.ERROR} for case in cases)
    if result.returncode and not bad:
        raise EvidenceError(
            f"the test command failed although its report names no failure: {_tail(result, copy)}",
            next_step="run it by hand and mend what it says",
        )
    return TestRun(
        cases=cases,
        junit=content,
        coverage=read_coverage(covered, coverage) if covered else None,
        coverage_report=covered,
    )


def _inside(copy: Path, name: str) -> Path:
    path = (copy / name).resolve()
    if not path.is_relative_to(copy.resolve()) or path.is_dir():
        raise EvidenceError(f"{name!r} is no file of the workspace", next_step="mend the binding in quilate.yaml")
    return path


def _written(copy: Path, name: str, result: ProcessResult) -> bytes:
    path = _inside(copy, name)
    if not path.is_file():
        raise EvidenceError(
            f"the test command did not write {name}: {_tail(result, copy)}", next_step="mend the command or the binding"
        )
    return _content(path, name)


def _content(path: Path, name: str) -> bytes:
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise EvidenceError(f"{name} has more than {MAX_REPORT_BYTES >> 20} MiB", next_step="split the test run")
    return path.read_bytes()


def _tail(result: ProcessResult, copy: Path) -> str:
    """Return the last lines printed, with paths as in the workspace."""
    printed = (result.stderr.strip() or result.stdout.strip()).decode("utf-8", "replace").splitlines()
    told = " / ".join(line.strip() for line in printed[-3:]).replace(str(copy) + os.sep, "")
    return redact(told)[:400] or f"exit code {result.returncode}"
