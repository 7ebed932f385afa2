"""What somebody may do at a forge, and answers to what they wrote there.

Source: https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user (``permission``:
admin, write, read, none; ``role_name`` tells maintain from write), Gitea's the same path;
https://docs.gitlab.com/api/project_members/ (``access_level``: 30 developer, 40 maintainer, 50 owner).
"""

from typing import Any
from urllib.parse import quote

from quilate.accounts.model import Role
from quilate.connectors.answers import require_success
from quilate.deliveries.connector import DeliveryContext, DeliveryError

_GONE = 404
_GITLAB_MAINTAINER, _GITLAB_DEVELOPER = 40, 30
PROVIDERS = ("github", "gitea", "gitlab")
_HOMES = {"github": "https://api.github.com", "gitlab": "https://gitlab.com"}


class Forge:
    """One forge as a connection reaches it."""

    def __init__(self, provider: str, context: DeliveryContext, repository: str) -> None:
        self._provider = provider
        self._context = context
        self._repository = repository

    async def role_of(self, login: str) -> Role | None:
        """Return what somebody's role in the repository amounts to here; ``None`` for no right to change it.

        Raises:
            DeliveryError: The forge cannot be asked.
        """
        if self._provider == "gitlab":
            return await self._gitlab_role(login)
        answer = await self._call("GET", f"/collaborators/{quote(login, safe='')}/permission", missing=True)
        if not answer:
            return None
        role = str(answer.get("role_name") or answer.get("permission") or "")
        if role in {"admin", "maintain", "owner"}:
            return Role.REVIEWER
        return Role.DEVELOPER if role == "write" or answer.get("permission") == "write" else None

    async def _gitlab_role(self, login: str) -> Role | None:
        listed = await self._call("GET", f"/members/all?query={quote(login, safe='')}&per_page=100")
        level = max((each["access_level"] for each in listed or () if each.get("username") == login), default=0)
        if level >= _GITLAB_MAINTAINER:
            return Role.REVIEWER
        return Role.DEVELOPER if level >= _GITLAB_DEVELOPER else None

    async def reply(self, number: int, text: str) -> None:
        """Write a comment into a request.

        Raises:
            DeliveryError: The forge did not take it.
        """
        place = f"/merge_requests/{number}/notes" if self._provider == "gitlab" else f"/issues/{number}/comments"
        await self._call("POST", place, {"body": text})

    async def _call(self, method: str, path: str, body: Any = None, *, missing: bool = False) -> Any:
        base = str(getattr(self._context.settings, "base_url", "") or _HOMES.get(self._provider, "")).rstrip("/")
        if not base:
            raise DeliveryError("the connection names no forge", next_step="set its base_url", permanent=True)
        token = self._context.secret("token")
        if not token:
            raise DeliveryError("the connection has no token", next_step="set the secret `token`", permanent=True)
        if self._provider == "gitlab":
            url = f"{base}{'' if base.endswith('/api/v4') else '/api/v4'}/projects/{quote(self._repository, safe='')}"
            headers = {"private-token": token}
        else:
            prefix = "/api/v1" if self._provider == "gitea" and not base.endswith("/api/v1") else ""
            url = f"{base}{prefix}/repos/{quote(self._repository, safe='/')}"
            headers = {"authorization": f"{'token' if self._provider == 'gitea' else 'Bearer'} {token}"}
        answer = await self._context.http.request(method, f"{url}{path}", headers=headers, json_body=body)
        if missing and answer.status == _GONE:
            return None
        return require_success(answer, what="the forge").json()
