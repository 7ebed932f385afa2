"""JSON from strangers: bounded, without duplicate keys, so that no two readers see different documents."""

import json
from typing import Any, NoReturn

MAX_BYTES = 1 << 20


def strict_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in ``content``.

    Raises:
        ValueError: It is too large, not UTF-8, not JSON, nested too deeply, no object, or repeats a key.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES >> 10} KiB")
    return parse_object(content)


def parse_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in ``content``, of any size; for documents whose digest is known.

    Raises:
        ValueError: It is not UTF-8, not JSON, nested too deeply, no object, or repeats a key.
    """
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - one kind of error for all that is wrong with it
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("it repeats a key")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no JSON")
