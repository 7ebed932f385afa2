"""A provider's signed push to a durable 202, beside a bare FastAPI route with a group-committed insert.

The same harness as ``bench_intake.py``: both run under uvicorn in a process of their own over the same PostgreSQL with
fsync on, and the same load generator asks both in turn. Ours is the whole API process: the hook looked up, the
signature checked over the body, the payload read, the event kept with its audit entry. Every delivery differs, with a
signature of its own that is made before the clock runs. After each round every 202 is looked up and its facts are
compared with what was sent; forged deliveries must all be refused and leave nothing but their number.
Give it a quiet machine: ``python benchmarks/bench_events.py``.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import resource
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import uvloop

from bare_intake import TABLES
from bench_intake import (
    CONNECTIONS,
    Round,
    Side,
    emptied,
    one_round,
    opened_socket,
    prepared,
    processor_seconds,
    started,
)
from measure import report
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.secrets.box import open_box
from quilate.runs.triggers.secrets import hook_context

TARGET_RATIO = 0.7
ROUNDS = int(os.environ.get("EVENTS_ROUNDS", "5"))
SECONDS = float(os.environ.get("EVENTS_SECONDS", "4"))
PREPARED = int(os.environ.get("EVENTS_PREPARED", "60000"))
FORGED = 200
OUR_TABLES = ("inbound_events", "audit_pending")


def payload(number: int) -> bytes:
    """Return a push as GitHub sends it, about as long as one with two commits."""
    commits = [
        {
            "id": hashlib.sha1(f"{number} {place}".encode(), usedforsecurity=False).hexdigest(),
            "message": "A change with its reason in a sentence",
            "timestamp": "2026-11-20T10:00:00+01:00",
            "author": {"name": "Some Body", "email": "somebody@example.org", "username": "somebody"},
            "added": ["src/module.py"],
            "removed": [],
            "modified": ["README.md", "src/other.py"],
        }
        for place in range(2)
    ]
    repository = {
        "id": 186853002,
        "full_name": "acme/fraud",
        "clone_url": "https://git.example.org/acme/fraud.git",
        "default_branch": "main",
        "pushed_at": 1763629200 + number,
        "description": "x" * 1500,
    }
    document = {
        "ref": f"refs/heads/branch-{number % 500}",
        "before": commits[0]["id"],
        "after": commits[1]["id"],
        "created": False,
        "deleted": False,
        "forced": False,
        "commits": commits,
        "head_commit": commits[1],
        "repository": repository,
        "sender": {"login": "somebody", "id": 7},
    }
    return json.dumps(document).encode()


def request(port: int, hook: UUID, body: bytes, secret: str, number: int) -> bytes:
    """Return a signed delivery as it goes over the wire."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /hooks/{hook} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"X-GitHub-Event: push\r\nX-GitHub-Delivery: d-{number}\r\nX-Hub-Signature-256: sha256={digest}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


async def deliveries(side: Side, requests: list[bytes], *, seconds: float) -> Round:
    """Send deliveries for a while, each connection waiting for its answer before it sends the next one."""
    ids: list[str] = []
    times: list[float] = []
    left = iter(requests)
    before, begin = processor_seconds(side.process.pid), time.perf_counter()
    end = begin + seconds

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", side.port)
        try:
            while time.perf_counter() < end:
                sent = time.perf_counter()
                writer.write(next(left))
                status, body = await answered(reader)
                if status != 202:  # noqa: PLR2004 - accepted
                    raise RuntimeError(body.decode("utf-8", "replace"))
                ids.append(json.loads(body)["events"][0]["id"])
                times.append(time.perf_counter() - sent)
        finally:
            writer.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    taken = time.perf_counter() - begin
    times.sort()
    return Round(
        rate=len(ids) / taken,
        ids=ids,
        p50=times[len(times) // 2] * 1000,
        p99=times[len(times) * 99 // 100] * 1000,
        processor_share=(processor_seconds(side.process.pid) - before) / taken,
    )


async def refused(side: Side, hook: UUID) -> bool:
    """Tell whether every forged delivery is answered 401."""
    reader, writer = await asyncio.open_connection("127.0.0.1", side.port)
    statuses = []
    for number in range(FORGED):
        writer.write(request(side.port, hook, payload(number), "whsec_forged", number))
        statuses.append((await answered(reader))[0])
    writer.close()
    return set(statuses) == {401}


def correct(connection: psycopg.Connection, measured: Round) -> bool:
    """Tell whether exactly what was accepted is kept, with what it said and an audit entry each."""
    wanted = [UUID(each) for each in measured.ids]
    rows = connection.execute(
        "SELECT event_id, facts ->> 'branch', facts ->> 'commit', payload_digest FROM inbound_events"
        " WHERE id = ANY(%s) AND state = 'pending'",
        (wanted,),
    ).fetchall()
    counts = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - names of this file
        for table in OUR_TABLES
    ]
    return (
        len(rows) == len(wanted) == len(set(wanted))
        and all(count == (len(wanted),) for count in counts)
        and all(as_sent(*row) for row in rows)
    )


def as_sent(event_id: str, branch: str, commit: str, digest: str) -> bool:
    """Tell whether an event says what its delivery said."""
    body = payload(int(event_id.removeprefix("d-")))
    document = json.loads(body)
    return (f"refs/heads/{branch}", commit, digest) == (
        document["ref"],
        document["after"],
        "sha256:" + hashlib.sha256(body).hexdigest(),
    )


def main() -> None:
    """Print the figures."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    directory = Path(tempfile.mkdtemp(prefix="quilate-bench-events-"))
    server = EmbeddedPostgres(directory / "postgres")
    try:
        compare(server.start(), directory)
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def hook_of(connection: psycopg.Connection, state: Path) -> tuple[UUID, str]:
    """Make a hook as the service does; return its id and its secret."""
    hook, secret = uuid4(), "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    sealed = open_box(state / "keys" / "secrets.key").seal(secret, hook_context(hook))
    connection.execute(
        "INSERT INTO inbound_hooks (id, project_id, name, provider, secret, author)"
        " SELECT %s, id, 'bench', 'github', %s, 'user:bench' FROM projects",
        (hook, sealed),
    )
    return hook, secret


def compare(url: str, directory: Path) -> None:
    """Ask both sides in turn and print what came of it."""
    token = prepared(url)
    here = Path(__file__).parent
    ours_at, bare_at = opened_socket(), opened_socket()
    settings = {
        "QUILATE_DATABASE_URL": url,
        "QUILATE_STATE": str(directory / "state"),
        "QUILATE_REQUESTS_PER_SECOND": "0",
        "QUILATE_PORT": str(ours_at.getsockname()[1]),
        "QUILATE_LISTEN_DESCRIPTOR": str(ours_at.fileno()),
    }
    rounds: dict[str, list[Round]] = {"bare": [], "ours": []}
    right = True
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        hook, secret = hook_of(connection, directory / "state")
        requests = [
            request(ours_at.getsockname()[1], hook, payload(number), secret, number) for number in range(PREPARED)
        ]
        bare_argv = [sys.executable, str(here / "bare_intake.py"), url, str(bare_at.fileno())]
        bare = stack.enter_context(started("bare", bare_argv, bare_at))
        ours_argv = [sys.executable, "-m", "quilate.app.service.api"]
        ours = stack.enter_context(started("ours", ours_argv, ours_at, token, **settings))
        right &= uvloop.run(refused(ours, hook))
        for number in range(ROUNDS + 1):
            emptied(connection, TABLES)
            measured = uvloop.run(one_round(bare, seconds=SECONDS))
            emptied(connection, OUR_TABLES)
            delivered = uvloop.run(deliveries(ours, requests, seconds=SECONDS))
            right &= correct(connection, delivered)
            if number:
                rounds["bare"].append(measured)
                rounds["ours"].append(delivered)
        counted = connection.execute("SELECT refused FROM inbound_hooks").fetchone()
        right &= counted == (FORGED,)
    tell(rounds, right=right)


def tell(rounds: dict[str, list[Round]], *, right: bool) -> None:
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
        "events",
        connections=CONNECTIONS,
        rounds=len(ratios),
        delivery_bytes=len(payload(0)),
        **figures,
        ratio_to_bare=ratio,
        ratio_lowest=min(ratios),
        ratio_highest=max(ratios),
        every_202_is_kept_as_sent_and_no_forged_one=right,
        target_ratio=TARGET_RATIO,
        met=ratio >= TARGET_RATIO and right,
    )


if __name__ == "__main__":
    main()
