"""Random kills under load: what was accepted ends, once, whatever dies meanwhile.

``python -m tests.faults.campaign --runs 2500 --kills 200 --seed 7`` prints one JSON line and exits with 1 where
anything was lost, took effect twice or was refused without a problem document. Two API processes, three workers, two
background processes and their PostgreSQL run as ``quilate up`` runs them; runs come in over HTTP. Each run has four
checks. Of three runs one has all of them in one stage: two in the warm process, one in a process of its own and one
with an effect that a ledger outside PostgreSQL records; one has the first two in a stage before the others; and one
has trivial checks only, in two stages that a worker carries on by itself.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from quilate.app.service.processes import API, BACKGROUND, WORKER, ServiceProcess
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from tests.support.fault_judge import describe_stuck, gather_facts, judge
from tests.support.fault_load import Load, load_on
from tests.support.fault_service import FaultService, fault_service, kill_server, own_postgres, sign_in

PROCESSES = ((API, 2), (WORKER, 3), (BACKGROUND, 2))
WEIGHTS = {API: 3, WORKER: 5, BACKGROUND: 2}
"""How often each role is chosen, beside the others."""
_CHECKS = 4
_LEASE = {"QUILATE_LEASE_SECONDS": "2", "QUILATE_BEAT_SECONDS": "0.5"}
_POSTGRES_EVERY = 25
_PATIENCE_SECONDS = 900


@dataclass(slots=True, kw_only=True)
class Campaign:
    """One run of the suite under one seed."""

    seed: int
    runs: int
    kills: int
    directory: Path
    choice: random.Random = field(init=False)
    done: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    disturbed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Begin with the seed."""
        self.choice = random.Random(self.seed)  # noqa: S311 - repeatable, no secret

    @property
    def ledger(self) -> Path:
        """Where effects are recorded, outside the database."""
        return self.directory / "ledger"

    def blueprints(self) -> dict[str, str]:
        """Return the blueprints by their names."""
        trivial = [f"{{id: {name}_0, type: TEST_TRIVIAL, required: true}}" for name in ("t", "u", "v", "x")]
        acting = [
            f"{{id: w_0, type: TEST_EFFECT, required: true, seconds: 0.01, ledger: {self.ledger}}}",
            f"{{id: e_0, type: TEST_EFFECT, required: false, effects: true, ledger: {self.ledger}}}",
        ]
        return {
            "mixed": _blueprint("mixed", [*trivial[:2], *acting]),
            "stages": _blueprint("stages", trivial[:2], acting),
            "trivial": _blueprint("trivial", trivial[:2], trivial[2:]),
        }

    async def submit(self, load: Load) -> None:
        """Submit every run, spread over the kills, so that every moment of a run's life meets some."""
        waiting: set[asyncio.Task[None]] = set()
        for number in range(self.runs):
            while number * self.kills > (self.done + 1) * self.runs:  # noqa: ASYNC110 - the other task counts on
                await asyncio.sleep(0.02)
            waiting.add(asyncio.create_task(load.submit(number)))
            if len(waiting) >= 64:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*waiting)

    async def kill(self, service: FaultService, server: EmbeddedPostgres) -> None:
        """Kill something again and again."""
        for number in range(self.kills):
            await asyncio.sleep(self.choice.uniform(0.1, 0.6))
            if number % _POSTGRES_EVERY == _POSTGRES_EVERY // 2:
                await asyncio.to_thread(kill_server, server, service.database_url)
                self.killed["postgres"] += 1
            else:
                await self._kill_process(service)
            self.done = number + 1

    async def _kill_process(self, service: FaultService) -> None:
        if self.choice.random() < 0.1:
            await self._cut_connections(service)
        role = self.choice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        victim = self.choice.choice([each for each in service.processes.values() if each.role == role])
        # Not only in its first moments, in which nothing is under way yet.
        await self._until_lived(victim, self.choice.uniform(0.5, 3.0))
        if role == WORKER and self.choice.random() < 0.15:
            # It hangs while its lease runs out, then comes back and finds that it holds nothing any more.
            victim.signal(signal.SIGSTOP)
            await asyncio.sleep(float(_LEASE["QUILATE_LEASE_SECONDS"]) * 1.3)
            victim.signal(signal.SIGCONT)
            self.disturbed["worker hung"] += 1
            await asyncio.sleep(0.3)
        victim.signal(signal.SIGKILL)
        self.killed[role] += 1

    async def _cut_connections(self, service: FaultService) -> None:
        with contextlib.suppress(psycopg.Error):
            async with await psycopg.AsyncConnection.connect(service.database_url, autocommit=True) as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
                self.disturbed["connections cut"] += 1

    @staticmethod
    async def _until_lived(victim: ServiceProcess, seconds: float) -> None:
        while victim.process is None or time.monotonic() - victim.started < seconds:  # noqa: ASYNC110 - the other task starts it
            await asyncio.sleep(0.02)


def _blueprint(name: str, *stages: Sequence[str]) -> str:
    lines = [f"id: {name}", "version: 1", "project_types: [ds]", "stages:"]
    for number, checks in enumerate(stages):
        lines += [f"  - name: stage_{number}", "    checks:", *(f"      - {check}" for check in checks)]
    return "\n".join([*lines, "policies:", "  approval:", "    rule: all_required_checks_pass"])


async def keep_alive(service: FaultService) -> None:
    """Start anew whatever has ended, as ``quilate up`` does."""
    while True:
        for process in service.processes.values():
            process.ended()
            if process.process is None:
                process.start()
        await asyncio.sleep(0.05)


async def settle(service: FaultService, database: Database) -> None:
    """Wait until every run has ended."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(psycopg.Error, OSError):
            async with database.connection() as connection:
                cursor = await connection.execute("SELECT count(*) AS n FROM runs WHERE step IS NOT NULL")
                row = await cursor.fetchone()
            if row is not None and row["n"] == 0:
                return
        await asyncio.sleep(0.2)
    raise SystemExit(await describe_stuck(database, service.logs()))


async def run_campaign(campaign: Campaign, server: EmbeddedPostgres, url: str) -> dict[str, Any]:
    """Run the campaign and return its figures with what is wrong."""
    begin = time.monotonic()
    async with fault_service(url, campaign.directory, _LEASE) as service:
        blueprints = campaign.blueprints()
        token = await sign_in(service, *blueprints.values())
        for role, number in PROCESSES:
            for each in range(number):
                if f"{role}-{each}" not in service.processes:
                    service.start(role, each)
        alive = asyncio.create_task(keep_alive(service))
        try:
            async with load_on(service, token, blueprints=tuple(blueprints), seed=campaign.seed) as load:
                await asyncio.gather(campaign.submit(load), campaign.kill(service, server))
            async with Database.open(url, name="faults", max_size=2) as database:
                await settle(service, database)
        finally:
            alive.cancel()
            await asyncio.wait({alive})
        await service.stop()
        entries = await asyncio.to_thread(service.exported_entries)
        async with Database.open(url, name="faults", max_size=2) as database:
            facts = await gather_facts(database, entries, campaign.ledger)
    return {
        "seed": campaign.seed,
        "accepted_runs": len(load.accepted),
        "accepted_checks": len(load.accepted) * _CHECKS,
        "kills": dict(campaign.killed),
        "disturbances": dict(campaign.disturbed),
        "requests_cut": load.cut,
        "submissions_repeated": load.repeated,
        "refusals": {str(status): count for status, count in sorted(load.refusals.items())},
        "effects_recorded": len(facts.effects),
        "checks_reported_as_lost": facts.lost,
        "runs_reported_as_lost": len(facts.dead),
        "audit_entries_verified": len(entries),
        "seconds": round(time.monotonic() - begin, 1),
        "faults": [*judge(list(load.accepted.values()), _CHECKS, facts), *load.wrong[:20]],
    }


def run(campaign: Campaign) -> dict[str, Any]:
    """Run the campaign on a PostgreSQL of its own."""
    with own_postgres(campaign.directory / "postgres") as (server, url):
        return asyncio.run(run_campaign(campaign, server, url))


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
        figures = run(campaign)
    sys.stdout.write(json.dumps(figures) + "\n")
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
