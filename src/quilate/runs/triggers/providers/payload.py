"""Reading documents that others wrote: what is missing or of another type reads as empty, and every text is bounded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from quilate.domain.errors import QuilateError
from quilate.runs.triggers.model import EventFacts

LONGEST_TEXT = 1024
LONGEST_COMMENT = 16 << 10
FULL_COMMIT = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_NOTHING: Mapping[str, Any] = {}
_COMMIT = re.compile(r"\A[0-9a-f]{7,64}\Z")
_ZERO = re.compile(r"\A0{40}(?:0{24})?\Z")


class PayloadError(QuilateError):
    """A signed body is not what its provider documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """The provider asks whether somebody is there."""


Reading = Ping | tuple[EventFacts, ...]
"""What a delivery says: nothing but that it arrives, or events in their order."""


def inner(document: Any, *names: str) -> Mapping[str, Any]:
    """Return the object below these names, an empty one where there is none."""
    for name in names:
        document = document.get(name) if type(document) is dict else None
    # Documents are fresh from the decoder, which makes plain dictionaries.
    return document if type(document) is dict else _NOTHING


def text(document: Any, *names: str, most: int = LONGEST_TEXT) -> str:
    """Return the text or number below these names, without NUL and cut to ``most`` characters."""
    value = _at(document, names)
    if type(value) is int:
        value = str(value)
    return value.replace("\0", "")[:most] if isinstance(value, str) else ""


def _at(document: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        if type(document) is not dict:
            return None
        document = document.get(name)
    return document


def flag(document: Any, *names: str) -> bool:
    """Return whether ``true`` stands below these names."""
    return _at(document, names) is True


def number(document: Any, *names: str) -> int | None:
    """Return the positive whole number below these names."""
    value = _at(document, names)
    right = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53
    return value if right else None


def listed(document: Any, name: str) -> list[Mapping[str, Any]]:
    """Return the objects of a list."""
    value = _at(document, (name,))
    return [each for each in value if type(each) is dict] if isinstance(value, list) else []


def commit(document: Any, *names: str) -> str:
    """Return the commit id below these names; empty where there is none, and for all zeros, which mean none."""
    value = text(document, *names).lower()
    return value if _COMMIT.match(value) and not _ZERO.match(value) else ""


def moment(document: Any, *names: str) -> datetime | None:
    """Return the time below these names: Unix seconds, or a text with a zone; GitLab writes ``UTC`` for it."""
    value = _at(document, names)
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(value.strip().replace(" UTC", "+00:00")) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found is not None and found.tzinfo is not None else None


def branch_of(reference: str) -> str:
    """Return the branch of ``refs/heads/…``, else an empty text."""
    return reference.removeprefix("refs/heads/") if reference.startswith("refs/heads/") else ""


def tag_of(reference: str) -> str:
    """Return the tag of ``refs/tags/…``, else an empty text."""
    return reference.removeprefix("refs/tags/") if reference.startswith("refs/tags/") else ""


def subject_key(repository: str, reference: str) -> str:
    """Return the key by which events of a branch, a tag or a request are kept in order."""
    return f"{repository}:{reference}"
