"""Why a statement of another issuer is not taken."""

from quilate.kit.web.problems import Problem


class IssuerFaultError(Exception):
    """The issuer cannot be asked for its keys, or answers with something else.

    ``reason`` is one sentence without a full stop that may be shown.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefusedTokenError(Exception):
    """A token that does not count; ``reason`` says why, and never holds what the token says."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def issuer_is_away(fault: IssuerFaultError) -> Problem:
    """Return the answer while the issuer's keys cannot be read."""
    return Problem(
        status=503,
        type="unavailable",
        detail=f"the token's issuer cannot be asked for its keys: {fault.reason}",
        next_step="try again in a few seconds; if it goes on, look whether the service can reach the issuer",
        headers={"Retry-After": "10"},
    )
