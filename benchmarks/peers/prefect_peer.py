# mypy: disable-error-code="import-not-found, import-untyped"
# It runs in an environment of its own: here its imports cannot be found.
"""Prefect: a flow for each run, its tasks with kept results, its server over its own default database, SQLite.

Its tables in PostgreSQL need the extension pg_trgm, which the embedded server has not. Several flows at once in each
worker process. What only costs time here is switched off: the pages, the logs sent to the server, the background
services that no flow of ours needs.
"""

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

from peers.harness import ANSWER, CHECKS, STAGES, WARM_UP, arguments, is_worker, report

_AT_ONCE = 8
_WARM_UP_RUNS = 4
_LATENCIES = 10
_START_SECONDS = 300


def _environment(home: str, port: int) -> dict[str, str]:
    off = "PREFECT_SERVER_SERVICES_{}_ENABLED"
    services = ("SCHEDULER", "LATE_RUNS", "CANCELLATION_CLEANUP", "PAUSE_EXPIRATIONS", "FOREMAN", "TRIGGERS")
    return {
        **os.environ,
        "PREFECT_HOME": home,
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home}/prefect.db",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_LOCAL_STORAGE_PATH": f"{home}/results",
        **{off.format(service): "false" for service in services},
    }


async def check() -> int:
    """Be a check."""
    return ANSWER


class Flows:
    """The flow with its task, run once, several at once, or one at a time."""

    def __init__(self) -> None:
        from prefect import flow, task  # noqa: PLC0415 - reads its settings from the environment that the parent made
        from prefect.cache_policies import NO_CACHE  # noqa: PLC0415 - as above

        self._check = task(persist_result=True, cache_policy=NO_CACHE)(check)
        self._flow = flow(name="run", persist_result=True, validate_parameters=False)(self._stages)

    async def _stages(self) -> int:
        total = 0
        for _ in range(STAGES):
            total += sum(await asyncio.gather(*(self._check() for _ in range(CHECKS))))
        return total

    async def one(self) -> float:
        """Run one flow and return the seconds that it took."""
        begin = time.perf_counter()
        total = await self._flow()
        if total != STAGES * CHECKS * ANSWER:
            raise ValueError(f"a flow gave {total}")
        return time.perf_counter() - begin

    async def several(self, runs: int) -> None:
        """Run flows, so many at once."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def next_one() -> None:
            async with places:
                await self.one()

        await asyncio.gather(*(next_one() for _ in range(runs)))

    async def median_milliseconds(self) -> float:
        """Return the median time of one flow at a time."""
        times = [await self.one() for _ in range(WARM_UP + _LATENCIES)]
        return statistics.median(times[WARM_UP:]) * 1000


async def work() -> None:
    """Be a worker: a number on standard input runs so many flows, 0 measures one at a time."""
    flows = Flows()
    await flows.several(_WARM_UP_RUNS)
    _say("0")
    while line := await asyncio.to_thread(sys.stdin.readline):
        runs = int(line)
        await flows.several(runs)
        _say("0" if runs else json.dumps(await flows.median_milliseconds()))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _server(environment: dict[str, str], port: int) -> Iterator[None]:
    argv = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    process = subprocess.Popen(argv, env=environment, stdout=sys.stderr.fileno())
    try:
        end = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the server did not start")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - it is there
    except OSError:
        return False


def _ask(worker: "subprocess.Popen[str]", number: int) -> None:
    if worker.stdin is not None:
        worker.stdin.write(f"{number}\n")
        worker.stdin.flush()


def _answer(worker: "subprocess.Popen[str]") -> float:
    line = worker.stdout.readline() if worker.stdout is not None else ""
    if not line:
        raise RuntimeError("a worker ended")
    return float(json.loads(line))


def _completed(home: str) -> int:
    with contextlib.closing(sqlite3.connect(f"{home}/prefect.db", timeout=30)) as connection:
        row = connection.execute("SELECT count(*) FROM task_run WHERE state_type = 'COMPLETED'").fetchone()
    return int(row[0])


def _settled(home: str, wanted: int) -> int:
    """Return how many tasks the server knows as completed, once it has written what it was told."""
    end = time.monotonic() + 60
    while (completed := _completed(home)) < wanted and time.monotonic() < end:
        time.sleep(0.2)
    return completed


def main() -> None:
    """Measure."""
    _, runs, workers = arguments()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stack:
        environment = _environment(home, port)
        stack.enter_context(_server(environment, port))
        argv = [sys.executable, "-m", "peers.prefect_peer", "work"]
        started = []
        for _ in range(workers):
            worker = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(worker.wait, 60)
            stack.callback(worker.terminate)
            started.append(worker)
        for worker in started:
            _answer(worker)
        warm_up = workers * _WARM_UP_RUNS * STAGES * CHECKS
        before = _settled(home, warm_up)
        begin = time.perf_counter()
        for number, worker in enumerate(started):
            _ask(worker, runs // workers + (number < runs % workers))
        for worker in started:
            _answer(worker)
        seconds = time.perf_counter() - begin
        executed = _settled(home, before + runs * STAGES * CHECKS) - before
        _ask(started[0], 0)
        latency = _answer(started[0])
    report(runs=runs, seconds=seconds, p50_ms=latency, checks_executed=executed)


if __name__ == "__main__":
    if is_worker():
        asyncio.run(work())
    else:
        main()
