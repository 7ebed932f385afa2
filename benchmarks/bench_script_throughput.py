"""Durable executions a second from POST to the written result, single-use isolates, six Bacen records each.

Load generator, API, script worker, its sandboxes and PostgreSQL (fsync on) share the machine; the share of each is
read from ``/proc``. Beside it in the same run: the sandboxes alone, single-use and warm, without HTTP and database:
the limit of the machine. Every execution is looked up afterwards and a sample of results is checked.
``python benchmarks/bench_script_throughput.py``, on a quiet machine.
"""

import asyncio
import json
import os
import time

import httpx
import psycopg

from measure import report
from processor_time import busy_seconds, processes, tree
from quilate.kit.database.embedded_files import running_address
from quilate.sandbox.model import Limits, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from script_service import PROJECT, RECORDS, SCRIPT, KeptConnection, ScriptService, check_result, script_service

EXECUTIONS = int(os.environ.get("SCRIPT_EXECUTIONS", "6000"))
CONNECTIONS = 32
ENGINE_CALLS = 2000
SAMPLE = 20
TARGET_PER_SECOND, TARGET_WARM_PER_SECOND = 500.0, 2000.0
_DEADLINE_SECONDS = 300.0
_ACCEPTED = 202


async def submit_all(service: ScriptService, number: int) -> None:
    """Submit executions over kept connections."""
    left = iter(range(number))

    async def one() -> None:
        async with KeptConnection(service.url) as connection:
            for _ in left:
                status, body = await connection.post(service.path, RECORDS)
                if status != _ACCEPTED:
                    raise SystemExit(f"status {status}: {body[:300]!r}")

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def await_all(database: str, number: int) -> None:
    """Wait until so many executions have ended well."""
    end = time.monotonic() + _DEADLINE_SECONDS
    with psycopg.connect(database, autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status NOT IN"
                " ('completed', 'pending')) FROM script_executions"
            ).fetchone()
            completed, failed = row or (0, 0)
            if failed:
                raise SystemExit(f"{failed} executions failed")
            if completed >= number:
                return
            if time.monotonic() > end:
                raise SystemExit(f"only {completed} of {number} executions have ended")
            time.sleep(0.05)


def check_sample(service: ScriptService) -> None:
    """Look at some results."""
    with httpx.Client(base_url=f"{service.url}/api/v1/projects/{PROJECT}", timeout=60) as client:
        found = client.get("/executions", params={"limit": SAMPLE}).raise_for_status().json()["items"]
        for execution in found:
            check_result(client.get(f"/executions/{execution['id']}").raise_for_status().json()["output"])


def kind_of(command: str) -> str:
    """Return what a process is, by its command line."""
    for word, kind in (
        ("postgres", "postgresql"),
        ("script_worker", "script_worker"),
        ("service.api", "api"),
        ("sandbox", "sandboxes"),
        ("service.worker_main", "other"),
        ("service.background", "background"),
    ):
        if word in command:
            return kind
    return "other"


def seconds_by_kind(root: int) -> dict[str, float]:
    """Return the processor time of each kind of process of the service so far."""
    found: dict[str, float] = {}
    every = processes()
    for process in tree(root, every):
        kind = kind_of(process.command)
        found[kind] = found.get(kind, 0.0) + process.own
    return found


async def engine_rate(program: Program) -> float:
    """Return how many calls a second the sandboxes alone do."""
    request = (program, Payload(data=RECORDS), Limits())
    async with SandboxPool(PoolSettings(workers=2)) as pool:
        await pool.execute_many([request] * 100)
        begin = time.perf_counter()
        outcomes = await pool.execute_many([request] * ENGINE_CALLS)
        taken = time.perf_counter() - begin
    for outcome in outcomes:
        check_result(json.loads(outcome.output or b"null"))
    return ENGINE_CALLS / taken


def main() -> None:
    """Measure and print one JSON line."""
    single = asyncio.run(engine_rate(Program(source=SCRIPT)))
    warm = asyncio.run(engine_rate(Program(source=SCRIPT, reuse=True)))
    with script_service() as service:
        database = running_address(service.state / "postgres")
        if database is None:
            raise SystemExit("the service has no database of its own")
        asyncio.run(submit_all(service, 200))
        await_all(database, 200)
        before, busy, own = seconds_by_kind(service.root), busy_seconds(), time.process_time()
        begin = time.perf_counter()
        asyncio.run(submit_all(service, EXECUTIONS))
        submitted = time.perf_counter() - begin
        await_all(database, EXECUTIONS + 200)
        taken = time.perf_counter() - begin
        after, whole, generator = seconds_by_kind(service.root), busy_seconds() - busy, time.process_time() - own
        check_sample(service)
    shares = {kind: round((after[kind] - before.get(kind, 0.0)) / whole, 3) for kind in sorted(after)}
    rate = EXECUTIONS / taken
    report(
        "script_throughput",
        executions=EXECUTIONS,
        durable_per_second=rate,
        accepted_per_second=EXECUTIONS / submitted,
        engine_single_use_per_second=single,
        engine_warm_per_second=warm,
        durable_to_engine_ratio=rate / single,
        processor_seconds=whole,
        processor_share={**shares, "load_generator": round(generator / whole, 3)},
        target_per_second=TARGET_PER_SECOND,
        target_warm_per_second=TARGET_WARM_PER_SECOND,
        within_target=rate >= TARGET_PER_SECOND and warm >= TARGET_WARM_PER_SECOND,
        load_average=os.getloadavg()[0],
    )


if __name__ == "__main__":
    main()
