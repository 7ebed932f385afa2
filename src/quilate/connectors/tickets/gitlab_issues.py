"""GitLab issues.

Source: https://docs.gitlab.com/api/issues/ (list with ``labels`` and ``search``, create, edit with ``state_event``) and
https://docs.gitlab.com/api/notes/. Rights: a project access token of the role Reporter with the scope ``api``.
"""

from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from quilate.connectors.answers import json_object, json_objects, require_success
from quilate.connectors.tickets.tickets import LABEL, Ticket, TicketConnector, fenced, holds_marker, plain_block
from quilate.deliveries.connector import DeliveryContext, Outcome, SecretSpec
from quilate.kit.outgoing.http import OutgoingAnswer

_GONE = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLabIssuesSettings:
    """Where tickets are opened.

    Attributes:
        repository: ``group/name`` or a number.
        base_url: Address of the interface, ``https://gitlab.com``; an own GitLab has ``https://HOST``.
        undecided: Open tickets for verdicts that are UNKNOWN too.
    """

    repository: str
    base_url: str = "https://gitlab.com"
    undecided: bool = False


class GitLabIssues(TicketConnector):
    """Opens issues."""

    type: ClassVar[str] = "gitlab-issues"
    summary: ClassVar[str] = "An issue at GitLab for what is rejected, closed on approval"
    settings: ClassVar[Any] = GitLabIssuesSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="project access token, role Reporter, scope api"),
    )

    def system(self, context: DeliveryContext) -> "GitLabTickets":
        """Return GitLab as the connection reaches it."""
        return GitLabTickets(context)

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Read the project."""
        await GitLabTickets(context).call("GET", "")
        return Outcome(summary=f"{context.settings.repository} is reachable")


class GitLabTickets:
    """The issues of one project."""

    def __init__(self, context: DeliveryContext) -> None:
        self._context = context
        settings: GitLabIssuesSettings = context.settings
        self._base = f"{settings.base_url.rstrip('/')}/api/v4/projects/{quote(settings.repository, safe='')}"

    async def call(self, method: str, path: str, body: Any = None, *, gone: bool = False) -> OutgoingAnswer:
        """Return an answer of the API; with ``gone`` also that there is no such thing."""
        headers = {"private-token": self._context.secret("token")}
        answer = await self._context.http.request(method, f"{self._base}{path}", headers=headers, json_body=body)
        return answer if gone and answer.status == _GONE else require_success(answer, what="GitLab")

    async def find(self, marker: str) -> str | None:
        """Return the open issue whose text holds a marker."""
        wanted = quote(marker.rpartition(" ")[2], safe="")
        query = f"?state=opened&labels={LABEL}&in=description&search={wanted}&per_page=100"
        for issue in json_objects(await self.call("GET", f"/issues{query}"), what="GitLab"):
            if holds_marker(issue.get("description"), marker):
                return str(issue.get("iid", ""))
        return None

    async def create(self, ticket: Ticket) -> str:
        """Open an issue."""
        body = {"title": ticket.title, "description": plain_block(ticket), "labels": LABEL}
        return str(json_object(await self.call("POST", "/issues", body), what="GitLab").get("iid", ""))

    async def update(self, number: str, ticket: Ticket) -> bool:
        """Write an open issue anew."""
        if not await self._is_open(number):
            return False
        await self.call("PUT", f"/issues/{number}", {"title": ticket.title, "description": plain_block(ticket)})
        return True

    async def close(self, number: str, reason: str) -> bool:
        """Close an issue with a note."""
        if not await self._is_open(number):
            return False
        await self.call("POST", f"/issues/{number}/notes", {"body": fenced(reason)})
        await self.call("PUT", f"/issues/{number}", {"state_event": "close"})
        return True

    async def _is_open(self, number: str) -> bool:
        read = await self.call("GET", f"/issues/{number}", gone=True)
        return read.status != _GONE and json_object(read, what="GitLab").get("state") == "opened"
