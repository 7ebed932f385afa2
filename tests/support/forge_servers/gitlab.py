"""GitLab's REST API as far as verdicts need it. Pages: https://docs.gitlab.com/api (commits, notes, projects)."""

# ruff: noqa: ARG002 - all routes have one signature

import re
from typing import ClassVar
from urllib.parse import unquote

from tests.support.forge_servers.server import ForgeServer, Reply, Request, Route, Status

_PROJECT = r"/projects/([^/]+)"
_NOTES = rf"{_PROJECT}/merge_requests/(\d+)/notes"


_LEVELS = {"guest": 10, "reporter": 20, "developer": 30, "maintainer": 40, "owner": 50, "blocked maintainer": 40}


class GitLabServer(ForgeServer):
    """GitLab."""

    provider: ClassVar[str] = "gitlab"
    prefix: ClassVar[str] = "/api/v4"

    def __init__(self, *, token: str) -> None:
        self.scopes = ["api"]
        super().__init__(token=token)

    def routes(self) -> list[tuple[str, str, Route]]:
        return [
            ("GET", "/personal_access_tokens/self", self._token),
            ("GET", _PROJECT, self._project),
            ("POST", rf"{_PROJECT}/statuses/([^/]+)", self._status),
            ("GET", rf"{_PROJECT}/repository/commits/([^/]+)/statuses", self._statuses),
            ("GET", _NOTES, self._notes),
            ("POST", _NOTES, self._create_note),
            ("PUT", rf"{_NOTES}/(\d+)", self._edit_note),
            ("DELETE", rf"{_NOTES}/(\d+)", self._delete_note),
            ("GET", rf"{_PROJECT}/members/all", self._members),
        ]

    def admits(self, request: Request) -> bool:
        return request.headers.get("private-token") == self.token

    def refusal(self, status: int, message: str) -> Reply:
        """Return an error as GitLab words it."""
        return Reply(status=status, document={"message": f"{status} {message}"})

    def moved(self, request: Request) -> Reply | None:
        found = re.match(_PROJECT, request.path)
        if found is None or unquote(found[1]) not in self.former:
            return None
        if request.method != "GET":
            return Reply(status=405, document={"message": "Non GET methods are not allowed for moved projects"})
        target = request.path.replace(found[1], self.repository_id, 1)
        return Reply(status=301, headers={"location": f"{self.base_url}{target}"})

    def _known(self, found: re.Match[str]) -> bool:
        return unquote(found[1]).lower() in {self.repository.lower(), self.repository_id}

    def _refused(self, found: re.Match[str]) -> Reply | None:
        if not self._known(found):
            return self.refusal(404, "Project Not Found")
        return None if self.may_write else self.refusal(403, "Forbidden")

    def _token(self, request: Request, found: re.Match[str]) -> Reply:
        return Reply(document={"id": 1, "active": True, "scopes": self.scopes})

    def _project(self, request: Request, found: re.Match[str]) -> Reply:
        if not self._known(found):
            return self.refusal(404, "Project Not Found")
        level = {"access_level": 30 if self.may_write else 20}
        permissions = {"project_access": level, "group_access": None}
        return Reply(document={"id": 4711, "path_with_namespace": self.repository, "permissions": permissions})

    def _members(self, request: Request, found: re.Match[str]) -> Reply:
        if not self._known(found):
            return self.refusal(404, "Project Not Found")
        if not self.tells_roles:
            return self.refusal(403, "Forbidden")
        # The query finds parts of names, and of other members than the one who is asked for.
        chosen = [
            {
                "id": number,
                "username": name,
                "state": "blocked" if " " in role else "active",
                "access_level": _LEVELS[role],
            }
            for number, (name, role) in enumerate(self.people.items(), 1)
            if request.query.get("query", "") in name
        ]
        return self.paged(request, chosen)

    def _status(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        commit, body = found[2], request.body
        if commit not in self.commits:
            return self.refusal(404, "Commit Not Found")
        if body["state"] == "pending" and self.state(commit, body["name"]) == "pending":
            reason = "Cannot transition status via :enqueue from :pending"
            return Reply(
                status=400, document={"message": f'{reason} (Reason(s): Status cannot transition via "enqueue")'}
            )
        said = Status(
            commit=commit,
            name=body["name"],
            state=body["state"],
            description=body["description"],
            url=body["target_url"],
        )
        self.statuses.append(said)
        return Reply(status=201, document={"id": len(self.statuses), "status": body["state"], "name": body["name"]})

    def _statuses(self, request: Request, found: re.Match[str]) -> Reply:
        chosen = [
            {"id": number, "name": each.name, "status": each.state, "sha": each.commit}
            for number, each in enumerate(self.statuses, 1)
            if each.commit == found[2] and request.query.get("name") in {None, each.name}
        ]
        return self.paged(request, chosen)

    def _notes(self, request: Request, found: re.Match[str]) -> Reply:
        if not self._known(found):
            return self.refusal(404, "Project Not Found")
        chosen = [
            {"id": each.id, "body": each.body, "system": False}
            for each in self.comments.values()
            if each.number == int(found[2])
        ]
        return self.paged(request, chosen if request.query.get("sort") == "asc" else chosen[::-1])

    def _create_note(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        made = self.add_comment(int(found[2]), request.body["body"], ours=True)
        return Reply(status=201, document={"id": made, "body": request.body["body"]})

    def _edit_note(self, request: Request, found: re.Match[str]) -> Reply:
        note = self.comments.get(int(found[3]))
        if note is None or note.number != int(found[2]):
            return self.refusal(404, "Not found")
        if not note.ours:
            return self.refusal(403, "Forbidden")
        note.body = request.body["body"]
        return Reply(document={"id": note.id, "body": note.body})

    def _delete_note(self, request: Request, found: re.Match[str]) -> Reply:
        return Reply(status=204) if self.comments.pop(int(found[3]), None) else self.refusal(404, "Not found")
