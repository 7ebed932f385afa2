"""What is left after faults: whether anything was lost, took effect twice or is missing from the audit log."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

from quilate.kit.database.database import Database

AUDITED = ("run.submitted", "run.decided", "run.failed")
"""The first stands in the audit log once for each run, and one of the others: a run whose own steps killed one worker
after the other fails and becomes a dead letter."""
EVENTS = ("dev.quilate.run.queued", "dev.quilate.run.finished")
"""Goes out once for each run."""


_STUCK: tuple[LiteralString, ...] = (
    (
        "SELECT id AS run, status, step, version, attempt, losses, held, worker,"
        " (SELECT lease_until - now() FROM workers WHERE workers.id = runs.worker) AS lease_left,"
        " now() - greatest(ready_at, started_at) AS waited FROM runs WHERE step IS NOT NULL ORDER BY id"
    ),
    (
        'SELECT run_id AS run, check_id AS "check", queue, status, attempt, losses, worker, now() - ready_at AS waited'
        " FROM check_runs ORDER BY run_id, check_id"
    ),
    "SELECT id AS worker, process, now() - started_at AS lived, lease_until - now() AS lease_left FROM workers",
)
_MOST_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What database, ledger and exported audit log say at the end.

    Attributes:
        runs: Every run.
        finals: How many ends each check has, by run and check.
        results: Result of each check with an effect, as ``run-check``.
        decisions: How many decisions each run has.
        dead: Runs whose own steps became a dead letter.
        audit: How often each of ``AUDITED`` is there, by subject.
        events: How often each of ``EVENTS`` is there, by subject.
        effects: The ledger's lines, ``run-check-attempt``.
        lost: Checks that ended as lost with their workers.
    """

    runs: frozenset[str]
    finals: Mapping[tuple[str, str], int]
    results: Mapping[str, str]
    decisions: Mapping[str, int]
    dead: frozenset[str]
    audit: Mapping[str, Mapping[str, int]]
    events: Mapping[str, Mapping[str, int]]
    effects: Sequence[str]
    lost: int


async def gather_facts(database: Database, entries: Sequence[Mapping[str, Any]], ledger: Path) -> Facts:
    """Return the facts.

    Args:
        database: The service's.
        entries: Of the exported audit log.
        ledger: Where checks of type ``TEST_EFFECT`` left their lines.
    """
    effects = ledger.read_text(encoding="utf-8").split() if ledger.exists() else []  # noqa: ASYNC240 - at the end
    async with database.connection() as connection:
        runs = await (await connection.execute("SELECT id FROM runs")).fetchall()
        ends = await (
            await connection.execute("SELECT run_id, check_id, result, reason FROM check_attempts WHERE final")
        ).fetchall()
        decisions = await (await connection.execute("SELECT run_id FROM decisions")).fetchall()
        dead = await (await connection.execute("SELECT run_id FROM dead_letters WHERE check_id IS NULL")).fetchall()
        events = await (await connection.execute("SELECT type, subject FROM outgoing_events")).fetchall()
    return Facts(
        runs=frozenset(str(row["id"]) for row in runs),
        finals=Counter((str(row["run_id"]), row["check_id"]) for row in ends),
        results={
            f"{row['run_id']}-{row['check_id']}": row["result"] for row in ends if row["check_id"] in {"w_0", "e_0"}
        },
        decisions=Counter(str(row["run_id"]) for row in decisions),
        dead=frozenset(str(row["run_id"]) for row in dead),
        audit={
            action: Counter(str(entry["subject"]) for entry in entries if entry["action"] == action)
            for action in AUDITED
        },
        events={kind: Counter(row["subject"] for row in events if row["type"] == kind) for kind in EVENTS},
        effects=effects,
        lost=sum((row["reason"] or "").startswith("worker lost") for row in ends),
    )


async def describe_stuck(database: Database, logs: Mapping[str, str]) -> str:
    """Return which runs have not ended: their steps, who holds them and their checks, and what went wrong meanwhile.

    Args:
        database: The service's.
        logs: What each process said, by its name.
    """
    lines = []
    async with database.connection() as connection:
        for query in _STUCK:
            found = await (await connection.execute(query)).fetchall()
            lines += [" ".join(f"{name}={value}" for name, value in row.items()) for row in found[:_MOST_LINES]]
            lines += [f"... and {len(found) - _MOST_LINES} more"] if len(found) > _MOST_LINES else []
    for name, text in logs.items():
        # Lost connections are what the test makes.
        said = [line for line in text.splitlines() if "psycopg.pool" not in line]
        lines += [f"{name} said: {line[:500]}" for line in said[-_MOST_LINES:]]
    return "\n".join(["runs have not ended:", *lines])


def judge(accepted: Collection[str], checks: int, facts: Facts) -> list[str]:
    """Return what is wrong; empty where nothing was lost and nothing took effect twice.

    Args:
        accepted: Runs that callers were told of.
        checks: Checks of each run.
        facts: What is left.
    """
    wanted = frozenset(accepted)
    faults = []
    if facts.runs != wanted or len(accepted) != len(wanted):
        faults.append(f"{len(wanted - facts.runs)} runs are lost, {len(facts.runs - wanted)} unasked for")
    decided = wanted - facts.dead
    several = sum(count != 1 for count in facts.finals.values())
    if len(facts.finals) != len(decided) * checks or several:
        faults.append(f"{len(facts.finals)} checks have an end, {several} of them more than one")
    if dict(facts.decisions) != dict.fromkeys(decided, 1):
        faults.append(f"{sum(facts.decisions.values())} decisions for {len(decided)} runs")
    ends = dict(zip(AUDITED, (wanted, decided, facts.dead), strict=True))
    faults += [
        f"{name} is not there once for each run"
        for name, counts in {**facts.audit, **facts.events}.items()
        if dict(counts) != dict.fromkeys((f"run:{run}" for run in ends.get(name, wanted)), 1)
    ]
    return [*faults, *_faults_of_effects(facts)]


def _faults_of_effects(facts: Facts) -> list[str]:
    faults = []
    repeated = sum(count > 1 for count in Counter(facts.effects).values())
    if repeated:
        faults.append(f"{repeated} attempts took effect twice")
    begun = Counter(line.rsplit("-", 1)[0] for line in facts.effects)
    twice = sum(count > 1 for check, count in begun.items() if check.endswith("-e_0"))
    if twice:
        faults.append(f"{twice} checks with effects were begun twice")
    unasked = sum(line[:36] not in facts.runs for line in facts.effects)
    if unasked:
        faults.append(f"{unasked} effects are of no run")
    missing = sum(result == "pass" and check not in begun for check, result in facts.results.items())
    if missing:
        faults.append(f"{missing} checks passed without having run")
    return faults
