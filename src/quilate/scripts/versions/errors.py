"""Refusals of the slice, as problems."""

from collections.abc import Sequence
from uuid import UUID

from quilate.kit.web.problems import Problem
from quilate.scripts.versions.model import ViolationLike
from quilate.scripts.versions.states import TransitionError


class ScriptUnknownError(Problem):
    """The project has no such script, or it was deleted."""

    def __init__(self, script_id: UUID) -> None:
        super().__init__(
            status=404, type="not-found", detail=f"this project has no script {script_id}", next_step="list them"
        )


class VersionUnknownError(Problem):
    """The script has no such version."""

    def __init__(self, name: object) -> None:
        super().__init__(
            status=404,
            type="not-found",
            detail=f"this script has no version {str(name)[:100]!r}",
            next_step="list its versions",
        )


class VersionQuarantinedError(Problem):
    """The version has crashed workers too often and takes no execution."""

    def __init__(self, semver: str) -> None:
        super().__init__(
            status=409,
            type="version-quarantined",
            detail=f"the version {semver} is quarantined: it has crashed workers",
            next_step="correct the script and push another version, or ask somebody with script:approve to release it",
        )


class VersionNotExecutableError(Problem):
    """The version is a draft, under review or retired; or the script has no active one."""

    def __init__(self, detail: str, next_step: str) -> None:
        super().__init__(status=409, type="conflict", detail=detail, next_step=next_step)


class ScriptRejectedError(Problem):
    """The static validation found errors."""

    def __init__(self, violations: Sequence[ViolationLike]) -> None:
        first = violations[0]
        count = "1 error" if len(violations) == 1 else f"{len(violations)} errors"
        super().__init__(
            status=422,
            type="script-rejected",
            detail=f"the script has {count}; {first.rule} in line {first.line}, column {first.column}: {first.message}",
            next_step="correct what errors names",
            extensions={"errors": [_located(each) for each in violations[:100]]},
        )


def _located(violation: ViolationLike) -> dict[str, object]:
    return {
        "pointer": "#/source",
        "in": "body",
        "rule": violation.rule,
        "line": violation.line,
        "column": violation.column,
        "end_line": violation.end_line,
        "end_column": violation.end_column,
        "detail": violation.message,
        "fix": violation.fix,
    }


def invalid(detail: str, next_step: str, pointer: str = "") -> Problem:
    """Return 422."""
    errors = {"errors": [{"pointer": pointer, "in": "body", "detail": detail}]} if pointer else None
    return Problem(status=422, type="invalid-request", detail=detail, next_step=next_step, extensions=errors)


def conflict(detail: str, next_step: str) -> Problem:
    """Return 409."""
    return Problem(status=409, type="conflict", detail=detail, next_step=next_step)


def not_possible(error: TransitionError) -> Problem:
    """Return the answer to an action that a version's state does not allow."""
    return conflict(error.reason, error.next_step)


def not_reviewed_before() -> Problem:
    """Return the answer to a push that is to activate what needs a review: the push as a whole is taken back."""
    return conflict(
        "the version asks for more than the defaults, and nobody can have reviewed it before it is pushed; it was not "
        "stored",
        'push it as a draft (--draft, or "activate": false), then submit it for review '
        "(POST …/versions/{version}/submit)",
    )


def changed_since() -> Problem:
    """Return 412."""
    return Problem(
        status=412,
        type="precondition-failed",
        detail="the script has changed since it was read",
        next_step="read it again and repeat the change with its ETag",
    )


def nobody_else() -> Problem:
    """Return the answer to whoever wants a privileged version in the single-user mode."""
    return conflict(
        "the version asks for more than the defaults, which another person has to approve, and in the single-user mode "
        "there is none",
        "push it with the default limits and engine, perhaps in the mode chunk or group, whose limits are those of "
        "each call; or run the file with quilate script run, with its own limits; or start quilate up with accounts",
    )
