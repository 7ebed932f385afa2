"""Gitea's REST API as far as verdicts need it. Pages: https://docs.gitea.com/api, https://codeberg.org/api/swagger."""

# ruff: noqa: ARG002 - all routes have one signature

import re
from typing import ClassVar
from urllib.parse import unquote

from tests.support.forge_servers.server import ForgeServer, Reply, Request, Route, Status

_REPOSITORY = r"/repos/([^/]+/[^/]+)"


class GiteaServer(ForgeServer):
    """Gitea."""

    provider: ClassVar[str] = "gitea"
    prefix: ClassVar[str] = "/api/v1"

    def routes(self) -> list[tuple[str, str, Route]]:
        return [
            ("GET", _REPOSITORY, self._repository),
            ("POST", rf"{_REPOSITORY}/statuses/([^/]+)", self._status),
            ("GET", rf"{_REPOSITORY}/issues/(\d+)/comments", self._comments),
            ("POST", rf"{_REPOSITORY}/issues/(\d+)/comments", self._create_comment),
            ("PATCH", rf"{_REPOSITORY}/issues/comments/(\d+)", self._edit_comment),
            ("DELETE", rf"{_REPOSITORY}/issues/comments/(\d+)", self._delete_comment),
            ("GET", rf"{_REPOSITORY}/collaborators/([^/]+)/permission", self._permission),
        ]

    def admits(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"token {self.token}"

    def moved(self, request: Request) -> Reply | None:
        for name in self.former:
            if re.match(rf"/repos/{name}(/|\Z)", request.path):
                target = f"{self.prefix}{request.path.replace(name, self.repository, 1)}"
                return Reply(status=307, headers={"location": target})
        return None

    def _repository(self, request: Request, found: re.Match[str]) -> Reply:
        if found[1].lower() != self.repository.lower():
            return self.refusal(404, "The target couldn't be found.")
        granted = {"admin": False, "push": self.may_write, "pull": True}
        return Reply(document={"id": 4711, "full_name": self.repository, "permissions": granted})

    def _permission(self, request: Request, found: re.Match[str]) -> Reply:
        if found[1].lower() != self.repository.lower() or unquote(found[2]) not in self.people:
            return self.refusal(404, "user does not exist")
        if not self.tells_roles:
            return self.refusal(
                403, "Only admins can query all permissions, repo admins can query all repo permissions"
            )
        permission = self.people[unquote(found[2])]
        return Reply(document={"permission": permission, "role_name": permission, "user": {"login": found[2]}})

    def _refused(self, found: re.Match[str]) -> Reply | None:
        if found[1].lower() != self.repository.lower():
            return self.refusal(404, "The target couldn't be found.")
        return None if self.may_write else self.refusal(403, "token does not have at least one of required scope(s)")

    def _status(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        body = request.body
        if body["state"] not in {"pending", "success", "error", "failure", "warning"}:
            return self.refusal(400, "unknown state")
        if found[2] not in self.commits:
            return self.refusal(404, f"object does not exist [id: {found[2]}, rel_path: ]")
        said = Status(
            commit=found[2],
            name=body["context"],
            state=body["state"],
            description=body["description"],
            url=body["target_url"],
        )
        self.statuses.append(said)
        return Reply(status=201, document={"id": len(self.statuses), "url": f"{self.base_url}{request.path}"})

    def _comments(self, request: Request, found: re.Match[str]) -> Reply:
        # This list has no pages.
        chosen = [{"id": each.id, "body": each.body} for each in self.comments.values() if each.number == int(found[2])]
        return Reply(document=chosen)

    def _create_comment(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        made = self.add_comment(int(found[2]), request.body["body"], ours=True)
        return Reply(status=201, document={"id": made, "body": request.body["body"]})

    def _edit_comment(self, request: Request, found: re.Match[str]) -> Reply:
        comment = self.comments.get(int(found[2]))
        if comment is None:
            return self.refusal(404, "The target couldn't be found.")
        # Whoever may write to the repository may rewrite anybody's comment.
        comment.body = request.body["body"]
        return Reply(document={"id": comment.id, "body": comment.body})

    def _delete_comment(self, request: Request, found: re.Match[str]) -> Reply:
        return Reply(status=204) if self.comments.pop(int(found[2]), None) else self.refusal(404, "not found")
