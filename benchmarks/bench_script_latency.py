"""One call over HTTP from request to result of six Bacen records, durable, idle and while the service is half busy.

Beside it, in the same run: the sandbox alone (a single-use isolate in a locked worker process, no HTTP, no database),
and node with a fresh process, the way a script is run without a service. Each result is checked. The original project
quotes 16 ms for its engine alone. ``python benchmarks/bench_script_latency.py``, on a quiet machine.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measure import report
from quilate.sandbox.model import Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from script_service import RECORDS, SCRIPT, KeptConnection, ScriptService, check_result, script_service

CALLS = int(os.environ.get("SCRIPT_CALLS", "500"))
WARM_CALLS = 50
FULL_SECONDS = 5.0
CONNECTIONS = 16
TARGET_P50_MILLISECONDS, TARGET_ENGINE_MILLISECONDS = 10.0, 1.0


async def timed_calls(service: ScriptService, calls: int) -> list[float]:
    """Return the milliseconds of calls one after the other."""
    times = []
    async with KeptConnection(service.url) as connection:
        for _ in range(calls):
            begin = time.perf_counter()
            status, body = await connection.post(f"{service.path}?wait=20", RECORDS)
            times.append((time.perf_counter() - begin) * 1000)
            if status != 200:  # noqa: PLR2004 - it has ended
                raise SystemExit(f"status {status}: {body[:300]!r}")
            check_result(json.loads(body)["output"])
    return times


async def load(service: ScriptService, rate: float | None, stop: asyncio.Event) -> int:
    """Let clients wait for results, as many as they can or at a rate; return how many came."""
    came = 0
    begin = time.perf_counter()

    async def one(number: int) -> None:
        nonlocal came
        async with KeptConnection(service.url) as connection:
            turn = number
            while not stop.is_set():
                if rate is not None:
                    await asyncio.sleep(max(0.0, begin + turn / rate - time.perf_counter()))
                    turn += CONNECTIONS
                status, _ = await connection.post(f"{service.path}?wait=20", RECORDS)
                came += status == 200  # noqa: PLR2004 - it has ended

    await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))
    return came


async def rate_of(service: ScriptService, rate: float | None, seconds: float) -> float:
    """Return how many results a second come while clients ask for so long."""
    stop = asyncio.Event()
    begin = time.perf_counter()
    working = asyncio.create_task(load(service, rate, stop))
    await asyncio.sleep(seconds)
    stop.set()
    came = await working
    return came / (time.perf_counter() - begin)


async def half_busy(service: ScriptService) -> tuple[list[float], float, float]:
    """Return the milliseconds of calls at half load, and the full and the half rate."""
    full = await rate_of(service, None, FULL_SECONDS)
    stop = asyncio.Event()
    begin = time.perf_counter()
    working = asyncio.create_task(load(service, full / 2, stop))
    await asyncio.sleep(1)
    times = await timed_calls(service, CALLS)
    stop.set()
    came = await working
    return times, full, came / (time.perf_counter() - begin)


async def engine_alone() -> list[float]:
    """Return the milliseconds of calls of the sandbox alone, as its worker measures them."""
    times = []
    async with SandboxPool(PoolSettings(workers=2)) as pool:
        for _ in range(CALLS):
            outcome = await pool.execute(Program(source=SCRIPT), Payload(data=RECORDS))
            check_result(json.loads(outcome.output or b"null"))
            times.append(outcome.wall_milliseconds)
            # As between calls over HTTP: the spare is made when the answer has left.
            await asyncio.sleep(0.005)
    return times


def node_alone() -> float:
    """Return the median milliseconds of a fresh node process with the same script; 0 without node."""
    node = shutil.which("node")
    if node is None:
        return 0.0
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "run.js"
        file.write_text(
            SCRIPT + "process.stdout.write(JSON.stringify(process_(JSON.parse(require('fs').readFileSync(0)))))"
        )
        # node has a global of that name: the function keeps its body and gets another one.
        file.write_text(file.read_text().replace("function process(", "function process_("))
        times = []
        for _ in range(10):
            begin = time.perf_counter()
            done = subprocess.run([node, str(file)], input=RECORDS, capture_output=True, check=True)
            times.append((time.perf_counter() - begin) * 1000)
            check_result(json.loads(done.stdout))
    return statistics.median(times)


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(times, n=100)[98]


def main() -> None:
    """Measure and print one JSON line."""
    engine = asyncio.run(engine_alone())
    with script_service() as service:
        asyncio.run(timed_calls(service, WARM_CALLS))
        idle = asyncio.run(timed_calls(service, CALLS))
        busy, full, half = asyncio.run(half_busy(service))
    p50 = statistics.median(idle)
    report(
        "script_latency",
        calls=CALLS,
        idle_p50_ms=p50,
        idle_p99_ms=p99(idle),
        half_load_p50_ms=statistics.median(busy),
        half_load_p99_ms=p99(busy),
        full_per_second=full,
        half_per_second=half,
        engine_p50_ms=statistics.median(engine),
        engine_p99_ms=p99(engine),
        node_process_p50_ms=node_alone(),
        whole_to_engine_ratio=p50 / statistics.median(engine),
        target_p50_ms=TARGET_P50_MILLISECONDS,
        target_engine_ms=TARGET_ENGINE_MILLISECONDS,
        within_target=p50 <= TARGET_P50_MILLISECONDS and statistics.median(engine) <= TARGET_ENGINE_MILLISECONDS,
        load_average=os.getloadavg()[0],
    )


if __name__ == "__main__":
    main()
