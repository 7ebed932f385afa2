"""Small ticket systems over real HTTP: they keep issues and take only what the providers' documentation allows.

Each is an ``Answer`` for ``tests.support.receivers.receiver``. Documentation: https://docs.github.com/rest/issues,
https://docs.gitlab.com/api/issues/ and https://developer.atlassian.com/cloud/jira/platform/rest/v3/.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from quilate.connectors.tickets.github_issues import GitHubIssues, GitHubIssuesSettings
from quilate.connectors.tickets.gitlab_issues import GitLabIssues, GitLabIssuesSettings
from quilate.connectors.tickets.jira import Jira, JiraSettings
from quilate.deliveries.connector import Connector
from tests.support.forge_servers.shapes import shapes_of
from tests.support.receivers import Received, Reply

TOKEN = "token-of-the-connection"  # noqa: S105 - of a server that exists for a test
USER = "quilate@acme.test"


@dataclass(slots=True, kw_only=True)
class KeptTicket:
    """A ticket as the provider keeps it.

    Attributes:
        text: Markdown, or for Jira the JSON of its document.
        moves: Every change of its state, in their order.
    """

    number: str
    title: str
    text: str
    labels: list[str]
    is_open: bool = True
    comments: list[str] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class TicketServer:
    """What the servers have in common.

    Attributes:
        published: Name of the provider's published shapes, where there are any.
        tickets: In the order in which they were opened.
        fault: Answers instead of the server, where it gives something.
    """

    connector: ClassVar[type[Connector]]
    secrets: ClassVar[Mapping[str, str]] = {"token": TOKEN}
    published: ClassVar[str] = ""
    tickets: list[KeptTicket] = field(default_factory=list)
    fault: Callable[[Received], Reply | None] = field(default=lambda _: None)

    def settings(self, url: str, *, undecided: bool = False) -> Any:
        """Return settings that lead to this server."""
        raise NotImplementedError

    def authorized(self, request: Received) -> bool:
        """Tell whether a request has the right credentials."""
        raise NotImplementedError

    def handled(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """Answer a request that has the right credentials."""
        raise NotImplementedError

    def wrong(self, request: Received, path: str) -> str:
        """Return what a body has that the provider's published description does not, where there is one."""
        shapes = shapes_of(self.published) if self.published and request.method != "GET" else []
        fitting = [each for each in shapes if each.matches(request.method, path)]
        problems = [problem for each in fitting for problem in each.problems(request.json())]
        return "; ".join(problems) or ("" if fitting or not shapes else "there is no such request")

    def __call__(self, request: Received) -> Reply:
        """Answer a request."""
        if (faulty := self.fault(request)) is not None:
            return faulty
        if not self.authorized(request):
            return reply({"message": "Bad credentials"}, 401)
        parts = urlsplit(request.path)
        if wrong := self.wrong(request, parts.path):
            return reply({"message": f"not as published: {wrong}"}, 400)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = request.json() if request.body else {}
        try:
            return self.handled(request.method, parts.path, query, body)
        except (AssertionError, KeyError) as error:
            return reply({"message": f"not as documented: {error!r}"}, 400)

    def kept(self, number: str) -> KeptTicket | None:
        """Return a ticket."""
        return next((each for each in self.tickets if each.number == number), None)

    def close_by_hand(self) -> None:
        """Close all tickets as a person would."""
        for each in self.tickets:
            each.is_open = False

    def opened(self, number: str, title: str, text: str, labels: list[str]) -> KeptTicket:
        """Keep a new ticket."""
        self.tickets.append(KeptTicket(number=number, title=title, text=text, labels=labels))
        return self.tickets[-1]


def reply(document: Any, status: int = 200) -> Reply:
    """Return a document as an answer."""
    return Reply(status=status, body=json.dumps(document).encode())


def _only(body: Mapping[str, Any], /, **kinds: type) -> None:
    unknown = {name for name, value in body.items() if not isinstance(value, kinds.get(name, ()))}
    assert not unknown, f"not documented: {unknown}"


class GitHubServer(TicketServer):
    """The issues of ``acme/fraud`` at GitHub."""

    connector = GitHubIssues
    published = "github-issues"

    def settings(self, url: str, *, undecided: bool = False) -> Any:
        """Return settings that lead to this server."""
        return GitHubIssuesSettings(repository="acme/fraud", base_url=url, undecided=undecided)

    def authorized(self, request: Received) -> bool:
        """Tell whether a request has the right credentials."""
        assert request.headers["x-github-api-version"] == "2022-11-28"
        return request.headers.get("authorization") == f"Bearer {TOKEN}"

    def handled(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """Answer as the documentation says."""
        match = re.fullmatch(r"/repos/acme/fraud(/issues(?:/(\d+)(/comments)?)?)?", path)
        if match is None:
            return reply({"message": "Not Found"}, 404)
        part, number, comments = match.groups()
        if part is None:
            return reply({"full_name": "acme/fraud"})
        if number is None:
            return self._listed(query) if method == "GET" else self._created(body)
        ticket = self.kept(number)
        if ticket is None:
            return reply({"message": "Not Found"}, 404)
        if comments:
            _only(body, body=str)
            ticket.comments.append(body["body"])
            return reply({"id": len(ticket.comments)}, 201)
        if method == "PATCH":
            _only(body, title=str, body=str, state=str, state_reason=str)
            self._edited(ticket, body)
        return reply(self._shown(ticket))

    def _listed(self, query: Mapping[str, str]) -> Reply:
        state, size, page = query.get("state", "open"), int(query.get("per_page", "30")), int(query.get("page", "1"))
        found = [each for each in reversed(self.tickets) if each.is_open or state != "open"]
        found = [each for each in found if not query.get("labels") or query["labels"] in each.labels]
        return reply([self._shown(each) for each in found[(page - 1) * size : page * size]])

    def _created(self, body: Any) -> Reply:
        _only(body, title=str, body=str, labels=list)
        ticket = self.opened(str(len(self.tickets) + 1), body["title"], body["body"], body["labels"])
        return reply(self._shown(ticket), 201)

    @staticmethod
    def _edited(ticket: KeptTicket, body: Mapping[str, Any]) -> None:
        ticket.title, ticket.text = body.get("title", ticket.title), body.get("body", ticket.text)
        if "state" in body:
            assert body["state_reason"] in {"completed", "not_planned", "duplicate", "reopened"}
            ticket.is_open = body["state"] == "open"
            ticket.moves.append(f"{body['state']} {body['state_reason']}")

    @staticmethod
    def _shown(ticket: KeptTicket) -> dict[str, Any]:
        state = "open" if ticket.is_open else "closed"
        shown = {"number": int(ticket.number), "title": ticket.title, "body": ticket.text or None, "state": state}
        return {**shown, "pull_request": {"url": "…"}} if "pull" in ticket.labels else shown


class GitLabServer(TicketServer):
    """The issues of ``acme/fraud`` at GitLab."""

    connector = GitLabIssues

    def settings(self, url: str, *, undecided: bool = False) -> Any:
        """Return settings that lead to this server."""
        return GitLabIssuesSettings(repository="acme/fraud", base_url=url, undecided=undecided)

    def authorized(self, request: Received) -> bool:
        """Tell whether a request has the right credentials."""
        return request.headers.get("private-token") == TOKEN

    def handled(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """Answer as the documentation says."""
        match = re.fullmatch(r"/api/v4/projects/acme%2Ffraud(/issues(?:/(\d+)(/notes)?)?)?", path)
        if match is None:
            return reply({"message": "404 Project Not Found"}, 404)
        part, number, notes = match.groups()
        if part is None:
            return reply({"path_with_namespace": "acme/fraud"})
        if number is None:
            return self._listed(query) if method == "GET" else self._created(body)
        ticket = self.kept(number)
        if ticket is None:
            return reply({"message": "404 Not found"}, 404)
        if notes:
            _only(body, body=str)
            ticket.comments.append(body["body"])
            return reply({"id": len(ticket.comments)}, 201)
        if method == "PUT":
            _only(body, title=str, description=str, state_event=str)
            ticket.title, ticket.text = body.get("title", ticket.title), body.get("description", ticket.text)
            if "state_event" in body:
                assert body["state_event"] in {"close", "reopen"}
                ticket.is_open = body["state_event"] == "reopen"
                ticket.moves.append(body["state_event"])
        return reply(self._shown(ticket))

    def _listed(self, query: Mapping[str, str]) -> Reply:
        assert query["in"] in {"title", "description", "title,description"}
        found = [each for each in reversed(self.tickets) if each.is_open or query.get("state") != "opened"]
        found = [each for each in found if query["labels"] in each.labels and query["search"] in each.text]
        return reply([self._shown(each) for each in found])

    def _created(self, body: Any) -> Reply:
        _only(body, title=str, description=str, labels=str)
        ticket = self.opened(str(len(self.tickets) + 1), body["title"], body["description"], body["labels"].split(","))
        return reply(self._shown(ticket), 201)

    @staticmethod
    def _shown(ticket: KeptTicket) -> dict[str, Any]:
        state = "opened" if ticket.is_open else "closed"
        return {"iid": int(ticket.number), "title": ticket.title, "description": ticket.text, "state": state}


@dataclass(slots=True, kw_only=True)
class JiraServer(TicketServer):
    """The issues of the project ``FRAUD`` in Jira Cloud; ``transitions`` are what its workflow has."""

    connector = Jira
    secrets = {"username": USER, "token": TOKEN}  # noqa: RUF012 - overrides a ClassVar that is never changed
    transitions: Mapping[str, str] = field(default_factory=lambda: {"11": "indeterminate", "31": "done"})

    def settings(self, url: str, *, undecided: bool = False) -> Any:
        """Return settings that lead to this server."""
        return JiraSettings(base_url=url, project="FRAUD", undecided=undecided)

    def authorized(self, request: Received) -> bool:
        """Tell whether a request has the right credentials."""
        login = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        return request.headers.get("authorization") == f"Basic {login}"

    def handled(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """Answer as the documentation says."""
        if path == "/rest/api/3/project/FRAUD":
            return reply({"key": "FRAUD"})
        if (method, path) == ("GET", "/rest/api/3/search/jql"):
            return self._searched(query)
        if (method, path) == ("POST", "/rest/api/3/issue"):
            return self._created(body)
        match = re.fullmatch(r"/rest/api/3/issue/([^/]+)(/comment|/transitions)?", path)
        ticket = self.kept(unquote(match[1])) if match else None
        if match is None or ticket is None:
            return reply({"errorMessages": ["Issue does not exist or you do not have permission to see it."]}, 404)
        return self._issue(method, match[2] or "", ticket, body)

    def _issue(self, method: str, part: str, ticket: KeptTicket, body: Any) -> Reply:
        if part == "/comment":
            _only(body, body=dict)
            ticket.comments.append("\n".join(texts_of(body["body"])))
            return reply({"id": str(len(ticket.comments))}, 201)
        if part == "/transitions" and method == "GET":
            listed = [{"id": each, "to": _status(name)} for each, name in self.transitions.items()]
            return reply({"transitions": listed})
        if part == "/transitions":
            _only(body, transition=dict)
            category = self.transitions[body["transition"]["id"]]
            ticket.is_open = category != "done"
            ticket.moves.append(category)
            return Reply(status=204, body=b"")
        if method == "PUT":
            fields = body["fields"]
            _only(fields, summary=str, description=dict)
            ticket.title, ticket.text = fields["summary"], json.dumps(_document(fields["description"]))
            return Reply(status=204, body=b"")
        return reply({"key": ticket.number, "fields": {"status": _status("new" if ticket.is_open else "done")}})

    def _searched(self, query: Mapping[str, str]) -> Reply:
        form = r'project = "FRAUD" AND labels = "(quilate-[0-9a-f]{32})" AND statusCategory != Done'
        match = re.fullmatch(form, query["jql"])
        if match is None:
            return reply({"errorMessages": ["Error in the JQL Query"]}, 400)
        found = [each for each in self.tickets if each.is_open and match[1] in each.labels]
        return reply({"issues": [{"key": each.number} for each in found[: int(query["maxResults"])]], "isLast": True})

    def _created(self, body: Any) -> Reply:
        fields = body["fields"]
        _only(fields, project=dict, issuetype=dict, summary=str, description=dict, labels=list)
        assert fields["project"] == {"key": "FRAUD"}
        assert not any(" " in label for label in fields["labels"])
        if len(fields["summary"]) > 255 or "\n" in fields["summary"]:
            return reply({"errors": {"summary": "Summary must be less than 255 characters."}}, 400)
        text = json.dumps(_document(fields["description"]))
        ticket = self.opened(f"FRAUD-{len(self.tickets) + 1}", fields["summary"], text, fields["labels"])
        return reply({"id": "10000", "key": ticket.number}, 201)


def _status(category: str) -> dict[str, Any]:
    return {"name": category.title(), "statusCategory": {"key": category}}


def _document(document: Any) -> Any:
    """Return a document of paragraphs that hold plain text and nothing else."""
    assert (document["type"], document["version"]) == ("doc", 1)
    for paragraph in document["content"]:
        assert paragraph["type"] == "paragraph"
        assert all(set(node) == {"type", "text"} and node["type"] == "text" for node in paragraph["content"])
        assert all(node["text"] for node in paragraph["content"]), "Jira refuses empty text nodes"
    return document


def texts_of(document: Any) -> list[str]:
    """Return the texts of a document, one for each paragraph."""
    return ["".join(node["text"] for node in each["content"]) for each in _document(document)["content"]]
