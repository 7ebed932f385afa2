"""A CI job's token is exchanged for a short-lived one; anything foreign or used before is refused (C09, C10)."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.accounts import AccountsSite, Person
from tests.support.issuer import AUDIENCE, Issuer, new_key, running_issuer

PROJECT = "service"
MAIN = [
    {"claim": "repository", "value": "example/service"},
    {"claim": "ref", "value": "refs/heads/main"},
]


async def _trust(site: AccountsSite, admin: Person, issuer: Issuer, **changes: Any) -> dict[str, Any]:
    body = {
        "name": "gate",
        "provider": "github",
        "issuer": issuer.url,
        "audience": AUDIENCE,
        "bindings": MAIN,
        "role": "developer",
        **changes,
    }
    answer = await site.call("POST", f"/projects/{PROJECT}/trusts", by=admin, body=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def _ready(site: AccountsSite, issuer: Issuer, **changes: Any) -> Person:
    admin = await site.first_admin()
    await site.project(admin, PROJECT)
    await _trust(site, admin, issuer, **changes)
    return admin


async def _exchange(site: AccountsSite, token: str, project: str = PROJECT) -> httpx.Response:
    return await site.call("POST", "/auth/oidc/exchange", body={"project": project, "subject_token": token})


@pytest.mark.asyncio
async def test_a_job_gets_a_token_of_its_trust_and_the_audit_log_says_so(
    connected: AccountsSite, issuer: Issuer
) -> None:
    admin = await _ready(connected, issuer, lifetime_seconds=600)
    answer = await _exchange(connected, issuer.sign(issuer.github()))
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 600)
    assert answer.headers["cache-control"] == "no-store"
    me = (await connected.call("GET", "/me", by=given["access_token"])).json()
    assert me["actor"] == f"workload:{given['trust']}"
    assert me["user_id"] is None
    assert set(me["scopes"]) == set(given["scope"].split())
    listed = (await connected.call("GET", "/projects", by=given["access_token"])).json()["items"]
    assert [project["slug"] for project in listed] == [PROJECT]
    assert (await connected.call("GET", f"/projects/{PROJECT}", by=given["access_token"])).status_code == 200
    for path in (f"/projects/{PROJECT}/trusts", f"/projects/{PROJECT}/service-accounts", "/users"):
        assert (await connected.call("GET", path, by=given["access_token"])).status_code == 403
    (entry,) = await connected.audited("trust.token-exchanged")
    assert entry["actor"] == f"workload:{given['trust']}"
    assert entry["details"]["claims"]["run_id"] == "123456"
    assert "example/service" not in json.dumps(entry)
    trusts = (await connected.call("GET", f"/projects/{PROJECT}/trusts", by=admin)).json()["items"]
    assert trusts[0]["last_used_on"] is not None


@pytest.mark.asyncio
async def test_a_token_for_another_project_is_of_no_use_and_no_project_is_told_from_none(
    connected: AccountsSite, issuer: Issuer
) -> None:
    admin = await _ready(connected, issuer)
    await connected.project(admin, "other")
    given = (await _exchange(connected, issuer.sign(issuer.github()))).json()["access_token"]
    assert (await connected.call("GET", "/projects/other", by=given)).status_code == 404
    other = await _exchange(connected, issuer.sign(issuer.github()), "other")
    nowhere = await _exchange(connected, issuer.sign(issuer.github()), "nowhere")
    assert (other.status_code, nowhere.status_code) == (403, 403)
    assert other.text.replace("other", "nowhere") == nowhere.text


@pytest.mark.asyncio
async def test_a_token_counts_once_and_a_repeated_one_says_so(connected: AccountsSite, issuer: Issuer) -> None:
    await _ready(connected, issuer)
    claims = issuer.github()
    assert (await _exchange(connected, issuer.sign(claims))).status_code == 200
    again = await _exchange(connected, issuer.sign({**claims, "sha": "b" * 40}))
    assert again.status_code == 401
    assert "exchanged before" in again.json()["detail"]
    assert again.json()["next_step"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"aud": "https://elsewhere.example"}, 403),
        ({"aud": [AUDIENCE.upper()]}, 403),
        ({"aud": []}, 401),
        ({"repository": "Example/service"}, 403),
        ({"repository": "example/service-evil"}, 403),
        ({"repository": "evil/example/service"}, 403),
        ({"repository": "example/service\n"}, 403),
        ({"repository": None}, 403),
        ({"repository": ["example/service"]}, 403),
        ({"ref": "refs/heads/main2"}, 403),
        ({"ref": "refs/tags/main"}, 403),
        ({"exp": timedelta(minutes=-2), "iat": timedelta(minutes=-10)}, 401),
        ({"nbf": timedelta(minutes=10)}, 401),
        ({"iat": timedelta(minutes=10)}, 401),
        ({"exp": None}, 401),
        ({"iat": None}, 401),
        ({"sub": None}, 401),
        ({"jti": None}, 401),
        ({"sub": "repo:example/service:pull_request"}, 403),
        ({"event_name": "pull_request"}, 403),
        ({"event_name": "pull_request_target"}, 403),
        ({"head_ref": "feature"}, 403),
        ({"iss": "https://token.actions.githubusercontent.com"}, 403),
    ],
)
async def test_what_does_not_agree_exactly_is_refused_with_a_next_step(
    connected: AccountsSite, issuer: Issuer, changes: dict[str, Any], status: int
) -> None:
    await _ready(connected, issuer)
    now = int(time.time())
    claims = {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in changes.items()
    }
    answer = await _exchange(connected, issuer.sign(issuer.github(**claims)))
    assert answer.status_code == status, answer.text
    assert answer.json()["next_step"]
    assert await connected.audited("trust.token-exchanged") == []


@pytest.mark.asyncio
async def test_a_small_difference_of_the_clocks_is_forgiven(connected: AccountsSite, issuer: Issuer) -> None:
    await _ready(connected, issuer)
    now = int(time.time())
    for changes in ({"exp": now - 40}, {"nbf": now + 40, "iat": now + 40}):
        assert (await _exchange(connected, issuer.sign(issuer.github(**changes)))).status_code == 200


@pytest.mark.asyncio
async def test_pull_requests_count_where_the_trust_says_so(connected: AccountsSite, issuer: Issuer) -> None:
    bindings = [{"claim": "repository", "value": "example/service"}]
    await _ready(connected, issuer, pull_requests=True, bindings=bindings)
    claims = issuer.github(
        sub="repo:example/service:pull_request", event_name="pull_request", ref="refs/pull/1/merge", head_ref="fix"
    )
    assert (await _exchange(connected, issuer.sign(claims))).status_code == 200
    fork = issuer.github(repository="stranger/service", event_name="pull_request", head_ref="fix")
    assert (await _exchange(connected, issuer.sign(fork))).status_code == 403


@pytest.mark.asyncio
async def test_merge_requests_of_gitlab_are_refused_and_environments_are_bound(
    connected: AccountsSite, issuer: Issuer
) -> None:
    bindings = [
        {"claim": "project_path", "value": "example/service"},
        {"claim": "ref_protected", "value": "true"},
        {"claim": "environment", "value": "production"},
    ]
    await _ready(connected, issuer, provider="gitlab", bindings=bindings)
    assert (await _exchange(connected, issuer.sign(issuer.gitlab()))).status_code == 200
    for changes in (
        {"pipeline_source": "merge_request_event"},
        {"ref": "refs/merge-requests/7/head"},
        {"environment": "staging"},
        {"ref_protected": "false"},
        {"project_path": "example/service/evil"},
    ):
        assert (await _exchange(connected, issuer.sign(issuer.gitlab(**changes)))).status_code == 403, changes


@pytest.mark.asyncio
async def test_an_unsigned_token_and_one_signed_with_the_public_key_as_secret_are_refused(
    connected: AccountsSite, issuer: Issuer
) -> None:
    issuer.rotate("RS256")
    await _ready(connected, issuer)
    claims = issuer.github()
    key = issuer.keys[-1]
    public = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for secret in (public, json.dumps(key.public()).encode(), b""):
        answer = await _exchange(connected, _hand_made("HS256", key.kid, claims, secret))
        assert answer.status_code == 401, answer.text
    for algorithm in ("none", "None", "NONE", "nOnE"):
        answer = await _exchange(connected, _hand_made(algorithm, key.kid, claims, None))
        assert answer.status_code == 401, answer.text
    assert (await _exchange(connected, issuer.sign(claims))).status_code == 200


def _hand_made(algorithm: str, kid: str, claims: dict[str, Any], secret: bytes | None) -> str:
    parts = [json.dumps({"alg": algorithm, "kid": kid, "typ": "JWT"}).encode(), json.dumps(claims).encode()]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret is not None else b""
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.asyncio
async def test_the_same_subject_of_another_issuer_is_somebody_else(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    with running_issuer() as another:
        forged = await _exchange(connected, another.sign({**another.github(), "iss": issuer.url}))
        assert forged.status_code == 401
        foreign = await _exchange(connected, another.sign(another.github()))
        assert foreign.status_code == 403
        assert another.asked == []
        # Also where another project of the installation trusts that issuer.
        await connected.project(admin, "other")
        body = {"name": "x", "provider": "github", "issuer": another.url, "audience": AUDIENCE, "bindings": MAIN}
        answer = await connected.call(
            "POST", "/projects/other/trusts", by=admin, body={**body, "scopes": ["run:submit"]}
        )
        assert answer.status_code == 201, answer.text
        assert (await _exchange(connected, another.sign(another.github()))).status_code == 403
        assert (await _exchange(connected, another.sign(another.github()), "other")).status_code == 200


@pytest.mark.asyncio
async def test_a_key_that_was_never_published_and_another_key_of_the_same_id_are_refused(
    connected: AccountsSite, issuer: Issuer
) -> None:
    await _ready(connected, issuer)
    unknown = new_key()
    assert (await _exchange(connected, issuer.sign(issuer.github(), key=unknown))).status_code == 401
    same_id = await _exchange(connected, issuer.sign(issuer.github(), key=unknown, kid=issuer.keys[-1].kid))
    assert same_id.status_code == 401
    assert "signature" in same_id.json()["detail"]


@pytest.mark.asyncio
async def test_an_issuer_that_is_away_is_said_to_be_and_its_return_is_noticed(
    connected: AccountsSite, issuer: Issuer
) -> None:
    await _ready(connected, issuer)
    issuer.down = True
    answer = await _exchange(connected, issuer.sign(issuer.github()))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    assert answer.json()["next_step"]
    assert issuer.url not in answer.text


@pytest.mark.asyncio
async def test_a_discovery_document_of_another_issuer_is_not_believed(connected: AccountsSite, issuer: Issuer) -> None:
    await _ready(connected, issuer)
    issuer.claimed_issuer = "https://token.actions.githubusercontent.com"
    assert (await _exchange(connected, issuer.sign(issuer.github()))).status_code == 503


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "token", ["no-token", "a.b.c", "e30.e30.", "ql_0123456789_" + "0" * 64, "\u00e9.\u00e9.\u00e9"]
)
async def test_what_is_no_token_is_said_to_be_none(connected: AccountsSite, issuer: Issuer, token: str) -> None:
    await _ready(connected, issuer)
    answer = await _exchange(connected, token)
    assert answer.status_code in {401, 422}
    assert token not in answer.text


@pytest.mark.asyncio
async def test_a_deleted_trust_ends_its_tokens_and_gives_no_more(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    given = (await _exchange(connected, issuer.sign(issuer.github()))).json()
    path = f"/projects/{PROJECT}/trusts/{given['trust']}"
    assert (await connected.call("DELETE", path, by=admin)).status_code == 204
    assert (await connected.call("DELETE", path, by=admin)).status_code == 404
    assert (await connected.call("GET", "/me", by=given["access_token"])).status_code == 401
    assert (await _exchange(connected, issuer.sign(issuer.github()))).status_code == 403
    assert len(await connected.audited("trust.deleted")) == 1


@pytest.mark.asyncio
async def test_an_archived_project_gives_no_tokens(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    answer = await connected.call(
        "PATCH", f"/projects/{PROJECT}", by=admin, body={"archived": True}, headers={"If-Match": "*"}
    )
    assert answer.status_code == 200
    assert (await _exchange(connected, issuer.sign(issuer.github()))).status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_each_algorithm_that_is_allowed_counts(connected: AccountsSite, issuer: Issuer, algorithm: str) -> None:
    issuer.rotate(algorithm)
    await _ready(connected, issuer)
    assert (await _exchange(connected, issuer.sign(issuer.github()))).status_code == 200
