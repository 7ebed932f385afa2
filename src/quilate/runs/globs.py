"""Glob patterns over workspace paths, as in ``.gitignore``: ``*`` stays in a directory, ``**`` crosses them."""

import re
from collections.abc import Callable, Iterable


def compile_globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a path matches any pattern.

    A pattern without ``/`` matches a name in every directory; one that names a directory matches all below it.
    """
    expressions = [_expression(pattern) for pattern in patterns if pattern.strip()]
    if not expressions:
        return lambda _path: False
    matcher = re.compile("|".join(expressions))
    return lambda path: matcher.match(path) is not None


def _expression(pattern: str) -> str:
    anchored = pattern.strip().removeprefix("./").rstrip("/")
    prefix = "" if "/" in anchored else "(?:.*/)?"
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = [meanings.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*/|\*\*|\*|\?)", anchored.lstrip("/"))]
    return f"(?:{prefix}{''.join(pieces)}(?:/.*)?\\Z)"
