"""Run ruff over explicit files and read its diagnostics.

Source: ruff's JSON output (https://docs.astral.sh/ruff/linter/) as version 0.14 to 0.17 write it.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from quilate.checks.api import Context, Tool
from quilate.checks.source_files import PythonFiles, UnparsedError, batches, code_cell_numbers, one_sentence
from quilate.domain.errors import EvidenceError
from quilate.evidence.model import Location
from quilate.kit.process.model import ProcessLimits

RUFF = Tool(name="ruff", install="pip install 'quilate[code]'", distribution="ruff")
CONFIGURATION_FILES = ("ruff.toml", ".ruff.toml", "pyproject.toml")
"""Where ruff looks for its configuration, in the directory of a file and all above it."""

INVALID_SYNTAX = "invalid-syntax"
ISOLATED_CHECK = ("check", "--isolated", "--quiet", "--target-version", "py314")
"""Without the project's configuration; the newest grammar, since an older one would call newer code a syntax error."""
_OUTPUT_BYTES = 512 << 20
_RULE_CODE = re.compile(r"[A-Z]+[0-9]+\Z")
_IO_ERROR = "E902"


class _Position(msgspec.Struct):
    row: int
    column: int


class _Fix(msgspec.Struct):
    applicability: str = ""
    message: str | None = None


class _Entry(msgspec.Struct):
    filename: str
    message: str
    code: str | None = None
    location: _Position | None = None
    end_location: _Position | None = None
    cell: int | None = None
    fix: _Fix | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Diagnostic:
    """One line of ruff's report; ``fix`` is what its own fix would do, empty without one."""

    path: str
    cell: int
    line: int
    column: int
    code: str
    message: str
    end_line: int
    end_column: int
    fix: str
    fixable: bool
    url: str

    @property
    def location(self) -> Location:
        """The place in our own terms."""
        return Location(
            path=self.path,
            line=self.line,
            column=self.column,
            end_line=self.end_line,
            end_column=self.end_column,
            cell=self.cell or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuffReport:
    """What ruff said: diagnostics in order of place, files it could not read, with the reason."""

    diagnostics: tuple[Diagnostic, ...]
    unparsed: dict[str, str]


def run_ruff(context: Context, arguments: Sequence[str], files: PythonFiles) -> RuffReport:
    """Run ``ruff <arguments>`` with JSON output over the readable files.

    Raises:
        ToolMissingError: ruff is not installed.
        EvidenceError: ruff refused its configuration, ran out of time or wrote something else than its report.
    """
    diagnostics: list[Diagnostic] = []
    unparsed = dict(files.unparsed)
    cells: dict[str, dict[int, int]] = {}
    for path, entry in _reported(context, arguments, files):
        if entry.code != INVALID_SYNTAX and (entry.code == _IO_ERROR or entry.location is None):
            unparsed[path] = f"is not readable as Python: {one_sentence(entry.message)}"
            continue
        if path.endswith(".ipynb") and path not in cells:
            cells[path] = _cells_of(context, path)
        diagnostics.append(_diagnostic(path, entry, cells.get(path, {})))
    _drop_crashed(diagnostics, unparsed)
    return RuffReport(diagnostics=tuple(sorted(set(diagnostics))), unparsed=unparsed)


def _reported(context: Context, arguments: Sequence[str], files: PythonFiles) -> Iterator[tuple[str, _Entry]]:
    """Yield the entries of ruff's reports, each with the path as the workspace has it."""
    program = context.tool(RUFF)
    names = {_shown(path): path for path in files.paths}
    groups = list(batches(files.paths))
    while groups:
        group = groups.pop()
        argv = [program, *arguments, "--no-cache", "--output-format", "json", "--", *(f"./{path}" for path in group)]
        limits = ProcessLimits(wall_seconds=context.timeout, output_bytes=_OUTPUT_BYTES)
        result = context.run(argv, limits=limits)
        if result.returncode < 0 and len(group) > 1:
            # It crashed, as it does where code is nested too deeply for its stack: halving finds the files to blame.
            groups += [group[: len(group) // 2], group[len(group) // 2 :]]
            continue
        if result.returncode < 0:
            yield group[0], _Entry(filename=group[0], message="ruff crashes on it; it may be nested too deeply")
            continue
        for entry in _entries(result.stdout, result.stderr, truncated=result.stdout_truncated):
            path = names.get(entry.filename.removeprefix(_shown(str(context.workspace.root)) + "/"))
            if path is None:
                raise EvidenceError(f"ruff reported on {entry.filename!r}, which it was not given")
            yield path, entry


def without_excluded(context: Context, files: PythonFiles) -> tuple[PythonFiles, tuple[str, ...]]:
    """Return the files without those that the project's own ruff configuration excludes, and those.

    Raises:
        EvidenceError: ruff refused its configuration.
    """
    program = context.tool(RUFF)
    shown: set[str] = set()
    root = _shown(str(context.workspace.root)) + "/"
    for group in batches(files.paths):
        result = context.run(
            [program, "check", "--force-exclude", "--no-cache", "--show-files", "--", *(f"./{path}" for path in group)],
            limits=ProcessLimits(wall_seconds=context.timeout, output_bytes=_OUTPUT_BYTES),
        )
        if result.returncode != 0:
            raise _refused(result.stderr)
        shown.update(line.removeprefix(root) for line in result.stdout.decode("utf-8", "replace").splitlines())
    kept = tuple(path for path in files.paths if _shown(path) in shown or "\n" in path)
    left_out = tuple(path for path in files.paths if path not in set(kept))
    return PythonFiles(paths=kept, unparsed=files.unparsed), left_out


def syntax_errors(report: RuffReport) -> dict[str, str]:
    """Return the files with a syntax error and the reason in the form of ``unparsed``."""
    return {
        diagnostic.path: f"has a syntax error in line {diagnostic.line}: {diagnostic.message}"
        for diagnostic in reversed(report.diagnostics)
        if diagnostic.code == INVALID_SYNTAX
    }


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def _entries(stdout: bytes, stderr: bytes, *, truncated: bool) -> Iterable[_Entry]:
    if truncated:
        raise EvidenceError(
            f"ruff wrote more than {_OUTPUT_BYTES >> 20} MiB of findings", next_step="bind fewer `paths` to the check"
        )
    try:
        return msgspec.json.decode(stdout, type=list[_Entry])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused(stderr) from error


def _refused(stderr: bytes) -> EvidenceError:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    reason = one_sentence("; ".join(lines[:4])[:400]) or "it gave no reason"
    return EvidenceError(f"ruff refused to run: {reason}", next_step="mend the project's ruff configuration")


def _cells_of(context: Context, path: str) -> dict[int, int]:
    try:
        return code_cell_numbers(context.workspace, path)
    except UnparsedError:
        return {}


def _diagnostic(path: str, entry: _Entry, cells: dict[int, int]) -> Diagnostic:
    begin = entry.location or _Position(row=1, column=1)
    end = entry.end_location or begin
    fix = entry.fix
    return Diagnostic(
        path=path,
        cell=cells.get(entry.cell or 0, entry.cell or 0),
        line=begin.row,
        column=begin.column,
        code=entry.code or INVALID_SYNTAX,
        message=one_sentence(entry.message),
        end_line=end.row,
        end_column=end.column,
        fix=one_sentence(fix.message or "") if fix else "",
        fixable=fix is not None and fix.applicability == "safe",
        url=entry.url or "",
    )


def _drop_crashed(diagnostics: list[Diagnostic], unparsed: dict[str, str]) -> None:
    """Move what is neither a rule nor a syntax error (ruff's own panic) from the findings to the unparsed files."""
    for diagnostic in diagnostics:
        if not _RULE_CODE.match(diagnostic.code) and diagnostic.code not in {INVALID_SYNTAX, "unformatted"}:
            unparsed[diagnostic.path] = f"made ruff fail ({diagnostic.code})"
    diagnostics[:] = [diagnostic for diagnostic in diagnostics if diagnostic.path not in unparsed]
