"""What all waivers have in common, wherever they are written: the words of each field, and what is refused."""

import re
from datetime import date, datetime

MAX_TEXT_CHARACTERS = 500
RULE_FORM = "tool/CODE such as ruff/S324, QL-AREA-NNN, or the beginning of one followed by *"

_RULE = re.compile(r"(?:[A-Za-z0-9_.@+-]+/[A-Za-z0-9_.:@/+-]*|QL-[A-Z0-9-]*)\*?")


def rule_fault(rule: str) -> str:
    """Return what is wrong with a rule, or an empty string.

    A bare ``*`` or a bare tool without ``/`` is refused: a waiver names what it accepts.
    """
    if _RULE.fullmatch(rule) and not rule.endswith("/") and len(rule) <= MAX_TEXT_CHARACTERS:
        return ""
    return f"{shown(rule)} is no rule id"


def text_fault(name: str, text: str) -> str:
    """Return what is wrong with a text that people will read, or an empty string."""
    if not text.strip():
        return f"{name} is empty"
    if len(text) > MAX_TEXT_CHARACTERS:
        return f"{name} is longer than {MAX_TEXT_CHARACTERS} characters"
    if not text.isprintable():
        return f"{name} holds a character that cannot be printed"
    return ""


def read_date(value: object) -> date | None:
    """Return a date as ``YYYY-MM-DD``, or ``None``; a date with a time is none."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def shown(value: object) -> str:
    """Return a value for a message: quoted, without control characters, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"  # noqa: PLR2004 - what fits in a message
