"""The one state that a change names by ``If-Match``."""

import re

from quilate.kit.web.conditional import require_match
from quilate.kit.web.problems import Problem

_ONE = re.compile(r'\s*"([\x21\x23-\x7e]{1,200})"\s*\Z')


def named_tag(if_match: str | None, *, any_state: bool = True) -> str | None:
    """Return the entity tag that a request names, without quotes; ``None`` for any state (``*``).

    Args:
        if_match: The header.
        any_state: ``*`` is taken; without it the caller has to say what it saw.

    Raises:
        Problem: 428, there is no header, or ``*`` where that is not enough; 412, it can name no state.
    """
    if if_match is not None and if_match.strip() == "*" and any_state:
        return None
    if if_match is None or if_match.strip() == "*":
        require_match(None, "")
    match = _ONE.match(if_match or "")
    if match is None:
        raise Problem(
            status=412,
            type="precondition-failed",
            detail="If-Match names no single state",
            next_step="send the ETag that the answer to your GET carried",
        )
    return match[1]
