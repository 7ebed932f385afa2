"""Random kills under load: what was accepted ends, once, whatever dies meanwhile.

``python -m tests.faults.campaign --runs 2500 --kills 200 --seed 7`` prints one JSON line and exits with 1 where
anything was lost or took effect twice. Each run has four checks: two in the warm process, one in a process of its own
and one with an effect that a ledger outside PostgreSQL records.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from quilate.app.service.schema import service_migrations
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.migrations import migrate
from quilate.runs.durable.intake import Intake
from quilate.runs.durable.model import Idempotency
from quilate.runs.durable.recovery import run_recovery
from tests.support.durable import blueprint, submission
from tests.support.worker_process import start_worker

WORKERS = 3
_CHECKS = 4
_LEASE_SECONDS = 1.5
_BEAT_SECONDS = 0.4
_PATIENCE_SECONDS = 600


@dataclass(slots=True, kw_only=True)
class Campaign:
    """One run of the suite under one seed."""

    seed: int
    runs: int
    kills: int
    directory: Path
    choice: random.Random = field(init=False)
    accepted: set[str] = field(default_factory=set)
    killed: Counter[str] = field(default_factory=Counter)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with the seed."""
        self.choice = random.Random(self.seed)  # noqa: S311 - repeatable, no secret

    @property
    def ledger(self) -> Path:
        """Where effects are recorded, outside the database."""
        return self.directory / "ledger"

    def text(self) -> str:
        """Return the blueprint."""
        return blueprint(
            "{id: t_STAGE, type: TEST_TRIVIAL, required: true}\n"
            "{id: u_STAGE, type: TEST_TRIVIAL, required: true}\n"
            f"{{id: w_STAGE, type: TEST_EFFECT, required: true, seconds: 0.01, ledger: {self.ledger}}}\n"
            f"{{id: e_STAGE, type: TEST_EFFECT, required: false, effects: true, ledger: {self.ledger}}}"
        )

    def start_worker(self, url: str) -> subprocess.Popen[bytes]:
        """Start one more worker."""
        return start_worker(url, self.directory, self.text(), lease=_LEASE_SECONDS, beat=_BEAT_SECONDS)

    async def submit(self, database: Database) -> None:
        """Submit every run under a name of its own, again until it is accepted."""
        intake = Intake(database)

        async def one(number: int) -> None:
            named = submission(idempotency=Idempotency(source="faults", id=str(number)))
            while True:
                try:
                    submitted = await intake.submit(named)
                except (psycopg.Error, OSError):
                    await asyncio.sleep(0.2)
                else:
                    self.accepted.add(str(submitted.run_id))
                    return

        waiting = set()
        for number in range(self.runs):
            waiting.add(asyncio.create_task(one(number)))
            # Spread over the time of the kills, so that every moment of a run's life meets some.
            if len(waiting) >= max(self.runs // max(self.kills, 1), 1) * 4:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(0.01)
        await asyncio.gather(*waiting)

    async def kill(self, url: str, server: EmbeddedPostgres) -> None:
        """Kill something again and again, and start it anew."""
        for number in range(self.kills):
            await asyncio.sleep(self.choice.uniform(0.1, 0.5))
            if number % 40 == 20:
                await asyncio.to_thread(kill_server, server, url)
                self.killed["postgres"] += 1
                continue
            place = self.choice.randrange(len(self.workers))
            victim = self.workers[place]
            if self.choice.random() < 0.15:
                # It hangs while its lease runs out, then comes back and finds that it holds nothing any more.
                os.kill(victim.pid, signal.SIGSTOP)
                await asyncio.sleep(_LEASE_SECONDS * 1.5)
                os.kill(victim.pid, signal.SIGCONT)
                self.killed["hung worker"] += 1
                await asyncio.sleep(0.5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(victim.pid, signal.SIGKILL)
            await asyncio.to_thread(victim.wait)
            self.killed["worker"] += 1
            self.workers[place] = self.start_worker(url)

    async def settle(self, database: Database) -> None:
        """Wait until every run has ended."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            for place, worker in enumerate(self.workers):
                if worker.poll() is not None:
                    self.workers[place] = self.start_worker(database.url)
            with contextlib.suppress(psycopg.Error, OSError):
                async with database.connection() as connection:
                    cursor = await connection.execute("SELECT count(*) AS n FROM runs WHERE step IS NOT NULL")
                    row = await cursor.fetchone()
                    if row is not None and row["n"] == 0:
                        return
            await asyncio.sleep(0.2)
        raise SystemExit("some runs have not ended")


def kill_server(server: EmbeddedPostgres, url: str) -> None:
    """Kill the server's first process without a word and start it again over the same data."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.running:
        time.sleep(0.01)
    assert server.start() == url


def judge(campaign: Campaign, facts: dict[str, Any]) -> list[str]:
    """Return what is wrong; empty where nothing was lost and nothing took effect twice."""
    faults = []
    if facts["runs"] != campaign.accepted:
        faults.append(f"{len(campaign.accepted ^ facts['runs'])} runs are lost or unasked for")
    unfinished = [key for key, count in facts["final"].items() if count != 1]
    if len(facts["final"]) != len(campaign.accepted) * _CHECKS or unfinished:
        faults.append(f"{len(facts['final'])} checks have an end, {len(unfinished)} of them more than one")
    faults += [
        f"{action} is not in the audit log once for each run"
        for action, counts in facts["audit"].items()
        if set(counts.values()) != {1} or len(counts) != len(campaign.accepted)
    ]
    if facts["decisions"] != len(campaign.accepted):
        faults.append(f"{facts['decisions']} decisions for {len(campaign.accepted)} runs")
    lines = campaign.ledger.read_text().split()
    repeated = [line for line, count in Counter(lines).items() if count > 1]
    if repeated:
        faults.append(f"{len(repeated)} attempts took effect twice")
    effects = Counter(line.rsplit("-", 1)[0] for line in lines if "-e_0-" in line)
    if any(count > 1 for count in effects.values()):
        faults.append("a check with effects was begun twice")
    begun = {line.rsplit("-", 1)[0] for line in lines}
    missing = [key for key, result in facts["results"].items() if result == "pass" and key not in begun]
    if missing:
        faults.append(f"{len(missing)} checks passed without having run")
    return faults


async def gather_facts(database: Database) -> dict[str, Any]:
    """Return what the database says at the end."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT id FROM runs")
        runs = {str(row["id"]) for row in await cursor.fetchall()}
        cursor = await connection.execute("SELECT run_id, check_id, result FROM check_attempts WHERE final")
        ends = await cursor.fetchall()
        cursor = await connection.execute("SELECT leaf FROM audit_pending")
        entries = [json.loads(bytes(row["leaf"])) for row in await cursor.fetchall()]
        cursor = await connection.execute("SELECT count(*) AS n FROM decisions")
        decisions = await cursor.fetchone()
        cursor = await connection.execute("SELECT count(*) AS n FROM check_attempts WHERE reason LIKE 'worker lost%'")
        lost = await cursor.fetchone()
    assert decisions is not None
    assert lost is not None
    audit: dict[str, Counter[str]] = {"run.submitted": Counter(), "run.decided": Counter()}
    for entry in entries:
        if entry["action"] in audit:
            audit[entry["action"]][entry["subject"]] += 1
    return {
        "runs": runs,
        "final": Counter((row["run_id"], row["check_id"]) for row in ends),
        "results": {
            f"{row['run_id']}-{row['check_id']}": row["result"] for row in ends if row["check_id"] in {"w_0", "e_0"}
        },
        "audit": audit,
        "decisions": decisions["n"],
        "reported_lost": lost["n"],
    }


@contextlib.asynccontextmanager
async def _recovering(database: Database) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(run_recovery(database, stop)) for _ in range(2)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def run_campaign(campaign: Campaign) -> dict[str, Any]:
    """Run the campaign and return its figures with what is wrong."""
    os.environ["QUILATE_HOME"] = str(campaign.directory / "home")
    server = EmbeddedPostgres(campaign.directory / "postgres")
    url = server.start()
    begin = time.monotonic()
    try:
        await migrate(url, service_migrations())
        async with Database.open(url, name="faults", max_size=8) as database, _recovering(database):
            campaign.workers = [campaign.start_worker(url) for _ in range(WORKERS)]
            await asyncio.gather(campaign.submit(database), campaign.kill(url, server))
            await campaign.settle(database)
            facts = await gather_facts(database)
    finally:
        for worker in campaign.workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        server.stop()
    return {
        "seed": campaign.seed,
        "accepted_runs": len(campaign.accepted),
        "accepted_checks": len(campaign.accepted) * _CHECKS,
        "kills": dict(campaign.killed),
        "effects_recorded": len(campaign.ledger.read_text().split()),
        "reported_as_lost": facts["reported_lost"],
        "seconds": round(time.monotonic() - begin, 1),
        "faults": judge(campaign, facts),
    }


def main() -> int:
    """Run one campaign from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2500)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quilate-faults-") as directory:
        campaign = Campaign(seed=options.seed, runs=options.runs, kills=options.kills, directory=Path(directory))
        sys.stderr.write(f"seed {campaign.seed}\n")
        figures = asyncio.run(run_campaign(campaign))
    sys.stdout.write(json.dumps(figures) + "\n")
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
