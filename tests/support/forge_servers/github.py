"""GitHub's REST API as far as verdicts need it, for tokens and for apps.

Pages: https://docs.github.com/rest (checks/runs, commits/statuses, issues/comments, code-scanning, apps/apps).
"""

# ruff: noqa: ARG002 - all routes have one signature

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

import jwt

from tests.support.forge_servers.server import ForgeServer, Reply, Request, Route, Status

_REPOSITORY = r"/repos/([^/]+/[^/]+)"
APP_ID = "77"
INSTALLATION = "900"
_PERMISSIONS = {"admin", "write", "read", "none"}


@dataclass(slots=True, kw_only=True)
class CheckRun:
    """A check run with all the annotations that it was given."""

    id: int
    fields: dict[str, Any]
    annotations: list[dict[str, Any]] = field(default_factory=list)


class GitHubServer(ForgeServer):
    """GitHub; ``public_key`` makes it know an app, whose installation tokens count up."""

    provider: ClassVar[str] = "github"
    prefix: ClassVar[str] = "/api/v3"

    def __init__(self, *, token: str = "", public_key: bytes = b"") -> None:
        self.public_key = public_key
        self.installation_tokens: set[str] = set()
        self.issued: list[dict[str, Any]] = []
        self.checks: dict[int, CheckRun] = {}
        self.sarifs: list[dict[str, Any]] = []
        self.granted = {"checks": "write", "pull_requests": "write", "metadata": "read", "security_events": "write"}
        self.suspended = False
        self.expires_at = "2099-01-01T00:00:00Z"
        super().__init__(token=token)

    def routes(self) -> list[tuple[str, str, Route]]:
        return [
            ("GET", _REPOSITORY, self._repository),
            ("GET", rf"{_REPOSITORY}/installation", self._installation),
            ("POST", r"/app/installations/(\d+)/access_tokens", self._issue),
            ("POST", rf"{_REPOSITORY}/statuses/([^/]+)", self._status),
            ("POST", rf"{_REPOSITORY}/check-runs", self._create_check),
            ("GET", rf"{_REPOSITORY}/check-runs/(\d+)", self._read_check),
            ("PATCH", rf"{_REPOSITORY}/check-runs/(\d+)", self._update_check),
            ("GET", rf"{_REPOSITORY}/commits/([^/]+)/check-runs", self._list_checks),
            ("GET", rf"{_REPOSITORY}/issues/(\d+)/comments", self._comments),
            ("POST", rf"{_REPOSITORY}/issues/(\d+)/comments", self._create_comment),
            ("PATCH", rf"{_REPOSITORY}/issues/comments/(\d+)", self._edit_comment),
            ("DELETE", rf"{_REPOSITORY}/issues/comments/(\d+)", self._delete_comment),
            ("POST", rf"{_REPOSITORY}/code-scanning/sarifs", self._sarif),
            ("GET", rf"{_REPOSITORY}/collaborators/([^/]+)/permission", self._permission),
        ]

    def admits(self, request: Request) -> bool:
        assert request.headers.get("user-agent"), "GitHub refuses requests without a user agent"
        credentials = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.path.startswith("/app/") or request.path.endswith("/installation"):
            return self._is_app(credentials)
        return credentials in self.installation_tokens or (bool(self.token) and credentials == self.token)

    def _is_app(self, credentials: str) -> bool:
        try:
            claims = jwt.decode(credentials, self.public_key, algorithms=["RS256"])
        except jwt.PyJWTError:
            return False
        return bool(claims["iss"] == APP_ID and claims["exp"] - claims["iat"] <= 600)

    def moved(self, request: Request) -> Reply | None:
        rest = re.sub(r"\A/repositories/4711", f"/repos/{self.repository}", request.path)
        for name in self.former:
            if rest.startswith(f"/repos/{name}/") or rest == f"/repos/{name}":
                target = f"{self.base_url}/repositories/4711{rest.removeprefix(f'/repos/{name}')}"
                query = "&".join(f"{key}={value}" for key, value in request.query.items())
                location = f"{target}?{query}" if query else target
                return Reply(status=301, document={"message": "Moved Permanently"}, headers={"location": location})
        if rest != request.path:
            moved = Request(
                method=request.method, path=rest, query=request.query, headers=request.headers, body=request.body
            )
            return self._routed(moved)
        return None

    def _refused(self, found: re.Match[str]) -> Reply | None:
        if found[1].lower() != self.repository.lower():
            return self.refusal(404, "Not Found")
        return None if self.may_write else self.refusal(403, "Resource not accessible by personal access token")

    def _repository(self, request: Request, found: re.Match[str]) -> Reply:
        if found[1].lower() != self.repository.lower():
            return self.refusal(404, "Not Found")
        granted = {"pull": True, "push": self.may_write, "admin": False}
        return Reply(document={"id": 4711, "full_name": self.repository, "permissions": granted})

    def _permission(self, request: Request, found: re.Match[str]) -> Reply:
        if found[1].lower() != self.repository.lower() or unquote(found[2]) not in self.people:
            return self.refusal(404, f"{found[2]} is not a user")
        if not self.tells_roles:
            return self.refusal(403, "Must have push access to view collaborator permission.")
        role = self.people[unquote(found[2])]
        permission = {"maintain": "write", "triage": "read"}.get(role, role if role in _PERMISSIONS else "read")
        return Reply(document={"permission": permission, "role_name": role, "user": {"login": found[2]}})

    def _installation(self, request: Request, found: re.Match[str]) -> Reply:
        if found[1].lower() != self.repository.lower():
            return self.refusal(404, "Not Found")
        suspended = "2026-01-01T00:00:00Z" if self.suspended else None
        granted = self.granted if self.may_write else {"metadata": "read"}
        return Reply(document={"id": int(INSTALLATION), "permissions": granted, "suspended_at": suspended})

    def _issue(self, request: Request, found: re.Match[str]) -> Reply:
        wanted = request.body.get("permissions", {})
        own = self.repository.rpartition("/")[2]
        if request.body.get("repositories", [own]) != [own] or request.body.get("repository_ids", [4711]) != [4711]:
            return self.refusal(422, "There is at least one repository that does not exist or is not accessible.")
        if found[1] != INSTALLATION or any(self.granted.get(name) != level for name, level in wanted.items()):
            return self.refusal(422, "The permissions requested are not granted to this installation.")
        token = f"ghs_{len(self.issued)}"
        self.installation_tokens.add(token)
        self.issued.append(request.body)
        return Reply(status=201, document={"token": token, "expires_at": self.expires_at, "permissions": wanted})

    def _status(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        body = request.body
        if found[2] not in self.commits:
            return self.refusal(422, f"No commit found for SHA: {found[2]}")
        if len(body.get("description", "")) > 140:
            return self.refusal(422, "description is too long (maximum is 140 characters)")
        self._say(found[2], body["context"], body["state"], body["description"], body["target_url"])
        return Reply(status=201, document={"id": 1, "url": f"{self.base_url}{request.path}"})

    def _say(self, commit: str, name: str, state: str, description: str, url: str) -> None:
        said = Status(commit=commit, name=name, state=state, description=description, url=url)
        self.statuses.append(said)

    def state(self, commit: str, name: str = "quilate") -> str:
        """Return the last made check's state where there are checks: that is the one that GitHub asks for."""
        for check in reversed(self.checks.values()):
            if (check.fields["head_sha"], check.fields["name"]) == (commit, name):
                return str(check.fields.get("conclusion") or check.fields["status"])
        return ForgeServer.state(self, commit, name)

    def description(self, commit: str) -> str:
        for check in reversed(self.checks.values()):
            if check.fields["head_sha"] == commit:
                return str(check.fields["output"]["title"])
        return ForgeServer.description(self, commit)

    def _create_check(self, request: Request, found: re.Match[str]) -> Reply:
        if not request.headers["authorization"].startswith("Bearer ghs_"):
            return self.refusal(403, "You must authenticate via a GitHub App.")
        refused = self._refused(found)
        if refused is not None:
            return refused
        if request.body["head_sha"] not in self.commits:
            return self.refusal(422, f"No commit found for SHA: {request.body['head_sha']}")
        self._next += 1
        check = self.checks[self._next] = CheckRun(id=self._next, fields={})
        return Reply(status=201, document=self._updated(check, request.body))

    def _update_check(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        return Reply(document=self._updated(self.checks[int(found[2])], request.body))

    def _updated(self, check: CheckRun, body: dict[str, Any]) -> dict[str, Any]:
        fields = {name: value for name, value in body.items() if name != "output"}
        output = dict(body.get("output", {}))
        check.annotations += output.pop("annotations", [])
        check.fields |= {**fields, "output": output}
        return self._shown(check)

    def _shown(self, check: CheckRun) -> dict[str, Any]:
        output = {**check.fields["output"], "annotations_count": len(check.annotations)}
        return {**check.fields, "id": check.id, "output": output}

    def _read_check(self, request: Request, found: re.Match[str]) -> Reply:
        check = self.checks.get(int(found[2]))
        return Reply(document=self._shown(check)) if check else self.refusal(404, "Not Found")

    def _list_checks(self, request: Request, found: re.Match[str]) -> Reply:
        name = request.query.get("check_name")
        chosen = [
            self._shown(each)
            for each in self.checks.values()
            if each.fields["head_sha"] == found[2] and name in {None, each.fields["name"]}
        ]
        return Reply(document={"total_count": len(chosen), "check_runs": chosen})

    def _comments(self, request: Request, found: re.Match[str]) -> Reply:
        chosen = [
            {"id": each.id, "body": each.body, "user": {"login": "quilate" if each.ours else "mallory"}}
            for each in self.comments.values()
            if each.number == int(found[2])
        ]
        return self.paged(request, chosen)

    def _create_comment(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        if len(request.body["body"]) > 65_536:
            return self.refusal(422, "body is too long (maximum is 65536 characters)")
        made = self.add_comment(int(found[2]), request.body["body"], ours=True)
        return Reply(status=201, document={"id": made, "body": request.body["body"]})

    def _edit_comment(self, request: Request, found: re.Match[str]) -> Reply:
        comment = self.comments.get(int(found[2]))
        if comment is None:
            return self.refusal(404, "Not Found")
        if len(request.body["body"]) > 65_536:
            return self.refusal(422, "body is too long (maximum is 65536 characters)")
        # Whoever may push may rewrite anybody's comment.
        comment.body = request.body["body"]
        return Reply(document={"id": comment.id, "body": comment.body})

    def _delete_comment(self, request: Request, found: re.Match[str]) -> Reply:
        return Reply(status=204) if self.comments.pop(int(found[2]), None) else self.refusal(404, "Not Found")

    def _sarif(self, request: Request, found: re.Match[str]) -> Reply:
        if self.granted.get("security_events") != "write":
            return self.refusal(403, "Advanced Security must be enabled for this repository to use code scanning.")
        self.sarifs.append(request.body)
        return Reply(status=202, document={"id": f"sarif-{len(self.sarifs)}", "url": f"{self.base_url}{request.path}"})
