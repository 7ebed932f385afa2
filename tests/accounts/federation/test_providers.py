"""Identity providers are set by administrators of the installation; a client secret is kept encrypted (C09)."""

from typing import Any

import httpx
import pytest

from quilate.accounts.federation.model import is_safe_return
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import box_of
from tests.support.accounts import AccountsSite, Person, make_site
from tests.support.issuer import CLIENT_ID, Issuer, loopback_http

PATH = "/identity-providers"
BODY: dict[str, Any] = {
    "slug": "company",
    "name": "Company",
    "issuer": "https://login.example.org",
    "client_id": "quilate",
}


@pytest.mark.asyncio
async def test_a_provider_is_added_changed_offered_and_removed(site: AccountsSite) -> None:
    admin = await site.first_admin()
    created = await site.call("POST", PATH, by=admin, body=BODY)
    assert created.status_code == 201, created.text
    assert (await site.call("POST", PATH, by=admin, body=BODY)).status_code == 409
    assert (await site.call("GET", f"{PATH}/company", by=admin)).json() == created.json()
    offered = (await site.call("GET", "/auth/oidc/providers")).json()["items"]
    assert offered == [{"slug": "company", "name": "Company", "login": "/api/v1/auth/oidc/company/login"}]
    one = f"{PATH}/company"
    assert (await site.call("PATCH", one, by=admin, body={"name": "x"})).status_code == 428
    assert (await site.call("PATCH", one, by=admin, body={"name": "x"}, headers={"If-Match": '"7"'})).status_code == 412
    changed = await site.call(
        "PATCH", one, by=admin, body={"enabled": False, "name": "Other"}, headers={"If-Match": '"1"'}
    )
    assert (changed.json()["name"], changed.json()["enabled"], changed.headers["etag"]) == ("Other", False, '"2"')
    assert (await site.call("GET", "/auth/oidc/providers")).json()["items"] == []
    assert [each["slug"] for each in (await site.call("GET", PATH, by=admin)).json()["items"]] == ["company"]
    assert (await site.call("DELETE", one, by=admin)).status_code == 204
    assert (await site.call("DELETE", one, by=admin)).status_code == 404
    actions = [entry["action"] for entry in await site.audit() if entry["action"].startswith("identity-provider")]
    assert actions == ["identity-provider.created", "identity-provider.changed", "identity-provider.deleted"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://login.example.org"},
        {"issuer": "https://login.example.org?x"},
        {"slug": "Company"},
        {"auto_create_domains": ["*"]},
        {"auto_create_domains": ["@example.org"]},
        {"auto_create_domains": ["org"]},
        {"client_secret": "no key to keep it with"},
        {"name": "a\u0000b"},
    ],
)
async def test_a_provider_that_cannot_be_right_is_not_added(site: AccountsSite, changes: dict[str, Any]) -> None:
    admin = await site.first_admin()
    assert (await site.call("POST", PATH, by=admin, body={**BODY, **changes})).status_code == 422


@pytest.mark.asyncio
async def test_nobody_else_sees_or_sets_providers(site: AccountsSite) -> None:
    admin = await site.first_admin()
    auditor = await site.person(admin, "auditor@example.org", auditor=True)
    for method, path in (("POST", PATH), ("GET", PATH), ("GET", f"{PATH}/x"), ("PATCH", f"{PATH}/x")):
        body = BODY if method == "POST" else {} if method == "PATCH" else None
        assert (await site.call(method, path, by=auditor, body=body)).status_code == 403
        assert (await site.call(method, path, body=body)).status_code == 401
    assert (await site.call("DELETE", f"{PATH}/x", by=auditor)).status_code == 403


@pytest.mark.parametrize(
    ("target", "safe"),
    [
        ("/", True),
        ("/panel/login", True),
        ("http://127.0.0.1:1/x", True),
        ("http://[::1]:8000/x", True),
        ("https://127.0.0.1:1/", False),
        ("http://127.0.0.1:99999/", False),
        ("http://[::1", False),
        ("/a b", False),
        ("/" + "a" * 500, False),
        ("", False),
    ],
)
def test_what_may_be_returned_to(target: str, *, safe: bool) -> None:
    assert is_safe_return(target) is safe


@pytest.mark.asyncio
async def test_a_client_secret_is_kept_encrypted_and_sent_to_the_provider_only(
    database: Database, issuer: Issuer
) -> None:
    secret = "s3cret:with/signs"  # noqa: S105 - of a client that lives for one test
    issuer.client_secret, issuer.person = secret, {"sub": "admin-1"}
    site = make_site(database, http=loopback_http(), secrets=box_of(b"k" * 32))
    admin = await site.first_admin()
    body = {**BODY, "issuer": issuer.url, "client_id": CLIENT_ID, "client_secret": secret}
    created = await site.call("POST", PATH, by=admin, body=body)
    assert created.json()["has_client_secret"] is True
    assert secret not in created.text
    (row,) = await site.sql("SELECT client_secret FROM identity_providers")
    assert secret.encode() not in row["client_secret"]
    assert secret not in str(await site.audit())
    assert await _linked(site, admin, issuer) == 200
    # Another key, as after the loss of its file: said to be so, and nothing else breaks.
    other = make_site(database, http=loopback_http(), secrets=box_of(b"x" * 32))
    assert await _linked(other, admin, issuer) == 503
    wrong = await site.call(
        "PATCH", f"{PATH}/company", by=admin, body={"client_secret": "wrong"}, headers={"If-Match": "*"}
    )
    assert wrong.status_code == 200
    assert await _linked(site, admin, issuer) == 401
    await site.service.close()
    await other.service.close()


async def _linked(site: AccountsSite, admin: Person, issuer: Issuer) -> int:
    """Add the provider to an account; return the status of the callback."""
    async with site.client(admin.access_token) as browser, httpx.AsyncClient() as elsewhere:
        left = await browser.post("/api/v1/me/identities", json={"provider": "company"})
        assert left.json()["location"].startswith(issuer.url)
        sent = await elsewhere.get(left.json()["location"])
        return (await browser.get(sent.headers["location"])).status_code
