"""Bitbucket Cloud: build status, Code Insights report with annotations, one comment.

Bitbucket Data Center speaks another API in all of these (paths, versions of comments, insights) and is not served.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from quilate.accounts.model import Role
from quilate.connectors.forges.calls import Calls, RefusedError
from quilate.connectors.forges.delivering import (
    ForgeConnector,
    PostedComment,
    Repository,
    only_administrators,
    require_settings,
    required_secret,
)
from quilate.connectors.forges.markdown import render_comment
from quilate.connectors.forges.report import Judged, State, located, plain
from quilate.deliveries.connector import DeliveryContext, DeliveryError, ReportedFinding, SecretSpec

_BATCH = 100
_MOST_ANNOTATIONS = 1_000
_LONGEST_KEY = 40
_LONGEST_DESCRIPTION = 255
_LONGEST_TITLE = 450
_LONGEST_DETAILS = 2_000
_LONGEST_COMMENT = 32_000
_MOST_PAGES = 100
_NOT_FOUND = 404
_REPORT_ATTEMPTS = 3
_STATES = {
    State.PENDING: "INPROGRESS",
    State.PASSED: "SUCCESSFUL",
    State.CANCELLED: "STOPPED",
    State.SUPERSEDED: "STOPPED",
}
_SEVERITIES = {"critical": "CRITICAL", "high": "HIGH", "medium": "MEDIUM"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BitbucketSettings:
    """Which repository is told what.

    Attributes:
        repository: ``workspace/name``.
        base_url: Of the API.
        context: Name of the build status and the report.
        comment: Keep one comment in each pull request.
        annotations: Write a Code Insights report with the findings.
        user: E-mail address of the account that an API token belongs to; empty with a repository access token.
    """

    repository: str
    base_url: str = "https://api.bitbucket.org/2.0"
    context: str = "quilate"
    comment: bool = True
    annotations: bool = True
    user: str = ""

    def __post_init__(self) -> None:
        require_settings(self.base_url, self.repository)


class Bitbucket(ForgeConnector):
    """Tells Bitbucket Cloud."""

    type: ClassVar[str] = "bitbucket"
    summary: ClassVar[str] = "Build status, Code Insights report and pull-request comment at Bitbucket Cloud"
    settings: ClassVar[Any] = BitbucketSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="Repository access token with repository:write and pullrequest:write"),
    )

    async def open(self, context: DeliveryContext) -> Repository:
        """Return the repository."""
        token = required_secret(context, "token")
        user = context.settings.user
        basic = base64.b64encode(f"{user}:{token}".encode()).decode()
        calls = Calls(
            http=context.http,
            forge="Bitbucket",
            base_url=context.settings.base_url.rstrip("/"),
            headers={"authorization": f"Basic {basic}" if user else f"Bearer {token}"},
            scopes="repository:write and pullrequest:write",
            secrets=(token,),
        )
        return BitbucketRepository(context, calls)


class BitbucketRepository(Repository):
    """A repository at Bitbucket Cloud."""

    longest_comment = _LONGEST_COMMENT

    async def _root(self) -> str:
        """Return the repository's path: by its id where an event has told it, so that a new name does not matter."""
        known = await self.context.remembered("repository-id")
        workspace, _, name = self.settings.repository.partition("/")
        return f"/repositories/{workspace}/{quote(known, safe='') if known else name}"

    async def identity(self) -> str:
        """Return the repository's id."""
        return (await self.calls.call("GET", await self._root())).text("uuid")

    async def publish(self, run: Judged, *, newest: bool) -> str:
        """Set the commit's build status, and its report once there is a verdict."""
        del newest
        body = {
            "key": _key(run.context),
            "name": plain(run.context, _LONGEST_DESCRIPTION),
            "state": _STATES.get(run.state, "FAILED"),
            "description": run.described(_LONGEST_DESCRIPTION),
            "url": run.report.url,
        }
        commit = f"{await self._root()}/commit/{run.commit}"
        answer = await self.calls.call("POST", f"{commit}/statuses/build", body)
        if self.settings.annotations and run.report.verdict and run.state.final:
            await self._report(run, f"{commit}/reports/{_key(run.context)}")
        return answer.text("uuid") or answer.text("key")

    async def _report(self, run: Judged, path: str) -> None:
        for _ in range(_REPORT_ATTEMPTS):
            try:
                return await self._replace_report(run, path)
            except RefusedError as refused:
                if refused.status != _NOT_FOUND:
                    raise
                # Another run of this commit, told at the same time, has taken the report away in between.
                missing = refused
        raise missing

    async def _replace_report(self, run: Judged, path: str) -> None:
        try:
            # What an earlier run of the commit found is taken back with its report.
            await self.calls.call("DELETE", path)
        except RefusedError as refused:
            if refused.status != _NOT_FOUND:
                raise
        await self.calls.call("PUT", path, _report(run))
        places = [each for each in map(_annotation, range(_MOST_ANNOTATIONS), run.report.findings) if each]
        for begin in range(0, len(places), _BATCH):
            await self.calls.call("POST", f"{path}/annotations", places[begin : begin + _BATCH])

    async def comments(self, number: int) -> Sequence[PostedComment]:
        """Return the pull request's comments that were not deleted."""
        found = await self._pages(f"{await self._root()}/pullrequests/{number}/comments?pagelen=100&sort=created_on")
        return [
            PostedComment(id=str(each["id"]), body=str((each.get("content") or {}).get("raw") or ""))
            for each in found
            if not each.get("deleted")
        ]

    async def _pages(self, following: str) -> list[Any]:
        """Return the members of all pages of a list, as Bitbucket links them."""
        found: list[Any] = []
        for _ in range(_MOST_PAGES):
            answer = await self.calls.call("GET", following)
            data = answer.data if isinstance(answer.data, dict) else {}
            found.extend(self.calls.members(data.get("values")))
            if not data.get("next"):
                break
            following = self.calls.same_origin(str(data["next"]))
        return found

    async def role_of(self, login: str) -> Role | None:
        """Look for an account by its id among those that may write; Bitbucket tells them to administrators.

        Source: https://developer.atlassian.com/cloud/bitbucket/rest/api-group-workspaces/ ("List a repository
        permissions for a workspace": effective permissions ``read``, ``write`` and ``admin``).
        """
        workspace, _, name = (await self._root()).removeprefix("/repositories/").partition("/")
        writers = quote('permission>"read"', safe="")
        try:
            found = await self._pages(
                f"/workspaces/{workspace}/permissions/repositories/{name}?q={writers}&pagelen=100"
            )
        except RefusedError as refused:
            raise only_administrators(refused, "Bitbucket") from refused
        granted = {each.get("permission") for each in found if login and login in _account(each)}
        if "admin" in granted:
            return Role.REVIEWER
        return Role.DEVELOPER if "write" in granted else None

    def comment_body(self, run: Judged) -> str:
        """Return the comment's Markdown; Bitbucket shows HTML comments, but no definition of a link."""
        project, key = run.report.project, self.comment_key(run)
        head = f"[//]: # (quilate:comment:{project})\n[//]: # (quilate:key:{key})"
        return render_comment(run, key, self.longest_comment, head=head)

    async def create_comment(self, number: int, body: str) -> str:
        """Write a comment."""
        path = f"{await self._root()}/pullrequests/{number}/comments"
        return (await self.calls.call("POST", path, {"content": {"raw": body}})).text("id")

    async def edit_comment(self, number: int, comment: str, body: str) -> None:
        """Rewrite a comment."""
        path = f"{await self._root()}/pullrequests/{number}/comments/{comment}"
        await self.calls.call("PUT", path, {"content": {"raw": body}})

    async def delete_comment(self, number: int, comment: str) -> None:
        """Take back a comment."""
        await self.calls.call("DELETE", f"{await self._root()}/pullrequests/{number}/comments/{comment}")

    async def probe(self) -> str:
        """Read the repository and the scopes that Bitbucket names beside it."""
        answer = await self.calls.call("GET", await self._root())
        named = answer.headers.get("x-oauth-scopes", "")
        scopes = set(re.split(r"[,\s]+", named)) - {""}
        missing = [
            wanted
            for wanted, enough in (
                ("repository:write", {"repository:write", "repository:admin", "write:repository:bitbucket"}),
                ("pullrequest:write", {"pullrequest:write", "write:pullrequest:bitbucket"}),
            )
            if scopes and not scopes & enough
        ]
        if missing:
            raise DeliveryError(
                f"Bitbucket has not granted {' and '.join(missing)}",
                next_step="make a repository access token with both",
                permanent=True,
            )
        return f"the token reaches {self.settings.repository}"


def _account(permission: dict[str, Any]) -> set[str]:
    """Return the ids of the account that a permission is of."""
    user = permission.get("user")
    return {str(user[key]) for key in ("account_id", "uuid") if user.get(key)} if isinstance(user, dict) else set()


def _key(context: str) -> str:
    """Return what Bitbucket knows a status or report by: no more than 40 characters, for paths too."""
    plain_key = re.sub(r"[^A-Za-z0-9_.-]", "-", context)
    if plain_key == context and len(context) <= _LONGEST_KEY:
        return context
    return f"{plain_key[:23]}-{hashlib.sha256(context.encode()).hexdigest()[:16]}"


def _report(run: Judged) -> dict[str, Any]:
    report = run.report
    passed = sum(check.result == "pass" for check in report.checks)
    return {
        "title": plain(run.context, _LONGEST_TITLE),
        "details": plain(" ".join((report.headline, *report.reasons, report.what_if)), _LONGEST_DETAILS),
        "report_type": "BUG",
        "reporter": "Quilate",
        "result": "PASSED" if run.state is State.PASSED else "FAILED",
        "link": report.url,
        "data": [
            {"title": "Verdict", "type": "TEXT", "value": report.verdict},
            {"title": "Checks passed", "type": "NUMBER", "value": passed},
            {"title": "Checks", "type": "NUMBER", "value": len(report.checks)},
            {"title": "Findings", "type": "NUMBER", "value": report.findings_total},
            {"title": "Waivers used", "type": "NUMBER", "value": len(report.waivers)},
        ],
    }


def _annotation(number: int, finding: ReportedFinding) -> dict[str, Any] | None:
    place = located(finding)
    if place is None:
        return None
    path, line = place
    return {
        "external_id": f"quilate-{number:04d}-{finding.fingerprint[:32]}",
        "annotation_type": "BUG",
        "path": path,
        "line": line,
        "summary": plain(f"{finding.rule}: {finding.message}", _LONGEST_TITLE),
        "details": plain(finding.fix or finding.message, _LONGEST_DETAILS) or "no details",
        "severity": _SEVERITIES.get(finding.severity, "LOW"),
    }
