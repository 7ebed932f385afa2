"""What callers of executions are told."""

import math
from uuid import UUID

from quilate.kit.web.problems import Problem
from quilate.sandbox.model import FailureClass

_SOON_SECONDS = 1
_UNAVAILABLE_SECONDS = 30


def unknown_execution(execution_id: UUID) -> Problem:
    """Return the answer to an execution that the project does not have."""
    return Problem(status=404, type="not-found", detail=f"there is no execution {execution_id} in this project")


def queue_full(most: str) -> Problem:
    """Return the answer while as many executions wait as may."""
    return Problem(
        status=429,
        type="queue-full",
        detail=f"{most} executions of this project wait, which is as many as may",
        next_step="wait until some have run, cancel those that nobody needs, or have the quota raised",
        extensions={"class": FailureClass.QUOTA.value},
        headers={"Retry-After": str(_SOON_SECONDS)},
    )


def processor_used_up(wait_seconds: float) -> Problem:
    """Return the answer while a project has used up its processor time."""
    seconds = max(_SOON_SECONDS, math.ceil(wait_seconds))
    return Problem(
        status=429,
        type="quota-exceeded",
        detail="this project has used up its processor time for scripts",
        next_step=f"wait {seconds} s, or have the quota raised",
        extensions={"class": FailureClass.QUOTA.value},
        headers={"Retry-After": str(seconds)},
    )


def no_sandbox(reason: str) -> Problem:
    """Return the answer while no worker may execute scripts since none has a sandbox that is strong enough."""
    return Problem(
        status=503,
        type="sandbox-unavailable",
        detail=f"no worker has a sandbox that is strong enough: {reason}",
        next_step="tell the operators: the log of the script worker says what is missing",
        extensions={"class": FailureClass.UNAVAILABLE.value},
        headers={"Retry-After": str(_UNAVAILABLE_SECONDS)},
    )


def other_request(execution_id: UUID) -> Problem:
    """Return the answer where an ``Idempotency-Key`` comes again with another request."""
    return Problem(
        status=422,
        type="idempotency-mismatch",
        detail="this Idempotency-Key named another execution",
        next_step="take a new key for a new execution",
        extensions={"execution": str(execution_id)},
    )


def has_ended(execution_id: UUID, status: str) -> Problem:
    """Return the answer where an execution that has ended is to be cancelled."""
    return Problem(
        status=409,
        type="conflict",
        detail=f"the execution {execution_id} has ended already: {status}",
    )


def not_dead(execution_id: UUID) -> Problem:
    """Return the answer where something is to be replayed that is no dead letter."""
    return Problem(
        status=409,
        type="conflict",
        detail=f"the execution {execution_id} is no dead letter",
        next_step="what failed after its last retry is replayed, or an export that was given up; submit the rest",
    )


def no_data(execution_id: UUID, part: str) -> Problem:
    """Return the answer where an execution has no such data."""
    return Problem(
        status=404,
        type="not-found",
        detail=f"the execution {execution_id} has no {part}",
        next_step="its state says whether it has ended, and why there is no result",
    )


def erased(execution_id: UUID, part: str, erasure: UUID) -> Problem:
    """Return the answer where an erasure has taken the data; the erasure is a member of it."""
    return Problem(
        status=410,
        type="gone",
        detail=f"the {part} of the execution {execution_id} was erased",
        next_step="script-erasures says to administrators of the project when it was asked for, and why",
        extensions={"erasure": str(erasure)},
    )


def not_kept(execution_id: UUID, part: str) -> Problem:
    """Return the answer where data was there once and its time is over."""
    return Problem(
        status=410,
        type="gone",
        detail=f"the {part} of the execution {execution_id} is not kept any more",
        next_step="execute the version again; script-retention says how long contents are kept",
    )
