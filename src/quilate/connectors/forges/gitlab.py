"""GitLab: commit status and one merge-request note. GitLab takes code quality and SAST reports from its own CI only."""

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
    require_settings,
    required_secret,
)
from quilate.connectors.forges.report import Judged, State
from quilate.deliveries.connector import DeliveryContext, DeliveryError, SecretSpec

_LONGEST_DESCRIPTION = 255
_LONGEST_NOTE = 900_000
_DEVELOPER, _MAINTAINER = 30, 40
_BAD_REQUEST = 400
_STATES = {
    State.PENDING: "pending",
    State.PASSED: "success",
    State.CANCELLED: "canceled",
    State.SUPERSEDED: "canceled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLabSettings:
    """Which project is told what.

    Attributes:
        repository: The project's path, ``group/subgroup/name``.
        base_url: Of the API; ``https://HOST/api/v4`` for a GitLab of one's own.
        context: Name of the external status.
        comment: Keep one note in each merge request.
    """

    repository: str
    base_url: str = "https://gitlab.com/api/v4"
    context: str = "quilate"
    comment: bool = True

    def __post_init__(self) -> None:
        require_settings(self.base_url, self.repository, deeper=True)


class GitLab(ForgeConnector):
    """Tells GitLab."""

    type: ClassVar[str] = "gitlab"
    summary: ClassVar[str] = "External status and merge-request note at GitLab"
    settings: ClassVar[Any] = GitLabSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="Project access token with the role Developer and the scope api"),
    )

    async def open(self, context: DeliveryContext) -> Repository:
        """Return the project."""
        token = required_secret(context, "token")
        calls = Calls(
            http=context.http,
            forge="GitLab",
            base_url=context.settings.base_url.rstrip("/"),
            headers={"private-token": token},
            scopes="the role Developer and the scope api",
            secrets=(token,),
        )
        return GitLabProject(context, calls)


class GitLabProject(Repository):
    """A project at GitLab, addressed by its id: GitLab sends on only reading requests to a path of before."""

    longest_comment = _LONGEST_NOTE

    async def identity(self) -> str:
        """Return the project's id."""
        key = f"project:{self.settings.repository}"
        known = await self.context.remembered(key)
        if known:
            return known
        found = (await self._project()).get("id")
        if not isinstance(found, int):
            raise DeliveryError("GitLab answered with something else than a project")
        await self.context.remember(key, str(found))
        return str(found)

    async def _project(self) -> dict[str, Any]:
        answer = await self.calls.call("GET", f"/projects/{quote(self.settings.repository, safe='')}")
        return answer.data if isinstance(answer.data, dict) else {}

    async def publish(self, run: Judged, *, newest: bool) -> str:
        """Set the commit's status; the same one twice is refused by GitLab and is no failure."""
        del newest
        state = _STATES.get(run.state, "failed")
        body = {
            "state": state,
            "name": run.context,
            "description": run.described(_LONGEST_DESCRIPTION),
            "target_url": run.report.url,
        }
        if run.report.branch and not run.from_fork:
            body["ref"] = run.report.branch
        path = f"/projects/{await self.identity()}/statuses/{run.commit}"
        try:
            return (await self.calls.call("POST", path, body)).text("id")
        except RefusedError as refused:
            if refused.status != _BAD_REQUEST or "cannot transition" not in refused.message.lower():
                raise
            return await self._present(run, state, refused)

    async def _present(self, run: Judged, state: str, refused: RefusedError) -> str:
        name = quote(run.context, safe="")
        root = f"/projects/{await self.identity()}/repository/commits/{run.commit}/statuses"
        found = self.calls.members((await self.calls.call("GET", f"{root}?name={name}&per_page=100")).data)
        same = [each for each in found if each.get("name") == run.context]
        if not same or same[-1].get("status") not in {state, "running" if state == "pending" else state}:
            raise refused
        return str(same[-1].get("id", ""))

    async def _notes(self, number: int) -> str:
        return f"/projects/{await self.identity()}/merge_requests/{number}/notes"

    async def comments(self, number: int) -> Sequence[PostedComment]:
        """Return the merge request's notes."""
        path = f"{await self._notes(number)}?per_page=100&order_by=created_at&sort=asc"
        found = await self.calls.pages(path)
        return [PostedComment(id=str(each["id"]), body=str(each.get("body") or "")) for each in found]

    async def create_comment(self, number: int, body: str) -> str:
        """Write a note."""
        return (await self.calls.call("POST", await self._notes(number), {"body": body})).text("id")

    async def edit_comment(self, number: int, comment: str, body: str) -> None:
        """Rewrite a note."""
        await self.calls.call("PUT", f"{await self._notes(number)}/{comment}", {"body": body})

    async def delete_comment(self, number: int, comment: str) -> None:
        """Take back a note."""
        await self.calls.call("DELETE", f"{await self._notes(number)}/{comment}")

    async def role_of(self, login: str) -> Role | None:
        """Look for an active member, of a group above included.

        Source: https://docs.gitlab.com/api/project_members/ (``access_level``: 30 Developer, 40 Maintainer, 50 Owner).
        """
        path = f"/projects/{await self.identity()}/members/all?query={quote(login, safe='')}&per_page=100"
        found = [each for each in await self.calls.pages(path) if each.get("username") == login]
        active = [each.get("access_level") for each in found if each.get("state", "active") == "active"]
        level = max((each for each in active if isinstance(each, int)), default=0)
        if level >= _MAINTAINER:
            return Role.REVIEWER
        return Role.DEVELOPER if level >= _DEVELOPER else None

    async def probe(self) -> str:
        """Read the project, the token's role and its scopes."""
        granted = (await self._project()).get("permissions") or {}
        levels = [(granted.get(name) or {}).get("access_level", 0) for name in ("project_access", "group_access")]
        scopes = await self._scopes()
        if max(levels) < _DEVELOPER or (scopes is not None and "api" not in scopes):
            raise DeliveryError(
                "the token may not set statuses in the project",
                next_step="give it the role Developer and the scope api",
                permanent=True,
            )
        return f"the token reaches {self.settings.repository} and may set statuses"

    async def _scopes(self) -> list[str] | None:
        """Return the token's scopes; nothing where this GitLab does not say."""
        try:
            answer = await self.calls.call("GET", "/personal_access_tokens/self")
        except RefusedError:
            return None
        return answer.data.get("scopes") if isinstance(answer.data, dict) else None
