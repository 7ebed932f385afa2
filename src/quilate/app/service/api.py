"""The API process: ``python -m quilate.app.service.api``."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator

import uvicorn

from quilate.app.service.listening import inherited_socket, listen
from quilate.app.service.role import run_role
from quilate.app.service.settings import Settings
from quilate.domain.errors import InternalError

_GRACE_SECONDS = 5
"""So long may requests under way go on after the stop; streams are cut then."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which is the role's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the API until ``stop``.

    Raises:
        InternalError: The application did not start.
    """
    from quilate.app.service.http import create_app  # noqa: PLC0415 - its imports are most of this process

    opened = inherited_socket() or listen(settings.host, settings.port)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http="httptools", ws="none", lifespan="on",
        log_config=None, access_log=False, server_header=False, date_header=True,
        proxy_headers=bool(settings.trusted_proxies), forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[opened]))
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    for each in app.state.stops:
        each()
    server.should_exit = True
    asked.cancel()
    await serving
    if not server.started:
        raise InternalError("the API did not start")


if __name__ == "__main__":
    sys.exit(run_role("api", serve))
