"""From what a caller asks for to a ``Submission``: pure, and the only place where a source is read."""

import math
from collections.abc import Mapping
from typing import Any

from quilate.accounts.model import Principal
from quilate.kit.web.problems import Problem
from quilate.runs.durable.model import Idempotency

LONGEST_PARAMETERS = 32
"""Nesting of parameters at most."""

LARGEST_INTEGER = 2**53 - 1
LONGEST_KEY = 255


def refuse(detail: str, next_step: str = "", *, field: str = "") -> Problem:
    """Return the problem of a request that cannot be carried out as it is."""
    extensions = {"errors": [{"pointer": f"#/{field.replace('.', '/')}", "detail": detail}]} if field else {}
    return Problem(status=422, type="invalid-request", detail=detail, next_step=next_step, extensions=extensions)


def is_storable(text: str) -> bool:
    """Tell whether a database takes a text: no NUL and no half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text))


def checked_parameters(parameters: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """Return parameters that can be stored and digested.

    Raises:
        Problem: 422, they hold what JSON databases or canonical JSON cannot hold, or are nested too deeply.
    """
    _check_value(parameters, depth)
    return parameters


def _check_value(value: Any, depth: int) -> None:
    if depth > LONGEST_PARAMETERS:
        raise refuse("the parameters are nested too deeply", "flatten them", field="parameters")
    if isinstance(value, str):
        if not is_storable(value):
            raise refuse("a parameter holds a character that cannot be stored", "leave it out", field="parameters")
    elif isinstance(value, int | float):
        if not is_exact(value):
            raise refuse("a parameter is no number, or one beyond 2^53", "write it as text", field="parameters")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _check_value(key, depth + 1)
            _check_value(inner, depth + 1)
    elif value is not None:
        for inner in value:
            _check_value(inner, depth + 1)


def is_exact(number: float) -> bool:
    """Tell whether a number means the same in every JSON reader."""
    if isinstance(number, int):
        return -LARGEST_INTEGER <= number <= LARGEST_INTEGER
    return math.isfinite(number)


def idempotency_of(principal: Principal, key: str | None) -> Idempotency | None:
    """Return the name of a submission that came with an ``Idempotency-Key``.

    Raises:
        Problem: 422, the key is empty, too long or not printable ASCII.
    """
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise refuse(
            f"Idempotency-Key has to be 1 to {LONGEST_KEY} printable ASCII characters", field="Idempotency-Key"
        )
    return Idempotency(source=f"api:{principal.actor}", id=key)
