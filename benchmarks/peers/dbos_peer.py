# mypy: disable-error-code="import-not-found, import-untyped"
# It runs in an environment of its own: here its imports cannot be found.
"""DBOS: a workflow for each run, started directly (no queue in between), its steps side by side or one by one.

Both forms are what its guide shows; which is faster depends on the machine, so both are measured and the faster
counts. Each worker process is an executor of its own that starts its share of the workflows.
"""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from dbos import DBOS, DBOSConfig

from peers.harness import ANSWER, CHECKS, LATENCIES, STAGES, WARM_UP, arguments, is_worker, report

_AT_ONCE = 32
_WARM_UP_RUNS = 20
_FORMS = ("side_by_side", "one_by_one")
_START_SECONDS = 120


def check_in_turn() -> int:
    """Be a check."""
    return ANSWER


async def check_beside() -> int:
    """Be a check."""
    return ANSWER


step_in_turn = DBOS.step()(check_in_turn)
step_beside = DBOS.step()(check_beside)


def run_one_by_one() -> int:
    """Run the checks in turn: a stage begins when the one before is recorded."""
    return sum(step_in_turn() for _ in range(STAGES * CHECKS))


async def run_side_by_side() -> int:
    """Run the checks of a stage side by side."""
    total = 0
    for _ in range(STAGES):
        total += sum(await asyncio.gather(*(step_beside() for _ in range(CHECKS))))
    return total


workflow_in_turn = DBOS.workflow()(run_one_by_one)
workflow_beside = DBOS.workflow()(run_side_by_side)


def configure(url: str, executor: str) -> None:
    """Start DBOS in this process."""
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": url.replace("postgresql://", "postgresql+psycopg://", 1),
        "sys_db_pool_size": _AT_ONCE,
        "executor_id": executor,
        "application_version": "1",
        "log_level": "CRITICAL",
        "enable_otlp": False,
    }
    DBOS(config=config)
    DBOS.launch()


def run_in_turn(runs: int) -> None:
    """Start workflows, so many at once, and wait for their results."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for total in pool.map(lambda _: DBOS.start_workflow(workflow_in_turn).get_result(), range(runs)):
            require(total)


def run_beside(runs: int) -> None:
    """Start workflows, so many at once, and wait for their results."""

    async def start() -> None:
        places = asyncio.Semaphore(_AT_ONCE)

        async def one() -> None:
            async with places:
                handle = await DBOS.start_workflow_async(workflow_beside)
                require(await handle.get_result())

        await asyncio.gather(*(one() for _ in range(runs)))

    asyncio.run(start())


RUNNERS: dict[str, Callable[[int], None]] = {"side_by_side": run_beside, "one_by_one": run_in_turn}


def require(total: int) -> None:
    """Refuse a wrong result."""
    if total != STAGES * CHECKS * ANSWER:
        raise ValueError(f"a workflow gave {total}")


def work(url: str, executor: str, form: str) -> None:
    """Be a worker: ``runs N`` and ``latency N`` on standard input are each answered by a line."""
    configure(url, executor)
    RUNNERS[form](_WARM_UP_RUNS)
    _say("ready")
    for line in sys.stdin:
        runs = int(line)
        if runs > 0:
            RUNNERS[form](runs)
            _say("done")
        else:
            _say(json.dumps(_latencies(form)))
    DBOS.destroy()


def _latencies(form: str) -> float:
    if form == "one_by_one":
        return _median(lambda: require(DBOS.start_workflow(workflow_in_turn).get_result()))
    return asyncio.run(_latencies_beside())


async def _latencies_beside() -> float:
    times = []
    for _ in range(WARM_UP + LATENCIES):
        begin = time.perf_counter()
        handle = await DBOS.start_workflow_async(workflow_beside)
        require(await handle.get_result())
        times.append(time.perf_counter() - begin)
    return statistics.median(times[WARM_UP:]) * 1000


def _median(call: Callable[[], None]) -> float:
    times = []
    for _ in range(WARM_UP + LATENCIES):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[WARM_UP:]) * 1000


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Worker:
    """A worker process, told what to do line by line."""

    def __init__(self, *given: str) -> None:
        argv = [sys.executable, "-m", "peers.dbos_peer", "work", *given]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, number: int) -> None:
        """Give it an order."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()

    def answer(self) -> str:
        """Return its next line."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError("a worker ended")
        return line.strip()

    def close(self) -> None:
        """Let it end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(_START_SECONDS)


def _measured(url: str, form: str, runs: int, workers: int) -> tuple[float, float, int]:
    """Return the seconds, the median latency in milliseconds and the recorded steps."""
    with contextlib.ExitStack() as stack:
        started: list[Any] = []
        for number in range(workers):
            # One after the other: the first makes the tables.
            worker = Worker(url, f"{form}-{number}", form)
            stack.callback(worker.close)
            worker.answer()
            started.append(worker)
        before = _steps(url)
        begin = time.perf_counter()
        for number, worker in enumerate(started):
            worker.ask(runs // workers + (number < runs % workers))
        for worker in started:
            worker.answer()
        seconds = time.perf_counter() - begin
        executed = _steps(url) - before
        started[0].ask(0)
        latency = float(json.loads(started[0].answer()))
    return seconds, latency, executed


def _steps(url: str) -> int:
    sql = """
    SELECT count(*) FROM dbos.operation_outputs AS o JOIN dbos.workflow_status AS w USING (workflow_uuid)
    WHERE w.status = 'SUCCESS' AND o.error IS NULL AND o.function_name LIKE 'check%'
    """
    with psycopg.connect(url) as connection:
        row = connection.execute(sql).fetchone()
    return int(row[0]) if row is not None else 0


def main() -> None:
    """Measure both forms and report the faster."""
    url, runs, workers = arguments()
    measured = [_measured(url, form, runs, workers) for form in _FORMS]
    seconds, _, executed = min(measured)
    report(runs=runs, seconds=seconds, p50_ms=min(latency for _, latency, _ in measured), checks_executed=executed)


if __name__ == "__main__":
    if is_worker():
        work(*sys.argv[2:5])
    else:
        main()
