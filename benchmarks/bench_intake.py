"""``POST /pipelines/run`` to a durable 202, beside a bare FastAPI route with a group-committed insert.

Both run under uvicorn in a process of their own over the same PostgreSQL with fsync on: ours is the whole API process
with login, limits, problem documents, metrics, audit and outbox; the bare one is ``bare_intake.py``. The same load
generator asks both in turn over the same number of kept connections; after each round every 202 is looked up in the
tables, and the tables are emptied. No worker runs. Give it a quiet machine: ``python benchmarks/bench_intake.py``.
"""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import uvloop

from bare_intake import SCHEMA, TABLES
from measure import report
from quilate.accounts.credentials import new_api_token
from quilate.app.service.schema import service_migrations
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.migrations import migrate

TARGET_RATIO = 0.8
ROUNDS = int(os.environ.get("INTAKE_ROUNDS", "5"))
SECONDS = float(os.environ.get("INTAKE_SECONDS", "4"))
CONNECTIONS = 64
PROJECT = "ml-service-123"
BODY = json.dumps(
    {
        "project_id": PROJECT,
        "event_type": "manual_trigger",
        "parameters": {"branch": "main", "model_version": "v3.4.1"},
    }
).encode()
OUR_TABLES = ("runs", "run_submissions", "audit_pending", "outgoing_events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two that are compared."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round gave: accepted requests a second, their ids, their median and 99th percentile in milliseconds."""

    rate: float
    ids: list[str]
    p50: float
    p99: float
    processor_share: float


def opened_socket() -> socket.socket:
    """Return a socket that listens on a free port."""
    opened = socket.create_server(("127.0.0.1", 0), backlog=2048)
    opened.set_inheritable(True)
    return opened


@contextlib.contextmanager
def started(
    name: str, argv: Sequence[str], opened: socket.socket, token: str = "", **environment: str
) -> Iterator[Side]:
    """Start one side and wait until it answers."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("QUILATE_")}
    # Logs go to a file, as `quilate up` writes them.
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the process holds it for its life
    process = subprocess.Popen(
        list(argv), pass_fds=[opened.fileno()], env={**kept, **environment}, stdout=log, stderr=subprocess.STDOUT
    )
    port = opened.getsockname()[1]
    try:
        side = Side(name=name, port=port, process=process, token=token)
        end = time.monotonic() + 60
        while not asyncio.run(one_round(side, seconds=0.05, connections=1)).ids:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} does not answer")
        yield side
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        opened.close()
        log.close()


def request_of(side: Side) -> bytes:
    """Return the request as it goes over the wire."""
    authorization = f"Authorization: Bearer {side.token}\r\n" if side.token else ""
    head = (
        f"POST /pipelines/run HTTP/1.1\r\nHost: 127.0.0.1:{side.port}\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    return head.encode() + BODY


async def one_round(side: Side, *, seconds: float, connections: int = CONNECTIONS) -> Round:
    """Ask one side for a while over several connections, each waiting for its answer before it asks again."""
    ids: list[str] = []
    times: list[float] = []
    before, begin = processor_seconds(side.process.pid), time.perf_counter()
    end = begin + seconds

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", side.port)
        request = request_of(side)
        try:
            while time.perf_counter() < end:
                sent = time.perf_counter()
                writer.write(request)
                ids.append(await answer(reader))
                times.append(time.perf_counter() - sent)
        finally:
            writer.close()

    await asyncio.gather(*(ask() for _ in range(connections)))
    taken = time.perf_counter() - begin
    times.sort()
    return Round(
        rate=len(ids) / taken,
        ids=ids,
        p50=times[len(times) // 2] * 1000 if times else 0.0,
        p99=times[len(times) * 99 // 100] * 1000 if times else 0.0,
        processor_share=(processor_seconds(side.process.pid) - before) / taken,
    )


async def answer(reader: asyncio.StreamReader) -> str:
    """Return the id of an answer.

    Raises:
        RuntimeError: It is no 202.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 202"):
        raise RuntimeError((head + body).decode("utf-8", "replace"))
    return str(json.loads(body)["pipeline_run_id"])


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def durable(connection: psycopg.Connection, table: str, column: str, ids: Sequence[str]) -> bool:
    """Tell whether every accepted id is in a table, once."""
    wanted = [UUID(hex=each.removeprefix("prun-")) for each in ids]
    found = connection.execute(
        f"SELECT count(*) FROM {table} WHERE {column} = ANY(%s)",  # noqa: S608 - names of this file
        (wanted,),
    ).fetchone()
    return found is not None and found[0] == len(wanted) == len(set(wanted))


def emptied(connection: psycopg.Connection, tables: Sequence[str]) -> None:
    """Empty tables, so that every round begins alike."""
    connection.execute(f"TRUNCATE {', '.join(tables)}")
    connection.execute("CHECKPOINT")


def prepared(url: str) -> str:
    """Make the schema, a project and a token; return the token."""
    asyncio.run(migrate(url, service_migrations()))
    secret = new_api_token()
    user, project = uuid4(), uuid4()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute("INSERT INTO users (id, email, name) VALUES (%s, 'bench@example.org', 'Bench')", (user,))
        connection.execute(
            "INSERT INTO projects (id, slug, name, repository_url) VALUES (%s, %s, 'Bench', %s)",
            (project, PROJECT, "https://git.example.org/ml-service-123.git"),
        )
        connection.execute(
            "INSERT INTO project_members (project_id, user_id, role) VALUES (%s, %s, 'developer')", (project, user)
        )
        connection.execute(
            "INSERT INTO api_tokens (id, user_id, name, prefix, token_hash, scopes, expires_at)"
            " VALUES (%s, %s, 'bench', %s, %s, %s, now() + interval '1 day')",
            (uuid4(), user, secret.prefix, secret.hash, ["run:submit"]),
        )
    return secret.text


def main() -> None:
    """Print the figures."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    directory = Path(tempfile.mkdtemp(prefix="quilate-bench-intake-"))
    server = EmbeddedPostgres(directory / "postgres")
    try:
        url = server.start()
        compare(url, prepared(url), directory)
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def compare(url: str, token: str, directory: Path) -> None:
    """Ask both sides in turn and print what came of it."""
    here = Path(__file__).parent
    ours_at, bare_at = opened_socket(), opened_socket()
    settings = {
        "QUILATE_DATABASE_URL": url,
        "QUILATE_STATE": str(directory / "state"),
        "QUILATE_REQUESTS_PER_SECOND": "0",
        "QUILATE_PORT": str(ours_at.getsockname()[1]),
        "QUILATE_LISTEN_DESCRIPTOR": str(ours_at.fileno()),
    }
    bare_argv = [sys.executable, str(here / "bare_intake.py"), url, str(bare_at.fileno())]
    ours_argv = [sys.executable, "-m", "quilate.app.service.api"]
    rounds: dict[str, list[Round]] = {"bare": [], "ours": []}
    correct = True
    with (
        started("bare", bare_argv, bare_at) as bare,
        started("ours", ours_argv, ours_at, token, **settings) as ours,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        for number in range(ROUNDS + 1):
            for side in (bare, ours):
                emptied(connection, (*TABLES, *OUR_TABLES))
                measured = uvloop.run(one_round(side, seconds=SECONDS))
                correct &= checked(connection, side, measured)
                if number:
                    rounds[side.name].append(measured)
    tell(rounds, correct=correct)


def checked(connection: psycopg.Connection, side: Side, measured: Round) -> bool:
    """Tell whether everything that a side accepted in a round is in all of its tables."""
    if side.name == "bare":
        return all(durable(connection, table, "id", measured.ids) for table in TABLES)
    kept = durable(connection, "runs", "id", measured.ids) and durable(
        connection, "run_submissions", "run_id", measured.ids
    )
    counts = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - names of this file
        for table in ("audit_pending", "outgoing_events")
    ]
    return kept and all(count is not None and count[0] == len(measured.ids) for count in counts)


def tell(rounds: dict[str, list[Round]], *, correct: bool) -> None:
    """Print the benchmark's line."""
    ratios = [ours.rate / bare.rate for ours, bare in zip(rounds["ours"], rounds["bare"], strict=True)]
    ratio = statistics.median(ratios)
    figures: dict[str, float] = {}
    for name, measured in rounds.items():
        figures[f"{name}_per_second"] = statistics.median(each.rate for each in measured)
        figures[f"{name}_p50_ms"] = statistics.median(each.p50 for each in measured)
        figures[f"{name}_p99_ms"] = statistics.median(each.p99 for each in measured)
        figures[f"{name}_processor_share"] = statistics.median(each.processor_share for each in measured)
    report(
        "intake",
        connections=CONNECTIONS,
        rounds=len(ratios),
        **figures,
        ratio_to_bare=ratio,
        ratio_lowest=min(ratios),
        ratio_highest=max(ratios),
        every_202_is_durable=correct,
        target_ratio=TARGET_RATIO,
        met=ratio >= TARGET_RATIO and correct,
    )


if __name__ == "__main__":
    main()
