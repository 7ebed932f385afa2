"""From errors to problem documents: every error that leaves an endpoint becomes one here."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from quilate.domain.errors import (
    ConfigurationError,
    ConfigurationErrors,
    EvidenceError,
    EvidenceTimeoutError,
    QuilateError,
)
from quilate.kit.database.faults import DATABASE_ERROR, is_passing, is_unstorable_value
from quilate.kit.ids import uuid7
from quilate.kit.web.documents import ProblemWriter, phrase
from quilate.kit.web.problems import Problem

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
MOST_ERRORS = 100
"""Errors of one request that are listed."""

_LONGEST_NAME = 64
_RETRY_SECONDS = 2
_JSON_TYPES = re.compile(r"application/(?:json|[\w.-]+\+json)\s*(?:;|$)", re.IGNORECASE)
_TYPES_OF_STATUS = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    410: "gone",
    412: "precondition-failed",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid-request",
    428: "precondition-required",
    429: "too-many-requests",
    503: "unavailable",
}


def install_handlers(app: FastAPI, writer: ProblemWriter) -> None:
    """Make an application answer every known error with a problem document; unknown ones are ``Observed``'s."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = problem_of(error, request.scope, request.app)
        if problem.status >= 500:  # noqa: PLR2004 - the service's own faults
            structlog.get_logger("quilate.web").warning("problem", type=problem.type, status=problem.status)
        return writer.response(problem, request.scope["path"])

    for kind in (Problem, QuilateError, RequestValidationError, HTTPException, DATABASE_ERROR):
        app.add_exception_handler(kind, handle)


def problem_of(error: Exception, scope: Scope, app: FastAPI | None = None) -> Problem:
    """Return the answer that an error gives.

    Args:
        error: Anything that an endpoint raised.
        scope: The request's.
        app: The application, for the methods that a route allows.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, QuilateError):
        return _of_quilate_error(error)
    if isinstance(error, RequestValidationError):
        return _of_validation(error, scope)
    if isinstance(error, HTTPException):
        return _of_http_exception(error, scope, app)
    return _of_database_error(error) or internal(error)


def _of_database_error(error: Exception) -> Problem | None:
    if is_passing(error):
        return unavailable()
    if not is_unstorable_value(error):
        return None
    return Problem(
        status=422,
        type="invalid-request",
        detail="a value cannot be stored",
        next_step="leave out control characters, and keep numbers within their range",
    )


def unavailable() -> Problem:
    """Return the answer while the database is away or has no connection free."""
    return Problem(
        status=503,
        type="unavailable",
        detail="the database does not answer at the moment",
        next_step=f"send the request again in {_RETRY_SECONDS} seconds; with an Idempotency-Key that is safe",
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )


def internal(error: Exception) -> Problem:
    """Log an error that nobody expected and return the answer, which tells nothing but the number of its record."""
    incident = str(uuid7())
    structlog.get_logger("quilate.web").error("internal error", incident=incident, exc_info=error)
    return Problem(
        status=500,
        type="internal",
        detail="this is a fault of the service",
        next_step=f"tell its operators the incident {incident}: the log has it",
        extensions={"incident": incident},
    )


def _of_quilate_error(error: QuilateError) -> Problem:
    if isinstance(error, ConfigurationErrors):
        errors = [_located(each) for each in error.errors[:MOST_ERRORS]]
        return Problem(
            status=422,
            type="invalid-request",
            detail=error.message,
            next_step="correct each of them",
            extensions={"errors": errors},
        )
    if isinstance(error, ConfigurationError):
        return Problem(
            status=422,
            type="invalid-request",
            detail=error.message,
            next_step=error.next_step,
            extensions={"errors": [_located(error)]} if error.position else None,
        )
    if isinstance(error, EvidenceTimeoutError):
        return Problem(status=503, type="unavailable", detail=error.message, next_step=error.next_step)
    if isinstance(error, EvidenceError):
        return Problem(status=422, type="no-evidence", detail=error.message, next_step=error.next_step)
    return internal(error)


def _located(error: QuilateError) -> dict[str, Any]:
    located: dict[str, Any] = {"detail": error.message}
    if error.next_step:
        located["next_step"] = error.next_step
    if error.position:
        position = error.position
        located |= {"path": position.path, "line": position.line, "column": position.column}
    return located


def _of_validation(error: RequestValidationError, scope: Scope) -> Problem:
    errors = error.errors()
    if any(each.get("type") == "json_invalid" for each in errors):
        return Problem(
            status=400, type="malformed", detail="the body is no JSON", next_step="send one JSON value as UTF-8"
        )
    content_type = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")
    if any(_is_unread_body(each) for each in errors) and not _JSON_TYPES.match(content_type):
        return Problem(
            status=415,
            type="unsupported-media-type",
            detail="the body is not declared to be JSON",
            next_step="send it as Content-Type: application/json",
        )
    listed = [described(each) for each in errors[:MOST_ERRORS]]
    return Problem(
        status=422,
        type="invalid-request",
        detail="the request does not have the form that is documented",
        next_step="correct what errors names",
        extensions={"errors": listed},
    )


def _is_unread_body(error: Mapping[str, Any]) -> bool:
    # What was not read as JSON reaches the validation as bytes.
    return tuple(error.get("loc", ())) == ("body",) and isinstance(error.get("input"), bytes)


def described(error: Mapping[str, Any]) -> dict[str, str]:
    """Return one error of Pydantic without the value that was sent, which may be a secret."""
    place = tuple(error.get("loc", ()))
    part = str(place[0]) if place else "body"
    detail = str(error.get("msg", "is invalid"))
    if error.get("type") in {"value_error", "assertion_error"}:
        # A validator of ours wrote it, and it says what is expected.
        detail = detail.partition(", ")[2] or detail
    elif "found `" in detail or "input_value" in detail:
        detail = detail.partition(",")[0]
    return {"pointer": "#" + "".join(map(_pointer_part, place[1:])), "in": part, "detail": detail[:300]}


def _pointer_part(name: Any) -> str:
    text = str(name)[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1")
    return "/" + text.encode("utf-8", "replace").decode("utf-8")


def _of_http_exception(error: HTTPException, scope: Scope, app: FastAPI | None) -> Problem:
    known = getattr(error, "problem", None)
    if isinstance(known, Problem):
        return known
    status, headers = error.status_code, dict(error.headers or {})
    details = {
        404: f"there is no {scope['path'][:200]}",
        405: f"{scope['method'][:20]} is not possible here",
    }
    if status == 405 and app is not None:  # noqa: PLR2004 - method not allowed
        headers = {name: value for name, value in headers.items() if name.lower() != "allow"}
        headers["Allow"] = ", ".join(allowed_methods(app, scope))
    if status < 400:  # noqa: PLR2004 - no error
        return Problem(status=500, type="internal", detail="this is a fault of the service")
    type_name = _TYPES_OF_STATUS.get(status, "internal" if status >= 500 else "refused")  # noqa: PLR2004 - as above
    detail = details.get(status) or str(error.detail or phrase(status)).rstrip(".")
    return Problem(status=status, type=type_name, detail=detail, headers=headers)


def allowed_methods(app: FastAPI, scope: Scope) -> Iterator[str]:
    """Yield every method that some route has for the path; a route alone knows only its own."""
    for method in METHODS:
        # The keys that routing leaves behind belong to the attempt before.
        asked = {name: value for name, value in scope.items() if name not in {"fastapi", "route", "endpoint"}}
        asked |= {"method": method, "path_params": {}}
        if any(route.matches(asked)[0] is Match.FULL for route in app.router.routes):
            yield method
