"""The metrics of a process that has no other HTTP: ``GET /metrics`` for a scraper, nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from quilate.domain.errors import ConfigurationError
from quilate.kit.metrics import CONTENT_TYPE, Metrics

_LOG = structlog.get_logger("quilate.metrics")
_TRIED_PORTS = 64
_HIGHEST_PORT = 65535
_LONGEST_HEAD = 8 << 10
_PATIENCE_SECONDS = 5.0


@asynccontextmanager
async def metrics_server(metrics: Metrics, host: str, port: int) -> AsyncIterator[int]:
    """Answer for the time of the block and give the port: the first free one from ``port`` on; zero for none at all.

    Raises:
        ConfigurationError: None of the ports is free.
    """
    if not port:
        yield 0
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                found = head.startswith((b"GET /metrics ", b"GET /metrics?"))
                body = await metrics.render() if found else b"there is only /metrics\n"
                status = "200 OK" if found else "404 Not Found"
                kind = CONTENT_TYPE if found else "text/plain"
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                writer.write(body)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            writer.close()

    last = min(port + _TRIED_PORTS - 1, _HIGHEST_PORT)
    for candidate in range(port, last + 1):
        try:
            server = await asyncio.start_server(answer, host, candidate, limit=_LONGEST_HEAD)
        except OSError:
            continue
        _LOG.info("metrics are served", port=candidate)
        async with server:
            yield candidate
        return
    raise ConfigurationError(
        f"no port from {port} to {last} is free for the metrics of a worker",
        next_step="set QUILATE_WORKER_METRICS_PORT to another one",
    )
