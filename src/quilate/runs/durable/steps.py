"""Writing the steps of runs: one transaction for everything that ended meanwhile, each run under its row lock.

Every write carries the fencing token of its claim and the worker's id. What was taken over meanwhile, cancelled or
repeated by mistake finds no row and changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from quilate.audit.entries import AuditEntry, append_entries
from quilate.checks.api import Isolation
from quilate.domain.ids import CheckId
from quilate.kit.database.arrays import number_array, text_array, uuid_array
from quilate.kit.database.database import Connection
from quilate.outbox.events import append_events
from quilate.runs.durable.cancelling import cancel_locked_runs
from quilate.runs.durable.endings import Ended, write_endings
from quilate.runs.durable.items import Completed, Decided, Item, Planned, Unplannable, begun_run, is_mine, run_event
from quilate.runs.durable.live import LiveRun, ReadyCheck, Transition, step
from quilate.runs.durable.model import Step
from quilate.runs.durable.preparation import preparation_document
from quilate.runs.durable.rows import LONGEST_INLINE_BYTES, StepColumns, finding_columns
from quilate.runs.durable.sql import QUERIES
from quilate.runs.durable.wakeups import CONTROL
from quilate.runs.state import Attempt


@dataclass(slots=True, kw_only=True)
class Written:
    """What a transaction wrote; it counts in memory once it has been committed.

    Attributes:
        transitions: The steps, with the ready checks that the worker goes on with itself.
        deciding: Runs whose decision this worker makes next, with their fencing tokens.
        new: Runs that have begun.
        ended: Runs that have ended.
        queues: Queues that have work for others.
        cancelled: Something was cancelled.
        superseded: Runs that this transaction cancelled; whatever else it holds of them counts no more.
        reload: Runs whose state in memory is behind that of the database; their items come again.
    """

    transitions: list[tuple[Transition, frozenset[CheckId]]] = field(default_factory=list)
    deciding: list[tuple[LiveRun, int]] = field(default_factory=list)
    new: list[LiveRun] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)
    cancelled: bool = False
    superseded: set[UUID] = field(default_factory=set)
    reload: list[Completed] = field(default_factory=list)


class Chooser:
    """Says which ready checks a worker goes on with itself; a fresh one for each transaction."""

    def __init__(self, queues: frozenset[str], free: int) -> None:
        self._queues = queues
        self._free = free

    def mine(self, ready: Iterable[ReadyCheck]) -> frozenset[CheckId]:
        """Return the checks that need no other worker: trivial ones, and others while a place is free."""
        chosen = set()
        for each in ready:
            if each.pause_seconds or each.check.queue.value not in self._queues:
                continue
            if each.check.isolation is not Isolation.THREAD:
                if self._free <= 0:
                    continue
                self._free -= 1
            chosen.add(each.check.id)
        return frozenset(chosen)


async def write_steps(
    connection: Connection, items: Sequence[Item], live: Mapping[UUID, LiveRun], worker: UUID, chooser: Chooser
) -> Written:
    """Write what happened to runs, within the caller's transaction."""
    runs = sorted({item.claim.run_id if isinstance(item, Planned | Unplannable) else item.run_id for item in items})
    keys = _keys_of(items)
    cursor = await connection.execute(
        QUERIES["lock_runs"],
        {"runs": runs, "projects": [project for project, _ in keys], "keys": [key for _, key in keys]},
    )
    rows = {row["id"]: row for row in await cursor.fetchall()}
    written = Written()
    completed = _of_known_state(items, rows, live, written)
    transitions = await _completions(connection, completed, live, worker)
    transitions += await _plans(connection, items, rows, worker, written)
    transitions = [each for each in transitions if each.run.id not in written.superseded]
    rows = {run_id: row for run_id, row in rows.items() if run_id not in written.superseded}
    attempts = await _write_transitions(connection, transitions, worker, chooser, written)
    decided = _decided_ahead(items, attempts)
    rows |= {
        item.run_id: {**rows[item.run_id], "step": Step.DECIDE, "worker": worker, "attempt": item.attempt}
        for item in decided
    }
    done = {item.run_id for item in decided}
    written.deciding = [
        (each.run, attempts[each.run.id]) for each in transitions if each.finished and each.run.id not in done
    ]
    written.ended, freed = await write_endings(connection, [*items, *decided], rows, worker)
    if freed:
        written.queues.add(CONTROL)
    return written


def _of_known_state(
    items: Sequence[Item], rows: Mapping[UUID, Mapping[str, Any]], live: Mapping[UUID, LiveRun], written: Written
) -> list[Completed]:
    """Return the completions of runs whose state in memory is the database's; the others come again, reloaded."""
    completed: list[Completed] = []
    for item in items:
        if isinstance(item, Completed) and item.run_id in rows:
            known = live.get(item.run_id)
            if known is None or known.version != rows[item.run_id]["version"]:
                written.reload.append(item)
            else:
                completed.append(item)
    return completed


async def _completions(
    connection: Connection, completed: Sequence[Completed], live: Mapping[UUID, LiveRun], worker: UUID
) -> list[Transition]:
    if not completed:
        return []
    cursor = await connection.execute(
        QUERIES["end_checks"],
        {
            "runs": uuid_array(item.run_id for item in completed),
            "checks": text_array(item.check_id for item in completed),
            "attempts": number_array(item.number for item in completed),
            "worker": worker,
        },
    )
    accepted = {(row["run_id"], row["check_id"], row["attempt"]) for row in await cursor.fetchall()}
    by_run: dict[UUID, dict[CheckId, tuple[int, Attempt]]] = {}
    for item in completed:
        if (item.run_id, item.check_id, item.number) in accepted:
            by_run.setdefault(item.run_id, {})[item.check_id] = (item.number, item.attempt)
    return [step(live[run_id], attempts) for run_id, attempts in by_run.items()]


async def _plans(
    connection: Connection,
    items: Sequence[Item],
    rows: Mapping[UUID, Mapping[str, Any]],
    worker: UUID,
    written: Written,
) -> list[Transition]:
    valid = [
        item
        for item in items
        if isinstance(item, Planned) and is_mine(rows.get(item.claim.run_id), Step.PLAN, worker, item.claim.attempt)
    ]
    await _name_keys(connection, valid)
    started = []
    for item in valid:
        key = item.concurrency_key
        if key and not await _may_start(connection, item, key, written):
            continue
        started.append(item)
    if not started:
        return []
    plans = {item.prepared.plan_digest: item.prepared.plan_document for item in started}
    await connection.execute(QUERIES["insert_plans"], {"digests": list(plans), "documents": list(plans.values())})
    await connection.execute(QUERIES["insert_preparations"], _preparation_columns(started))
    transitions = []
    for item in started:
        row = rows[item.claim.run_id]
        if item.carried is not None:
            transition = item.carried.transition
            transition.run.version = row["version"]
        else:
            transition = step(begun_run(item, version=row["version"]), {})
        written.new.append(transition.run)
        transitions.append(transition)
    return transitions


def _decided_ahead(items: Iterable[Item], attempts: Mapping[UUID, int]) -> list[Decided]:
    """Return the decisions that came with their plans, of the runs whose steps were written."""
    return [
        Decided(
            run_id=item.claim.run_id,
            project_id=item.claim.project_id,
            attempt=attempts[item.claim.run_id],
            decided=item.carried.decided,
        )
        for item in items
        if isinstance(item, Planned)
        and item.carried is not None
        and item.carried.decided is not None
        and item.claim.run_id in attempts
    ]


def _keys_of(items: Iterable[Item]) -> list[tuple[UUID, str]]:
    """Return the concurrency keys of what was planned."""
    named = ((item.claim.project_id, item.concurrency_key) for item in items if isinstance(item, Planned))
    return [(project, key) for project, key in named if key]


async def _name_keys(connection: Connection, planned: Sequence[Planned]) -> None:
    """Write down the keys that blueprints give, before any run of this transaction asks for the others of its key."""
    new = [(item.claim.run_id, item.concurrency_key) for item in planned if not item.claim.concurrency_key]
    named = [(run_id, key) for run_id, key in new if key]
    if named:
        arguments = {"runs": [run_id for run_id, _ in named], "keys": [key for _, key in named]}
        await connection.execute(QUERIES["name_keys"], arguments)


async def _may_start(connection: Connection, item: Planned, key: str, written: Written) -> bool:
    """Return whether a run may begin beside the others of its key; else it is held, or has been superseded."""
    claim = item.claim
    arguments = {"project": claim.project_id, "key": key, "run": claim.run_id}
    cursor = await connection.execute(QUERIES["others_of_key"], arguments)
    others = await cursor.fetchall()
    if item.supersede:
        older = [row["id"] for row in others if row["id"] < claim.run_id]
        newer = [row["id"] for row in others if row["id"] > claim.run_id]
        superseded = [claim.run_id] if newer else older
        by = newer[-1] if newer else claim.run_id
        written.cancelled = bool(superseded) or written.cancelled
        written.superseded |= set(superseded)
        await cancel_locked_runs(
            connection, claim.project_id, superseded, actor="system:quilate", reason=f"superseded by run {by}"
        )
        return not newer
    if any(not row["held"] for row in others):
        await connection.execute(QUERIES["hold_run"], {"run": claim.run_id, "key": key})
        return False
    return True


def _preparation_columns(started: Sequence[Planned]) -> dict[str, Any]:
    subjects = [item.prepared.subject for item in started]
    return {
        "runs": uuid_array(item.claim.run_id for item in started),
        "projects": uuid_array(item.claim.project_id for item in started),
        "kinds": text_array(subject.kind.value for subject in subjects),
        "names": [subject.name for subject in subjects],
        "digests": text_array(str(subject.digest) for subject in subjects),
        "revisions": [subject.revision for subject in subjects],
        "branches": [subject.branch for subject in subjects],
        "documents": [preparation_document(item.prepared) for item in started],
        "plans": text_array(item.prepared.plan_digest for item in started),
        "keys": [item.concurrency_key or None for item in started],
    }


async def _write_transitions(
    connection: Connection, transitions: Sequence[Transition], worker: UUID, chooser: Chooser, written: Written
) -> dict[UUID, int]:
    """Write steps; return the run rows' fencing tokens after them."""
    if not transitions:
        return {}
    columns = StepColumns()
    audit, events = [], []
    begun = {run.id for run in written.new}
    for transition in transitions:
        mine = chooser.mine(transition.waiting) | transition.started
        columns.add(transition, mine=mine, decides=True)
        written.transitions.append((transition, mine))
        written.queues |= {
            ready.check.queue.value
            for ready in transition.ready
            if ready.check.id not in mine and not ready.pause_seconds
        }
        audit.append(_advanced(transition))
        if transition.run.id in begun:
            events.append(run_event("dev.quilate.run.started", transition.run.id, transition.run.project_id, {}))
    cursor = await connection.execute(QUERIES["write_steps"], {**columns.arguments(), "worker": worker})
    # The claim of a decision is the run row's next attempt, which the statement itself counts up.
    attempts = {row["id"]: row["attempt"] for row in await cursor.fetchall()}
    findings = finding_columns(transitions)
    if findings["runs"]:
        await connection.execute(QUERIES["insert_findings"], findings)
    await append_entries(connection, audit)
    await append_events(connection, events)
    await _keep_answers(connection, transitions)
    return attempts


def _advanced(transition: Transition) -> AuditEntry:
    run = transition.run
    return AuditEntry(
        action="run.advanced",
        actor="system:quilate",
        subject=f"run:{run.id}",
        project_id=run.project_id,
        details={
            "version": transition.version,
            "ended": [
                {
                    "check": str(ended.check_id),
                    "attempt": ended.number,
                    "result": ended.result.value,
                    "evidence": ended.evidence_digest,
                }
                for ended in transition.ended
            ],
            "ready": [str(ready.check.id) for ready in transition.ready],
        },
    )


def _answer_of(attempt: Attempt) -> bytes:
    """Return what a clean attempt found; nothing where it is not worth keeping."""
    evidence = attempt.evidence
    clean = attempt.completion.value == "completed" and attempt.cached_age_seconds is None
    if not clean or evidence is None or evidence.test_attempts:
        return b""
    content = msgspec.json.encode(evidence, order="deterministic")
    return content if len(content) <= LONGEST_INLINE_BYTES else b""


async def _keep_answers(connection: Connection, transitions: Sequence[Transition]) -> None:
    """Keep what one clean attempt found, under the key of everything that its answer depends on."""
    kept: dict[tuple[UUID, str], bytes] = {}
    for transition in transitions:
        keys = transition.run.prepared.keys
        for ended in transition.ended:
            if ended.check_id in keys and len(transition.snapshot[ended.check_id].attempts) == 1:
                content = _answer_of(ended.attempt)
                if content:
                    kept[transition.run.project_id, str(keys[ended.check_id])] = content
    if kept:
        await connection.execute(
            QUERIES["keep_answers"],
            {
                "projects": [project for project, _ in kept],
                "keys": [key for _, key in kept],
                "attempts": list(kept.values()),
            },
        )
