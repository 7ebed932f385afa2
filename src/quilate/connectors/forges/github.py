"""GitHub and GitHub Enterprise Server: check run or commit status, one comment, SARIF to code scanning.

Only an app may make check runs; with a fine-grained token the verdict is a commit status.
"""

import base64
import gzip
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from quilate.accounts.model import Role
from quilate.connectors.forges.calls import Calls, RefusedError
from quilate.connectors.forges.delivering import (
    ForgeConnector,
    PostedComment,
    Repository,
    require_settings,
    required_secret,
)
from quilate.connectors.forges.github_app import (
    InstallationToken,
    TokenWish,
    installation,
    installation_token,
    statement,
)
from quilate.connectors.forges.markdown import summary
from quilate.connectors.forges.report import Judged, State, located, plain
from quilate.deliveries.connector import (
    DeliveredEvent,
    DeliveryContext,
    DeliveryError,
    Outcome,
    ReportedFinding,
    SecretSpec,
)

_API_VERSION = "2022-11-28"
_BATCH = 50
_UNAUTHORIZED, _NOT_FOUND = 401, 404
_LONGEST_DESCRIPTION = 140
_LONGEST_OUTPUT = 65_535
_LONGEST_COMMENT = 65_536
_LONGEST_MESSAGE = 4_000
_LARGEST_SARIF = 10_000_000
_STATUSES = {State.PENDING: "pending", State.PASSED: "success", State.FAILED: "failure"}
# A required check that ended as neutral lets a request be merged; one that requires action does not.
_CONCLUSIONS = {
    State.PASSED: "success",
    State.FAILED: "failure",
    State.UNKNOWN: "action_required",
    State.CANCELLED: "cancelled",
    State.SUPERSEDED: "cancelled",
}
_LEVELS = {"critical": "failure", "high": "failure", "medium": "warning", "low": "notice", "info": "notice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubSettings:
    """Which repository is told what.

    Attributes:
        repository: ``owner/name``.
        base_url: Of the API; ``https://HOST/api/v3`` for GitHub Enterprise Server.
        context: Name of the check or status.
        comment: Keep one comment in each pull request.
        annotations: Annotate lines with findings; needs an app.
        upload_sarif: Upload the findings to code scanning.
        app_id: Id of the GitHub App whose private key the connection holds; empty with a token.
        installation_id: Of the app; looked up where it is empty.
    """

    repository: str
    base_url: str = "https://api.github.com"
    context: str = "quilate"
    comment: bool = True
    annotations: bool = True
    upload_sarif: bool = False
    app_id: str = ""
    installation_id: str = ""

    def __post_init__(self) -> None:
        require_settings(self.base_url, self.repository)
        if not (self.app_id + self.installation_id).replace("-", "").isalnum() and self.app_id + self.installation_id:
            raise ValueError("`app_id` and `installation_id` are those that GitHub shows")


class GitHub(ForgeConnector):
    """Tells GitHub."""

    type: ClassVar[str] = "github"
    summary: ClassVar[str] = "Check run or status, pull-request comment and SARIF at GitHub"
    settings: ClassVar[Any] = GitHubSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="Fine-grained token, without an app", required=False),
        SecretSpec(name="private_key", meaning="Private key of the GitHub App, as PEM", required=False),
    )

    def __init__(self) -> None:
        self._token: tuple[tuple[str, ...], InstallationToken] | None = None

    async def open(self, context: DeliveryContext) -> Repository:
        """Return the repository, with a token that is good for it."""
        if not context.settings.app_id:
            token = required_secret(context, "token")
            return GitHubRepository(context, _calls(context, token, (token,)), app=None)
        key = required_secret(context, "private_key")
        app = _calls(context, statement(context.settings.app_id, key), (key,))
        issued = await self._issued(context, app)
        calls = _calls(context, issued.value if issued else "", (key,))
        return GitHubRepository(context, calls, app=app, readable=issued is not None)

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Tell GitHub; once more where a token that was kept is not good any more."""
        kept = self._token
        try:
            return await super().deliver(event, context)
        except RefusedError as refused:
            if refused.status != _UNAUTHORIZED or kept is None:
                raise
            self._token = None
            return await super().deliver(event, context)

    async def _issued(self, context: DeliveryContext, app: Calls) -> InstallationToken | None:
        settings = context.settings
        place = (settings.base_url, settings.repository, settings.app_id, settings.installation_id, *app.secrets)
        if self._token is not None and self._token[0] == place and time.time() < self._token[1].good_until:
            return self._token[1]
        permissions = {"checks": "write", "pull_requests": "write"}
        if settings.upload_sarif:
            permissions["security_events"] = "write"
        wish = TokenWish(
            repository=settings.repository,
            repository_id=await context.remembered("repository-id") or "",
            installation_id=settings.installation_id,
            permissions=permissions,
        )
        issued = await installation_token(app, wish)
        self._token = (place, issued) if issued is not None else None
        return issued


def _calls(context: DeliveryContext, token: str, secrets: tuple[str, ...]) -> Calls:
    headers = {"accept": "application/vnd.github+json", "x-github-api-version": _API_VERSION}
    if token:
        headers["authorization"] = f"Bearer {token}"
    scopes = "Pull requests, and Checks (app) or Commit statuses (token): read and write"
    if context.settings.upload_sarif:
        scopes += ", Code scanning alerts: read and write"
    return Calls(
        http=context.http,
        forge="GitHub",
        base_url=context.settings.base_url.rstrip("/"),
        headers=headers,
        scopes=scopes,
        secrets=secrets,
    )


class GitHubRepository(Repository):
    """A repository at GitHub; ``app`` speaks as the app itself, ``readable``: there is a token to read with."""

    longest_comment = _LONGEST_COMMENT

    def __init__(self, context: DeliveryContext, calls: Calls, *, app: Calls | None, readable: bool = True) -> None:
        super().__init__(context, calls)
        self._app = app
        self._readable = readable
        self._root = f"/repos/{context.settings.repository}"
        self.separate_runs = app is not None

    async def identity(self) -> str:
        """Return the repository's id."""
        return (await self.calls.call("GET", self._root)).text("id") if self._readable else ""

    async def publish(self, run: Judged, *, newest: bool) -> str:
        """Make or complete the run's check, or set the commit's status."""
        if self._app is None:
            return await self._status(run)
        known = await self._check(run)
        if known:
            await self._update(run, known)
            return known
        return await self._create(run) if newest else ""

    async def _status(self, run: Judged) -> str:
        body = {
            "state": _STATUSES.get(run.state, "error"),
            "context": run.context,
            "description": run.described(_LONGEST_DESCRIPTION),
            "target_url": run.report.url,
        }
        return (await self.calls.call("POST", f"{self._root}/statuses/{run.commit}", body)).text("url")

    async def _check(self, run: Judged) -> str:
        """Return the id of the run's check, where an earlier delivery made one."""
        known = await self.context.remembered(f"check:{run.report.id}")
        if known or not self._readable:
            return known or ""
        name = quote(run.context, safe="")
        path = f"{self._root}/commits/{run.commit}/check-runs?check_name={name}&filter=all&per_page=100"
        answer = await self.calls.call("GET", path)
        checks = answer.data.get("check_runs", []) if isinstance(answer.data, dict) else []
        found = (str(each["id"]) for each in checks if each.get("external_id") == str(run.report.id))
        return next(found, "")

    async def _create(self, run: Judged) -> str:
        findings = self._annotated(run)
        body = {"name": run.context, "head_sha": run.commit, **_shown(run, findings[:_BATCH])}
        made = (await self.calls.call("POST", f"{self._root}/check-runs", body)).text("id")
        await self.context.remember(f"check:{run.report.id}", made)
        await self._annotate(run, made, findings[_BATCH:])
        return made

    async def _update(self, run: Judged, check: str) -> None:
        findings = self._annotated(run)
        if findings and self._readable:
            # An update adds annotations to those that an attempt which broke off has left.
            answer = await self.calls.call("GET", f"{self._root}/check-runs/{check}")
            output = answer.data.get("output") if isinstance(answer.data, dict) else None
            findings = findings[int((output or {}).get("annotations_count") or 0) :]
        await self.calls.call("PATCH", f"{self._root}/check-runs/{check}", _shown(run, findings[:_BATCH]))
        await self._annotate(run, check, findings[_BATCH:])

    async def _annotate(self, run: Judged, check: str, findings: Sequence[dict[str, Any]]) -> None:
        for begin in range(0, len(findings), _BATCH):
            body = _shown(run, findings[begin : begin + _BATCH])
            await self.calls.call("PATCH", f"{self._root}/check-runs/{check}", body)

    def _annotated(self, run: Judged) -> list[dict[str, Any]]:
        if not self.settings.annotations or not run.state.final or run.state is State.SUPERSEDED:
            return []
        return [each for each in map(_annotation, run.report.findings) if each]

    async def comments(self, number: int) -> Sequence[PostedComment]:
        """Return the pull request's comments."""
        if not self._readable:
            return []
        found = await self.calls.pages(f"{self._root}/issues/{number}/comments?per_page=100")
        return [PostedComment(id=str(each["id"]), body=str(each.get("body") or "")) for each in found]

    async def create_comment(self, number: int, body: str) -> str:
        """Write a comment."""
        return (await self.calls.call("POST", f"{self._root}/issues/{number}/comments", {"body": body})).text("id")

    async def edit_comment(self, number: int, comment: str, body: str) -> None:
        """Rewrite a comment."""
        del number
        await self.calls.call("PATCH", f"{self._root}/issues/comments/{comment}", {"body": body})

    async def delete_comment(self, number: int, comment: str) -> None:
        """Take back a comment."""
        del number
        await self.calls.call("DELETE", f"{self._root}/issues/comments/{comment}")

    async def role_of(self, login: str) -> Role | None:
        """Ask for the permission, in which a role of the organisation's own shows as the one it is based on.

        Source: https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user
        """
        path = f"{self._root}/collaborators/{quote(login, safe='')}/permission"
        try:
            answer = await self.calls.call("GET", path)
        except RefusedError as refused:
            if refused.status == _NOT_FOUND:
                return None
            raise
        permission = answer.text("permission")
        if permission == "admin" or answer.text("role_name") == "maintain":
            return Role.REVIEWER
        return Role.DEVELOPER if permission == "write" else None

    async def upload(self, run: Judged) -> str:
        """Upload the findings to code scanning, once for each run."""
        key = f"sarif:{run.report.id}"
        if not self.settings.upload_sarif or not run.report.decision_digest or await self.context.remembered(key):
            return ""
        packed = gzip.compress(await self.context.sarif(run.report.id), mtime=0)
        if len(packed) > _LARGEST_SARIF:
            return "uploaded no SARIF, which is larger than code scanning takes"
        body = {"commit_sha": run.commit, "ref": _reference(run), "sarif": base64.b64encode(packed).decode()}
        answer = await self.calls.call("POST", f"{self._root}/code-scanning/sarifs", body)
        await self.context.remember(key, answer.text("id") or "uploaded")
        return "uploaded the findings to code scanning"

    async def probe(self) -> str:
        """Read what the app or the token was granted."""
        if self._app is not None:
            granted = (await installation(self._app, self.settings.repository)).get("permissions") or {}
            wanted = ["checks", "pull_requests", *(["security_events"] if self.settings.upload_sarif else [])]
            missing = [name for name in wanted if granted.get(name) not in {"write", "admin"}]
            _require_granted(missing)
            return f"the app may write checks and comments in {self.settings.repository}"
        answer = await self.calls.call("GET", self._root)
        granted = answer.data.get("permissions") or {} if isinstance(answer.data, dict) else {}
        _require_granted([] if granted.get("push") else ["push access to the repository"])
        return f"the token reaches {self.settings.repository} and may set statuses"


def _require_granted(missing: Sequence[str]) -> None:
    if missing:
        raise DeliveryError(
            f"GitHub has not granted {', '.join(missing)}", next_step="grant it, read and write", permanent=True
        )


def _shown(run: Judged, annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the members of a check run that say how it stands."""
    output: dict[str, Any] = {"title": run.described(_LONGEST_DESCRIPTION), "summary": summary(run, _LONGEST_OUTPUT)}
    if annotations:
        output["annotations"] = list(annotations)
    body: dict[str, Any] = {"details_url": run.report.url, "external_id": str(run.report.id), "output": output}
    if run.report.started_at is not None:
        body["started_at"] = _moment(run.report.started_at)
    if not run.state.final:
        return {**body, "status": "in_progress" if run.report.status == "running" else "queued"}
    body |= {"status": "completed", "conclusion": _CONCLUSIONS[run.state]}
    if run.report.ended_at is not None:
        body["completed_at"] = _moment(run.report.ended_at)
    return body


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _annotation(finding: ReportedFinding) -> dict[str, Any] | None:
    place = located(finding)
    if place is None:
        return None
    path, line = place
    message = f"{finding.message}\n{finding.fix}" if finding.fix else finding.message
    return {
        "path": path,
        "start_line": line,
        "end_line": line,
        "annotation_level": _LEVELS.get(finding.severity, "warning"),
        "title": plain(finding.rule, 255),
        "message": plain(message, _LONGEST_MESSAGE) or "no message",
    }


def _reference(run: Judged) -> str:
    trigger = run.report.trigger
    if run.pull_request is not None:
        return f"refs/pull/{run.pull_request}/head"
    if trigger is not None and trigger.tag:
        return f"refs/tags/{trigger.tag}"
    return f"refs/heads/{run.report.branch or (trigger.branch if trigger else '')}"
