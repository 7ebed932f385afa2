"""Taking executions in: durable before the caller hears of it, many in one transaction, the same one only once."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.arrays import boolean_array, bytes_array, number_array, text_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.group_commit import GroupCommit
from quilate.kit.database.notices import Notice
from quilate.scripts.executions.model import Quota, Refusal, Submission, Taken
from quilate.scripts.executions.quotas import Standing, Standings
from quilate.scripts.executions.rows import options_text, origin_text
from quilate.scripts.executions.sql import QUERIES
from quilate.scripts.executions.wakeups import WORK_NOTICE
from quilate.scripts.payloads.removing import index_subjects

_SANDBOX_SECONDS = 1.0


class Intake:
    """Takes submissions that arrive together into one transaction.

    A project's standing is read twice a second at most; between two looks its queue may grow beyond its limit by what
    other processes take in meanwhile.
    """

    def __init__(
        self,
        database: Database,
        *,
        defaults: Quota,
        observe: Callable[[int], None] | None = None,
    ) -> None:
        self.standings = Standings(defaults)
        self._sandbox: tuple[float, str] = (float("-inf"), "")
        self._group: GroupCommit[Submission, Taken] = GroupCommit(
            database, self._insert, observe=observe, announce=_news
        )

    async def submit(self, submission: Submission) -> Taken:
        """Return once the execution is durable, or why it was not taken in."""
        return await self._group.submit(submission)

    async def _insert(self, connection: Connection, submissions: Sequence[Submission]) -> list[Taken]:
        standings = await self.standings.of(connection, {each.project_id for each in submissions})
        refusal = await self._no_sandbox(connection)
        # Whoever repeats a request hears what became of the first one, whatever the limits say now.
        known = await _known(connection, submissions)
        outcomes: list[Taken] = []
        new: list[Submission] = []
        for each in submissions:
            outcome = _known_outcome(each, known) or _refused(each, standings[each.project_id], refusal)
            if outcome is None:
                new.append(each)
                standings[each.project_id].added += 1
                outcome = Taken(id=each.id)
            outcomes.append(outcome)
        inserted = await _insert(connection, new)
        outcomes = [replace(each, at=inserted[each.id]) if each.id in inserted else each for each in outcomes]
        made = [each for each in new if each.id in inserted]
        await append_entries(connection, [_entry(each) for each in made])
        await index_subjects(
            connection, [(each.project_id, each.id, token) for each in made for token in each.subjects]
        )
        return await _settled(connection, submissions, outcomes, inserted)

    async def _no_sandbox(self, connection: Connection) -> str:
        """Return why no worker executes scripts; empty where one does, or none has said anything yet."""
        looked_at, reason = self._sandbox
        if time.monotonic() - looked_at > _SANDBOX_SECONDS:
            row = await (await connection.execute(QUERIES["sandboxes"])).fetchone()
            reason = row["refusal"] or "" if row is not None and not row["working"] else ""
            self._sandbox = (time.monotonic(), reason)
        return reason


def _news(outcomes: Sequence[Taken]) -> Notice | None:
    """Return what workers are told of what was taken in."""
    return WORK_NOTICE if any(each.created for each in outcomes) else None


def _refused(submission: Submission, standing: Standing, no_sandbox: str) -> Taken | None:
    if no_sandbox:
        return Taken(id=submission.id, created=False, refusal=Refusal.SANDBOX, reason=no_sandbox)
    if standing.queue_is_full:
        waiting = str(standing.state.quota.queue_length)
        return Taken(id=submission.id, created=False, refusal=Refusal.QUEUE_FULL, reason=waiting)
    wait = standing.processor_wait
    return Taken(id=submission.id, created=False, refusal=Refusal.QUOTA, wait_seconds=wait) if wait else None


Known = Mapping[tuple[UUID, str], Mapping[str, Any]]


def _known_outcome(submission: Submission, known: Known) -> Taken | None:
    if submission.idempotency_key is None:
        return None
    row = known.get((submission.project_id, submission.idempotency_key))
    if row is None:
        return None
    same = row["request_digest"] == submission.request_digest
    return Taken(id=row["id"], created=False, refusal=None if same else Refusal.MISMATCH)


async def _settled(
    connection: Connection, submissions: Sequence[Submission], outcomes: Sequence[Taken], inserted: Mapping[UUID, Any]
) -> list[Taken]:
    """Return the outcomes, those put right that have a row although it was not inserted just now."""
    unsure = {
        submission.id: submission
        for submission, outcome in zip(submissions, outcomes, strict=True)
        if outcome.id == submission.id and submission.id not in inserted
    }
    if not unsure:
        return list(outcomes)
    # A commit that counted, and that nobody heard of.
    before = await _taken_before(connection, list(unsure))
    # Or another process, or another request of this batch, was faster with the same key.
    known = await _known(connection, list(unsure.values()))
    return [
        before.get(outcome.id) or _lost(unsure[outcome.id], known)
        if outcome.id in before or (outcome.created and outcome.id in unsure)
        else outcome
        for outcome in outcomes
    ]


def _lost(submission: Submission, known: Known) -> Taken:
    outcome = _known_outcome(submission, known)
    assert outcome is not None  # noqa: S101 - an insert is left out for its id or its key alone
    return outcome


async def _taken_before(connection: Connection, ids: Sequence[UUID]) -> Mapping[UUID, Taken]:
    cursor = await connection.execute(QUERIES["taken_executions"], {"ids": uuid_array(ids)})
    return {row["id"]: Taken(id=row["id"], at=row["submitted_at"]) for row in await cursor.fetchall()}


async def _known(connection: Connection, submissions: Sequence[Submission]) -> Known:
    named = [(each.project_id, each.idempotency_key) for each in submissions if each.idempotency_key is not None]
    if not named:
        return {}
    arguments = {
        "projects": uuid_array(project for project, _ in named),
        "keys": text_array(key for _, key in named),
    }
    cursor = await connection.execute(QUERIES["known_executions"], arguments)
    return {(row["project_id"], row["idempotency_key"]): row for row in await cursor.fetchall()}


async def _insert(connection: Connection, new: Sequence[Submission]) -> Mapping[UUID, datetime]:
    """Return when those that are new were taken in."""
    if not new:
        return {}
    cursor = await connection.execute(
        QUERIES["insert_executions"],
        {
            "ids": uuid_array(each.id for each in new),
            "projects": uuid_array(each.project_id for each in new),
            "scripts": uuid_array(each.script_id for each in new),
            "versions": uuid_array(each.version_id for each in new),
            "priorities": number_array(each.options.priority for each in new),
            "actors": text_array(each.actor for each in new),
            "options": text_array(options_text(each.options) for each in new),
            "formats": text_array(each.input.format.value for each in new),
            "sizes": number_array(each.input.size for each in new),
            "digests": text_array(each.input.digest for each in new),
            "references": text_array(each.input.reference for each in new),
            "origins": text_array(origin_text(each.input) for each in new),
            "keys": text_array(each.idempotency_key for each in new),
            "requests": text_array(each.request_digest for each in new),
            "awaited": boolean_array(each.awaited for each in new),
            "inputs": bytes_array(each.input.inline for each in new),
        },
    )
    return {row["execution_id"]: row["ready_at"] for row in await cursor.fetchall()}


def _entry(submission: Submission) -> AuditEntry:
    return AuditEntry(
        action="script.execution.submitted",
        actor=submission.actor,
        subject=f"execution:{submission.id}",
        project_id=submission.project_id,
        details={
            "script": str(submission.script_id),
            "version": str(submission.version_id),
            "input": submission.input.digest,
            "bytes": submission.input.size,
            # Whoever waits gets the output as the answer to this very request.
            "waits": submission.awaited,
        },
    )
