"""Verifies tokens of other issuers: signature, issuer, times. Whom they are meant for is looked at by the caller.

Source: OpenID Connect Core 1.0, 3.1.3.7; RFC 8725 (JWT best current practice), 3.1 to 3.11.
"""

from collections.abc import Mapping
from typing import Any

from quilate.accounts.oidc.errors import RefusedTokenError
from quilate.accounts.oidc.issuers import ALGORITHMS, Issuers

LONGEST_TOKEN = 16 << 10
LEEWAY_SECONDS = 60
_LONGEST_KEY_ID = 500
_REQUIRED = ("iss", "sub", "aud", "iat", "exp")

Claims = Mapping[str, Any]


def issuer_of(token: str) -> str:
    """Return the issuer that a token names, not yet verified: whose keys to ask for.

    Raises:
        RefusedTokenError: It is no signed token.
    """
    import jwt  # noqa: PLC0415 - only the service loads it

    if len(token) > LONGEST_TOKEN:
        raise RefusedTokenError("the token is too long")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise RefusedTokenError("it is no JSON Web Token") from error
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise RefusedTokenError("it names no issuer")
    return issuer


async def verified_claims(issuers: Issuers, token: str, *, issuer: str) -> Claims:
    """Return what a token says, once its signature, issuer and times are right.

    ``aud`` is there, and its value is not compared: only the caller knows who is meant.

    Raises:
        RefusedTokenError: It does not count.
        IssuerFaultError: The issuer's keys cannot be read.
    """
    import jwt  # noqa: PLC0415 - only the service loads it

    kid, algorithm = _header(token)
    key = await issuers.key(issuer, kid)
    if key is None:
        raise RefusedTokenError("it is signed by a key that its issuer does not publish")
    if key.algorithm_name != algorithm:
        raise RefusedTokenError("its algorithm is not that of the key")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(_REQUIRED), "verify_aud": False},
        )
    except jwt.PyJWTError as error:
        raise RefusedTokenError(_reason(error)) from error
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise RefusedTokenError("it cannot be read") from error
    if not isinstance(claims["sub"], str) or not claims["sub"] or not audiences_of(claims):
        raise RefusedTokenError("its subject or audience is no text")
    return claims


def audiences_of(claims: Claims) -> frozenset[str]:
    """Return whom a token is meant for; nobody where the claim is malformed."""
    audience = claims.get("aud")
    listed = [audience] if isinstance(audience, str) else audience
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        return frozenset()
    return frozenset(listed)


def _header(token: str) -> tuple[str, str]:
    import jwt  # noqa: PLC0415 - only the service loads it

    if len(token) > LONGEST_TOKEN:
        raise RefusedTokenError("the token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise RefusedTokenError("it is no JSON Web Token") from error
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise RefusedTokenError(f"it is not signed by one of {', '.join(sorted(ALGORITHMS))}")
    if "crit" in header:
        raise RefusedTokenError("it asks for an extension that is not known")
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KEY_ID:
        raise RefusedTokenError("it does not say which key has signed it")
    return kid, algorithm


def _reason(error: Exception) -> str:
    import jwt  # noqa: PLC0415 - only the service loads it

    reasons: tuple[tuple[type[Exception], str], ...] = (
        (jwt.ExpiredSignatureError, "it has expired"),
        (jwt.ImmatureSignatureError, "it is not good yet; look at the clocks"),
        (jwt.InvalidIssuerError, "it is of another issuer"),
        (jwt.MissingRequiredClaimError, "it leaves out one of " + ", ".join(_REQUIRED)),
        (jwt.InvalidSignatureError, "its signature is wrong"),
    )
    return next((reason for kind, reason in reasons if isinstance(error, kind)), "it cannot be read")
