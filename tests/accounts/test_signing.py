"""Access tokens: one algorithm, all claims checked, keys that nobody can steal from the database (A12)."""

import base64
import json
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quilate.accounts.signing import AUDIENCE, ISSUER, TYPE, AccessTokens
from quilate.kit.database.database import Database
from tests.support.accounts import AccountsSite


async def _own_key(database: Database) -> tuple[Ed25519PrivateKey, str]:
    """Put a key into the database whose private half the test knows."""
    private, key_id = Ed25519PrivateKey.generate(), uuid4()
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO signing_keys (id, public_key, expires_at) VALUES (%s, %s, now() + interval '1 hour')",
            (key_id, private.public_key().public_bytes_raw()),
        )
    return private, str(key_id)


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(uuid4()),
        "sid": str(uuid4()),
        "iat": now,
        "exp": now + 600,
        "jti": str(uuid4()),
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


@pytest.mark.asyncio
async def test_any_process_verifies_what_any_other_signed(database: Database) -> None:
    user, session = uuid4(), uuid4()
    token = await AccessTokens(database).sign(user_id=user, session_id=session)
    claims = await AccessTokens(database).verify(token)
    assert claims is not None
    assert (claims.user_id, claims.session_id) == (user, session)
    assert 595 < claims.expires_at - time.time() <= 600


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"iat": None},
        {"sub": None},
        {"sub": "no uuid"},
        {"sid": None},
        {"sid": 7},
        {"jti": None},
        {"jti": "x"},
    ],
)
async def test_every_claim_is_checked(database: Database, changes: dict[str, Any]) -> None:
    private, key_id = await _own_key(database)
    headers = {"kid": key_id, "typ": TYPE}
    good = jwt.encode(_claims(), private, algorithm="EdDSA", headers=headers)
    assert await AccessTokens(database).verify(good) is not None
    bad = jwt.encode(_claims(**changes), private, algorithm="EdDSA", headers=headers)
    assert await AccessTokens(database).verify(bad) is None


@pytest.mark.asyncio
async def test_algorithm_key_and_type_are_fixed(database: Database) -> None:
    private, key_id = await _own_key(database)
    public = private.public_key().public_bytes_raw()
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    stranger = Ed25519PrivateKey.generate()
    headers = {"kid": key_id, "typ": TYPE}

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    attempts = [
        jwt.encode(_claims(), stranger, algorithm="EdDSA", headers=headers),
        jwt.encode(_claims(), private, algorithm="EdDSA", headers={**headers, "kid": str(uuid4())}),
        jwt.encode(_claims(), private, algorithm="EdDSA", headers={**headers, "kid": "../../etc/passwd"}),
        jwt.encode(_claims(), private, algorithm="EdDSA", headers={**headers, "typ": "JWT"}),
        jwt.encode(_claims(), private, algorithm="EdDSA", headers={"typ": TYPE}),
        jwt.encode(_claims(), public, algorithm="HS256", headers=headers),
        f"{part({'alg': 'none', **headers})}.{part(_claims())}.",
        f"{part({'alg': 'HS256', **headers})}.{part(_claims())}.{part(pem.decode())}",
        f"{part([])}.{part(_claims())}.",
        f"{part({'alg': 'EdDSA', **headers})}.{part([])}.AAAA",
        "..",
        "",
        "\ud800.x.y",
    ]
    tokens = AccessTokens(database)
    for attempt in attempts:
        assert await tokens.verify(attempt) is None, attempt


@pytest.mark.asyncio
async def test_keys_rotate_and_the_database_holds_only_public_halves(
    site: AccountsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = AccessTokens(site.database)
    first = await tokens.sign(user_id=uuid4(), session_id=uuid4())
    assert (
        jwt.get_unverified_header(first)["kid"]
        == jwt.get_unverified_header(await tokens.sign(user_id=uuid4(), session_id=uuid4()))["kid"]
    )
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 13 * 3600)
    later = await tokens.sign(user_id=uuid4(), session_id=uuid4())
    monkeypatch.undo()
    assert jwt.get_unverified_header(later)["kid"] != jwt.get_unverified_header(first)["kid"]
    assert await AccessTokens(site.database).verify(first) is not None
    rows = await site.sql("SELECT *, octet_length(public_key) AS bytes FROM signing_keys")
    assert [row["bytes"] for row in rows] == [32, 32]
    assert set(rows[0]) == {"id", "public_key", "created_at", "expires_at", "bytes"}
    await site.sql("UPDATE signing_keys SET expires_at = now()")
    assert await AccessTokens(site.database).verify(first) is None
