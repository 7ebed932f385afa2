"""Conditional requests (RFC 9110, section 13): nobody overwrites what they have not seen."""

import re
from collections.abc import Iterator
from typing import Annotated

from fastapi import Header

from quilate.kit.web.problems import Problem

LONGEST_CONDITION = 1024

IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=LONGEST_CONDITION, description="ETag of what is to be changed.")
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", max_length=LONGEST_CONDITION, description="ETags known already.")
]

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')


def etag_of(version: int | str) -> str:
    """Return the strong ETag of a version number or a digest."""
    return f'"{version}"'


def require_match(if_match: str | None, etag: str) -> None:
    """Let an update through that names what it updates.

    Args:
        if_match: The header, ``None`` where it is missing.
        etag: Of the present state.

    Raises:
        Problem: 428, the header is missing; 412, it names another state.
    """
    if if_match is None:
        raise Problem(
            status=428,
            type="precondition-required",
            detail="If-Match is missing",
            next_step="read it first, and send its ETag as If-Match",
        )
    if if_match.strip() == "*":
        return
    # A weak tag never matches strongly.
    if etag not in {tag for weak, tag in _tags(if_match) if not weak}:
        raise Problem(
            status=412,
            type="precondition-failed",
            detail="it was changed since you read it",
            next_step="read it again, and send its ETag as If-Match",
            headers={"ETag": etag},
        )


def matched_version(if_match: str | None) -> int | None:
    """Return the version number that an update names, for a statement that compares it by itself; ``None`` for any.

    Raises:
        Problem: 428, the header is missing; 412, it names no version.
    """
    if if_match is not None and if_match.strip() == "*":
        return None
    tags = [tag.strip('"') for weak, tag in _tags(if_match or "") if not weak]
    if len(tags) == 1 and re.fullmatch(r"[0-9]{1,9}", tags[0]):
        return int(tags[0])
    if if_match is None:
        require_match(None, "")
    raise Problem(
        status=412,
        type="precondition-failed",
        detail="If-Match names no version",
        next_step="read it again, and send its ETag as If-Match",
    )


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Tell whether the caller has this state already, so that 304 is the answer."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in {tag for _, tag in _tags(if_none_match)}


def _tags(header: str) -> Iterator[tuple[bool, str]]:
    position = 0
    while position < len(header):
        match = _TAG.match(header, position)
        if match is None:
            return
        yield match[1] is not None, f'"{match[2]}"'
        position = match.end()
