"""Python files and notebooks as every check reads them: which they are, their text, and the places within cells.

A notebook becomes one text, its code cells one after another, so that a name from one cell is known in the next;
``Source.place`` leads a line of that text back to its cell. Lines that only IPython understands are blanked, so that
the line numbers hold.
"""

import io
import os
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from quilate.checks.workspace import Workspace
from quilate.domain.errors import EvidenceError
from quilate.evidence.model import Fact, FactSpec, FactType, Undecided, number_fact

PYTHON_PATTERNS = ("*.py", "*.pyi", "*.pyw", "*.ipynb")
MAX_SOURCE_BYTES = 8 << 20
"""A source file beyond 8 MiB is counted as unparsed: no person wrote it, and its syntax tree would need gigabytes."""
ARGUMENT_BYTES = 120_000
"""Paths handed to one program at a time; below the 128 KiB that every system allows."""

FILE_FACTS = (
    FactSpec(name="files_analysed", type=FactType.NUMBER, unit="count", description="Python files that were judged"),
    FactSpec(name="files_unparsed", type=FactType.NUMBER, unit="count", description="Python files that could not be"),
)
"""What every check over Python files says about its reach; together they are all the files of the binding."""


class UnparsedError(Exception):
    """A file that could not be analysed; the message is the reason, without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The Python text of one file.

    ``cell_starts`` holds, for a notebook, the first line of each code cell in ``text``; the cells count from one.
    """

    path: str
    text: str
    cell_starts: tuple[int, ...] = ()

    def place(self, line: int) -> tuple[int | None, int]:
        """Return the cell (``None`` in a plain file) and the line within it for a line of ``text``."""
        if not self.cell_starts:
            return None, line
        from bisect import bisect_right  # noqa: PLC0415 - only notebooks need it

        cell = max(bisect_right(self.cell_starts, line), 1)
        return cell, line - self.cell_starts[cell - 1] + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFiles:
    """The Python files that a binding names, before any of them is opened.

    ``paths`` and ``unparsed`` have no file in common; together they are every Python file of the binding. Notebooks
    in other languages are no Python files.
    """

    paths: tuple[str, ...]
    unparsed: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of Python files."""
        return len(self.paths) + len(self.unparsed)


class _Language(msgspec.Struct):
    name: str = ""
    language: str = ""


class _Metadata(msgspec.Struct):
    language_info: _Language = msgspec.field(default_factory=_Language)
    kernelspec: _Language = msgspec.field(default_factory=_Language)


class _Cell(msgspec.Struct):
    cell_type: str = ""
    source: list[str] | str = ""


class _Notebook(msgspec.Struct):
    cells: list[_Cell]
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def bound_paths(workspace: Workspace, paths: Sequence[str]) -> tuple[str, ...]:
    """Return the judged files below the bound paths, or all of them when none is bound.

    Raises:
        EvidenceError: A bound path does not exist, leads out, or holds no judged file.
    """
    if not paths:
        return workspace.paths
    for path in paths:
        workspace.resolve(path)
        if not workspace.below([path]):
            raise EvidenceError(
                f"{path!r} holds no file that is judged",
                next_step="mend `paths` in quilate.yaml, or take the path out of the excludes",
            )
    return workspace.below(paths)


def python_files(workspace: Workspace, paths: Sequence[str]) -> PythonFiles:
    """Return the Python files and notebooks of a binding; what cannot be opened or is too large is unparsed.

    Raises:
        EvidenceError: A bound path does not exist, leads out, or holds no judged file.
    """
    judged = Workspace(root=workspace.root, paths=bound_paths(workspace, paths))
    readable: list[str] = []
    unparsed: dict[str, str] = {}
    for path in judged.files(*PYTHON_PATTERNS):
        try:
            _check_size(workspace, path)
            if not path.endswith(".ipynb") or _is_python(_notebook(workspace, path)):
                readable.append(path)
        except UnparsedError as error:
            unparsed[path] = str(error)
    return PythonFiles(paths=tuple(readable), unparsed=unparsed)


def _check_size(workspace: Workspace, path: str) -> None:
    try:
        size = workspace.resolve(path).stat().st_size
    except (EvidenceError, OSError) as error:
        raise UnparsedError("could not be opened") from error
    if size > MAX_SOURCE_BYTES:
        raise UnparsedError(f"has {size} bytes, more than the limit of {MAX_SOURCE_BYTES} for source files")


def _read(workspace: Workspace, path: str) -> bytes:
    try:
        return workspace.read_bytes(path, limit=MAX_SOURCE_BYTES)
    except EvidenceError as error:
        raise UnparsedError(error.message) from error
    except OSError as error:
        raise UnparsedError(f"could not be read: {error.strerror}") from error


def _notebook(workspace: Workspace, path: str) -> _Notebook:
    try:
        return msgspec.json.decode(_read(workspace, path), type=_Notebook, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnparsedError("is not a notebook in the Jupyter format 4") from error


def _is_python(notebook: _Notebook) -> bool:
    metadata = notebook.metadata
    language = metadata.language_info.name or metadata.kernelspec.language or "python"
    return language.casefold().startswith(("python", "ipython"))


def code_cell_numbers(workspace: Workspace, path: str) -> dict[int, int]:
    """Return, for a notebook, the position of each code cell among all cells (from one) and its number among them."""
    positions: dict[int, int] = {}
    for position, cell in enumerate(_notebook(workspace, path).cells, start=1):
        if cell.cell_type == "code":
            positions[position] = len(positions) + 1
    return positions


def read_source(workspace: Workspace, path: str) -> Source:
    """Return the Python text of a file or notebook.

    Raises:
        UnparsedError: It cannot be read, is too large, is not in the encoding it declares, or is no notebook.
    """
    if path.endswith(".ipynb"):
        return _notebook_source(path, _notebook(workspace, path))
    content = _read(workspace, path)
    if b"\0" in content:
        raise UnparsedError("contains a null byte")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise UnparsedError("is not in the encoding that it declares (UTF-8 unless declared)") from error
    return Source(path=path, text=text.replace("\r\n", "\n").replace("\r", "\n"))


def _notebook_source(path: str, notebook: _Notebook) -> Source:
    lines: list[str] = []
    starts: list[int] = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        starts.append(len(lines) + 1)
        text = cell.source if isinstance(cell.source, str) else "".join(cell.source)
        lines.extend(_plain_python(text.replace("\r\n", "\n").split("\n")))
    return Source(path=path, text="\n".join(lines) + "\n", cell_starts=tuple(starts) or (1,))


def _plain_python(lines: list[str]) -> Iterator[str]:
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and not first.startswith(("%%time", "%%capture", "%%prun")):
        yield from ("" for _ in lines)
        return
    for line in lines:
        stripped = line.lstrip()
        special = stripped.startswith(("%", "!", "?")) or (stripped.endswith("?") and "#" not in stripped)
        yield line[: len(line) - len(stripped)] + "pass" if special else line


def batches(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the paths in groups that fit into one command line."""
    group: list[str] = []
    size = 0
    for path in paths:
        length = len(os.fsencode(path)) + 1
        if group and size + length > ARGUMENT_BYTES:
            yield tuple(group)
            group, size = [], 0
        group.append(path)
        size += length
    if group:
        yield tuple(group)


def unparsed_undecided(unparsed: Mapping[str, str]) -> tuple[Undecided, ...]:
    """Return one open question per file that could not be analysed, in path order."""
    return tuple(
        Undecided(
            subject=path,
            reason=f"could not be parsed: it {reason}",
            next_step="mend the file, or exclude it in quilate.yaml with a reason",
        )
        for path, reason in sorted(unparsed.items())
    )


def file_facts(total: int, unparsed: Mapping[str, str]) -> tuple[Fact, ...]:
    """Return the values of ``FILE_FACTS``."""
    return (
        number_fact("files_analysed", total - len(unparsed), unit="count"),
        number_fact("files_unparsed", len(unparsed), unit="count"),
    )


def one_sentence(message: str) -> str:
    """Return a tool's message on one line, without control characters and without a full stop."""
    printable = "".join(character if character.isprintable() else " " for character in message)
    return " ".join(printable.split()).rstrip(".")


def nothing_to_judge(what: str) -> Undecided:
    """Return the open question of a check that found no file of its kind."""
    return Undecided(
        subject="files_analysed",
        reason=f"there is no {what} to judge",
        next_step="bind `paths` that hold some, or leave the check out of the blueprint",
    )


def is_test_file(path: str) -> bool:
    """Tell whether a path follows pytest's or unittest's naming for tests, or lies in a folder of tests."""
    parts = path.split("/")
    name = parts[-1]
    if (
        name == "conftest.py"
        or name.startswith("test_")
        or name.endswith(("_test.py", "_tests.py"))
        or name == "tests.py"
    ):
        return True
    return any(part in {"test", "tests", "testing"} for part in parts[:-1])
