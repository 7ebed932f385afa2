"""What can go wrong between a client and the service."""

from collections.abc import Mapping
from typing import Any

from quilate.domain.errors import ExitCode, QuilateError

_MOST_NAMED = 5


class ClientError(QuilateError):
    """Base of everything that this package raises."""


class ConnectionFailedError(ClientError):
    """The service cannot be reached, or the connection broke and did not come back within the patience."""

    exit_code = ExitCode.UNDECIDED


class WaitTimeoutError(ClientError):
    """A run did not end within the time that was given for waiting; it goes on."""

    exit_code = ExitCode.UNDECIDED


class UnexpectedAnswerError(ClientError):
    """What answered is not Quilate, or of a version that this client does not understand."""

    exit_code = ExitCode.UNDECIDED


class ServiceError(ClientError):
    """The service refused a request.

    Attributes:
        status: HTTP status.
        problem: The problem document (RFC 9457), empty where the answer held none.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        detail = str(problem.get("detail") or problem.get("title") or f"the service answered with status {status}")
        detail += "".join(f"; {each}" for each in _named(problem.get("errors")))
        super().__init__(detail, next_step=str(problem.get("next_step") or ""))
        self.status = status
        self.problem = dict(problem)

    @property
    def type(self) -> str:
        """The kind of problem: the last part of its address, for example ``queue-full``."""
        return str(self.problem.get("type", "")).rstrip("/").rsplit("/", 1)[-1]


class NotAuthenticatedError(ServiceError):
    """401: nobody is logged in, or the token is not valid (any more)."""


class ForbiddenError(ServiceError):
    """403: the permission is missing."""


class NotFoundError(ServiceError):
    """404 or 410: there is no such thing, or not any more, or the caller may not know of it."""


class ConflictError(ServiceError):
    """409, 412 or 428: something else happened meanwhile."""


class InvalidRequestError(ServiceError):
    """400, 413, 415 or 422: the request cannot be carried out as it is."""


class TooManyRequestsError(ServiceError):
    """429, still after the patience: a limit or a full queue."""

    exit_code = ExitCode.UNDECIDED


class ServiceFaultError(ServiceError):
    """5xx: a fault of the service, or it has no database at the moment."""

    exit_code = ExitCode.UNDECIDED


_CLASSES: Mapping[int, type[ServiceError]] = {
    400: InvalidRequestError,
    401: NotAuthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    428: ConflictError,
    429: TooManyRequestsError,
}


def _named(errors: Any) -> list[str]:
    """Return what a problem document names as wrong, part by part."""
    found = [each for each in errors if isinstance(each, Mapping)] if isinstance(errors, list) else []
    lines = []
    for each in found[:_MOST_NAMED]:
        place = each.get("pointer") or each.get("parameter") or each.get("header") or ""
        lines.append(": ".join(str(part) for part in (place, each.get("detail") or each.get("message")) if part))
    return [line for line in lines if line]


def error_of(status: int, problem: Mapping[str, Any]) -> ServiceError:
    """Return the error of an answer."""
    if status >= 500:  # noqa: PLR2004 - the service's own faults
        return ServiceFaultError(status, problem)
    return _CLASSES.get(status, ServiceError)(status, problem)
