"""Glob patterns over workspace paths, as in ``.gitignore``: ``*`` stays in a directory, ``**`` crosses them."""

import re
from collections.abc import Callable, Iterable

from quilate.policy.waiver_matching import path_matches

_WILDCARDS = re.compile(r"\*\*?")
_MOST_WILDCARDS = 2
"""A regular expression with many wildcards may take for ever on a path: patterns with more are matched step by step."""


def compile_globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a path matches any pattern.

    A pattern without ``/`` matches a name in every directory; one that names a directory matches all below it.
    """
    given = [pattern for pattern in patterns if pattern.strip()]
    slow = [pattern for pattern in given if len(_WILDCARDS.findall(pattern)) > _MOST_WILDCARDS]
    expressions = [_expression(pattern) for pattern in given if pattern not in slow]
    matcher = re.compile("|".join(expressions) or r"(?!)")
    if not slow:
        return lambda path: matcher.match(path) is not None
    return lambda path: matcher.match(path) is not None or any(path_matches(pattern, path) for pattern in slow)


def _expression(pattern: str) -> str:
    anchored = pattern.strip().removeprefix("./").rstrip("/")
    prefix = "" if "/" in anchored else "(?:.*/)?"
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = [meanings.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*/|\*\*|\*|\?)", anchored.lstrip("/"))]
    return f"(?:{prefix}{''.join(pieces)}(?:/.*)?\\Z)"
