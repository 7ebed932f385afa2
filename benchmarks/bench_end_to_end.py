"""Submission to verdict of a run with one trivial check, through the HTTP API, at 100 submissions a second.

API, worker and background process of the service run over PostgreSQL with fsync on. Submissions leave on a fixed
schedule, whether or not earlier ones have come back, and each time counts from the moment on the schedule to the moment
when another connection to the database sees the committed verdict. Afterwards every run is read over HTTP. Beside it
stands what one commit of one row takes on the same server: a run takes several, one after the other.
"""

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg

from measure import report
from processor_time import ProcessorTime, kind_of_ours, kind_of_postgres
from quilate.kit.database.embedded import EmbeddedPostgres
from service_under_test import FILE, SLUG, Service, blueprint, create_database, create_project, create_token, stop

PER_SECOND = float(os.environ.get("END_TO_END_RATE", "100"))
SECONDS = float(os.environ.get("END_TO_END_SECONDS", "20"))
WARM_UP_SECONDS = 3.0
_LOOK_SECONDS = 0.002
_PATIENCE_SECONDS = 60.0
_READERS = 16
_COMMITS = 300
_BODY = {"source": {"kind": "none"}, "project_file": FILE, "use_cache": False}
_RUNS = f"/api/v1/projects/{SLUG}/runs"


@dataclass(slots=True, kw_only=True)
class Measurement:
    """What is known of the submissions: places on the schedule, runs, answers and verdicts by their time."""

    due: dict[UUID, float] = field(default_factory=dict)
    answered: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    ended: dict[UUID, float] = field(default_factory=dict)
    sent_all: bool = False


async def submit(client: httpx.AsyncClient, due: float, measurement: Measurement) -> None:
    """Submit a run at its time.

    Raises:
        httpx.HTTPStatusError: It was not accepted.
    """
    await asyncio.sleep(max(due - time.monotonic(), 0))
    measurement.late.append(time.monotonic() - due)
    answer = await client.post(_RUNS, json=_BODY)
    answer.raise_for_status()
    measurement.answered.append(time.monotonic() - due)
    measurement.due[UUID(answer.json()["id"])] = due


async def watch(url: str, measurement: Measurement) -> None:
    """Note when each verdict is there for others to see.

    Raises:
        TimeoutError: Some never came.
    """
    end = time.monotonic() + SECONDS + WARM_UP_SECONDS + _PATIENCE_SECONDS
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while not measurement.sent_all or len(measurement.ended) < len(measurement.due):
            open_runs = [run for run in measurement.due if run not in measurement.ended]
            cursor = await connection.execute("SELECT id FROM runs WHERE id = ANY(%s) AND step IS NULL", (open_runs,))
            found = await cursor.fetchall()
            now = time.monotonic()
            measurement.ended |= {run: now for (run,) in found}
            if now > end:
                raise TimeoutError(f"{len(open_runs)} runs came to no verdict")
            await asyncio.sleep(_LOOK_SECONDS)


async def load(client: httpx.AsyncClient, url: str, seconds: float) -> Measurement:
    """Submit on schedule and wait for every verdict."""
    measurement = Measurement()
    begin = time.monotonic() + 0.1
    watching = asyncio.create_task(watch(url, measurement))
    await asyncio.gather(
        *(submit(client, begin + number / PER_SECOND, measurement) for number in range(int(seconds * PER_SECOND)))
    )
    measurement.sent_all = True
    await watching
    return measurement


async def verdicts_are_right(client: httpx.AsyncClient, runs: Sequence[UUID]) -> bool:
    """Read every run over HTTP."""
    waiting = list(runs)
    right: list[bool] = []

    async def read() -> None:
        while waiting:
            view = (await client.get(f"{_RUNS}/{waiting.pop()}")).raise_for_status().json()
            right.append(view["status"] == "succeeded" and view["verdict"] == "PASS" and bool(view["seal_digest"]))

    await asyncio.gather(*(read() for _ in range(_READERS)))
    return len(right) == len(set(runs)) and all(right)


def commit_milliseconds(url: str) -> float:
    """Return the median time of a commit of one row."""
    times = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE commits (id bigint PRIMARY KEY)")
        for number in range(_COMMITS):
            begin = time.perf_counter()
            connection.execute("INSERT INTO commits VALUES (%s)", (number,))
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1000


async def measured(address: str, token: str, url: str, watch_time: ProcessorTime) -> dict[str, Any]:
    """Return the figures."""
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=30) as client:
        await load(client, url, WARM_UP_SECONDS)
        watch_time.start()
        begin = time.monotonic()
        measurement = await load(client, url, SECONDS)
        seconds = time.monotonic() - begin
        cores = watch_time.cores()
        right = await verdicts_are_right(client, list(measurement.due))
    times = sorted(measurement.ended[run] - due for run, due in measurement.due.items())
    return {
        "runs": len(times),
        "offered_per_second": PER_SECOND,
        "achieved_per_second": len(times) / seconds,
        "p50_ms": _percentile(times, 50),
        "p90_ms": _percentile(times, 90),
        "p99_ms": _percentile(times, 99),
        "longest_ms": times[-1] * 1000,
        "answer_p50_ms": _percentile(sorted(measurement.answered), 50),
        "answer_p99_ms": _percentile(sorted(measurement.answered), 99),
        "sent_late_p99_ms": _percentile(sorted(measurement.late), 99),
        "cores": cores,
        "all_right": right and len(times) == int(SECONDS * PER_SECOND),
    }


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] * 1000


def await_api(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the API is ready.

    Raises:
        RuntimeError: It ended, or took too long.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            if httpx.get(f"{address}/health/live", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the API does not answer")
        time.sleep(0.05)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def main() -> None:
    """Measure and print the JSON line."""
    directory = Path(tempfile.mkdtemp(prefix="quilate-bench-end-to-end-"))
    server = EmbeddedPostgres(directory / "postgres")
    port, loaded = free_port(), os.getloadavg()[0]
    settings = (("QUILATE_PORT", str(port)), ("QUILATE_REQUESTS_PER_SECOND", "0"))
    try:
        url = create_database(server.start(), "end_to_end")
        create_project(url, blueprint(stages=1, checks=1))
        token = create_token(url)
        service = Service(url=url, state=directory / "state", settings=settings)
        commit = commit_milliseconds(url)
        with service.running("worker_main", "background") as started:
            api = service.start("api")
            try:
                await_api(f"http://127.0.0.1:{port}", api)
                roots = {each.pid: kind_of_ours for each in (*started, api)} | {server.pid or 0: kind_of_postgres}
                watch_time = ProcessorTime(roots=roots)
                figures = asyncio.run(measured(f"http://127.0.0.1:{port}", token, url, watch_time))
            finally:
                stop([api])
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    achieved = figures["achieved_per_second"] >= PER_SECOND * 0.95
    report(
        "end_to_end",
        **figures,
        commit_ms=commit,
        p50_ratio_to_commit=figures["p50_ms"] / commit,
        p99_ratio_to_commit=figures["p99_ms"] / commit,
        load_before=loaded,
        load_after=os.getloadavg()[0],
        target_per_second=PER_SECOND,
        met=bool(achieved and figures["all_right"]),
    )


if __name__ == "__main__":
    main()
