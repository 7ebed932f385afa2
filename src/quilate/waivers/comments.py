"""Where the comments of a file are, so that only a comment can be a waiver: text in a string literal is none."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

PYTHON = frozenset({".py", ".pyi", ".pyw"})
NOTEBOOK = frozenset({".ipynb"})

_HASH, _SLASHES, _DASHES, _MARKUP = "#", "//", "--", "<!--"
_WITHOUT_COMMENTS = frozenset({".csv", ".json", ".jsonl", ".lock", ".log", ".parquet", ".rst", ".tsv", ".txt"})
_STYLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((".md", ".markdown", ".html", ".htm", ".xml", ".svg", ".xhtml"), (_MARKUP,)),
    **dict.fromkeys((".vue", ".svelte"), (_MARKUP, _SLASHES)),
    **dict.fromkeys((".yaml", ".yml", ".toml", ".sh", ".bash", ".rb", ".r", ".ini", ".cfg", ".mk"), (_HASH,)),
    **dict.fromkeys((".sql", ".lua", ".hs", ".adb", ".ads"), (_DASHES,)),
    **dict.fromkeys(
        (".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".java", ".kt", ".scala", ".go", ".rs", ".c", ".h", ".cc"),
        (_SLASHES,),
    ),
    **dict.fromkeys((".cpp", ".hpp", ".cs", ".swift", ".dart", ".proto", ".scss"), (_SLASHES,)),
}
_OTHERS = (_HASH, _SLASHES, _DASHES)


class Comment(NamedTuple):
    """A comment with its marker. ``code_line`` is the line it speaks of: its own, or the next one that holds code."""

    text: str
    line: int
    column: int
    code_line: int | None


def comments_of_python(text: str) -> tuple[list[Comment], int | None]:
    """Return the comments of a Python text, and the line from which it cannot be read, if any."""
    found: list[tokenize.TokenInfo] = []
    code_lines: set[int] = set()
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    broken = None
    line = 1
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            line = token.start[0]
            if token.type == tokenize.COMMENT:
                found.append(token)
            elif token.type not in layout:
                code_lines.update(range(token.start[0], token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        broken = line
    ordered = sorted(code_lines)
    return [
        Comment(token.string, token.start[0], token.start[1] + 1, _line_spoken_of(token.start[0], ordered))
        for token in found
    ], broken


def comments_by_marker(path: str, text: str, needle: str) -> Iterator[Comment]:
    """Give the comments of any other file that begin with ``needle``, by the comment markers of its kind.

    Only lines that hold ``needle`` are looked at. A file whose format has no comments gives none.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in _WITHOUT_COMMENTS:
        return
    styles = _STYLES.get(suffix, _OTHERS)
    begin = re.compile(rf"(?:{'|'.join(map(re.escape, styles))})[ \t]*(?={re.escape(needle)})")
    lines = text.split("\n")
    code_lines: list[int] | None = None
    for number, line in enumerate(lines, start=1):
        match = begin.search(line) if needle in line else None
        if match is None:
            continue
        if code_lines is None:
            code_lines = [at for at, one in enumerate(lines, start=1) if _holds_code(one, styles)]
        yield Comment(
            line[match.start() :].rstrip("\r"), number, match.start() + 1, _line_spoken_of(number, code_lines)
        )


def _holds_code(line: str, styles: tuple[str, ...]) -> bool:
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith(styles)


def _line_spoken_of(line: int, code_lines: list[int]) -> int | None:
    """Return the line itself where it holds code, else the next that does."""
    from bisect import bisect_left  # noqa: PLC0415 - only files with a waiver need it

    at = bisect_left(code_lines, line)
    return code_lines[at] if at < len(code_lines) else None
