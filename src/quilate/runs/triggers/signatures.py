"""Whether a delivery was signed with a hook's secret: each provider's own scheme over the bytes as they arrived.

Sources: GitHub, "Validating webhook deliveries"; GitLab, "Webhooks" (secret token, signing token); Bitbucket, "Manage
webhooks" (secure webhooks); Gitea, "Webhooks"; MLflow, "Webhooks" (signature verification); the Standard Webhooks
specification.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from quilate.runs.triggers.model import Provider

TOLERANCE_SECONDS = 300
"""A signed time may be this far from ours, the tolerance that Standard Webhooks recommends."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of Standard Webhooks, no secret
_SECRET_BYTES = 32
_LONGEST_ID = 256

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A delivery whose signature is right.

    Attributes:
        delivery: Its id as the provider gave it; empty where it gave none.
        signed_id: The id is part of what was signed: nobody can send the same body under another.
    """

    delivery: str
    signed_id: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverified:
    """A delivery that is not taken, and why."""

    reason: str


_Scheme = Callable[[Headers, bytes, Sequence[str], float], Verified | Unverified]


def new_secret() -> str:
    """Return a new secret: one that every scheme takes, as text or as the key that it encodes."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def verify(
    provider: Provider, headers: Headers, body: bytes, candidates: Sequence[str], now: float
) -> Verified | Unverified:
    """Tell whether a delivery is signed with one of the secrets.

    Args:
        provider: Whose scheme counts; others' headers count for nothing.
        headers: Of the request, names in lower case.
        body: As it arrived.
        candidates: The secrets that are good at this moment.
        now: Unix time in seconds.
    """
    return _SCHEMES[provider](headers, body, candidates, now)


def _hex_scheme(header: str, prefix: str, delivery: str) -> _Scheme:
    def scheme(headers: Headers, body: bytes, candidates: Sequence[str], now: float) -> Verified | Unverified:
        del now  # These providers sign no time.
        given = headers.get(header, "")
        if not given.startswith(prefix) or len(given) == len(prefix):
            return Unverified(reason=f"there is no {header}")
        wanted = [prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in candidates]
        if not _any_equal(given, wanted):
            return Unverified(reason=f"{header} is not right")
        return Verified(delivery=headers.get(delivery, "")[:_LONGEST_ID], signed_id=False)

    return scheme


def _gitlab(headers: Headers, body: bytes, candidates: Sequence[str], now: float) -> Verified | Unverified:
    if "webhook-signature" in headers:
        # The signing token: where GitLab signs, the signature counts and not the token beside it.
        return _standard(headers, body, candidates, now)
    given = headers.get("x-gitlab-token", "")
    if not given:
        return Unverified(reason="there is neither webhook-signature nor x-gitlab-token")
    if not _any_equal(given, candidates):
        return Unverified(reason="x-gitlab-token is not right")
    delivery = headers.get("idempotency-key") or headers.get("x-gitlab-event-uuid", "")
    return Verified(delivery=delivery[:_LONGEST_ID], signed_id=False)


def _standard(headers: Headers, body: bytes, candidates: Sequence[str], now: float) -> Verified | Unverified:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    keys = [_decoded(secret) for secret in candidates]
    return _timed(headers, body, names, keys, now)


def _mlflow(headers: Headers, body: bytes, candidates: Sequence[str], now: float) -> Verified | Unverified:
    names = ("x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature")
    return _timed(headers, body, names, [secret.encode() for secret in candidates], now)


def _timed(
    headers: Headers, body: bytes, names: tuple[str, str, str], keys: Sequence[bytes], now: float
) -> Verified | Unverified:
    """Judge ``v1,<base64>`` of HMAC-SHA256 over ``id.timestamp.body``."""
    delivery, moment, given = (headers.get(name, "") for name in names)
    if not delivery or len(delivery) > _LONGEST_ID or not given:
        return Unverified(reason=f"there is no {names[2]} with its {names[0]}")
    if not moment.isascii() or not moment.isdigit() or len(moment) > 12:  # noqa: PLR2004 - digits of the year 33658
        return Unverified(reason=f"{names[1]} is no time")
    signed = b".".join((delivery.encode("utf-8", "replace"), moment.encode(), body))
    wanted = ["v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    if not any([_any_equal(each, wanted) for each in given.split()[:16]]):  # noqa: C419 - all of them, in the same time
        return Unverified(reason=f"{names[2]} is not right")
    if abs(now - int(moment)) > TOLERANCE_SECONDS:
        return Unverified(reason=f"{names[1]} is more than {TOLERANCE_SECONDS} s away from the time here")
    return Verified(delivery=delivery, signed_id=True)


def _decoded(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def _any_equal(given: str, wanted: Sequence[str]) -> bool:
    """Compare with each in constant time, and with all of them whatever comes out."""
    sent = given.encode("utf-8", "replace")
    return any([hmac.compare_digest(sent, each.encode()) for each in wanted])  # noqa: C419 - as said above


_SCHEMES: Mapping[Provider, _Scheme] = {
    Provider.GITHUB: _hex_scheme("x-hub-signature-256", "sha256=", "x-github-delivery"),
    Provider.GITLAB: _gitlab,
    Provider.BITBUCKET: _hex_scheme("x-hub-signature", "sha256=", "x-request-uuid"),
    Provider.GITEA: _hex_scheme("x-gitea-signature", "", "x-gitea-delivery"),
    Provider.MLFLOW: _mlflow,
    Provider.GENERIC: _standard,
}
