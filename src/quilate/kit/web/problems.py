"""Errors on the wire: RFC 9457 problem details."""

from collections.abc import Mapping
from typing import Any


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """An answer that is an error; raised anywhere below an endpoint.

    Attributes:
        status: HTTP status.
        type: Last part of the documentation's address, for example ``not-found``; see ``docs/problems.md``.
        detail: What is wrong with this request, for a person, one sentence without a full stop.
        next_step: What the caller can do, may be empty.
        extensions: Further members of the document.
        headers: Further headers, for example ``Retry-After``.
    """

    def __init__(  # noqa: PLR0913 - the members of a problem document
        self,
        *,
        status: int,
        type: str,  # noqa: A002 - RFC 9457's own word
        detail: str,
        next_step: str = "",
        extensions: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.type = type
        self.detail = detail
        self.next_step = next_step
        self.extensions = dict(extensions or {})
        self.headers = dict(headers or {})
