"""Sending many requests to one address, a few at a time, and timing each to the last byte of its answer."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quilate.checks.endpoints import Endpoint

if TYPE_CHECKING:
    import httpx

MAX_RESPONSE_BYTES = 4 << 20
"""Answers are read up to 4 MiB; a longer one counts as an error, because its time is not known."""

_MAX_REDIRECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPlan:
    """What is sent and how often.

    Attributes:
        endpoint: Where to.
        method: HTTP method.
        headers: Header values, secrets filled in.
        body: JSON bytes, or ``None``.
        requests: How many are measured.
        warmup: How many are sent before and not measured.
        warmup_seconds: No more of these are begun once they have taken so long.
        concurrency: How many are under way at once.
        timeout: Seconds after which one request has failed.
        deadline: Seconds after which no more are sent, whatever is left.
        limit_ms: Latency above which a request counts as slow.
        slow_that_decide: So many slow requests settle the answer; the rest is not sent.
        authorities: PEM text that replaces the system's trust store, or empty.
    """

    endpoint: Endpoint
    method: str
    headers: Mapping[str, str]
    body: bytes | None
    requests: int
    warmup: int
    warmup_seconds: float
    concurrency: int
    timeout: float
    deadline: float
    limit_ms: float
    slow_that_decide: int
    authorities: str = ""


@dataclass(slots=True, kw_only=True)
class Measurement:
    """What came of the requests; latencies in milliseconds, in the order of their ends.

    Attributes:
        latencies: Of every request that was answered, or that ran out of time.
        errors: How many failed, by reason: ``status 500``, ``no answer in time``, …
        sent: How many were measured, failed ones included.
        seconds: Wall time of the measured part.
        warmed: How many were sent before and not measured.
        decided_early: Enough slow requests to settle the answer.
        out_of_time: The deadline came before all were sent.
    """

    latencies: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    seconds: float = 0.0
    warmed: int = 0
    decided_early: bool = False
    out_of_time: bool = False


def measure(plan: RequestPlan) -> Measurement:
    """Warm up, then send the planned requests and return what came of them."""
    return asyncio.run(_Load(plan).run())


class _Load:
    """One load under way; everything happens on one event loop, so nothing needs a lock."""

    def __init__(self, plan: RequestPlan) -> None:
        self._plan = plan
        self._result = Measurement()
        self._left = plan.requests
        self._slow = 0
        self._decided = asyncio.Event()

    async def run(self) -> Measurement:
        import httpx  # noqa: PLC0415 - heavy, and only this check's own process needs it

        plan = self._plan
        # Reading the system's authorities takes time, and there is nobody to verify without TLS.
        verify = plan.endpoint.scheme == "https" and ssl.create_default_context(cadata=plan.authorities or None)
        limits = httpx.Limits(max_connections=plan.concurrency, max_keepalive_connections=plan.concurrency)
        async with httpx.AsyncClient(verify=verify, timeout=plan.timeout, limits=limits, trust_env=False) as client:
            end = time.monotonic() + plan.deadline
            await self._at_once(self._warm_up(client), end)
            begin = time.perf_counter()
            await self._at_once(self._measure(client), end)
            self._result.seconds = time.perf_counter() - begin
        self._result.out_of_time = self._left > 0 and not self._decided.is_set()
        self._result.decided_early = self._left > 0 and self._decided.is_set()
        return self._result

    async def _at_once(self, work: Awaitable[None], end: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(end - time.monotonic(), 0)):
                await work

    async def _warm_up(self, client: "httpx.AsyncClient") -> None:
        plan, result = self._plan, self._result
        end = time.monotonic() + plan.warmup_seconds
        while result.warmed < plan.warmup and (not result.warmed or time.monotonic() < end):
            count = min(plan.concurrency, plan.warmup - result.warmed)
            await asyncio.gather(*(self._request(client) for _ in range(count)))
            result.warmed += count

    async def _measure(self, client: "httpx.AsyncClient") -> None:
        workers = [asyncio.create_task(self._work(client)) for _ in range(self._plan.concurrency)]
        decided = asyncio.create_task(self._decided.wait())
        working: set[asyncio.Task[Any]] = set(workers)
        try:
            while working and not decided.done():
                done, _ = await asyncio.wait({*working, decided}, return_when=asyncio.FIRST_COMPLETED)
                working -= done
        finally:
            for task in (*workers, decided):
                task.cancel()
            await asyncio.gather(*workers, decided, return_exceptions=True)
        for worker in workers:
            if not worker.cancelled():
                worker.result()

    async def _work(self, client: "httpx.AsyncClient") -> None:
        while self._left > 0:
            self._left -= 1
            begin = time.perf_counter()
            try:
                error = await self._request(client)
            except asyncio.CancelledError:
                self._left += 1
                self._record_cut_off((time.perf_counter() - begin) * 1000)
                raise
            self._record((time.perf_counter() - begin) * 1000, error)

    def _record(self, milliseconds: float, error: str) -> None:
        self._result.sent += 1
        if error:
            self._result.errors[error] = self._result.errors.get(error, 0) + 1
        if not error or error == _TIMED_OUT:
            self._result.latencies.append(milliseconds)
            self._slow += milliseconds > self._plan.limit_ms
        if self._slow >= self._plan.slow_that_decide:
            self._decided.set()

    def _record_cut_off(self, milliseconds: float) -> None:
        """Keep a request that the deadline ended, where it was already too slow: leaving it out would flatter."""
        if not self._decided.is_set() and milliseconds > self._plan.limit_ms:
            self._result.sent += 1
            self._result.latencies.append(milliseconds)

    async def _request(self, client: "httpx.AsyncClient") -> str:
        """Send one request and return why it failed, or an empty string."""
        import httpx  # noqa: PLC0415 - loaded by `run` already

        plan = self._plan
        request: httpx.Request | None = client.build_request(
            plan.method, plan.endpoint.url, headers=dict(plan.headers), content=plan.body
        )
        try:
            async with asyncio.timeout(plan.timeout):
                for _ in range(_MAX_REDIRECTS + 1):
                    if request is None:
                        break
                    error, request = await self._exchange(client, request)
                    if request is None or error:
                        return error
                return "too many redirects"
        except (TimeoutError, httpx.TimeoutException):
            return _TIMED_OUT
        except httpx.ConnectError:
            return "no connection"
        except httpx.HTTPError as error:
            return f"connection failed ({type(error).__name__})"

    async def _exchange(self, client: "httpx.AsyncClient", request: Any) -> tuple[str, Any]:
        response = await client.send(request, stream=True)
        try:
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > MAX_RESPONSE_BYTES:
                    return f"answer larger than {MAX_RESPONSE_BYTES >> 20} MiB", None
        finally:
            await response.aclose()
        if response.is_redirect and response.next_request is not None:
            following = response.next_request
            if following.url.scheme != request.url.scheme or following.url.netloc != request.url.netloc:
                return "redirect to another host", None
            return "", following
        return (f"status {response.status_code}" if response.status_code >= _FIRST_ERROR_STATUS else ""), None


_TIMED_OUT = "no answer in time"
_FIRST_ERROR_STATUS = 400
