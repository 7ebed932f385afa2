"""A whole service of real processes that a test may kill, on a PostgreSQL that it may kill too.

``FaultService.start(role)`` starts ``api``, ``worker`` or ``background`` as ``quilate up`` does; all API processes
share one listening socket, so that the death of one refuses nobody.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from quilate.accounts.bootstrap import first_admin_link
from quilate.accounts.model import PERMISSIONS_OF_ROLE, Role
from quilate.app.service.listening import LISTEN_VARIABLE, listen
from quilate.app.service.processes import API, MODULES, STOP_ORDER, ServiceProcess, make_process, stop_processes
from quilate.app.service.schema import service_migrations
from quilate.app.service.settings import load_settings, settings_environment
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.migrations import migrate
from tests.support.projects import QUILATE

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "faults"
PASSWORD = "amber kettle under glass"  # noqa: S105 - of people who live for one test
CHECKS = ("tests.support.durable_checks", "tests.support.fault_checks")
_DEADLINE_SECONDS = 60.0
_TICK_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class FaultService:
    """One service.

    Attributes:
        database_url: Its database.
        directory: Everything that it keeps.
        socket: Where its API listens.
        environment: The variables of its processes.
        prefix: Program and arguments that run each process's command, for example in another namespace.
        processes: What was started, dead ones included, by name.
    """

    database_url: str
    directory: Path
    socket: socket.socket
    environment: dict[str, str]
    prefix: tuple[str, ...] = ()
    processes: dict[str, ServiceProcess] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    @property
    def state(self) -> Path:
        """The service's state directory."""
        return self.directory / "state"

    def start(self, role: str, number: int = 0, **variables: str) -> ServiceProcess:
        """Start a process, anew where one of that name has ended."""
        name = f"{role}-{number}"
        descriptors = {LISTEN_VARIABLE: self.socket.fileno()} if role == API else {}
        settings = {**self.environment, **variables}
        log = self.directory / "logs" / f"{name}.log"
        process = make_process(role, name, settings, descriptors=descriptors, log=log)
        if self.prefix:
            self._start_prefixed(process)
        else:
            process.start()
        self.processes[name] = process
        return process

    def _start_prefixed(self, process: ServiceProcess) -> None:
        command = [*self.prefix, sys.executable, "-P", "-m", MODULES[process.role]]
        assert process.log is not None
        process.log.parent.mkdir(parents=True, exist_ok=True)
        with process.log.open("ab") as log:
            process.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=dict(process.environment), pass_fds=process.descriptors,
            )  # fmt: skip
        process.started = time.monotonic()

    def kill(self, process: ServiceProcess) -> None:
        """End a process as kill -9 does, and wait until it is gone."""
        process.signal(signal.SIGKILL)
        end = time.monotonic() + _DEADLINE_SECONDS
        while process.process is not None and process.ended() is None:
            assert time.monotonic() < end, f"{process.name} does not end"
            time.sleep(0.005)

    def log(self, name: str) -> str:
        """Return what a process said."""
        path = self.directory / "logs" / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def logs(self) -> dict[str, str]:
        """Return what each process said, by its name."""
        return {name: self.log(name) for name in self.processes}

    def await_api(self) -> None:
        """Wait until the API answers."""
        end = time.monotonic() + _DEADLINE_SECONDS
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health/live", timeout=5).status_code == httpx.codes.OK:
                    return
            assert time.monotonic() < end, self.log("api-0")
            time.sleep(_TICK_SECONDS)

    async def stop(self) -> None:
        """Stop everything in the order of ``quilate up``."""
        for role in STOP_ORDER:
            group = [each for each in self.processes.values() if each.role == role]
            await stop_processes(group, patience_seconds=20, hurry=asyncio.Event())

    def quilate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line over this service's state."""
        environment = {**self.environment, "QUILATE_DATABASE_URL": self.database_url}
        return subprocess.run(
            [QUILATE, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )

    def exported_entries(self) -> list[dict[str, Any]]:
        """Export the audit log, verify the export offline against its kept head, and return the entries in it."""
        file = self.directory / "audit.ndjson"
        exported = self.quilate("audit", "export", "--database", self.database_url, "--output", str(file))
        assert exported.returncode == 0, exported.stderr
        keys = self.quilate("audit", "keys", "--database", self.database_url).stdout.split()
        trust = [part for key in keys for part in ("--key", key)]
        verified = self.quilate("audit", "verify", str(file), *trust, "--head", str(self.state / "audit-head"))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return [line["leaf"] for line in lines if "leaf" in line]


def make_service(database_url: str, directory: Path, variables: Mapping[str, str]) -> FaultService:
    """Return a service over a migrated database, nothing of it started."""
    opened = listen("127.0.0.1", 0)
    settings = load_settings(
        {**variables},
        state=directory / "state",
        database_url=database_url,
        port=opened.getsockname()[1],
        plugins=CHECKS,
        requests_per_second=0,
        log_level="warning",
    )
    environment = {
        **settings_environment(settings),
        "QUILATE_HOME": str(directory / "home"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return FaultService(database_url=database_url, directory=directory, socket=opened, environment=environment)


@asynccontextmanager
async def fault_service(
    database_url: str, directory: Path, variables: Mapping[str, str] | None = None, *, prefix: tuple[str, ...] = ()
) -> AsyncIterator[FaultService]:
    """Give a service with one API process that answers; everything is ended with the block."""
    service = make_service(database_url, directory, variables or {})
    service.prefix = prefix
    try:
        service.start(API)
        service.await_api()
        yield service
    finally:
        for process in service.processes.values():
            # One that was stopped by a signal does not notice others.
            process.signal(signal.SIGKILL)
        await service.stop()
        service.socket.close()


@contextmanager
def own_postgres(directory: Path, **settings: str) -> Iterator[tuple[EmbeddedPostgres, str]]:
    """Run a PostgreSQL of the test's own with a migrated database."""
    server = EmbeddedPostgres(directory, settings=settings)
    try:
        url = server.start()
        asyncio.run(migrate(url, service_migrations()))
        yield server, url
    finally:
        server.stop()


def kill_server(server: EmbeddedPostgres, url: str) -> None:
    """Kill the server's first process without a word and start it again over the same data."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.running:
        time.sleep(0.01)
    assert server.start() == url


async def sign_in(service: FaultService, *blueprints: str) -> str:
    """Make a project, publish its blueprints by two people and return an API token that may do everything in it."""
    async with httpx.AsyncClient(base_url=f"{service.url}/api/v1", timeout=30) as client:
        async with Database.open(service.database_url, max_size=1) as database:
            link = await first_admin_link(database, service.url)
        assert link is not None
        author = await _set_up(client, link, "author")
        await _send(client, author, "/projects", {"slug": PROJECT, "name": "Faults"})
        if blueprints:
            await _publish(client, author, blueprints)
        scopes = sorted(PERMISSIONS_OF_ROLE[Role.ADMIN])
        token = await _send(client, author, "/me/tokens", {"name": "t", "scopes": scopes, "expires_in_days": 1})
    return str(token.json()["token"])


async def _publish(client: httpx.AsyncClient, author: str, blueprints: Sequence[str]) -> None:
    invited = await _send(client, author, "/users", {"email": "reviewer@example.org"})
    reviewer = await _set_up(client, invited.json()["link"], "reviewer")
    user = (await client.get("/me", headers=_bearer(reviewer))).json()["user_id"]
    await _send(client, author, f"/projects/{PROJECT}/members", {"user_id": user, "role": "admin"})
    for text in blueprints:
        draft = await _send(client, author, f"/projects/{PROJECT}/blueprints", {"text": text})
        path = f"/projects/{PROJECT}/blueprints/{draft.json()['name']}/draft/publish"
        answer = await client.post(path, headers={**_bearer(reviewer), "If-Match": draft.headers["etag"]})
        assert answer.is_success, answer.text


async def _set_up(client: httpx.AsyncClient, link: str, name: str) -> str:
    token = parse_qs(urlsplit(link).query)["token"][0]
    body = {"token": token, "email": f"{name}@example.org", "name": name, "password": PASSWORD}
    return str((await _send(client, "", "/auth/setup", body)).json()["access_token"])


async def _send(client: httpx.AsyncClient, credential: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
    answer = await client.post(path, json=dict(body), headers=_bearer(credential))
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    return answer


def _bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"} if credential else {}
