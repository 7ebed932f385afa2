"""Waivers in comments: ``quilate: waive RULE until=YYYY-MM-DD reason=…`` behind a comment marker.

A comment beside code covers its own line, one that stands alone the next line with code. ``reason`` and ``until`` are
mandatory; what is written wrongly waives nothing, and the finding is back. ``reason`` may stand in quotation marks or
runs to the end of the line; ``owner=NAME`` is optional.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from quilate.domain.errors import ConfigurationError, SourcePosition
from quilate.domain.nearest import nearest_hint
from quilate.policy.model import Waiver
from quilate.waivers.comments import NOTEBOOK, PYTHON, Comment, comments_by_marker, comments_of_python
from quilate.waivers.fields import RULE_FORM, read_date, rule_fault, shown, text_fault

MARKER = "quilate: waive"
"""Files that do not contain these words are not looked at any closer."""

INLINE_OWNER = "inline"

_FORM = f"write `{MARKER} RULE until=YYYY-MM-DD reason=why it is accepted`"
_BEGIN = re.compile(rf"(?:#|//|--|<!--)[ \t]*{re.escape(MARKER)}(?=\s|$)(?P<rest>.*)")
_KEYS = ("until", "owner", "reason")
_FIELD = re.compile(r"""\s+(?P<key>[A-Za-z_]+)=(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>\S*))""")
_BARE_REASON = re.compile(r"\s+reason=(?!['\"])(?P<text>.*)")


class _Place(NamedTuple):
    """A text with comments: a whole file, or one code cell of a notebook."""

    path: str
    cell: int | None
    lines: list[str]

    def name(self, line: int) -> str:
        return f"{self.path}:{line}" if self.cell is None else f"{self.path}:cell {self.cell}:{line}"


def find_inline_waivers(path: str, text: str) -> tuple[tuple[Waiver, ...], tuple[ConfigurationError, ...]]:
    """Return the waivers in a file's comments, and what is wrong with those that count for nothing.

    Args:
        path: The file's path within the workspace; its suffix tells how comments look.
        text: The file's text. Notebooks are read cell by cell.
    """
    if MARKER not in text:
        return (), ()
    waivers: list[Waiver] = []
    errors: list[ConfigurationError] = []
    for place, comments, broken in _places(path, text):
        for comment in comments:
            match = _BEGIN.search(comment.text)
            if match is None:
                continue
            read = _read(match["rest"], comment, place)
            if isinstance(read, Waiver):
                waivers.append(read)
            else:
                errors.append(read)
        if broken is not None:
            message = f"waivers from line {broken} on are not read: this is not valid Python"
            errors.append(_error(message, "mend the file", place, broken))
    return tuple(waivers), tuple(errors)


def _places(path: str, text: str) -> Iterator[tuple[_Place, Iterable[Comment], int | None]]:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in NOTEBOOK:
        yield from _cells_with_waivers(path, text)
    elif suffix in PYTHON:
        text = text.removeprefix("\ufeff")
        yield _Place(path, None, text.split("\n")), *comments_of_python(text)
    else:
        yield _Place(path, None, text.split("\n")), comments_by_marker(path, text, MARKER), None


def _cells_with_waivers(path: str, text: str) -> Iterator[tuple[_Place, Iterable[Comment], int | None]]:
    for number, source in enumerate(_code_cells(text), start=1):
        if MARKER in source:
            lines = ["" if _is_for_ipython(line) else line for line in source.split("\n")]
            yield _Place(path, number, lines), *comments_of_python("\n".join(lines))


def _code_cells(text: str) -> list[str]:
    """Return the sources of a notebook's code cells; a file that is no notebook has none."""
    import json  # noqa: PLC0415 - only notebooks with a waiver need it

    try:
        notebook: Any = json.loads(text)
    except (ValueError, RecursionError):
        return []
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    sources = []
    for cell in cells if isinstance(cells, list) else ():
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            pieces = source if isinstance(source, list) else [source]
            sources.append("".join(piece for piece in pieces if isinstance(piece, str)))
    return sources


def _is_for_ipython(line: str) -> bool:
    return line.lstrip().startswith(("%", "!")) or line.rstrip().endswith("?")


def _read(rest: str, comment: Comment, place: _Place) -> Waiver | ConfigurationError:
    """Return the waiver of one comment, or why it is none."""
    words = rest.strip().removesuffix("-->").split(None, 1)
    rule, arguments = (*words, "", "")[:2]
    fault = rule_fault(rule) if rule and "=" not in rule else "the rule is missing"
    if fault:
        return _error(f"waiver: {fault}", f"{_FORM}; a rule is {RULE_FORM}", place, comment.line, comment.column)
    fields = _fields(f" {arguments}")
    if isinstance(fields, str):
        return _error(f"waiver of {rule}: {fields}", _FORM, place, comment.line, comment.column)
    until = read_date(fields.get("until", ""))
    fault = _field_fault(fields, date_is_valid=until is not None)
    if fault or until is None:
        return _error(f"waiver of {rule}: {fault}", _FORM, place, comment.line, comment.column)
    if comment.code_line is None:
        fault = f"waiver of {rule}: no line with code follows it"
        return _error(fault, "put it beside or above the line that it covers", place, comment.line, comment.column)
    return Waiver(
        id=place.name(comment.line),
        rule=rule,
        reason=fields["reason"].strip(),
        until=until,
        owner=fields.get("owner", INLINE_OWNER),
        paths=(place.path,),
        line=comment.code_line,
        cell=place.cell,
        covered=_digest_of_line(place.lines[comment.code_line - 1], comment),
        source=place.name(comment.line),
    )


def _field_fault(fields: dict[str, str], *, date_is_valid: bool) -> str:
    if "until" not in fields:
        return "until=YYYY-MM-DD is missing"
    if not date_is_valid:
        return f"until={shown(fields['until'])} is no date"
    if "reason" not in fields:
        return "reason=… is missing"
    owner = fields.get("owner", INLINE_OWNER)
    return text_fault("reason", fields["reason"]) or text_fault("owner", owner)


def _fields(text: str) -> dict[str, str] | str:
    """Return the fields of a comment, or what is wrong; a reason without quotation marks takes the rest."""
    fields: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        match = _BARE_REASON.match(text, position) or _FIELD.match(text, position)
        if match is None:
            return f"{shown(text[position:].strip())} is not understood"
        key = match.groupdict().get("key") or "reason"
        if key not in _KEYS:
            return f"unknown field {shown(key)}{nearest_hint(key, _KEYS)}"
        if key in fields:
            return f"{key} is given twice"
        fields[key] = next(value for name, value in match.groupdict().items() if name != "key" and value is not None)
        position = match.end()
    return fields


def _digest_of_line(line: str, comment: Comment) -> str:
    """Return a digest of a covered line without its waiver and spaces: a digest, since the line may hold a secret."""
    code = line.partition(comment.text)[0] if comment.text in line else line
    return hashlib.sha256(" ".join(code.split()).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _error(message: str, next_step: str, place: _Place, line: int, column: int = 1) -> ConfigurationError:
    where = place.path if place.cell is None else f"{place.path}:cell {place.cell}"
    return ConfigurationError(
        message, next_step=next_step, position=SourcePosition(path=where, line=line, column=column)
    )
