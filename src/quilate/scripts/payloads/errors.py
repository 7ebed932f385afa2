"""Why an input or output is not taken, as answers."""

from collections.abc import Sequence
from typing import Any

from quilate.kit.web.problems import Problem
from quilate.scripts.payloads.model import Violation

MOST_VIOLATIONS = 100


def too_large(what: str, limit: int) -> Problem:
    """Return the answer to data beyond a limit in bytes."""
    return Problem(
        status=413,
        type="too-large",
        detail=f"{what} is longer than {limit} bytes",
        next_step="send less at a time, or give a pointer to it; operators set QUILATE_PAYLOAD_BYTES",
        extensions={"limit": limit},
    )


def refused(detail: str, next_step: str = "", **extensions: Any) -> Problem:
    """Return the answer to data that is understood and cannot be taken."""
    return Problem(
        status=422, type="invalid-request", detail=detail, next_step=next_step, extensions=extensions or None
    )


def malformed(detail: str, next_step: str = "") -> Problem:
    """Return the answer to a body that is not what its headers say."""
    return Problem(status=400, type="malformed", detail=detail, next_step=next_step)


def unsupported(detail: str, taken: Sequence[str], header: str) -> Problem:
    """Return the answer to a media type or an encoding that is not understood, with those that are."""
    names = ", ".join(taken)
    return Problem(
        status=415,
        type="unsupported-media-type",
        detail=detail,
        next_step=f"send one of {names}",
        headers={header: names},
        extensions={"accepted": list(taken)},
    )


def broken(violations: Sequence[Violation], *, truncated: bool = False) -> Problem:
    """Return the answer to data that breaks its schema: each violation with its path and record."""
    more = " at least" if truncated else ""
    number = len(violations)
    return Problem(
        status=422,
        type="input-invalid",
        detail=f"the input breaks its schema in{more} {number} {'place' if number == 1 else 'places'}",
        next_step="correct what errors lists, or change the schema in a new version",
        extensions={"errors": [each.document() for each in violations], "truncated": truncated},
    )


def source_refused(detail: str, next_step: str = "") -> Problem:
    """Return the answer to a pointer that may not be followed, or leads to nothing that can be taken."""
    return Problem(status=422, type="source-refused", detail=detail, next_step=next_step)
