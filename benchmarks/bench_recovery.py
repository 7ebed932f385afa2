"""From kill -9 of a worker in mid-check to the same check running again on another worker.

Two workers and the background process are at work; the one that runs the check is killed at a random moment between two
of its beats (the seed is printed). The check itself tells when it began, in a ledger outside PostgreSQL. Every run must
then pass with a single recorded attempt. ``worst`` counts, over every repetition, beside the lease of each.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from measure import report
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.runs.durable.intake import Intake
from quilate.runs.durable.wakeups import Wakeups
from service_under_test import Service, create_database, create_project, stop, submission

TARGET_ABOVE_LEASE = 1.0
SEED = int(os.environ.get("RECOVERY_SEED", "20261121"))
REPETITIONS = {2.0: int(os.environ.get("RECOVERY_SHORT", "10")), 15.0: int(os.environ.get("RECOVERY_LONG", "3"))}
"""Lease in seconds, the second the service's own, to repetitions."""
_BEATS_IN_LEASE = 3
_SOON_SECONDS = 60.0
_LOOK_SECONDS = 0.005

_HOLDER = """
SELECT w.process FROM check_runs AS c JOIN workers AS w ON w.id = c.worker
WHERE c.run_id = %s AND c.status = 'running'
"""

_OUTCOME = """
SELECT r.verdict, (SELECT count(*) FROM check_attempts WHERE run_id = r.id),
    (SELECT count(*) FROM audit_pending WHERE subject = 'run:' || r.id AND action = 'check.returned')
    + (SELECT count(*) FROM audit_entries WHERE subject = 'run:' || r.id AND action = 'check.returned')
FROM runs AS r WHERE r.id = %s
"""

Process = subprocess.Popen[bytes]


def blueprint(ledger: Path) -> str:
    """Return a blueprint of the one check."""
    return "\n".join(
        (
            "id: trivial",
            "version: 1",
            "project_types: [ds]",
            "stages:",
            "  - name: only",
            "    checks:",
            f"      - {{id: lasting, type: LASTING, required: true, ledger: {ledger}}}",
            "policies:",
            "  approval:",
            "    rule: all_required_checks_pass and lasting.answer == 42",
        )
    )


def awaited(what: str, look: Callable[[], Any], seconds: float = _SOON_SECONDS) -> Any:
    """Return the first answer that is something.

    Raises:
        TimeoutError: There was none in time.
    """
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(_LOOK_SECONDS)
    return found


async def _submit(url: str) -> UUID:
    async with Database.open(url, name="benchmark", max_size=2) as database:
        submitted = await Intake(database, Wakeups(database)).submit(submission())
        # The notice is sent a moment after the commit.
        await asyncio.sleep(0.1)
        return submitted.run_id


@contextlib.contextmanager
def at_work(service: Service, lease: float) -> Iterator[list[Process]]:
    """Let two workers and the background process work; the list may be changed meanwhile."""
    settings = {"QUILATE_LEASE_SECONDS": str(lease), "QUILATE_BEAT_SECONDS": str(lease / _BEATS_IN_LEASE)}
    background = service.start("background", **settings)
    workers = [service.start("worker_main", **settings) for _ in range(2)]
    try:
        service.await_workers(workers)
        yield workers
    finally:
        stop([background, *workers])


def one(service: Service, ledgers: Path, workers: list[Process], lease: float, pause: float) -> tuple[float, bool]:
    """Return the seconds from the kill to the second beginning, and whether the run came out right."""
    run = asyncio.run(_submit(service.url))
    ledger = ledgers / str(run)
    with psycopg.connect(service.url, autocommit=True) as connection:

        def row(sql: LiteralString) -> Any:
            return connection.execute(sql, (run,)).fetchone()

        awaited("the check did not begin", ledger.exists)
        (process,) = awaited("nobody holds the check", lambda: row(_HOLDER))
        time.sleep(pause)
        victim = next(worker for worker in workers if worker.pid == process)
        killed = time.monotonic()
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        workers.remove(victim)
        awaited("the check did not begin again", lambda: len(ledger.read_text().split()) > 1, lease + _SOON_SECONDS)
        begun = [float(line) for line in ledger.read_text().split()]
        outcome = awaited("the run did not end", lambda: (found := row(_OUTCOME))[0] and found)
    return begun[1] - killed, len(begun) == 2 and outcome == ("PASS", 1, 1)  # noqa: PLR2004 - begun twice


def several(service: Service, ledgers: Path, lease: float, chance: random.Random) -> tuple[list[float], bool]:
    """Return the seconds of each repetition, and whether all came out right."""
    times, right = [], True
    with at_work(service, lease) as workers:
        for _ in range(REPETITIONS[lease]):
            seconds, one_right = one(service, ledgers, workers, lease, chance.uniform(0, lease / _BEATS_IN_LEASE))
            times.append(seconds)
            right = right and one_right
            added = service.start(
                "worker_main",
                QUILATE_LEASE_SECONDS=str(lease),
                QUILATE_BEAT_SECONDS=str(lease / _BEATS_IN_LEASE),
            )
            workers.append(added)
            service.await_workers([added])
    return times, right


def main() -> None:
    """Measure and print the JSON line."""
    directory = Path(tempfile.mkdtemp(prefix="quilate-bench-recovery-"))
    ledgers = directory / "ledgers"
    ledgers.mkdir()
    server = EmbeddedPostgres(directory / "postgres")
    load = os.getloadavg()[0]
    chance = random.Random(SEED)  # noqa: S311 - moments of kills, repeatable
    try:
        url = create_database(server.start(), "recovery")
        create_project(url, blueprint(ledgers))
        service = Service(url=url, state=directory / "state")
        found = {lease: several(service, ledgers, lease, chance) for lease in REPETITIONS if REPETITIONS[lease]}
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    leases = {
        f"lease_{lease:g}": {
            "repetitions": len(times),
            "median_seconds": round(statistics.median(times), 3),
            "worst_seconds": round(max(times), 3),
            "worst_above_lease": round(max(times) - lease, 3),
            "worst_ratio_to_lease": round(max(times) / lease, 3),
        }
        for lease, (times, _) in found.items()
    }
    right = all(each for _, each in found.values())
    report(
        "recovery",
        seed=SEED,
        **leases,
        load_before=load,
        load_after=os.getloadavg()[0],
        target_above_lease=TARGET_ABOVE_LEASE,
        all_right=right,
        met=right and all(max(times) <= lease + TARGET_ABOVE_LEASE for lease, (times, _) in found.items()),
    )


if __name__ == "__main__":
    main()
