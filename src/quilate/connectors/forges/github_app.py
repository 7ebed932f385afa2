"""Authentication as a GitHub App: a signed statement is exchanged for a token of one hour and one repository.

Source: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quilate.connectors.forges.calls import Calls
from quilate.deliveries.connector import DeliveryError

_SKEW_SECONDS = 60
_STATEMENT_SECONDS = 540
_SPARE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationToken:
    """A token; it is good for requests until ``good_until`` (seconds since 1970)."""

    value: str = field(repr=False)
    good_until: float


def statement(app_id: str, private_key: str, now: float | None = None) -> str:
    """Return the JSON Web Token by which an app says who it is.

    Raises:
        DeliveryError: The key is none.
    """
    import jwt  # noqa: PLC0415 - brings cryptography along, which few connections need

    moment = int(time.time() if now is None else now)
    claims = {"iat": moment - _SKEW_SECONDS, "exp": moment + _STATEMENT_SECONDS, "iss": app_id}
    try:
        return jwt.encode(claims, private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise DeliveryError(
            "the private key of the GitHub App cannot be read",
            next_step="store the PEM file that GitHub gave, whole",
            permanent=True,
        ) from None


async def installation(calls: Calls, repository: str) -> dict[str, Any]:
    """Return the app's installation on a repository; ``calls`` speaks as the app.

    Raises:
        DeliveryError: There is none, or it is suspended.
    """
    answer = await calls.call("GET", f"/repos/{repository}/installation")
    found = answer.data if isinstance(answer.data, dict) else {}
    if "id" not in found:
        raise DeliveryError("GitHub answered with something else than an installation")
    if found.get("suspended_at"):
        raise DeliveryError(
            "the installation of the GitHub App is suspended",
            next_step="have the organisation's owner resume it",
            permanent=True,
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """What a token shall be good for.

    Attributes:
        repository: ``owner/name``.
        repository_id: Where it is known: it stays when the repository is renamed.
        installation_id: Where it is known.
        permissions: What may be done.
    """

    repository: str
    repository_id: str
    installation_id: str
    permissions: dict[str, str]


async def installation_token(calls: Calls, wish: TokenWish) -> InstallationToken | None:
    """Return a token for one repository and no more than these permissions; nothing in a dry run.

    Raises:
        DeliveryError: The app is not installed there, or was not granted them.
    """
    found = wish.installation_id or str((await installation(calls, wish.repository))["id"])
    body: dict[str, Any] = {"permissions": wish.permissions}
    if wish.repository_id.isdecimal():
        body["repository_ids"] = [int(wish.repository_id)]
    else:
        # The name without its owner: the installation has one owner.
        body["repositories"] = [wish.repository.rpartition("/")[2]]
    answer = await calls.call("POST", f"/app/installations/{found}/access_tokens", body)
    if answer.recorded:
        return None
    token, expires = answer.text("token"), answer.text("expires_at")
    try:
        until = datetime.fromisoformat(expires).timestamp()
    except ValueError:
        until = 0.0
    if not token or not until:
        raise DeliveryError("GitHub answered with something else than a token")
    return InstallationToken(value=token, good_until=until - _SPARE_SECONDS)
