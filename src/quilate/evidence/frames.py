"""Code frames: the lines around a finding, as they may be shown to anybody.

A frame never shows a secret (``redaction``), never sends a command to the terminal and never shows a data record,
since that may hold personal data.
"""

import json
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from quilate.evidence.model import Location
from quilate.evidence.redaction import MASK, private_key_lines, redact_known, secret_spans
from quilate.evidence.safe_text import visible, visible_text

MAX_WIDTH = 120
"""Columns of a frame's longest line."""

MAX_FILE_BYTES = 4 << 20
"""A larger file gets no frame, only its place."""

_TAB = 4
_WINDOW = 2000
_NUMBER_WIDTH = 5
_ELLIPSIS = "…"

_Span = tuple[int, int]


def frame_source(root: Path, secrets: Iterable[tuple[str, int]]) -> Callable[[Location, bool], tuple[str, ...]]:
    """Return a function from a location, and whether it is a secret's, to the lines of its frame.

    Args:
        root: The workspace; nothing outside is read, whatever a location or a symbolic link says.
        secrets: Path and line of every secret that was found, masked in every frame.
    """
    hidden: dict[str, list[Location]] = {}
    for path, line in secrets:
        hidden.setdefault(path, []).append(Location(path=path, line=line))
    files: dict[tuple[str, int | None], Sequence[str]] = {}

    def frame(location: Location, is_secret: bool) -> tuple[str, ...]:  # noqa: FBT001 - the contract of the callers
        key = (location.path, location.cell)
        if key not in files:
            files[key] = _lines_of(root, location)
        own = (location,) if is_secret else ()
        return code_frame(files[key], location, secret_locations=(*hidden.get(location.path, ()), *own))

    return frame


def code_frame(
    lines_of: Sequence[str], location: Location, *, secret_locations: Sequence[Location] = ()
) -> tuple[str, ...]:
    """Return the frame of a location: its place, the line before, the line itself and carets under it.

    Args:
        lines_of: The lines of the file (of the notebook cell, where the location names one); may be empty.
        location: Where the finding is.
        secret_locations: Where secrets are in the same file; their lines, or columns where known, are masked in full.
    """
    header = f"  --> {_place(location)}"
    line = location.line
    if line is None or location.record is not None or not 1 <= line <= len(lines_of):
        return (_cut(header),)
    hidden = private_key_lines(lines_of)
    width = max(_NUMBER_WIDTH, len(str(line)))
    frame = [_cut(header)]
    if line > 1 and lines_of[line - 2].strip():
        shown, _ = _shown_line(lines_of[line - 2], line - 1, hidden, secret_locations, None, width)
        frame.append(f"{line - 1:>{width}} | {shown}".rstrip())
    shown, carets = _shown_line(lines_of[line - 1], line, hidden, secret_locations, location, width)
    frame.append(f"{line:>{width}} | {shown}".rstrip())
    if carets:
        frame.append(f"{'':>{width}} | {carets}")
    return tuple(frame)


def _place(location: Location) -> str:
    if not location.path:
        return visible_text(redact_known(location.url))
    place = visible_text(redact_known(location.path))
    if location.cell is not None:
        place += f", cell {location.cell}, line {location.line or 1}"
    elif location.line is not None:
        place += f":{location.line}" + (f":{location.column}" if location.column else "")
    if location.record is not None:
        place += f", record {location.record}"
    if location.field is not None:
        place += f", field {visible_text(redact_known(location.field))}"
    return place


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 1] + _ELLIPSIS


def _shown_line(  # noqa: PLR0913, PLR0917 - the line, what hides in it, and what is marked in it
    text: str,
    number: int,
    key_lines: frozenset[int],
    secrets: Sequence[Location],
    marked: Location | None,
    number_width: int,
) -> tuple[str, str]:
    """Return a line as it is shown and the carets below it."""
    text = text.rstrip("\r\n")
    spans = _hidden_spans(text, number, secrets) if number not in key_lines else ((0, len(text)),)
    start, end = _marked_span(text, marked)
    offset = max(0, start - _WINDOW // 2)
    window = text[offset : offset + _WINDOW]
    spans = tuple((max(a - offset, 0), b - offset) for a, b in spans if b > offset)
    cells, positions = _cells(window, _joined(spans, secret_spans(window)))
    first = positions[min(max(start - offset, 0), len(window))]
    last = max(positions[min(max(end - offset, 0), len(window))], first + 1)
    room = MAX_WIDTH - number_width - 3
    return _fitted(cells, first, last, room, cut_before=offset > 0, marked=marked is not None)


def _hidden_spans(text: str, number: int, secrets: Sequence[Location]) -> tuple[_Span, ...]:
    spans = []
    for secret in secrets:
        first = secret.line or 1
        last = secret.end_line or first
        if not first <= number <= last:
            continue
        whole = secret.column is None or secret.end_column is None
        start = 0 if whole or number > first else (secret.column or 1) - 1
        end = len(text) if whole or number < last else (secret.end_column or 1) - 1
        # A span that does not lie in the line was reported for other text: then nothing of the line is shown.
        spans.append((start, end) if 0 <= start < end <= len(text) else (0, len(text)))
    return tuple(spans)


def _marked_span(text: str, marked: Location | None) -> _Span:
    """Return what the carets stand under, from zero; without columns the whole line."""
    stripped = len(text) - len(text.lstrip())
    if marked is None:
        return stripped, stripped
    start = min(marked.column - 1, len(text)) if marked.column else stripped
    one_line = marked.end_line is None or marked.end_line == marked.line
    end = marked.end_column - 1 if marked.end_column and one_line else len(text.rstrip())
    return start, max(min(end, len(text)), start)


def _joined(first: tuple[_Span, ...], second: tuple[_Span, ...]) -> tuple[_Span, ...]:
    joined: list[_Span] = []
    for start, end in sorted((*first, *second)):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _cells(text: str, spans: tuple[_Span, ...]) -> tuple[list[str], list[int]]:
    """Return the screen columns of a text, and for every character (and the end) the column it begins at.

    A wide character fills two columns, the second of which is an empty string; a masked span becomes one mask.
    """
    cells: list[str] = []
    positions: list[int] = []
    starts = {start: end for start, end in spans if end > start}
    hidden_until = 0
    for index, character in enumerate(text):
        if index in starts:
            hidden_until = starts[index]
            positions += [len(cells)] * (min(hidden_until, len(text)) - index)
            cells += MASK
        if index < hidden_until:
            continue
        positions.append(len(cells))
        cells += _columns(character, len(cells))
    return cells, [*positions, len(cells)]


def _columns(character: str, at: int) -> Sequence[str]:
    if character == "\t":
        return " " * (_TAB - at % _TAB)
    if character.isascii() or not character.isprintable():
        return visible(character)
    if unicodedata.combining(character):
        return f"\\u{ord(character):04x}"
    if unicodedata.east_asian_width(character) in {"W", "F"}:
        return [character, ""]
    return visible(character)


def _fitted(  # noqa: PLR0913 - the columns, what is marked in them, and the room there is
    cells: list[str], first: int, last: int, room: int, *, cut_before: bool, marked: bool
) -> tuple[str, str]:
    """Return the part of the columns around the mark that fits, and the carets below it."""
    begin = max(0, first - room // 3) if first > room - 10 or (cut_before and first > room // 3) else 0
    before = _ELLIPSIS if begin or cut_before else ""
    shown = cells[begin:]
    after = _ELLIPSIS if len(before) + len(shown) > room else ""
    shown = shown[: room - len(before) - len(after)]
    left = first - begin + len(before)
    width = max(1, min(last - begin, len(shown)) + len(before) - left)
    carets = " " * left + "^" * width if marked and "".join(shown).strip() else ""
    return before + "".join(shown) + after, carets


def _lines_of(root: Path, location: Location) -> Sequence[str]:
    """Return the lines of a file of the workspace; none where it cannot or must not be read."""
    if not location.path or "\0" in location.path:
        return ()
    try:
        path = (root / location.path).resolve()
        status = path.stat()
        if not path.is_relative_to(root.resolve()) or not stat.S_ISREG(status.st_mode):
            return ()
        if status.st_size > MAX_FILE_BYTES:
            return ()
        text = path.read_bytes().decode("utf-8-sig", "replace")
    except (OSError, ValueError, RuntimeError):
        return ()
    if location.cell is not None:
        text = _cell_text(text, location.cell)
    # Python's `splitlines` also splits at form feeds and the like, which tools do not count as lines.
    return re.split(r"\r\n|\n|\r", text) if text else ()


def _cell_text(text: str, number: int) -> str:
    """Return the source of a notebook's code cell, counted from one; empty where there is no such cell."""
    try:
        cells = json.loads(text)["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        source = sources[number - 1] if number >= 1 else ""
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""
    if isinstance(source, list) and all(isinstance(part, str) for part in source):
        return "".join(source)
    return source if isinstance(source, str) else ""
