"""Pages of lists: their arguments, where they end, the cursors between them."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import strawberry
from graphql import GraphQLError

from quilate.graphql.context import refused
from quilate.graphql.store import Row
from quilate.kit.web.paging import decode_cursor, encode_cursor
from quilate.kit.web.problems import Problem

_LONGEST_TEXT = 500

First = Annotated[int, strawberry.argument(description="Entries of a page, 1 to 100.")]
After = Annotated[str, strawberry.argument(description="Cursor that the page before ended with.")]


@strawberry.type(description="Where a page ends.")
class PageInfo:
    """Where a page ends."""

    has_next_page: bool
    end_cursor: str


def cut(rows: Sequence[Row], first: int, place: Any) -> tuple[Sequence[Row], PageInfo]:
    """Return the rows of a page, and where it ends; one row more than a page says that there is another."""
    shown = rows[:first]
    more = len(rows) > first
    return shown, PageInfo(has_next_page=more, end_cursor=encode_cursor(*place(shown[-1])) if more else "")


def place_of(cursor: str, form: Any) -> Any:
    """Return the place that a cursor holds; nothing for the first page.

    Raises:
        GraphQLError: It is none of this list.
    """
    try:
        return decode_cursor(cursor, form)
    except Problem as problem:
        raise refused(problem) from problem


def decode_id(cursor: str) -> UUID | None:
    """Return the id that a cursor holds; nothing for the first page."""
    found = place_of(cursor, tuple[UUID])
    return None if found is None else found[0]


def filter_text(text: str | None) -> str | None:
    """Return a text of a filter.

    Raises:
        GraphQLError: It is too long, or no text of the database.
    """
    if text is not None and (len(text) > _LONGEST_TEXT or "\0" in text):
        raise GraphQLError(f"a text in a filter has {_LONGEST_TEXT} characters at most and no NUL")
    return text
