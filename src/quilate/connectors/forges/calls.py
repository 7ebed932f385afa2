"""Requests to a forge: whatever comes back is an answer of the documented kind, or an error that says what to do."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from quilate.connectors.forges.report import plain
from quilate.deliveries.connector import DeliveryError
from quilate.kit.outgoing.http import OutgoingAnswer, OutgoingError, OutgoingHttp

_LONGEST_REASON = 300
_MOST_PAGES = 100
_SECONDARY_SECONDS = 60.0
_PASSING = frozenset({408, 409, 423, 425})
_UNKNOWN_COMMIT = re.compile(
    r"no commit found|commit\S* (does )?not (exist|found)|sha (does|could) not|object does not exist", re.IGNORECASE
)
_NEXT_PAGE = re.compile(r"<([^<>]+)>\s*;[^,]*\brel=\"?next\"?")


class UnknownCommitError(DeliveryError):
    """The repository does not hold the commit."""


class RefusedError(DeliveryError):
    """The forge answered that it will not do this; ``status`` says why it says so."""

    def __init__(self, message: str, *, status: int, next_step: str = "", permanent: bool = True) -> None:
        super().__init__(message, next_step=next_step, permanent=permanent)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a forge answered.

    Attributes:
        data: The document; ``None`` where there is none.
        headers: Names in lower case.
        recorded: A dry run made it up.
    """

    data: Any
    headers: Mapping[str, str]
    recorded: bool = False

    def text(self, name: str) -> str:
        """Return a member of the document as text; empty where there is none."""
        value = self.data.get(name) if isinstance(self.data, dict) else None
        return "" if value is None else str(value)


@dataclass(slots=True, kw_only=True)
class Calls:
    """Sends requests to one forge.

    Attributes:
        http: The connection's door to the world.
        forge: Its name in messages.
        base_url: What paths are put behind, without a slash at its end.
        headers: Of every request, the credentials among them.
        scopes: What to grant where it forbids something, as the forge names it.
        secrets: Never shown, whatever the forge answers.
    """

    http: OutgoingHttp
    forge: str
    base_url: str
    scopes: str
    headers: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Return the answer to a request.

        Raises:
            DeliveryError: It was not carried out.
        """
        url = path if path.startswith(f"{self.base_url}/") else f"{self.base_url}{path}"
        try:
            answer = await self.http.request(method, url, headers=self.headers, json_body=body)
        except OutgoingError as error:
            raise DeliveryError(error.message, next_step=error.next_step, permanent=error.permanent) from error
        if answer.recorded:
            return Answer(data={}, headers={}, recorded=True)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - the statuses of success
            raise self._failure(answer)
        return Answer(data=self._document(answer), headers=answer.headers)

    async def pages(self, path: str) -> list[Any]:
        """Return the members of all pages of a list, following ``Link``.

        Raises:
            DeliveryError: A page did not come.
        """
        found: list[Any] = []
        following = path
        for _ in range(_MOST_PAGES):
            answer = await self.call("GET", following)
            found.extend(self.members(answer.data))
            match = _NEXT_PAGE.search(answer.headers.get("link", ""))
            if match is None:
                break
            following = self.same_origin(match.group(1))
        return found

    def members(self, data: Any) -> list[Any]:
        """Return a list of objects as the forge answered it.

        Raises:
            DeliveryError: It is none.
        """
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            raise DeliveryError(f"{self.forge} answered with something else than a list")
        return data

    def same_origin(self, url: str) -> str:
        """Return the address of a further page.

        Raises:
            DeliveryError: It leads elsewhere, where the credentials have no business.
        """
        ours, theirs = urlsplit(self.base_url), urlsplit(url)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise DeliveryError(
                f"{self.forge} leads to another host for further pages",
                next_step="set the base URL that it calls itself by",
                permanent=True,
            )
        return f"{self.base_url}{theirs.path.removeprefix(ours.path)}{f'?{theirs.query}' if theirs.query else ''}"

    def _document(self, answer: OutgoingAnswer) -> Any:
        if not answer.content.strip():
            return None
        try:
            return json.loads(answer.content)
        except ValueError:
            kind = plain(answer.headers.get("content-type", "no type"), 60)
            raise DeliveryError(
                f"{self.forge} answered {answer.status} with {kind} instead of JSON",
                next_step="see whether the base URL is that of the API",
            ) from None

    def _failure(self, answer: OutgoingAnswer) -> DeliveryError:
        reason = self._reason(answer)
        pause = retry_after(answer, reason)
        if pause is not None:
            return DeliveryError(f"{self.forge} limits the rate of requests", retry_after_seconds=pause)
        if _UNKNOWN_COMMIT.search(reason):
            return UnknownCommitError(
                f"{self.forge} does not know the commit: {reason}",
                next_step="the branch was deleted or force-pushed; the next run says where it stands",
                permanent=True,
            )
        status = answer.status
        if status >= 500 or status in _PASSING:  # noqa: PLR2004 - the first status of the server's own errors
            after = _seconds(answer.headers.get("retry-after", ""))
            return DeliveryError(f"{self.forge} answered {status}: {reason}", retry_after_seconds=after)
        return RefusedError(f"{self.forge} answered {status}: {reason}", status=status, next_step=self._step(status))

    def _step(self, status: int) -> str:
        steps = {
            401: f"the token is revoked, expired or wrong: store a new one with {self.scopes}",
            403: f"grant the token {self.scopes}",
            404: f"see whether the repository is spelled right and the token reaches it with {self.scopes}",
            410: "comments or issues are switched off there: switch the comment off in the connection",
        }
        return steps.get(status, "correct the connection, then replay the delivery")

    def _reason(self, answer: OutgoingAnswer) -> str:
        try:
            reason = _explained(json.loads(answer.content))
        except ValueError:
            reason = ""
        for secret in self.secrets:
            reason = reason.replace(secret, "***") if secret else reason
        return plain(reason, _LONGEST_REASON) or plain(answer.headers.get("content-type", "no reason given"), 60)


def retry_after(answer: OutgoingAnswer, reason: str) -> float | None:
    """Return how long a forge asks to be left alone; nothing where it says no such thing."""
    if answer.status not in {403, 429}:
        return None
    headers = answer.headers
    asked = _seconds(headers.get("retry-after", ""))
    if asked is not None:
        return asked
    remaining = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining", ""))
    reset = _seconds(headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", "")))
    if reset is not None and remaining == "0":
        return max(reset - time.time(), 1.0)
    limited = answer.status == 429 or "rate limit" in reason.lower()  # noqa: PLR2004 - Too Many Requests
    return _SECONDARY_SECONDS if limited else None


def _seconds(text: str) -> float | None:
    return float(text) if re.match(r"\A[0-9]{1,12}(\.[0-9]+)?\Z", text.strip()) else None


def _explained(document: Any) -> str:
    """Return the words of an error document, in whichever of the providers' shapes it is."""
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return "; ".join(filter(None, (_explained(each) for each in document)))
    if not isinstance(document, dict):
        return ""
    names = ("message", "error", "error_description", "detail", "errors", "field", "code")
    return "; ".join(filter(None, (_explained(document.get(name)) for name in names)))
