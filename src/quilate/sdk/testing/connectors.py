"""Run a plugin's connector in its own tests: over real HTTP to a receiver on this machine."""

import asyncio
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from quilate.deliveries.catalog import settings_of
from quilate.deliveries.connector import (
    RUN_FINISHED,
    Connector,
    DeliveredEvent,
    DeliveryError,
    Outcome,
    RunReport,
)
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingHttp

__all__ = ["ReceivedRequest", "Receiver", "deliver", "finished_run", "probe", "receiver"]

_LOOPBACK = AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """A request as it came; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class Receiver:
    """A server at ``url`` that answers every request with ``status`` and ``body`` and keeps it in ``received``."""

    url: str = ""
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    received: list[ReceivedRequest] = field(default_factory=list)


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a server on this machine for the time of the block."""
    opened = Receiver()
    server = _server(opened)
    opened.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _server(opened: Receiver) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            request = ReceivedRequest(
                method=self.command,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("content-length") or 0)),
            )
            opened.received.append(request)
            with contextlib.suppress(ConnectionError):
                self.send_response(opened.status)
                given = {"content-type": "application/json", **opened.headers, "content-length": str(len(opened.body))}
                for name, value in given.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(opened.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - the base class's names

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

    return Server(("127.0.0.1", 0), Handler)


def finished_run(*, verdict: str = "PASS", **more: Any) -> RunReport:
    """Return the report of a run that has ended; ``more`` are other fields of ``RunReport``."""
    given = {
        "id": uuid4(),
        "project": "example",
        "status": "succeeded" if verdict == "PASS" else "failed",
        "headline": f"example is {verdict}",
        "url": "https://quilate.example/runs/1",
    }
    return RunReport(**{**given, "verdict": verdict, **more})


def deliver(
    connector: type[Connector],
    report: RunReport,
    *,
    settings: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    memory: dict[str, str] | None = None,
) -> Outcome:
    """Return what a connector did about the end of a run; requests may go to this machine only.

    Args:
        connector: The class.
        report: The run.
        settings: As somebody gives them who makes a connection.
        secrets: Likewise.
        memory: What the connection remembers; pass the same one again for a second delivery.

    Raises:
        DeliveryError: It was not taken.
    """
    event = DeliveredEvent(
        id=uuid4(),
        type=RUN_FINISHED,
        time=datetime.now(UTC),
        project=report.project,
        subject=f"run:{report.id}",
        data={"run": str(report.id), "verdict": report.verdict},
        run_id=report.id,
    )
    made = connector()
    context = _Context(settings=settings_of(made, settings or {}), secrets=secrets or {}, memory=memory, report=report)
    return asyncio.run(context.closed_after(made.deliver(event, context)))


def probe(
    connector: type[Connector], *, settings: Mapping[str, Any] | None = None, secrets: Mapping[str, str] | None = None
) -> Outcome:
    """Return what a connector's test delivery did.

    Raises:
        DeliveryError: Address or credentials do not work.
    """
    made = connector()
    context = _Context(settings=settings_of(made, settings or {}), secrets=secrets or {})
    return asyncio.run(context.closed_after(made.probe(context)))


class _Context:
    """Implements ``DeliveryContext``."""

    def __init__(
        self,
        *,
        settings: Any,
        secrets: Mapping[str, str],
        memory: dict[str, str] | None = None,
        report: RunReport | None = None,
    ) -> None:
        self.settings = settings
        self.http = OutgoingHttp(policy=_LOOPBACK, timeout=10.0)
        self.dry_run = False
        self._secrets = secrets
        self._memory = {} if memory is None else memory
        self._report = report

    def secret(self, name: str) -> str:
        return self._secrets.get(name, "")

    async def report(self, run_id: UUID) -> RunReport:
        if self._report is None or self._report.id != run_id:
            raise DeliveryError("there is no such run", permanent=True)
        return self._report

    async def sarif(self, run_id: UUID) -> bytes:
        del run_id
        return b'{"version": "2.1.0", "runs": []}'

    async def remembered(self, key: str) -> str | None:
        return self._memory.get(key)

    async def remember(self, key: str, value: str) -> None:
        self._memory[key] = value

    async def closed_after(self, work: Any) -> Outcome:
        """Return what ``work`` returns and close the connections."""
        try:
            outcome: Outcome = await work
        finally:
            await self.http.close()
        return outcome
