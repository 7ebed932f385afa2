"""A typed client of the service: ``Client`` with projects, runs, blueprints, waivers, schedules, data and audit.

>>> from quilate.client import Client
>>> with Client("https://quilate.example.org", token="ql_…") as client:
...     run = client.runs.submit("ml-service-123", source={"kind": "git", "branch": "main"})
...     print(client.runs.wait("ml-service-123", run.id).verdict)
"""

from quilate.client.client import Client
from quilate.client.errors import (
    ClientError,
    ConflictError,
    ConnectionFailedError,
    ForbiddenError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
    ServiceError,
    ServiceFaultError,
    TooManyRequestsError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)

__all__ = [
    "Client",
    "ClientError",
    "ConflictError",
    "ConnectionFailedError",
    "ForbiddenError",
    "InvalidRequestError",
    "NotAuthenticatedError",
    "NotFoundError",
    "ServiceError",
    "ServiceFaultError",
    "TooManyRequestsError",
    "UnexpectedAnswerError",
    "WaitTimeoutError",
]
