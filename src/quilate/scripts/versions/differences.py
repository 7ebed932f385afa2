"""What differs between two versions."""

import difflib
import re
from dataclasses import dataclass
from typing import Any

from quilate.kit.canonical import to_document
from quilate.scripts.model import ScriptVersion
from quilate.scripts.versions.compatibility import CompatibilityReport, compare_schemas
from quilate.scripts.versions.schema_documents import SchemaDocument, stored_schema

MOST_COMPARED_LINES = 1_000
"""Lines between the first and the last difference; longer stretches are shown as replaced whole."""
_CONTEXT = 3
_HUNK = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@\n\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A property that is not the same: ``engine``, ``shape.size``, ``limits.cpu_seconds``."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """What differs: source as a unified diff, properties, schemas; all empty where nothing does."""

    source: str
    fields: tuple[FieldChange, ...]
    compatibility: CompatibilityReport


def compare_versions(before: ScriptVersion, after: ScriptVersion) -> VersionDiff:
    """Return what differs from one version to another."""
    return VersionDiff(
        source=source_diff(before, after),
        fields=tuple(_field_changes(before, after)),
        compatibility=report_of(before, after.semver, (_read(after.input_schema), _read(after.output_schema))),
    )


def report_of(
    before: ScriptVersion, semver: str, schemas: tuple[SchemaDocument | None, SchemaDocument | None]
) -> CompatibilityReport:
    """Return what the schemas of a later version mean for users of an earlier one."""
    return CompatibilityReport(
        before=before.semver,
        after=semver,
        input=compare_schemas(_read(before.input_schema), schemas[0]),
        output=compare_schemas(_read(before.output_schema), schemas[1]),
    )


def _read(stored: bytes | None) -> SchemaDocument | None:
    return None if stored is None else stored_schema(stored)


def source_diff(before: ScriptVersion, after: ScriptVersion) -> str:
    """Return the unified diff of two sources; a stretch that is too long to be compared is replaced whole."""
    old, new = _lines(before.source), _lines(after.source)
    head, tail = _alike(old, new)
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    if not gone and not come:
        return ""
    names = f"--- {before.semver}.js\n+++ {after.semver}.js\n"
    if max(len(gone), len(come)) > MOST_COMPARED_LINES:
        spans = tuple(f"{head + 1 if lines else head},{len(lines)}" for lines in (gone, come))
        body = [f"@@ -{spans[0]} +{spans[1]} @@\n", *(f"-{line}" for line in gone), *(f"+{line}" for line in come)]
    else:
        first = max(0, head - _CONTEXT)
        last = max(0, tail - _CONTEXT)
        body = list(difflib.unified_diff(old[first : len(old) - last], new[first : len(new) - last], n=_CONTEXT))[2:]
        body = [_moved(line, first) for line in body]
    return names + "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in body)


def _lines(text: str) -> list[str]:
    *ended, last = text.split("\n")
    return [f"{line}\n" for line in ended] + ([last] if last else [])


def _alike(old: list[str], new: list[str]) -> tuple[int, int]:
    """Return how many lines are the same at the beginning, and how many of the rest at the end."""
    shortest = min(len(old), len(new))
    head = next((index for index in range(shortest) if old[index] != new[index]), shortest)
    left = shortest - head
    tail = next((index for index in range(left) if old[-1 - index] != new[-1 - index]), left)
    return head, tail


def _moved(line: str, lines: int) -> str:
    """Return the head of a hunk as it is so many lines further down; other lines stay."""
    match = _HUNK.match(line)
    if match is None:
        return line
    return f"@@ -{int(match[1]) + lines}{match[2] or ''} +{int(match[3]) + lines}{match[4] or ''} @@\n"


def _field_changes(before: ScriptVersion, after: ScriptVersion) -> list[FieldChange]:
    old, new = _fields(before), _fields(after)
    return [FieldChange(field=name, before=value, after=new[name]) for name, value in old.items() if new[name] != value]


def _fields(version: ScriptVersion) -> dict[str, Any]:
    flat = {"engine": version.engine.value, "deterministic": version.deterministic, "reuse": version.reuse}
    flat |= {f"shape.{name}": value for name, value in to_document(version.shape).items()}
    flat |= {f"limits.{name}": value for name, value in to_document(version.limits).items()}
    return flat
