"""Lists of the service, page by page as they are asked for."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from quilate.client.transport import Transport

Item = TypeVar("Item")


class _Page(msgspec.Struct):
    items: list[Any]
    next_cursor: str = ""


def items_of(
    transport: Transport, path: str, form: type[Item], query: Mapping[str, Any] | None = None
) -> Iterator[Item]:
    """Yield the items of a list as dataclasses.

    Raises:
        ServiceError: The service refused it.
    """
    words = {**(query or {}), "limit": 200}
    cursor = ""
    while True:
        answer = transport.request("GET", path, query={**words, "cursor": cursor or None})
        page = transport.convert(answer, _Page)
        for item in page.items:
            yield msgspec.convert(item, form)
        cursor = page.next_cursor
        if not cursor:
            return
