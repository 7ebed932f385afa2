"""Jira Cloud.

Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/ (issue search by JQL at ``/search/jql``, create,
edit, comments, transitions) and https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/ (the
Atlassian Document Format: text nodes hold no markup). Rights: Browse, Create, Edit, Add comments and Transition issues
in one project.
"""

import base64
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from quilate.connectors.answers import json_object, require_success
from quilate.connectors.tickets.tickets import LABEL, Ticket, TicketConnector
from quilate.deliveries.connector import DeliveryContext, DeliveryError, Outcome, SecretSpec
from quilate.kit.outgoing.http import OutgoingAnswer

_GONE = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class JiraSettings:
    """Where tickets are opened.

    Attributes:
        base_url: For example ``https://acme.atlassian.net``.
        project: The project's key.
        issue_type: Name of the issue type.
        undecided: Open tickets for verdicts that are UNKNOWN too.
    """

    base_url: str
    project: str
    issue_type: str = "Bug"
    undecided: bool = False


class Jira(TicketConnector):
    """Opens issues."""

    type: ClassVar[str] = "jira"
    summary: ClassVar[str] = "An issue in Jira Cloud for what is rejected, moved to done on approval"
    settings: ClassVar[Any] = JiraSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="username", meaning="e-mail address of the account that the token belongs to"),
        SecretSpec(name="token", meaning="API token of an account with rights in the one project"),
    )

    def system(self, context: DeliveryContext) -> "JiraTickets":
        """Return Jira as the connection reaches it."""
        return JiraTickets(context)

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Read the project."""
        await JiraTickets(context).call("GET", f"/project/{quote(context.settings.project, safe='')}")
        return Outcome(summary=f"{context.settings.project} is reachable")


class JiraTickets:
    """The issues of one project."""

    def __init__(self, context: DeliveryContext) -> None:
        self._context = context
        self._settings: JiraSettings = context.settings
        self._base = f"{self._settings.base_url.rstrip('/')}/rest/api/3"

    async def call(self, method: str, path: str, body: Any = None, *, gone: bool = False) -> OutgoingAnswer:
        """Return an answer of the API; with ``gone`` also that there is no such thing."""
        login = f"{self._context.secret('username')}:{self._context.secret('token')}".encode()
        headers = {"authorization": f"Basic {base64.b64encode(login).decode()}"}
        answer = await self._context.http.request(method, f"{self._base}{path}", headers=headers, json_body=body)
        return answer if gone and answer.status == _GONE else require_success(answer, what="Jira")

    async def find(self, marker: str) -> str | None:
        """Return the open issue with a marker's label: unlike words of a text, a label is matched exactly."""
        project = self._settings.project.replace("\\", "\\\\").replace('"', '\\"')
        jql = f'project = "{project}" AND labels = "{label_of(marker)}" AND statusCategory != Done'
        query = urlencode({"jql": jql, "fields": "status", "maxResults": "1"})
        found = _objects(json_object(await self.call("GET", f"/search/jql?{query}"), what="Jira").get("issues"))
        return str(found[0].get("key", "")) if found else None

    async def create(self, ticket: Ticket) -> str:
        """Open an issue."""
        fields = {
            "project": {"key": self._settings.project},
            "issuetype": {"name": self._settings.issue_type},
            "summary": ticket.title,
            "description": document(ticket),
            "labels": [LABEL, label_of(ticket.marker)],
        }
        return str(json_object(await self.call("POST", "/issue", {"fields": fields}), what="Jira").get("key", ""))

    async def update(self, number: str, ticket: Ticket) -> bool:
        """Write an open issue anew."""
        if not await self._is_open(number):
            return False
        fields = {"summary": ticket.title, "description": document(ticket)}
        await self.call("PUT", f"/issue/{quote(number, safe='')}", {"fields": fields})
        return True

    async def close(self, number: str, reason: str) -> bool:
        """Move an issue to done with a comment.

        Raises:
            DeliveryError: The workflow has no way from here to done.
        """
        if not await self._is_open(number):
            return False
        place = f"/issue/{quote(number, safe='')}"
        listed = json_object(await self.call("GET", f"{place}/transitions"), what="Jira").get("transitions")
        done = [each for each in _objects(listed) if _category(each.get("to")) == "done"]
        if not done:
            raise DeliveryError(
                f"{number} has no transition to done",
                next_step="add one to the project's workflow, or close it by hand",
                permanent=True,
            )
        await self.call("POST", f"{place}/comment", {"body": _paragraphs([reason])})
        await self.call("POST", f"{place}/transitions", {"transition": {"id": str(done[0].get("id", ""))}})
        return True

    async def _is_open(self, number: str) -> bool:
        read = await self.call("GET", f"/issue/{quote(number, safe='')}?fields=status", gone=True)
        if read.status == _GONE:
            return False
        return _category(_object(json_object(read, what="Jira").get("fields")).get("status")) != "done"


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _category(status: object) -> object:
    return _object(_object(status).get("statusCategory")).get("key")


def label_of(marker: str) -> str:
    """Return a marker as a label."""
    return f"{LABEL}-{marker.rpartition(' ')[2]}"


def document(ticket: Ticket) -> dict[str, Any]:
    """Return a ticket's text in the Atlassian Document Format."""
    return _paragraphs([*ticket.lines, ticket.marker])


def _paragraphs(lines: list[str]) -> dict[str, Any]:
    paragraphs = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines if line.strip()]
    return {"type": "doc", "version": 1, "content": paragraphs}
