"""Access tokens: short-lived signed statements that a login exists.

Every process signs with an Ed25519 key of its own that never leaves its memory; the public half is in the database,
where every other process finds it (ADR 0010). So a copy of the database, of a disk or of a backup forges nothing.
Source: RFC 7519 (JWT), RFC 8037 (EdDSA), RFC 9068 (header ``typ``), RFC 8725 (best current practice).
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from quilate.accounts import store
from quilate.kit.database.database import Connection, Database

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ISSUER = "quilate"
AUDIENCE = "quilate-api"
ALGORITHM = "EdDSA"
TYPE = "at+jwt"
LIFETIME = timedelta(minutes=10)
_KEY_LIFETIME = timedelta(hours=12)
_LEEWAY = timedelta(seconds=10)
_CLAIMS = ("iss", "aud", "sub", "sid", "iat", "exp", "jti")
_MOST_KEYS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an access token says: a user, by a login."""

    user_id: UUID
    session_id: UUID
    expires_at: float


@dataclass(frozen=True, slots=True)
class _SigningKey:
    id: UUID
    private: "Ed25519PrivateKey"
    retires_at: float


class AccessTokens:
    """Signs and verifies; one for each process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._key: _SigningKey | None = None
        self._making = asyncio.Lock()
        self._public: dict[UUID, tuple[Ed25519PublicKey, float]] = {}

    async def sign(self, *, user_id: UUID, session_id: UUID) -> str:
        """Return an access token that is good for ``LIFETIME``."""
        import jwt  # noqa: PLC0415 - only the service loads it

        key = await self._signing_key()
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": now,
            "exp": now + int(LIFETIME.total_seconds()),
            "jti": str(uuid4()),
        }
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": str(key.id), "typ": TYPE})

    async def verify(self, token: str) -> Claims | None:
        """Return what a token says, or ``None`` where it is not one of ours or no longer good."""
        import jwt  # noqa: PLC0415 - only the service loads it

        try:
            header = jwt.get_unverified_header(token)
            key = await self._public_key(UUID(str(header.get("kid"))))
            if key is None or header.get("typ") != TYPE:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=_LEEWAY,
                options={"require": list(_CLAIMS)},
            )
            return _claims(claims)
        except (jwt.PyJWTError, ValueError):
            return None

    async def _signing_key(self) -> _SigningKey:
        async with self._making:
            if self._key is None or self._key.retires_at <= time.time():
                self._key = await self._new_key()
            return self._key

    async def _new_key(self) -> _SigningKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - only the service loads it
            Ed25519PrivateKey,
        )

        private = Ed25519PrivateKey.generate()
        key = _SigningKey(uuid4(), private, time.time() + _KEY_LIFETIME.total_seconds())

        async def work(connection: Connection) -> None:
            await store.execute(
                connection,
                "insert_signing_key",
                id=key.id,
                public_key=private.public_key().public_bytes_raw(),
                lifetime=_KEY_LIFETIME + 2 * LIFETIME,
            )

        await self._database.run(work)
        return key

    async def _public_key(self, key_id: UUID) -> "Ed25519PublicKey | None":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - only the service loads it
            Ed25519PublicKey,
        )

        known = self._public.get(key_id)
        if known is not None and known[1] > time.time():
            return known[0]
        async with self._database.connection() as connection:
            row = await store.one(connection, "signing_key", id=key_id)
        if row is None:
            self._public.pop(key_id, None)
            return None
        if len(self._public) >= _MOST_KEYS:
            self._public.clear()
        key = Ed25519PublicKey.from_public_bytes(row["public_key"])
        # Looked up again now and then, so that a key that was removed from the database stops to count.
        self._public[key_id] = (key, time.time() + LIFETIME.total_seconds())
        return key


def _claims(claims: dict[str, Any]) -> Claims:
    UUID(str(claims["jti"]))
    return Claims(
        user_id=UUID(str(claims["sub"])), session_id=UUID(str(claims["sid"])), expires_at=float(claims["exp"])
    )
