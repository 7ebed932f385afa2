"""The errors that every route of the slice may answer with."""

from typing import Any

from quilate.kit.web.answers import problem_responses


def answers_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documented errors of a route below a project, with further ones of its own."""
    return problem_responses(*{401, 403, 404, 409, 422, 429, *statuses})
