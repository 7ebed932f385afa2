"""Problem documents on the wire (RFC 9457): one form for endpoints, handlers and middlewares."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from quilate.kit.web.problems import Problem

MEDIA_TYPE = "application/problem+json"

_CANONICAL = "/api/v1/"
_FOREIGN_PREFIXES = ("/pipelines/", "/api/")
"""Routes of the source documents, whose own error form the document carries beside RFC 9457's."""


class ProblemWriter:
    """Writes problem documents.

    Args:
        base_url: Where the service is reached; the pages of ``type`` stand below ``/problems/`` there.
    """

    def __init__(self, base_url: str = "") -> None:
        self._base = base_url.rstrip("/")

    def type_address(self, type_name: str) -> str:
        """Return the address of the page of a type."""
        return f"{self._base}/problems/{type_name}"

    def document(self, problem: Problem, path: str) -> dict[str, Any]:
        """Return the members of the document for a request to ``path``."""
        document: dict[str, Any] = {
            **problem.extensions,
            "type": self.type_address(problem.type),
            "title": title_of(problem.type),
            "status": problem.status,
            "detail": problem.detail,
        }
        if problem.next_step:
            document["next_step"] = problem.next_step
        if is_foreign_route(path):
            document["message"] = problem.detail
            document["statusCode"] = problem.status
            document["details"] = problem.extensions.get("errors", problem.next_step or None)
        return document

    def response(self, problem: Problem, path: str) -> Response:
        """Return the answer to a request to ``path``."""
        return Response(
            encode(self.document(problem, path)),
            status_code=problem.status,
            media_type=MEDIA_TYPE,
            headers=header_values(problem.headers),
        )

    async def send(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request from within a middleware."""
        await self.response(problem, scope.get("path", ""))(scope, receive, send)


def title_of(type_name: str) -> str:
    """Return the title of a type, which is its name in words."""
    return type_name.replace("-", " ").capitalize()


def is_foreign_route(path: str) -> bool:
    """Tell whether a path is one of the source documents' own routes."""
    return path.startswith(_FOREIGN_PREFIXES) and not path.startswith(_CANONICAL)


def encode(document: Mapping[str, Any]) -> bytes:
    """Return JSON, whatever text is in it: half of a surrogate pair has no encoding and is replaced."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return msgspec.json.encode(_encodable(msgspec.to_builtins(document, str_keys=True)))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_encodable(inner) for inner in value]
    return value


def header_values(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers whose values cannot end the header and begin another."""
    return {name: "".join(sign for sign in value if sign.isprintable()) for name, value in headers.items()}


def phrase(status: int) -> str:
    """Return what a status is called."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
