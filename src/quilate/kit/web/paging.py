"""Lists in pages: opaque cursors, ``limit`` and the ``Link`` header (RFC 8288)."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from fastapi import Query
from starlette.requests import Request

from quilate.kit.canonical import canonical_json
from quilate.kit.web.problems import Problem

LARGEST_PAGE = 200
DEFAULT_PAGE = 50
LONGEST_CURSOR = 1024

Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Entries of a page at most.")]
Cursor = Annotated[str, Query(max_length=LONGEST_CURSOR, description="Place that the page before led to.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """One page of a list; ``cursor`` leads to the next one and is empty on the last."""

    items: Sequence[Row]
    cursor: str = ""


def encode_cursor(*place: Any) -> str:
    """Return a place as text: the base64url of its canonical JSON. It is no secret and grants nothing."""
    return base64.urlsafe_b64encode(canonical_json(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str, form: type[Row]) -> Row | None:
    """Return the place of a cursor, ``None`` for the empty one of the first page.

    Args:
        cursor: As ``encode_cursor`` gave it.
        form: The tuple type that it holds, for example ``tuple[datetime, UUID]``.

    Raises:
        Problem: 422, it is none that this list gave out.
    """
    if not cursor:
        return None
    try:
        if len(cursor) > LONGEST_CURSOR or not cursor.isascii():
            raise ValueError("no cursor")  # noqa: TRY301 - one answer to every way of being wrong
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(content, type=form)
        # Another text for the same place would be a second name of one page; a number beyond 2^53 has no text at all.
        values = place if isinstance(place, tuple) else (place,)
        same = encode_cursor(*values) == cursor
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise _malformed() from error
    if not same or "\0" in str(values) or "\\x00" in repr(values):
        raise _malformed()
    return place


def _malformed() -> Problem:
    return Problem(
        status=422,
        type="invalid-cursor",
        detail="the cursor is none that this list gave out",
        next_step="begin again without a cursor, and follow the Link headers",
        extensions={"errors": [{"pointer": "#/cursor", "in": "query", "detail": "no cursor of this list"}]},
    )


def cut_page(rows: Sequence[Row], limit: int, place: Any) -> Page[Row]:
    """Return a page of rows that were asked for with ``limit + 1``.

    Args:
        rows: At most one more than the page holds.
        limit: Rows of the page.
        place: Gives the place of a row as a tuple.
    """
    if len(rows) <= limit:
        return Page(items=rows)
    kept = rows[:limit]
    return Page(items=kept, cursor=encode_cursor(*place(kept[-1])))


def next_link(request: Request, cursor: str) -> dict[str, str]:
    """Return the ``Link`` header to the next page, nothing on the last; its address is relative to the host."""
    if not cursor:
        return {}
    words = [(name, value) for name, value in parse_qsl(request.url.query, keep_blank_values=True) if name != "cursor"]
    address = quote(request.url.path, safe="/:@!$&'()*+,;=~-._")
    return {"Link": f'<{address}?{urlencode([*words, ("cursor", cursor)])}>; rel="next"'}
