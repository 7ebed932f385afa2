"""Gitea and Forgejo: commit status and comment.

Source: https://docs.gitea.com/api (the server's own description is at ``/swagger.v1.json``).
Token scopes: ``write:repository`` (status), ``write:issue`` (comment of pull requests), ``read:user`` (own comments).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar

from quilate.connectors.forges.comment import CommentForm
from quilate.connectors.forges.common import (
    Api,
    ForgeSettings,
    State,
    Target,
    author_of,
    checked_repository,
    describe,
    required_token,
)
from quilate.connectors.forges.forge import ForgeConnector, FoundComment, Verdict, pages
from quilate.deliveries.connector import DeliveryContext, SecretSpec

_LONGEST_DESCRIPTION = 255
_STATES = {
    State.PENDING: "pending",
    State.PASSED: "success",
    State.FAILED: "failure",
    State.UNKNOWN: "error",
    State.CANCELLED: "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GiteaSettings(ForgeSettings):
    """How Gitea or Forgejo is reached.

    Attributes:
        base_url: Of the server, such as ``https://gitea.example``.
    """

    base_url: str


class Gitea(ForgeConnector):
    """Tells Gitea and Forgejo."""

    type: ClassVar[str] = "gitea"
    provider: ClassVar[str] = "gitea"
    summary: ClassVar[str] = "Commit status and pull-request comment at Gitea or Forgejo"
    settings: ClassVar[Any] = GiteaSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="access token: write:repository, write:issue, read:user"),
    )
    form: ClassVar[CommentForm] = CommentForm(longest_bytes=60_000)

    async def open(self, context: DeliveryContext, target: Target | None) -> Api:
        """Return requests with the token."""
        del target
        settings: GiteaSettings = context.settings
        headers = {"authorization": f"token {required_token(context)}"}
        return Api(context=context, base_url=f"{settings.base_url.rstrip('/')}/api/v1", forge="Gitea", headers=headers)

    async def set_status(self, api: Api, verdict: Verdict) -> str:
        """Set the commit's status; the newest one of a context counts."""
        made = await api.call(
            "POST",
            f"/repos/{verdict.target.path}/statuses/{verdict.target.commit}",
            {
                "state": _STATES[verdict.state],
                "target_url": verdict.report.url,
                "description": describe(verdict.report, verdict.state, _LONGEST_DESCRIPTION),
                "context": api.context.settings.context,
            },
        )
        return str((made or {}).get("url", ""))

    async def own_author(self, api: Api) -> str:
        """Return the user's id."""
        return await author_of(api, "/user", "id")

    async def comments(self, api: Api, target: Target) -> AsyncIterator[FoundComment]:
        """Return the comments of a pull request."""
        async for page in pages(
            api, f"/repos/{target.path}/issues/{target.pull_request}/comments", size=50, size_name="limit"
        ):
            for each in page or ():
                author = str((each.get("user") or {}).get("id", ""))
                yield FoundComment(id=str(each["id"]), author=author, text=str(each.get("body", "")))

    def comment_request(self, target: Target, number: str, text: str) -> tuple[str, str, Any]:
        """Return the request; numbers of comments are the repository's."""
        if number:
            return "PATCH", f"/repos/{target.path}/issues/comments/{number}", {"body": text}
        return "POST", f"/repos/{target.path}/issues/{target.pull_request}/comments", {"body": text}

    async def add(self, api: Api, verdict: Verdict) -> str:
        """Tell nothing more: Gitea shows no findings at lines."""
        del api, verdict
        return ""

    async def require_repository(self, api: Api, repository: str) -> str:
        """Return the repository's full name."""
        found = await api.call("GET", f"/repos/{checked_repository(repository)}")
        return str((found or {}).get("full_name", repository))
