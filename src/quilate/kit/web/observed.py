"""The outermost layer: request id, trace, log line, metrics, security headers, an answer to what nobody expected."""

import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quilate.kit.ids import uuid7_hex
from quilate.kit.masking import mask_text
from quilate.kit.metrics import Metrics
from quilate.kit.tracing import current_trace_id, is_traceparent, span
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import METHODS, problem_of
from quilate.kit.web.routes import UNKNOWN_ROUTE, route_template

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_QUIET = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
_FAULT = 500


class Observed:
    """Wraps the whole application.

    Args:
        app: What is inside.
        writer: Writes problem documents.
        metrics: Where requests are counted.
        https: The service is reached over TLS: browsers are told to stay there.
    """

    def __init__(self, app: ASGIApp, *, writer: ProblemWriter, metrics: Metrics, https: bool = False) -> None:
        self._app = app
        self._writer = writer
        self._metrics = metrics
        self._defaults = (*_SECURITY, *((_STRICT_TRANSPORT,) if https else ()))
        self._log = structlog.get_logger("quilate.request")
        self._counters: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and say so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, parent = _incoming(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        begin = time.perf_counter()
        answer = _Answer(send, (*self._defaults, (b"x-request-id", request_id.encode())))
        self._metrics.requests_under_way.inc()
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        quiet = scope["path"] in _QUIET
        try:
            with nullcontext() if quiet else span(method, parent=parent, **{"http.request.method": method}) as traced:
                try:
                    await self._run(scope, receive, answer)
                finally:
                    _describe(traced, scope, method, answer.status)
                    self._tell(scope, method, answer, begin, request_id, quiet=quiet)
        finally:
            self._metrics.requests_under_way.dec()

    async def _run(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            problem = problem_of(error, scope)
            if answer.status:
                # The head has gone: only an end before its time tells the reader that something is missing.
                raise
            await self._writer.send(problem, scope, receive, answer)

    def _tell(  # noqa: PLR0913 - what a line holds
        self, scope: Scope, method: str, answer: "_Answer", begin: float, request_id: str, *, quiet: bool
    ) -> None:
        seconds = time.perf_counter() - begin
        route = route_template(scope)
        count, observe = self._counted(method, route, answer.status)
        count()
        observe(seconds)
        if quiet and answer.status < _FAULT:
            return
        principal = scope["state"].get("principal")
        fields: dict[str, Any] = {
            "method": method,
            "route": route,
            "status": answer.status,
            "ms": round(seconds * 1000, 2),
            "request_id": request_id,
        }
        if route == UNKNOWN_ROUTE:
            fields["path"] = mask_text(scope["path"][:200])
        if trace := current_trace_id():
            fields["trace_id"] = trace
        if principal is not None:
            fields["actor"] = str(principal.actor)
        self._log.info("request", **fields)

    def _counted(self, method: str, route: str, status: int) -> tuple[Callable[[], None], Callable[[float], None]]:
        # Looking a label up costs more than counting: each combination is looked up once.
        known = self._counters.get((method, route, status))
        if known is None:
            counter = self._metrics.requests.labels(method, route, str(status))
            known = (counter.inc, self._metrics.request_seconds.labels(method, route).observe)
            self._counters[method, route, status] = known
        return known


class _Answer:
    """``send`` that adds headers which the application did not set, and remembers the status."""

    __slots__ = ("_defaults", "_send", "status")

    def __init__(self, send: Send, defaults: tuple[tuple[bytes, bytes], ...]) -> None:
        self._send = send
        self._defaults = defaults
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name for name, _ in headers}
            headers += [default for default in self._defaults if default[0] not in present]
            message = {**message, "headers": headers}
        await self._send(message)


def _incoming(scope: Scope) -> tuple[str, str]:
    """Return the request id, the caller's own where it is one, and the caller's trace."""
    request_id, parent = "", ""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent":
            text = value.decode("latin-1")
            parent = text if is_traceparent(text) else ""
    return request_id or uuid7_hex(), parent


def _describe(traced: Any, scope: Scope, method: str, status: int) -> None:
    if traced is None:
        return
    route = route_template(scope)
    traced.set_attribute("http.route", route)
    traced.set_attribute("http.response.status_code", status)
    if hasattr(traced, "update_name"):
        traced.update_name(f"{method} {route}")
