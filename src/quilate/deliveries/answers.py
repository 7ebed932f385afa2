"""What a provider's answer means for a delivery: done, to be tried again, or for a person."""

import email.utils
import time
from typing import Any

from quilate.deliveries.connector import DeliveryError
from quilate.kit.outgoing.http import OutgoingAnswer

_LONGEST_SHOWN = 200
_LONGEST_PAUSE_SECONDS = 86_400.0
_RETRIED = frozenset({408, 409, 423, 425, 429})
_AUTHENTICATION = frozenset({401, 403})


def require_success(answer: OutgoingAnswer, *, what: str = "the receiver") -> OutgoingAnswer:
    """Return an answer of the 2xx kind.

    Raises:
        DeliveryError: It is another one; the error says whether trying again can help, and when.
    """
    if answer.recorded or 200 <= answer.status < 300:  # noqa: PLR2004 - the statuses that mean success
        return answer
    pause = retry_after(answer)
    if answer.status in _AUTHENTICATION and pause is None:
        raise DeliveryError(
            f"{what} refused the credentials ({answer.status})",
            next_step="set a token that is valid and has the rights that the connector's page lists, then replay it",
            permanent=True,
        )
    permanent = answer.status < 500 and answer.status not in _RETRIED and pause is None  # noqa: PLR2004 - as above
    raise DeliveryError(
        f"{what} answered {answer.status}{_said(answer)}",
        next_step="look at what it says, correct the connection, then replay it" if permanent else "",
        permanent=permanent,
        retry_after_seconds=pause,
    )


def retry_after(answer: OutgoingAnswer) -> float | None:
    """Return how many seconds the receiver asks to be left alone: ``Retry-After``, or a rate limit that is used up.

    No more than a day, whatever it asks for.

    Source: RFC 9110, section 10.2.3; docs.github.com "Rate limits for the REST API" (``x-ratelimit-remaining``,
    ``x-ratelimit-reset``); GitLab sends ``RateLimit-Remaining`` and ``RateLimit-Reset``.
    """
    given = answer.headers.get("retry-after", "").strip()
    if _is_number(given):
        return min(float(given), _LONGEST_PAUSE_SECONDS)
    if given:
        return _until(_moment_of(given))
    for prefix in ("x-ratelimit", "ratelimit"):
        if answer.headers.get(f"{prefix}-remaining") == "0" and answer.status in {403, 429}:
            reset = answer.headers.get(f"{prefix}-reset", "")
            return _until(float(reset)) if _is_number(reset) else None
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _moment_of(text: str) -> float | None:
    try:
        parts = email.utils.parsedate_tz(text)
        return email.utils.mktime_tz(parts) if parts is not None else None
    except (ValueError, OverflowError):
        return None


def _until(moment: float | None) -> float | None:
    return None if moment is None else min(max(moment - time.time(), 1.0), _LONGEST_PAUSE_SECONDS)


def json_object(answer: OutgoingAnswer, *, what: str = "the receiver") -> dict[str, Any]:
    """Return the object that was answered.

    Raises:
        DeliveryError: It is something else.
        OutgoingError: It is no JSON.
    """
    document = answer.json()
    if not isinstance(document, dict):
        raise DeliveryError(f"{what} answered {answer.status} with something else than an object")
    return document


def json_objects(answer: OutgoingAnswer, *, what: str = "the receiver") -> list[dict[str, Any]]:
    """Return the objects that were answered.

    Raises:
        DeliveryError: It is something else.
        OutgoingError: It is no JSON.
    """
    document = answer.json()
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        raise DeliveryError(f"{what} answered {answer.status} with something else than a list of objects")
    return document


def _said(answer: OutgoingAnswer) -> str:
    """Return the beginning of what was answered, where it is meant for machines."""
    if "json" not in answer.headers.get("content-type", "") and "text/plain" not in answer.headers.get(
        "content-type", ""
    ):
        return ""
    said = answer.content[: _LONGEST_SHOWN * 4].decode("utf-8", "replace")
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())[:_LONGEST_SHOWN]
    return f": {text}" if text else ""
