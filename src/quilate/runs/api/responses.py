"""How routes describe their answers, and the headers that they share."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field

_MEANING = {
    400: "The request cannot be read.",
    401: "Nobody is logged in.",
    403: "The permission is missing.",
    404: "There is no such thing, or the caller may not know of it.",
    409: "Something else happened meanwhile.",
    410: "It is not kept any more.",
    413: "It is too long.",
    422: "The request is understood and cannot be carried out.",
    429: "Too much at once; `Retry-After` says when to come back.",
    500: "A fault of the service, or of its storage.",
    503: "Overloaded or without its database; `Retry-After` says when to come back.",
}


class ProblemDocument(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Address of the documentation of this kind of error.")
    title: str = Field(description="The kind of error in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(default="", description="What is wrong with this request.")
    next_step: str = Field(default="", description="What the caller can do.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documented problem answers of a route; 401, 403, 404, 422, 429, 500 and 503 belong to all."""
    described = sorted({401, 403, 404, 422, 429, 500, 503, *statuses})
    content = {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}
    return {status: {"description": _MEANING[status], "content": content} for status in described}


def next_link(path: str, query: Sequence[tuple[str, str]], cursor: str) -> dict[str, str]:
    """Return the ``Link`` header that leads to the next page, if there is one."""
    if not cursor:
        return {}
    words = [(name, value) for name, value in query if name != "cursor"]
    return {"Link": f'<{path}?{urlencode([*words, ("cursor", cursor)])}>; rel="next"'}


def etag(value: object) -> str:
    """Return a strong entity tag."""
    return f'"{value}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Tell whether a caller has what an entity tag names."""
    known = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
    return tag in known or "*" in known
