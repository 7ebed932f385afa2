"""The answers of this slice that are errors."""

from uuid import UUID

from quilate.kit.web.problems import Problem


def unauthenticated(detail: str = "this needs a login", *, next_step: str = "") -> Problem:
    """Return the answer to nobody, or nobody valid: it never says which of the two."""
    return Problem(
        status=401,
        type="unauthenticated",
        detail=detail,
        next_step=next_step or "log in with POST /api/v1/auth/login, or send an API token as Authorization: Bearer",
        headers={"WWW-Authenticate": 'Bearer realm="quilate"'},
    )


def forbidden(detail: str, *, next_step: str = "") -> Problem:
    """Return the answer to somebody who may know of a thing but not do it."""
    return Problem(status=403, type="forbidden", detail=detail, next_step=next_step)


def not_found(detail: str, *, next_step: str = "") -> Problem:
    """Return the answer where there is nothing that the caller may know of."""
    return Problem(status=404, type="not-found", detail=detail, next_step=next_step)


def no_project(slug: str) -> Problem:
    """Return the answer where there is no project, or none that the caller may know of: the same for both."""
    return not_found(
        f"there is no project {slug!r}",
        next_step="look for its slug in GET /api/v1/projects; an administrator makes one with POST /api/v1/projects, "
        "and one of the project's makes you a member",
    )


def no_user(user_id: UUID) -> Problem:
    """Return the answer where no such user is."""
    return not_found(f"there is no user {user_id}")


def conflict(detail: str, *, next_step: str = "") -> Problem:
    """Return the answer where the state of things forbids it."""
    return Problem(status=409, type="conflict", detail=detail, next_step=next_step)


def changed_since(version: int) -> Problem:
    """Return the answer to a change that was made over an older state."""
    return Problem(
        status=412,
        type="precondition-failed",
        detail="it was changed since you read it",
        next_step="read it again, and send its ETag as If-Match",
        extensions={"version": version},
        headers={"ETag": f'"{version}"'},
    )


def invalid(detail: str, *, next_step: str = "") -> Problem:
    """Return the answer to a value that is well-formed but not acceptable."""
    return Problem(status=422, type="invalid-request", detail=detail, next_step=next_step)


def too_many_attempts(seconds: int) -> Problem:
    """Return the answer to a login that has to wait."""
    return Problem(
        status=429,
        type="too-many-attempts",
        detail="there were too many failed logins",
        next_step=f"try again in {seconds} seconds",
        headers={"Retry-After": str(seconds)},
    )


def overloaded() -> Problem:
    """Return the answer when more logins wait than can be served soon."""
    return Problem(
        status=503,
        type="unavailable",
        detail="too many logins at once",
        next_step="try again in a few seconds",
        headers={"Retry-After": "2"},
    )


def link_is_void() -> Problem:
    """Return the answer to a one-time link that does not open: it does not say why."""
    return Problem(
        status=410,
        type="gone",
        detail="the link was used, has expired, never was, or was made for another e-mail address",
        next_step="give the address that it was made for, or ask for a new one; for the first administrator, start the "
        "service again",
    )
