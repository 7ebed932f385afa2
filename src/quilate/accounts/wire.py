"""What the routes of this slice share: pages, problem answers, entity tags."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from quilate.kit.web.answers import problem_responses
from quilate.kit.web.paging import Page, cut_page, decode_cursor

Row = TypeVar("Row")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documented problem answers of a route that needs a login."""
    return problem_responses(*{401, 403, 422, 429, 503, *statuses})


def public_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documented problem answers of a route that needs none."""
    return problem_responses(*{422, 429, 503, *statuses})


def place_of(cursor: str) -> UUID | None:
    """Return the id that a cursor names, ``None`` for the first page."""
    place = decode_cursor(cursor, tuple[UUID])
    return place[0] if place is not None else None


def page_of(rows: Sequence[Row], limit: int, id_of: Callable[[Row], UUID]) -> Page[Row]:
    """Return a page of rows that were asked for with one more than it holds."""
    return cut_page(rows, limit, lambda row: (id_of(row),))
