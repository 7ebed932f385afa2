"""``Idempotency-Key`` on requests that create: sent twice, carried out once.

Semantics of draft-ietf-httpapi-idempotency-key-header: the same key with the same request gives the first answer again
(``Idempotency-Replayed: true``), with another request 422, while the first is under way 409. Only success is kept: an
error leaves the key free, and a process that dies leaves it free once its lease is over.

Between the change and the keeping of its answer lies a moment in which a crash makes the repeated request a second one.
A service for which that matters writes both in one transaction: ``keep_answer(connection, claim, answer)`` within its
own; ``idempotent`` then finds the answer kept. Runs have their key in a unique index of their own table.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Header
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from quilate.kit.database.database import Connection, Database
from quilate.kit.database.queries import load_queries
from quilate.kit.ids import uuid7
from quilate.kit.web.problems import Problem
from quilate.kit.web.routes import route_template

LONGEST_KEY = 255
LONGEST_ANSWER = 256 << 10
"""Bytes of an answer that are kept."""
KEPT_SECONDS = 24 * 3600.0
"""How long an answer is kept where the application says nothing else: ``keep_keys``."""
LEASE_SECONDS = 30.0

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=LONGEST_KEY,
        description="Any name for this request; sent again with it, the request is not carried out twice.",
    ),
]
"""Documents the header on a route; ``idempotent`` reads it by itself."""

_QUERIES = load_queries("quilate.kit.web")
_KEPT_HEADERS = frozenset({"content-type", "etag", "link", "location"})
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyClaim:
    """The right to carry out the request of a key."""

    principal: str
    route: str
    key: str
    fingerprint: bytes
    attempt: UUID

    def arguments(self) -> dict[str, Any]:
        """Return what the statements ask for."""
        return {
            "principal": self.principal,
            "route": self.route,
            "key": self.key,
            "fingerprint": self.fingerprint,
            "attempt": self.attempt,
        }


def keep_keys(app: Starlette, seconds: float) -> None:
    """Have an application keep answers for so long."""
    app.state.idempotency_seconds = seconds


async def idempotent(  # noqa: PLR0913 - each has its meaning
    request: Request,
    database: Database,
    principal_key: str,
    handler: Callable[[KeyClaim | None], Awaitable[Response]],
    *,
    content_digest: bytes | None = None,
    keeps_body: bool = True,
) -> Response:
    """Carry a request out once for each key; without a key, always.

    Args:
        request: The request, its body not yet taken as a form or stream.
        database: Where keys are kept.
        principal_key: Who asks, ``str(principal.actor)``: keys of one caller mean nothing to another.
        handler: Carries it out. It gets the claim, so that it can keep its answer in its own transaction.
        content_digest: Stands for the body where that was streamed.
        keeps_body: False where the answer shows a secret once; a repeated request is then told that it was done.

    Raises:
        Problem: 422, the key is malformed or was used for another request; 409, the first request is under way.
    """
    key = read_key(request)
    if key is None:
        return await handler(None)
    claim = KeyClaim(
        principal=principal_key,
        route=f"{request.method} {route_template(request.scope)}",
        key=key,
        fingerprint=await _fingerprint(request, content_digest),
        attempt=uuid7(),
    )
    known = await _claim(database, claim, getattr(request.app.state, "idempotency_seconds", KEPT_SECONDS))
    if known is not None:
        return _answer_of_known(known, claim)
    try:
        async with _renewed(database, claim):
            response = await handler(claim)
    except BaseException:
        with contextlib.suppress(Exception):
            await asyncio.shield(_execute(database, "free_key", claim.arguments()))
        raise
    await database.run(lambda connection: keep_answer(connection, claim, response, keeps_body=keeps_body))
    return response


def read_key(request: Request) -> str | None:
    """Return the key of a request, ``None`` where it has none; quotes of a structured field are taken off.

    Raises:
        Problem: 422, it is empty, too long, not printable ASCII, or given twice.
    """
    values = request.headers.getlist("idempotency-key")
    if not values:
        return None
    key = values[0]
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(values) > 1 or not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Problem(
            status=422,
            type="invalid-request",
            detail=f"Idempotency-Key has to be one text of 1 to {LONGEST_KEY} printable ASCII characters",
            next_step="take a new UUID for each request",
            extensions={"errors": [{"pointer": "#/Idempotency-Key", "in": "header", "detail": "is malformed"}]},
        )
    return key


async def keep_answer(connection: Connection, claim: KeyClaim, response: Response, *, keeps_body: bool = True) -> None:
    """Keep the answer of a request within the caller's transaction; one that was kept stays as it is."""
    if response.status_code not in _SUCCESS:
        await connection.execute(_QUERIES["free_key"], claim.arguments())
        return
    body = bytes(response.body)
    headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
    arguments = {
        **claim.arguments(),
        "status": response.status_code,
        "headers": msgspec.json.encode(headers).decode(),
        "body": body if keeps_body and len(body) <= LONGEST_ANSWER else None,
    }
    await connection.execute(_QUERIES["keep_answer"], arguments)


async def forget_expired_keys(database: Database, *, batch: int = 2000) -> int:
    """Delete keys whose time is over, in batches, and return how many."""
    total = 0
    while gone := await _execute(database, "forget_expired_keys", {"most": batch}):
        total += gone
        if gone < batch:
            break
    return total


async def _fingerprint(request: Request, content_digest: bytes | None) -> bytes:
    content = content_digest if content_digest is not None else hashlib.sha256(await request.body()).digest()
    digest = hashlib.sha256()
    for part in (request.url.path.encode("utf-8", "replace"), request.url.query.encode(), content):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


async def _claim(database: Database, claim: KeyClaim, kept_seconds: float) -> Mapping[str, Any] | None:
    """Take the key and return nothing, or return what is known of it."""

    async def work(connection: Connection) -> Mapping[str, Any] | None:
        arguments = {**claim.arguments(), "lease": LEASE_SECONDS, "kept": kept_seconds}
        # Between the two statements the other's row may go: then the key is free after all.
        while True:
            taken = await (await connection.execute(_QUERIES["claim_key"], arguments)).fetchone()
            if taken is not None:
                return None
            known = await (await connection.execute(_QUERIES["known_key"], arguments)).fetchone()
            if known is not None:
                return known

    return await database.run(work)


def _answer_of_known(known: Mapping[str, Any], claim: KeyClaim) -> Response:
    if bytes(known["fingerprint"]) != claim.fingerprint:
        raise Problem(
            status=422,
            type="idempotency-mismatch",
            detail="this Idempotency-Key was used for another request",
            next_step="take a new key for a new request, or send the first request unchanged",
        )
    if known["status"] is None:
        raise Problem(
            status=409,
            type="idempotency-in-progress",
            detail="the first request with this Idempotency-Key is still under way",
            next_step="send it again a little later; it then gets the first one's answer",
            headers={"Retry-After": str(min(known["wait_seconds"], 2))},
        )
    headers = {**msgspec.json.decode(known["headers"], type=dict[str, str]), "idempotency-replayed": "true"}
    if known["body"] is None:
        raise Problem(
            status=409,
            type="idempotency-not-kept",
            detail="the request was carried out, and its answer is not kept",
            next_step="look for what it created; for another one take a new key",
            headers={name: headers[name] for name in ("location",) if name in headers},
        )
    return Response(bytes(known["body"]), status_code=known["status"], headers=headers)


@contextlib.asynccontextmanager
async def _renewed(database: Database, claim: KeyClaim) -> AsyncIterator[None]:
    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            # A renewal that fails is tried again: two more fit into the lease.
            with contextlib.suppress(Exception):
                await _execute(database, "renew_key", {**claim.arguments(), "lease": LEASE_SECONDS})

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _execute(database: Database, name: str, arguments: Mapping[str, Any]) -> int:
    async with database.connection() as connection:
        return (await connection.execute(_QUERIES[name], arguments)).rowcount
