"""A service for fuzzing: PostgreSQL, its processes, people of each role, one of everything."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from quilate.accounts.bootstrap import first_admin_link
from quilate.app.service.processes import API, BACKGROUND, MODULES, SCRIPT_WORKER
from quilate.app.service.schema import service_migrations
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.migrations import migrate
from tests.support.fuzz_hooks import BRIEF, GUEST, PASSWORD, PROJECT, log_in
from tests.support.fuzz_scripts import SCRIPT_TAGS, scripts_of
from tests.support.fuzz_things import Asking, Things, things_of
from tests.support.issuer import running_issuer
from tests.support.receivers import receiver

ROLES = ("viewer", "developer", "reviewer", "security", "admin")
INSTANCE_ADMIN = "instance-admin"
NOBODY = "nobody"
CALLERS = (NOBODY, *ROLES, "auditor", INSTANCE_ADMIN)
_START_SECONDS = 60.0
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzedService:
    """A service that runs.

    Attributes:
        base: Its address.
        things: What there is, by the names of path parameters.
        database: Open.
    """

    base: str
    things: Things
    database: Database

    async def prepare(self, tag: str) -> None:
        """Make what a slice needs just before it: sequences of another delete whatever a list shows them."""
        if tag in SCRIPT_TAGS:
            with Asking(self.base, "developer") as developer:
                made = await scripts_of(developer, self.database, f"for {tag}")
            self.things.of_tag[tag], self.things.aims[tag] = made


@asynccontextmanager
async def fuzzed_service(place: Path, caller: str) -> AsyncIterator[FuzzedService]:
    """Give a service of its own, with people and things in it.

    Args:
        place: Directory for its logs and files.
        caller: Who will ask: things that belong to a person are theirs.
    """
    async with _fresh_database() as url:
        with ExitStack() as stack:
            issuer = stack.enter_context(running_issuer())
            outside = stack.enter_context(receiver())
            base = stack.enter_context(_processes(url, place))
            async with Database.open(url, max_size=2) as database:
                guest = await _people(database, base)
                with Asking(base, "admin") as admin, Asking(base, INSTANCE_ADMIN) as instance:
                    things = await things_of(admin, instance, database, place / "state", issuer.url, outside.url)
                things.everywhere["user_id"] = guest
                if caller != NOBODY:
                    with Asking(base, caller) as person:
                        things.add_own(person)
                yield FuzzedService(base=base, things=things, database=database)


@asynccontextmanager
async def _fresh_database() -> AsyncIterator[str]:
    """Run a PostgreSQL of its own with a migrated database."""
    with tempfile.TemporaryDirectory(prefix="quilate-fuzz-pg-") as directory:
        server = EmbeddedPostgres(Path(directory), settings={"fsync": "off"})
        try:
            url = server.start()
            await migrate(url, service_migrations())
            yield url
        finally:
            server.stop()


@contextmanager
def _processes(url: str, place: Path) -> Iterator[str]:
    """Run the API, the background process and a script worker, and give the API's address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "QUILATE_STATE": str(place / "state"),
        "QUILATE_DATABASE_URL": url,
        "QUILATE_PORT": str(port),
        "QUILATE_REQUESTS_PER_SECOND": "0",
        "QUILATE_LOG_LEVEL": "warning",
        "QUILATE_PRIVATE_ADDRESSES": "127.0.0.1",
        "QUILATE_PLAIN_HTTP": "1",
        "QUILATE_SCRIPT_WORKERS": "1",
    }
    base = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        api = stack.enter_context(_process(API, environment, place))
        end = time.monotonic() + _START_SECONDS
        while not _answers(base):
            if api.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the API did not start:\n{(place / 'api.log').read_text(encoding='utf-8')}")
            time.sleep(0.05)
        stack.enter_context(_process(BACKGROUND, environment, place))
        stack.enter_context(_process(SCRIPT_WORKER, environment, place))
        yield base


@contextmanager
def _process(role: str, environment: Mapping[str, str], place: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (place / f"{role}.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULES[role]], env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/health/ready").status_code == _OK
    except httpx.TransportError:
        return False


async def _people(database: Database, base: str) -> str:
    """Let the first administrator in, make the project and one person of each role; return the guest's id."""
    link = await first_admin_link(database, base)
    if link is None:
        raise RuntimeError("the database has an administrator already")
    return _invite_all(base, link)


def _invite_all(base: str, link: str) -> str:
    with httpx.Client(base_url=f"{base}/api/v1", timeout=30, limits=BRIEF) as client:
        _set_up(client, link, INSTANCE_ADMIN)
        client.headers["Authorization"] = f"Bearer {log_in(base, INSTANCE_ADMIN)}"
        client.post("/projects", json={"slug": PROJECT, "name": "Fuzzed"}).raise_for_status()
        for role in ROLES:
            _member(client, role, role)
        _invited(client, "auditor", auditor=True)
        return _member(client, GUEST, "viewer")


def _member(client: httpx.Client, name: str, role: str) -> str:
    user = _invited(client, name)
    client.post(f"/projects/{PROJECT}/members", json={"user_id": user, "role": role}).raise_for_status()
    return user


def _invited(client: httpx.Client, name: str, **rights: bool) -> str:
    invited = client.post("/users", json={"email": f"{name}@example.org", **rights}).raise_for_status().json()
    _set_up(client, invited["link"], name)
    people = client.get("/users", params={"limit": 200}).raise_for_status().json()["items"]
    return next(str(each["id"]) for each in people if each["email"] == f"{name}@example.org")


def _set_up(client: httpx.Client, link: str, name: str) -> None:
    token = parse_qs(urlsplit(link).query)["token"][0]
    body = {"token": token, "email": f"{name}@example.org", "name": name, "password": PASSWORD}
    client.post("/auth/setup", json=body).raise_for_status()
