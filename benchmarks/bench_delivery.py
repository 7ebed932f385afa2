"""Outgoing events to a healthy, a slow and a dead receiver at once, beside a run to the healthy one alone.

The service's own background process delivers over loopback HTTP from a PostgreSQL with fsync on. The slow receiver
answers after two seconds, the dead one takes requests and never answers. What is measured is the time from an event's
creation to its arrival at the healthy receiver, twice: with all events there at once, where it is the time to work
through them, and with events on a fixed schedule. Rounds with and without the others take turns. After each round
every event must have arrived at the healthy receiver exactly once to effect, with a right signature, each subject's
in order.
Give it a quiet machine: ``python benchmarks/bench_delivery.py``.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import uvloop

from measure import report
from quilate.app.service.schema import service_migrations
from quilate.deliveries.context import secret_context
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.migrations import migrate
from quilate.kit.secrets.box import open_box

TARGET_RATIO = 1.5
EVENTS = int(os.environ.get("DELIVERY_EVENTS", "10000"))
RATE = float(os.environ.get("DELIVERY_RATE", "60"))
ROUNDS = int(os.environ.get("DELIVERY_ROUNDS", "1"))
SUBJECTS = 2_000
SLOW_SECONDS = 2.0
DEADLINE_SECONDS = 300.0
SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
TABLES = ("deliveries", "delivery_attempts", "outgoing_events", "circuit_breakers", "connection_secrets", "connections")


@dataclass(slots=True, kw_only=True)
class Receiver:
    """A receiver; ``pause`` seconds pass before it answers, for ever where there are none."""

    name: str
    pause: float | None = 0.0
    port: int = 0
    arrived: list[tuple[float, dict[str, str], bytes]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        # Who still waits for an answer when the round ends is told nothing any more.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                pairs = (line.partition(": ") for line in head.split("\r\n")[1:] if line)
                headers = {name.lower(): value for name, _, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                self.arrived.append((time.time(), headers, body))
                self.changed.set()
                await asyncio.sleep(DEADLINE_SECONDS if self.pause is None else self.pause)
                writer.write(ANSWER)
        writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a round gave; times in milliseconds."""

    p50: float
    p99: float
    per_second: float
    others: int
    right: bool


def signed(headers: dict[str, str], body: bytes) -> bool:
    """Tell whether a request is signed as the specification of Standard Webhooks says."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
    return expected in headers["webhook-signature"].split(" ")


def insert(url: str, project: UUID, first: int, number: int) -> None:
    """Let events happen, in one transaction."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO outgoing_events (id, type, project_id, subject, data, created_at)"
            " SELECT gen_random_uuid(), 'dev.quilate.waiver.approved', %s, 'waiver:' || (each %% %s),"
            " jsonb_build_object('number', each), clock_timestamp()"
            " FROM generate_series(%s::int, %s::int) AS each",
            (project, SUBJECTS, first, first + number - 1),
        )


def connect(url: str, state: Path, project: UUID, receiver: Receiver) -> None:
    """Make a connection as the service does."""
    made = uuid4()
    sealed = open_box(state / "keys" / "secrets.key").seal(SECRET, secret_context(made, "secret"))
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO connections (id, project_id, name, type, settings, events, created_by)"
            " VALUES (%s, %s, %s, 'webhook', jsonb_build_object('url', %s::text), ARRAY['%%'], 'user:bench')",
            (made, project, receiver.name, f"http://127.0.0.1:{receiver.port}/"),
        )
        connection.execute("INSERT INTO connection_secrets VALUES (%s, 'secret', %s)", (made, sealed))


@contextlib.contextmanager
def background(url: str, state: Path) -> Iterator[None]:
    """Let the service's background process work."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUILATE_")}
    settings = {
        "QUILATE_DATABASE_URL": url,
        "QUILATE_STATE": str(state),
        "QUILATE_PRIVATE_ADDRESSES": "127.0.0.1",
        "QUILATE_PLAIN_HTTP": "1",
    }
    with (state / "background.log").open("ab") as log:
        argv = [sys.executable, "-m", "quilate.app.service.background"]
        process = subprocess.Popen(argv, env={**kept, **settings}, stdout=log, stderr=log)
        try:
            yield
        except BaseException:
            sys.stderr.write(f"exit code {process.poll()}\n{(state / 'background.log').read_text()[-4000:]}\n")
            raise
        finally:
            # Attempts at the dead receiver would go on for their minute; deliveries stand that.
            process.kill()
            process.wait()


@contextlib.asynccontextmanager
async def listening(*receivers: Receiver) -> AsyncIterator[None]:
    """Let receivers listen."""
    servers = [await asyncio.start_server(each.serve, "127.0.0.1", 0) for each in receivers]
    for each, server in zip(receivers, servers, strict=True):
        each.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        for server in servers:
            server.close()


async def arrival(receiver: Receiver, number: int) -> None:
    """Wait until so many events have arrived."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len({headers["webhook-id"] for _, headers, _ in receiver.arrived}) < number:
            receiver.changed.clear()
            await receiver.changed.wait()
            await asyncio.sleep(0.05)


async def one_round(url: str, state: Path, project: UUID, *, others: bool, rate: float) -> Round:
    """Deliver all events; ``rate`` a second, or all at once where it is none."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
        connection.execute("CHECKPOINT")
    healthy = Receiver(name="healthy")
    bad = (Receiver(name="slow", pause=SLOW_SECONDS), Receiver(name="dead", pause=None)) if others else ()
    async with listening(healthy, *bad):
        for each in (healthy, *bad):
            connect(url, state, project, each)
        with background(url, state):
            # The first event goes ahead, so that the start of the process is not measured.
            insert(url, project, 0, 1)
            await arrival(healthy, 1)
            healthy.arrived.clear()
            await happen(url, project, rate)
            await arrival(healthy, EVENTS)
            return judged(url, healthy, sum(len(each.arrived) for each in bad))


async def happen(url: str, project: UUID, rate: float) -> None:
    """Let the events happen."""
    if not rate:
        await asyncio.to_thread(insert, url, project, 1, EVENTS)
        return
    batch = max(1, round(rate / 20))
    begin = time.perf_counter()
    for first in range(1, EVENTS + 1, batch):
        await asyncio.sleep(max(0.0, begin + first / rate - time.perf_counter()))
        await asyncio.to_thread(insert, url, project, first, min(batch, EVENTS + 1 - first))


def judged(url: str, healthy: Receiver, others: int) -> Round:
    """Compare what arrived with what happened."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT id::text, extract(epoch FROM created_at)::float8, data->>'number', subject FROM outgoing_events"
        ).fetchall()
    happened = {row[0]: row[1:] for row in rows if row[2] != "0"}
    times, order = [], defaultdict(list)
    first: dict[str, float] = {}
    for moment, headers, _ in healthy.arrived:
        number = headers["webhook-id"]
        if number not in first:
            first[number] = moment
            times.append((moment - happened[number][0]) * 1000)
            order[happened[number][2]].append(int(happened[number][1]))
    times.sort()
    right = (
        first.keys() == happened.keys()
        and len(happened) == EVENTS
        and all(signed(headers, body) for _, headers, body in healthy.arrived)
        and all(numbers == sorted(numbers) for numbers in order.values())
    )
    taken = max(first.values()) - min(each[0] for each in happened.values())
    return Round(
        p50=times[len(times) // 2],
        p99=times[len(times) * 99 // 100],
        per_second=EVENTS / taken,
        others=others,
        right=right and len(healthy.arrived) == EVENTS,
    )


def measured_rounds(url: str, state: Path, project: UUID, rate: float) -> dict[str, list[Round]]:
    """Return rounds of the healthy receiver alone and beside the others, in turn."""
    rounds: dict[str, list[Round]] = {"alone": [], "beside": []}
    for _ in range(ROUNDS):
        for name, measured in rounds.items():
            measured.append(uvloop.run(one_round(url, state, project, others=name == "beside", rate=rate)))
    return rounds


def figures_of(rounds: dict[str, list[Round]]) -> dict[str, float]:
    """Return the medians of rounds, and the ratio of the slowest hundredth."""
    figures: dict[str, float] = {}
    for name, measured in rounds.items():
        figures[f"{name}_p50_ms"] = statistics.median(each.p50 for each in measured)
        figures[f"{name}_p99_ms"] = statistics.median(each.p99 for each in measured)
        figures[f"{name}_per_second"] = statistics.median(each.per_second for each in measured)
    figures["p99_ratio"] = figures["beside_p99_ms"] / figures["alone_p99_ms"]
    figures["attempts_at_the_others"] = statistics.median(each.others for each in rounds["beside"])
    return figures


def compare(url: str, state: Path) -> None:
    """Print the figures."""
    asyncio.run(migrate(url, service_migrations()))
    project = uuid4()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO projects (id, slug, name) VALUES (%s, 'bench', 'Bench')", (project,))
    figures: dict[str, float] = {}
    right, met = True, True
    for load, rate in (("burst", 0.0), ("steady", RATE)):
        rounds = measured_rounds(url, state, project, rate)
        right &= all(each.right for measured in rounds.values() for each in measured)
        figures |= {f"{load}_{name}": value for name, value in figures_of(rounds).items()}
        met &= figures[f"{load}_p99_ratio"] <= TARGET_RATIO
    report(
        "delivery",
        events=EVENTS,
        rounds=ROUNDS,
        steady_rate=RATE,
        **figures,
        each_arrived_once_signed_and_in_order=right,
        target_ratio=TARGET_RATIO,
        met=met and right,
    )


def main() -> None:
    """Print the benchmark's line."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    directory = Path(tempfile.mkdtemp(prefix="quilate-bench-delivery-"))
    (directory / "state").mkdir()
    server = EmbeddedPostgres(directory / "postgres")
    try:
        compare(server.start(), directory / "state")
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
