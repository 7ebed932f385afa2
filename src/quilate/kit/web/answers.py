"""Answers that more than one slice gives: problem documents in the API's description, JSON made fast."""

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import BaseModel
from starlette.responses import Response

from quilate.kit.web.documents import MEDIA_TYPE

MEANINGS: Mapping[int, str] = {
    400: "The request cannot be read.",
    401: "Nobody is logged in.",
    403: "The permission is missing.",
    404: "There is no such thing, or the caller may not know of it.",
    405: "The method is not possible here; `Allow` names those that are.",
    406: "None of the media types that are accepted.",
    409: "It contradicts the present state.",
    410: "It was there once.",
    412: "It was changed since it was read.",
    413: "The body is too long.",
    415: "The body is of a media type that is not understood.",
    421: "The request was meant for another host.",
    422: "The request is understood and cannot be carried out.",
    428: "`If-Match` is missing.",
    429: "Too many requests; `Retry-After` says when to come back.",
    500: "A fault of the service; `incident` names its record.",
    503: "The service cannot answer now; `Retry-After` says when to come back.",
}

PROBLEM_SCHEMA: Mapping[str, Any] = {
    "title": "Problem",
    "description": "An error (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Address of the page about this kind of error."},
        "title": {"type": "string", "description": "The kind of error in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What is wrong with this request."},
        "next_step": {"type": "string", "description": "What the caller can do."},
        "errors": {
            "type": "array",
            "description": "Each thing that is wrong.",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "Where: a JSON pointer (RFC 6901)."},
                    "in": {"type": "string", "description": "Part of the request: body, path, query, header, cookie."},
                    "detail": {"type": "string", "description": "What."},
                },
            },
        },
        "incident": {"type": "string", "description": "Names the record of a fault of the service."},
        "message": {"type": "string", "description": "As detail; on the routes of the source documents."},
        "statusCode": {"type": "integer", "description": "As status; on the routes of the source documents."},
        "details": {"description": "As errors or next_step; on the routes of the source documents."},
    },
}
"""The document of every error; the application puts it into the components of its description."""

_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}}
_ALWAYS = (400, 421, 429, 500, 503)
"""What any route may answer, whatever it does: limits, a fault, a database that is away."""
_WITH_BODY = (413, 415, 422)
_CHANGING = (409,)
"""What a change may meet: something archived, the same request under way."""


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses=`` of a route that answers with these errors."""
    return {status: problem_answer(status) for status in sorted(statuses)}


def problem_answer(status: int) -> dict[str, Any]:
    """Return the description of one error."""
    answer: dict[str, Any] = {"description": MEANINGS[status], "content": dict(_CONTENT)}
    if status in {429, 503}:
        answer["headers"] = dict(_RETRY)
    return answer


def complete_description(document: dict[str, Any]) -> dict[str, Any]:
    """Give every operation of an OpenAPI document the errors that any may answer, all in the one form."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for replaced in ("HTTPValidationError", "ValidationError", "ProblemDocument"):
        schemas.pop(replaced, None)
    schemas["Problem"] = dict(PROBLEM_SCHEMA)
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            if isinstance(operation, dict) and "responses" in operation:
                _complete_operation(operation, changes=method not in {"get", "head", "options"})
    return document


def _complete_operation(operation: dict[str, Any], *, changes: bool) -> None:
    responses = operation["responses"]
    added = (*_ALWAYS, *(_WITH_BODY if "requestBody" in operation else ()), *(_CHANGING if changes else ()))
    for status in added:
        responses.setdefault(str(status), problem_answer(status))
    for status, answer in responses.items():
        if status.isdigit() and int(status) >= 400 and _is_problem(answer):  # noqa: PLR2004 - errors
            answer["content"] = dict(_CONTENT)
    operation["responses"] = dict(sorted(responses.items()))


def _is_problem(answer: Mapping[str, Any]) -> bool:
    content = answer.get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    return MEDIA_TYPE in content or not content or reference.endswith("/HTTPValidationError")


def json_answer(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON of a Pydantic model, a dataclass or plain values, written in one native pass."""
    body = content.model_dump_json().encode() if isinstance(content, BaseModel) else msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json", headers=dict(headers or {}))
