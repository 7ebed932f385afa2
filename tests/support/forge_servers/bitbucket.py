"""Bitbucket Cloud's REST API as far as verdicts need it.

Pages: https://developer.atlassian.com/cloud/bitbucket/rest (commit-statuses, reports, pullrequests, repositories).
"""

# ruff: noqa: ARG002 - all routes have one signature

import base64
import re
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.support.forge_servers.server import ForgeServer, Reply, Request, Route, Status

_REPOSITORY = r"/repositories/([^/]+/[^/]+)"
_COMMIT = rf"{_REPOSITORY}/commit/([^/]+)"
_COMMENTS = rf"{_REPOSITORY}/pullrequests/(\d+)/comments"


class BitbucketServer(ForgeServer):
    """Bitbucket Cloud; repositories can be named by their UUID, and a former name is not known any more."""

    provider: ClassVar[str] = "bitbucket"
    prefix: ClassVar[str] = "/2.0"

    def __init__(self, *, token: str, user: str = "") -> None:
        self.user = user
        self.scopes = "repository:write, pullrequest:write"
        self.reports: dict[tuple[str, str], dict[str, Any]] = {}
        self.annotations: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.deleted: set[int] = set()
        self.taken_away = 0
        """So often another run takes a report away before it is annotated."""
        super().__init__(token=token)
        self.repository_id = "{b1f1d5a2-0000-4000-8000-000000004711}"

    def routes(self) -> list[tuple[str, str, Route]]:
        return [
            ("GET", _REPOSITORY, self._repository),
            ("POST", rf"{_COMMIT}/statuses/build", self._status),
            ("PUT", rf"{_COMMIT}/reports/([^/]+)", self._report),
            ("DELETE", rf"{_COMMIT}/reports/([^/]+)", self._delete_report),
            ("POST", rf"{_COMMIT}/reports/([^/]+)/annotations", self._annotate),
            ("GET", _COMMENTS, self._comments),
            ("POST", _COMMENTS, self._create_comment),
            ("PUT", rf"{_COMMENTS}/(\d+)", self._edit_comment),
            ("DELETE", rf"{_COMMENTS}/(\d+)", self._delete_comment),
            ("GET", r"/workspaces/([^/]+)/permissions/repositories/([^/]+)", self._permissions),
        ]

    def admits(self, request: Request) -> bool:
        basic = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        wanted = f"Basic {basic}" if self.user else f"Bearer {self.token}"
        return request.headers.get("authorization") == wanted

    def refusal(self, status: int, message: str) -> Reply:
        """Return an error as Bitbucket words it."""
        return Reply(status=status, document={"type": "error", "error": {"message": message}})

    def moved(self, request: Request) -> Reply | None:
        return None

    def _refused(self, found: re.Match[str]) -> Reply | None:
        workspace, _, slug = unquote(found[1]).partition("/")
        if slug != self.repository_id and f"{workspace}/{slug}".lower() != self.repository.lower():
            return self.refusal(404, f"Repository {found[1]} not found")
        return None if self.may_write else self.refusal(403, "Your credentials lack one or more required scopes.")

    def _repository(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None and refused.status == 404:
            return refused
        scopes = self.scopes if self.may_write else "repository"
        return Reply(
            document={"uuid": self.repository_id, "full_name": self.repository}, headers={"x-oauth-scopes": scopes}
        )

    def _permissions(self, request: Request, found: re.Match[str]) -> Reply:
        workspace, name = self.repository.split("/")
        if found[1] != workspace or unquote(found[2]) not in {name, self.repository_id}:
            return self.refusal(404, f"Repository {found[2]} not found")
        if not self.tells_roles:
            return self.refusal(403, "You must be a repository admin to view permissions.")
        wanted = {"admin", "write"} if request.query.get("q") == 'permission>"read"' else {"admin", "write", "read"}
        chosen = [
            {
                "type": "repository_permission",
                "user": {"account_id": account, "uuid": f"{{{number}}}", "nickname": "ann"},
                "permission": permission,
            }
            for number, (account, permission) in enumerate(self.people.items(), 1)
            if permission in wanted
        ]
        # Pages of one, so that whoever reads only the first is found out.
        page = int(request.query.get("page", "1"))
        document: dict[str, Any] = {"page": page, "pagelen": 1, "values": chosen[page - 1 : page]}
        if page < len(chosen):
            document["next"] = f"{self.base_url}{request.path}?q=permission%3E%22read%22&page={page + 1}"
        return Reply(document=document)

    def _status(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        if found[2] not in self.commits:
            return self.refusal(404, "Commit not found")
        body = request.body
        said = Status(
            commit=found[2], name=body["name"], state=body["state"], description=body["description"], url=body["url"]
        )
        self.statuses.append(said)
        return Reply(status=201, document={**body, "uuid": f"{{status-{len(self.statuses)}}}"})

    def _report(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        self.reports[found[2], found[3]] = request.body
        self.annotations.setdefault((found[2], found[3]), {})
        return Reply(document=request.body)

    def _delete_report(self, request: Request, found: re.Match[str]) -> Reply:
        key = (found[2], found[3])
        self.annotations.pop(key, None)
        return Reply(status=204) if self.reports.pop(key, None) else self.refusal(404, "Report not found")

    def _annotate(self, request: Request, found: re.Match[str]) -> Reply:
        if self.taken_away:
            self.taken_away -= 1
            self._delete_report(request, found)
        kept = self.annotations.get((found[2], found[3]))
        if kept is None:
            return self.refusal(404, "Report not found")
        kept.update({each["external_id"]: each for each in request.body})
        if len(kept) > 1_000:
            return self.refusal(400, "A report can contain up to 1000 annotations.")
        return Reply(document=request.body)

    def _comments(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        chosen = [
            {"id": each.id, "deleted": each.id in self.deleted, "content": {"raw": each.body, "markup": "markdown"}}
            for each in self.comments.values()
            if each.number == int(found[2])
        ]
        size, page = int(request.query.get("pagelen", "10")), int(request.query.get("page", "1"))
        document = {"page": page, "pagelen": size, "values": chosen[(page - 1) * size : page * size]}
        if page * size < len(chosen):
            document["next"] = f"{self.base_url}{request.path}?pagelen={size}&page={page + 1}"
        return Reply(document=document)

    def _create_comment(self, request: Request, found: re.Match[str]) -> Reply:
        refused = self._refused(found)
        if refused is not None:
            return refused
        raw = request.body["content"]["raw"]
        if len(raw) > 32_768:
            return self.refusal(400, "content: Ensure this value has at most 32768 characters")
        made = self.add_comment(int(found[2]), raw, ours=True)
        return Reply(status=201, document={"id": made, "content": {"raw": raw}})

    def _edit_comment(self, request: Request, found: re.Match[str]) -> Reply:
        comment = self.comments.get(int(found[3]))
        if comment is None or comment.id in self.deleted:
            return self.refusal(404, "Comment not found")
        if not comment.ours:
            return self.refusal(403, "You cannot edit this comment.")
        comment.body = request.body["content"]["raw"]
        return Reply(document={"id": comment.id})

    def _delete_comment(self, request: Request, found: re.Match[str]) -> Reply:
        return Reply(status=204) if self.comments.pop(int(found[3]), None) else self.refusal(404, "Comment not found")
