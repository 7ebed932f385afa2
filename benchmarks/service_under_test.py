"""The service's own processes over a fresh database, with a project whose blueprint holds trivial checks only."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg

from quilate.accounts.credentials import new_api_token
from quilate.accounts.model import SYSTEM
from quilate.app.service.schema import service_migrations
from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.migrations import migrate
from quilate.runs.durable.intake import insert_runs
from quilate.runs.durable.model import Submission, Submitted
from quilate.runs.workspaces.model import Source, SourceKind

PROJECT = UUID("00000000-0000-7000-8000-000000000001")
SLUG = "bench"
STAGES, CHECKS = 4, 4
CONCURRENT_RUNS = 1000
"""As many runs of the project as may be under way; the other products are given no such limit."""
BATCH = 500
_START_SECONDS = 60
FILE = f"project: {SLUG}\ntype: ds\nblueprint: trivial\n"


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def create_database(url: str, name: str) -> str:
    """Make an empty database and return its address."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return with_database(url, name)


def blueprint(*, stages: int = STAGES, checks: int = CHECKS) -> str:
    """Return a blueprint of trivial checks whose policy reads a fact."""
    lines = ["id: trivial", "version: 1", "project_types: [ds]", "stages:"]
    for stage in range(stages):
        lines += [f"  - name: stage_{stage}", "    checks:"]
        lines += [
            f"      - {{id: check_{stage}_{number}, type: TRIVIAL_THREAD, required: true}}" for number in range(checks)
        ]
    lines += ["policies:", "  approval:", "    rule: all_required_checks_pass and check_0_0.answer == 42"]
    return "\n".join(lines)


def create_project(url: str, text: str) -> None:
    """Migrate a database and put one project with one published blueprint into it."""
    asyncio.run(migrate(url, service_migrations()))
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO projects (id, slug, name, default_blueprint, max_concurrent_runs)"
            " VALUES (%s, %s, 'Benchmark', 'trivial', %s)",
            (PROJECT, SLUG, CONCURRENT_RUNS),
        )
        connection.execute(
            """
            INSERT INTO blueprint_versions
                (id, project_id, name, version, sequence, description, text, standalone, digest, authors, publisher)
            VALUES (%s, %s, 'trivial', '1', 1, '', %s, %s, %s, ARRAY['user:author'], 'user:publisher')
            """,
            (PROJECT, PROJECT, text, text, sha256_of(text.encode())),
        )


def create_token(url: str) -> str:
    """Make a developer of the project and return a token of theirs."""
    secret, user = new_api_token(), uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO users (id, email, name) VALUES (%s, 'bench@example.org', 'Bench')", (user,))
        connection.execute(
            "INSERT INTO project_members (project_id, user_id, role) VALUES (%s, %s, 'developer')", (PROJECT, user)
        )
        connection.execute(
            "INSERT INTO api_tokens (id, user_id, name, prefix, token_hash, scopes, expires_at)"
            " VALUES (%s, %s, 'bench', %s, %s, %s, now() + interval '1 day')",
            (uuid4(), user, secret.prefix, secret.hash, ["run:submit", "project:read"]),
        )
    return secret.text


def submission() -> Submission:
    """Return a run without files whose checks are really run, not answered from the result cache."""
    return Submission(
        project_id=PROJECT,
        project=SLUG,
        source=Source(kind=SourceKind.NONE),
        actor=SYSTEM,
        project_file=FILE,
        use_cache=False,
    )


async def insert_all(database: Database, runs: int) -> list[UUID]:
    """Insert runs in batches, all of them visible at once; return their ids."""

    async def work(connection: Connection) -> list[UUID]:
        submitted: list[Submitted] = []
        for begin in range(0, runs, BATCH):
            batch = [submission()] * min(BATCH, runs - begin)
            submitted += await insert_runs(connection, batch)
        return [each.run_id for each in submitted]

    return await database.run(work)


def one_row(url: str, sql: LiteralString, *parameters: object) -> tuple[Any, ...]:
    """Return the first row of a query."""
    with psycopg.connect(url) as connection:
        row = connection.execute(sql, parameters or None).fetchone()
    if row is None:
        raise LookupError(sql)
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A state directory and a database in which the service's processes can be started."""

    url: str
    state: Path
    settings: tuple[tuple[str, str], ...] = ()

    def start(self, role: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start ``worker_main``, ``background`` or ``api``."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QUILATE_")}
        environment |= {
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]).rstrip(":"),
            "QUILATE_DATABASE_URL": self.url,
            "QUILATE_STATE": str(self.state),
            "QUILATE_PLUGINS": "trivial_plugin",
            "QUILATE_LOG_LEVEL": "error",
            **dict(self.settings),
            **settings,
        }
        return subprocess.Popen(
            [sys.executable, "-m", f"quilate.app.service.{role}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @contextlib.contextmanager
    def running(self, *roles: str, **settings: str) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Let processes work for the time of the block, once their workers are known in the database."""
        started = [self.start(role, **settings) for role in roles]
        try:
            self.await_workers([each for each, role in zip(started, roles, strict=True) if role == "worker_main"])
            yield started
        finally:
            stop(started)

    def await_workers(self, workers: list[subprocess.Popen[bytes]]) -> None:
        """Wait until workers have their leases.

        Raises:
            RuntimeError: One of them ended, or they took too long.
        """
        wanted = {worker.pid for worker in workers}
        end = time.monotonic() + _START_SECONDS
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not wanted <= {row[0] for row in connection.execute("SELECT process FROM workers")}:
                if time.monotonic() > end or any(worker.poll() is not None for worker in workers):
                    raise RuntimeError("the workers did not start")
                time.sleep(0.05)


def stop(started: list[subprocess.Popen[bytes]]) -> None:
    """Ask processes to end and wait for them."""
    for each in started:
        each.terminate()
    for each in started:
        each.wait(_START_SECONDS)
