"""Columns of values as PostgreSQL array literals, for batches through ``unnest``.

psycopg adapts a list element by element in Python; where thousands of values travel with each statement, joining text
that is known to be safe is ten times as fast. Each function takes values of one type and escapes what may need it.
"""

from collections.abc import Iterable
from uuid import UUID


def uuid_array(values: Iterable[UUID | None]) -> str:
    """Return a literal for ``uuid[]``; PostgreSQL reads the digits without hyphens too, which cost most of the text."""
    return "{" + ",".join(["NULL" if value is None else value.hex for value in values]) + "}"


def number_array(values: Iterable[float | None]) -> str:
    """Return a literal for arrays of integers or floating-point numbers."""
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def boolean_array(values: Iterable[bool]) -> str:
    """Return a literal for ``boolean[]``."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def text_array(values: Iterable[str | None]) -> str:
    """Return a literal for ``text[]``."""
    listed = list(values)
    # Most columns hold few different values: queues, states, the ids of one project's checks.
    quoted = {value: _quoted(value) for value in set(listed)}
    return "{" + ",".join([quoted[value] for value in listed]) + "}"


def _quoted(value: str | None) -> str:
    if value is None:
        return "NULL"
    if value.isalnum() and value.isascii() and value != "NULL":
        return value if value.lower() != "null" else f'"{value}"'
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def bytes_array(values: Iterable[bytes | None]) -> str:
    """Return a literal for ``bytea[]``."""
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"
