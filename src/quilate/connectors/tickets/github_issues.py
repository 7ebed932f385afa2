"""GitHub issues.

Source: https://docs.github.com/rest/issues/issues (list by label, create, update with ``state_reason``) and
https://docs.github.com/rest/issues/comments. Rights of a fine-grained token: Issues, read and write, of one repository.
"""

from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from quilate.connectors.answers import json_object, json_objects, require_success
from quilate.connectors.tickets.tickets import LABEL, Ticket, TicketConnector, fenced, holds_marker, plain_block
from quilate.deliveries.connector import DeliveryContext, Outcome, SecretSpec
from quilate.kit.outgoing.http import OutgoingAnswer

_GONE = frozenset({404, 410})
_MOST_PAGES = 10
_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubIssuesSettings:
    """Where tickets are opened.

    Attributes:
        repository: ``owner/name``.
        base_url: Address of the interface, ``https://api.github.com``; GitHub Enterprise Server has ``https://HOST/api/v3``.
        undecided: Open tickets for verdicts that are UNKNOWN too.
    """

    repository: str
    base_url: str = "https://api.github.com"
    undecided: bool = False


class GitHubIssues(TicketConnector):
    """Opens issues."""

    type: ClassVar[str] = "github-issues"
    summary: ClassVar[str] = "An issue at GitHub for what is rejected, closed on approval"
    settings: ClassVar[Any] = GitHubIssuesSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="fine-grained token with Issues: read and write, of the one repository"),
    )

    def system(self, context: DeliveryContext) -> "GitHubTickets":
        """Return GitHub as the connection reaches it."""
        return GitHubTickets(context)

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Read the repository."""
        await GitHubTickets(context).call("GET", "")
        return Outcome(summary=f"{context.settings.repository} is reachable")


class GitHubTickets:
    """The issues of one repository."""

    def __init__(self, context: DeliveryContext) -> None:
        self._context = context
        settings: GitHubIssuesSettings = context.settings
        self._base = f"{settings.base_url.rstrip('/')}/repos/{quote(settings.repository, safe='/')}"

    async def call(self, method: str, path: str, body: Any = None, *, gone: bool = False) -> OutgoingAnswer:
        """Return an answer of the API; with ``gone`` also that there is no such thing."""
        headers = {
            "authorization": f"Bearer {self._context.secret('token')}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        answer = await self._context.http.request(method, f"{self._base}{path}", headers=headers, json_body=body)
        return answer if gone and answer.status in _GONE else require_success(answer, what="GitHub")

    async def find(self, marker: str) -> str | None:
        """Return the open issue whose text holds a marker."""
        for page in range(1, _MOST_PAGES + 1):
            query = f"?state=open&labels={LABEL}&per_page={_PAGE}&page={page}"
            listed = json_objects(await self.call("GET", f"/issues{query}"), what="GitHub")
            for issue in listed:
                if "pull_request" not in issue and holds_marker(issue.get("body"), marker):
                    return str(issue.get("number", ""))
            if len(listed) < _PAGE:
                return None
        return None

    async def create(self, ticket: Ticket) -> str:
        """Open an issue."""
        body = {"title": ticket.title, "body": plain_block(ticket), "labels": [LABEL]}
        return str(json_object(await self.call("POST", "/issues", body), what="GitHub").get("number", ""))

    async def update(self, number: str, ticket: Ticket) -> bool:
        """Write an open issue anew."""
        if not await self._is_open(number):
            return False
        await self.call("PATCH", f"/issues/{number}", {"title": ticket.title, "body": plain_block(ticket)})
        return True

    async def close(self, number: str, reason: str) -> bool:
        """Close an issue with a comment."""
        if not await self._is_open(number):
            return False
        await self.call("POST", f"/issues/{number}/comments", {"body": fenced(reason)})
        await self.call("PATCH", f"/issues/{number}", {"state": "closed", "state_reason": "completed"})
        return True

    async def _is_open(self, number: str) -> bool:
        read = await self.call("GET", f"/issues/{number}", gone=True)
        return read.status not in _GONE and json_object(read, what="GitHub").get("state") == "open"
