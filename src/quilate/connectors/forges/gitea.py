"""Gitea and Forgejo: commit status and one pull-request comment. They show no findings of others at lines.

Source: https://docs.gitea.com/api (each server describes itself at ``/swagger.v1.json``).
"""

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
from quilate.connectors.forges.report import Judged, State
from quilate.deliveries.connector import DeliveryContext, DeliveryError, SecretSpec

_LONGEST_DESCRIPTION = 255
_LONGEST_COMMENT = 60_000
_NOT_FOUND = 404
# Branch protection takes `warning` for a success in old versions, so everything that did not pass is an error.
_STATES = {State.PENDING: "pending", State.PASSED: "success", State.FAILED: "failure"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GiteaSettings:
    """Which repository is told what.

    Attributes:
        repository: ``owner/name``.
        base_url: Of the API, ``https://HOST/api/v1``.
        context: Name of the status.
        comment: Keep one comment in each pull request.
    """

    repository: str
    base_url: str
    context: str = "quilate"
    comment: bool = True

    def __post_init__(self) -> None:
        require_settings(self.base_url, self.repository)


class Gitea(ForgeConnector):
    """Tells Gitea and Forgejo."""

    type: ClassVar[str] = "gitea"
    summary: ClassVar[str] = "Commit status and pull-request comment at Gitea or Forgejo"
    settings: ClassVar[Any] = GiteaSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="Access token with write:repository and write:issue"),
    )

    async def open(self, context: DeliveryContext) -> Repository:
        """Return the repository."""
        token = required_secret(context, "token")
        calls = Calls(
            http=context.http,
            forge="Gitea",
            base_url=context.settings.base_url.rstrip("/"),
            headers={"authorization": f"token {token}"},
            scopes="write:repository and write:issue",
            secrets=(token,),
        )
        return GiteaRepository(context, calls)


class GiteaRepository(Repository):
    """A repository at Gitea or Forgejo."""

    longest_comment = _LONGEST_COMMENT

    @property
    def _root(self) -> str:
        return f"/repos/{self.settings.repository}"

    async def identity(self) -> str:
        """Return the repository's id."""
        return (await self.calls.call("GET", self._root)).text("id")

    async def publish(self, run: Judged, *, newest: bool) -> str:
        """Set the commit's status; the last one of a context counts."""
        del newest
        body = {
            "state": _STATES.get(run.state, "error"),
            "context": run.context,
            "description": run.described(_LONGEST_DESCRIPTION),
            "target_url": run.report.url,
        }
        return (await self.calls.call("POST", f"{self._root}/statuses/{run.commit}", body)).text("url")

    async def comments(self, number: int) -> Sequence[PostedComment]:
        """Return the pull request's comments."""
        found = await self.calls.pages(f"{self._root}/issues/{number}/comments?limit=50")
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
        """Ask for the permission; Gitea tells it to administrators of the repository."""
        try:
            answer = await self.calls.call("GET", f"{self._root}/collaborators/{quote(login, safe='')}/permission")
        except RefusedError as refused:
            if refused.status == _NOT_FOUND:
                return None
            raise only_administrators(refused, "Gitea") from refused
        permission = answer.text("permission")
        if permission in {"admin", "owner"}:
            return Role.REVIEWER
        return Role.DEVELOPER if permission == "write" else None

    async def probe(self) -> str:
        """Read the repository and what the token's user may do there."""
        answer = await self.calls.call("GET", self._root)
        granted = answer.data.get("permissions") or {} if isinstance(answer.data, dict) else {}
        if not granted.get("push"):
            raise DeliveryError(
                "the token may not set statuses in the repository",
                next_step="give its user write access there",
                permanent=True,
            )
        return f"the token reaches {self.settings.repository} and may set statuses"
