"""The real application on a real socket, and real workers, for as long as a test."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from quilate.app.service.http import create_app
from quilate.app.service.listening import listen
from quilate.app.service.settings import Settings, load_settings, settings_environment

_DEADLINE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveService:
    """A service that answers at ``url``."""

    url: str
    settings: Settings

    @contextlib.contextmanager
    def process(self, role: str) -> Iterator[None]:
        """Let a process of the service work: ``worker_main`` or ``background``."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QUILATE_")}
        process = subprocess.Popen(
            [sys.executable, "-m", f"quilate.app.service.{role}"],
            env={**environment, **settings_environment(self.settings)},
            stdin=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(_DEADLINE_SECONDS)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def live_service(database_url: str, state: Path, *, local: bool, **more: Any) -> Iterator[LiveService]:
    """Serve the application over a migrated database; ``local`` is the single-user mode, ``more`` are settings."""
    opened = listen("127.0.0.1", 0)
    port = opened.getsockname()[1]
    settings = load_settings({}, state=state, database_url=database_url, local=local, port=port, **more)
    config = uvicorn.Config(create_app(settings), lifespan="on", log_config=None, timeout_graceful_shutdown=1)
    server = _Server(config)
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(server.serve(sockets=[opened]))
        except BaseException as error:  # noqa: BLE001 - told by the waiting test
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    end = time.monotonic() + _DEADLINE_SECONDS
    while not server.started and thread.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    assert server.started, failures
    try:
        yield LiveService(url=f"http://127.0.0.1:{port}", settings=settings)
    finally:
        server.should_exit = True
        thread.join(_DEADLINE_SECONDS)
        opened.close()
    assert not failures, failures
