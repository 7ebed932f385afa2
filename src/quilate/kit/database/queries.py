"""SQL in named blocks: ``-- name: find_user`` begins one, the next name or the end of the file ends it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)


class Queries(Mapping[str, LiteralString]):
    """The named statements of one file; a name that is not there is a ``KeyError`` at once."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        # Files of our own package are as constant as literals in the code, which is what psycopg's type asks for.
        self._statements = cast("dict[str, LiteralString]", dict(statements))

    def __getitem__(self, name: str) -> LiteralString:
        return self._statements[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


@cache
def load_queries(package: str, file: str = "queries.sql") -> Queries:
    """Return the statements of a package's SQL file.

    Raises:
        ValueError: A name stands twice, or a text has no name.
    """
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    return Queries(parse_queries(text))


def parse_queries(text: str) -> dict[str, str]:
    """Return the statements by their names.

    Raises:
        ValueError: A name stands twice, or a statement stands before the first name.
    """
    pieces = _NAME.split(text)
    head = [line for line in pieces[0].splitlines() if line.strip() and not line.startswith("--")]
    if head:
        raise ValueError(f"a statement without a name: {head[0]}")
    statements: dict[str, str] = {}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in statements:
            raise ValueError(f"two statements are called {name}")
        statements[name] = body.strip().rstrip(";")
    return statements
