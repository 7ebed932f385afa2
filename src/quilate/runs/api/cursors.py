"""Places in lists, opaque to those who carry them, and the times that run ids stand for."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from quilate.kit.web.problems import Problem

LARGEST_PAGE = 200
DEFAULT_PAGE = 50
_LONGEST_CURSOR = 1024

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """One page of a list; ``cursor`` leads to the next one and is empty on the last."""

    items: Sequence[Row]
    cursor: str = ""


def encode_cursor(*place: Any) -> str:
    """Return a place as text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str, form: type[Row]) -> Row:
    """Return the place of a cursor.

    Args:
        cursor: As ``encode_cursor`` gave it.
        form: The tuple type that it holds.

    Raises:
        Problem: 422, it is none that this list gave out.
    """
    cursor = cursor[:_LONGEST_CURSOR]
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(content, type=form)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise Problem(
            status=422, type="validation", detail="the cursor is none of this list", next_step="begin without a cursor"
        ) from error


def page_of(rows: Sequence[Row], limit: int, place: Any) -> Page[Row]:
    """Return a page from one row more than it holds; ``place`` maps its last row to a tuple."""
    if len(rows) <= limit:
        return Page(items=rows)
    kept = rows[:limit]
    return Page(items=kept, cursor=encode_cursor(*place(kept[-1])))


def first_id_at(moment: datetime) -> UUID:
    """Return what every run id of ``moment`` or later follows: version 7 UUIDs begin with their milliseconds."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), (1 << 48) - 1)
    return UUID(int=milliseconds << 80)
