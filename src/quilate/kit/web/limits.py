"""Limits that hold before any endpoint is reached: body size, requests a second, requests at a time."""

import asyncio
import contextlib
import hashlib
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.problems import Problem

_MOST_BUCKETS = 50_000
_HEALTH = "/health"
_DRAINED_BYTES = 64 << 20
_DRAINED_SECONDS = 5.0
"""So much, and so long, of a refused body is read on: most clients read no answer before they have sent all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimit:
    """The longest body below some routes; the first limit whose pattern fits the whole path counts."""

    pattern: str
    largest_bytes: int


class BodyLimiter:
    """Refuses bodies that are too long: at once by ``Content-Length``, else while they are read.

    Args:
        app: The application.
        writer: Writes the refusals.
        largest_bytes: Where no other limit is.
        others: Limits of single routes.
    """

    def __init__(
        self, app: ASGIApp, *, writer: ProblemWriter, largest_bytes: int, others: Sequence[BodyLimit] = ()
    ) -> None:
        self._app = app
        self._writer = writer
        self._largest = largest_bytes
        self._others = [(re.compile(other.pattern), other.largest_bytes) for other in others]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through while its body stays within the limit."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        limit = next((most for pattern, most in self._others if pattern.fullmatch(scope["path"])), self._largest)
        body = _Body(receive, limit)
        if _declared_length(scope) > limit:
            if not _waits_for_a_word(scope):
                await body.drain()
            await self._writer.send(too_large(limit), scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, body.receive, watched)
        except _TooLarge as error:
            if started:
                raise
            await self._writer.send(error.problem, scope, receive, send)


class _Body:
    """A request's body, counted while it is read."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._seen = 0
        self._whole = False

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            _TooLarge: The body is beyond its limit.
        """
        message = await self._next()
        if self._seen > self._limit:
            # Before anybody answers: the application turns the error into an answer by itself.
            await self.drain()
            raise _TooLarge(self._limit)
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        self._seen += len(message.get("body", b""))
        return message

    async def drain(self) -> None:
        """Read what the client is still sending, within bounds; to close on it would take the answer along."""
        most = self._seen + _DRAINED_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAINED_SECONDS):
                while not self._whole and self._seen < most:
                    await self._next()


def _waits_for_a_word(scope: Scope) -> bool:
    return any(name == b"expect" for name, _ in scope["headers"])


class _TooLarge(HTTPException):
    """Passes through the framework's own reading of bodies, which hides other errors."""

    def __init__(self, limit: int) -> None:
        self.problem = too_large(limit)
        super().__init__(413, self.problem.detail, self.problem.headers)


def too_large(limit: int) -> Problem:
    """Return the answer to a body beyond a limit in bytes."""
    return Problem(
        status=413,
        type="too-large",
        detail=f"the body is longer than {limit} bytes",
        next_step="send less at a time; operators set QUILATE_REQUEST_BYTES and QUILATE_UPLOAD_BYTES",
        headers={"Connection": "close"},
    )


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


class TokenBuckets:
    """Rates of many callers; those not seen for longest are forgotten, which only ever makes them freer.

    Args:
        per_second: Requests a second in the long run.
        burst: Requests at once.
        clock: Seconds, monotonic.
    """

    def __init__(self, *, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self.burst = burst
        self._clock = clock
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, caller: bytes) -> float:
        """Take one request of a caller; return zero, or the seconds after which one is free again."""
        now = self._clock()
        left, at = self._buckets.get(caller, (self.burst, now))
        left = min(self.burst, left + (now - at) * self.per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self.per_second
        self._buckets[caller] = (left if wait else left - 1, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return wait


class RateLimiter:
    """Refuses callers that ask too often: by network address, and by login, wherever that is used from.

    Args:
        app: The application.
        writer: Writes the refusals.
        per_second: Requests a second of one caller in the long run; twice as many at once.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        writer: ProblemWriter,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._writer = writer
        self._clients = TokenBuckets(per_second=per_second, burst=2 * per_second, clock=clock)
        self._logins = TokenBuckets(per_second=per_second, burst=2 * per_second, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "http" and not scope["path"].startswith(_HEALTH):
            problem = self._refusal(scope)
            if problem is not None:
                await self._writer.send(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        client = scope.get("client")
        wait = self._clients.take(client[0].encode() if client else b"")
        policy = "client"
        if not wait:
            for name, value in scope["headers"]:
                if name == b"authorization":
                    # Only a digest stays in memory.
                    wait, policy = self._logins.take(hashlib.blake2b(value, digest_size=16).digest()), "login"
                    break
        return self._too_many(policy, wait) if wait else None

    def _too_many(self, policy: str, wait: float) -> Problem:
        seconds = max(1, math.ceil(wait))
        buckets = self._clients
        window = max(1, round(buckets.burst / buckets.per_second))
        return Problem(
            status=429,
            type="too-many-requests",
            detail="there are too many requests of this caller",
            next_step=f"wait {seconds} s, then send at most {buckets.per_second:g} requests a second",
            headers={
                "Retry-After": str(seconds),
                "RateLimit-Policy": f'"{policy}";q={round(buckets.burst)};w={window}',
                "RateLimit": f'"{policy}";r=0;t={seconds}',
            },
        )


class ConcurrencyLimiter:
    """Refuses requests beyond a number at a time, so that those under way end; health is always answered.

    Args:
        app: The application.
        writer: Writes the refusals.
        most: Requests at a time, open streams included.
    """

    def __init__(self, app: ASGIApp, *, writer: ProblemWriter, most: int) -> None:
        self._app = app
        self._writer = writer
        self._most = most
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http" or scope["path"].startswith(_HEALTH):
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._most:
            await self._writer.send(overloaded(), scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1


def overloaded() -> Problem:
    """Return the answer while too many requests are under way."""
    return Problem(
        status=503,
        type="overloaded",
        detail="too many requests are under way",
        next_step="send it again in a second",
        headers={"Retry-After": "1"},
    )
