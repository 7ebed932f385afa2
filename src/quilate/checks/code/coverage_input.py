"""Read coverage reports: coverage.py's JSON and Cobertura XML."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from quilate.checks.code.junit_input import parse_xml
from quilate.domain.errors import EvidenceError

_LONGEST_CONDITION = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCoverage:
    """Lines and branches of one file together, as coverage.py counts them under ``--branch``."""

    path: str
    covered: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Coverage of a test run: exact counts, so that the ratio is exact."""

    covered: int
    total: int
    files: tuple[FileCoverage, ...]

    @property
    def ratio(self) -> Decimal | None:
        """Covered over total; ``None`` where nothing was measured."""
        return Decimal(self.covered) / Decimal(self.total) if self.total else None

    def least_covered(self, count: int) -> tuple[FileCoverage, ...]:
        """Return the files with the most that is not covered."""
        ordered = sorted(self.files, key=lambda file: (file.covered - file.total, file.path))
        return tuple(file for file in ordered[:count] if file.covered < file.total)


class _Summary(msgspec.Struct):
    covered_lines: int
    num_statements: int
    covered_branches: int = 0
    num_branches: int = 0

    @property
    def covered(self) -> int:
        return self.covered_lines + self.covered_branches

    @property
    def total(self) -> int:
        return self.num_statements + self.num_branches


class _File(msgspec.Struct):
    summary: _Summary


class _Report(msgspec.Struct):
    totals: _Summary
    files: dict[str, _File]


def read_coverage(content: bytes, name: str) -> Coverage:
    """Return the coverage of a report, JSON of coverage.py or Cobertura XML.

    Raises:
        EvidenceError: It is neither.
    """
    coverage = _read_cobertura(content, name) if content.lstrip()[:1] == b"<" else _read_json(content, name)
    counts = [(coverage.covered, coverage.total), *((file.covered, file.total) for file in coverage.files)]
    for covered, total in counts:
        if not 0 <= covered <= total:
            raise EvidenceError(f"{name} counts {covered} covered of {total}", next_step="write the report anew")
    return coverage


def _read_json(content: bytes, name: str) -> Coverage:
    try:
        report = msgspec.json.decode(content, type=_Report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EvidenceError(
            f"{name} is neither coverage.py's JSON nor Cobertura XML: {error}",
            next_step="write it with `coverage json` or `coverage xml`",
        ) from error
    files = tuple(
        FileCoverage(path=path.replace("\\", "/"), covered=file.summary.covered, total=file.summary.total)
        for path, file in sorted(report.files.items())
    )
    return Coverage(covered=report.totals.covered, total=report.totals.total, files=files)


def _read_cobertura(content: bytes, name: str) -> Coverage:
    # coverage.py writes a DOCTYPE into its Cobertura files; it is cut off, entities stay refused.
    root = parse_xml(_without_doctype(content), name)
    if root.tag != "coverage":
        raise EvidenceError(f"{name} is not Cobertura XML: its root is <{root.tag}>", next_step="use `coverage xml`")
    counts: dict[str, list[int]] = {}
    for element in root.iter("class"):
        counted = counts.setdefault(element.get("filename", ""), [0, 0])
        for line in element.iterfind("./lines/line"):
            covered, total = _line_counts(line)
            counted[0] += covered
            counted[1] += total
    files = tuple(FileCoverage(path=path, covered=pair[0], total=pair[1]) for path, pair in sorted(counts.items()))
    return Coverage(covered=sum(file.covered for file in files), total=sum(file.total for file in files), files=files)


def _line_counts(line: Any) -> tuple[int, int]:
    covered, total = int(line.get("hits", "").isdecimal() and bool(line.get("hits", "").strip("0"))), 1
    condition = line.get("condition-coverage", "")  # "50% (1/2)"
    if "(" in condition:
        taken, _, branches = condition.partition("(")[2].rstrip(")").partition("/")
        if taken.isdecimal() and branches.isdecimal() and len(condition) < _LONGEST_CONDITION:
            covered += int(taken)
            total += int(branches)
    return covered, total


def _without_doctype(content: bytes) -> bytes:
    begin = content.find(b"<!DOCTYPE")
    if begin < 0:
        return content
    end = content.find(b">", begin)
    declaration = content[begin : end + 1]
    return content[:begin] + content[end + 1 :] if end > 0 and b"[" not in declaration else content
