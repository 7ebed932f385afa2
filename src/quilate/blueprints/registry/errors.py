"""What the registry answers where it cannot do what was asked."""

import re
from typing import Any

from quilate.domain.errors import ConfigurationError, ConfigurationErrors
from quilate.kit.web.problems import Problem

MOST_ERRORS = 100
"""Errors that one answer holds at most; mending those usually mends the others."""

_NEAREST = re.compile(r", did you mean '([^']+)'\?")


def invalid_blueprint(error: ConfigurationError) -> Problem:
    """Return every error of a blueprint with its place and, for a mistyped name, the nearest valid one."""
    errors = error.errors if isinstance(error, ConfigurationErrors) else (error,)
    return Problem(
        status=422,
        type="invalid-blueprint",
        detail=str(errors[0])
        if len(errors) == 1
        else f"the blueprint has {len(errors)} errors; the first: {errors[0]}",
        next_step=errors[0].next_step,
        extensions={"errors": [_entry(each) for each in errors[:MOST_ERRORS]]},
    )


def _entry(error: ConfigurationError) -> dict[str, Any]:
    nearest = _NEAREST.search(error.message)
    return {
        "detail": error.message,
        "next_step": error.next_step,
        "place": error.position.path if error.position else None,
        "line": error.position.line if error.position else None,
        "column": error.position.column if error.position else None,
        "nearest": nearest[1] if nearest else None,
    }


def no_blueprint(name: str) -> Problem:
    """Return the answer for a name that the project does not have."""
    return Problem(
        status=404, type="not-found", detail=f"this project has no blueprint {name!r}", next_step="list the blueprints"
    )


def nothing_published(name: str) -> Problem:
    """Return the answer to whoever compares a first draft with what is there."""
    return Problem(
        status=404,
        type="not-found",
        detail=f"nothing of {name!r} counts yet that its draft could be compared with",
        next_step="name another blueprint with `against`, a built-in one for example, or read the draft",
    )


def no_draft(name: str) -> Problem:
    """Return the answer where there is no draft of a name."""
    return Problem(
        status=404,
        type="not-found",
        detail=f"there is no draft of the blueprint {name!r}",
        next_step="create one with a POST of its text to /blueprints",
    )


def no_version(name: str, version: str) -> Problem:
    """Return the answer for a version that was never published."""
    return Problem(
        status=404,
        type="not-found",
        detail=f"version {version!r} of the blueprint {name!r} was never published here",
        next_step="list the versions",
    )


def draft_changed() -> Problem:
    """Return the answer to a writer whose draft is not the newest."""
    return Problem(
        status=412,
        type="precondition-failed",
        detail="the draft has changed since it was read",
        next_step="read it again and repeat the change with its ETag",
    )


def conflict(detail: str, next_step: str) -> Problem:
    """Return the answer to what the present state forbids."""
    return Problem(status=409, type="conflict", detail=detail, next_step=next_step)
