"""Making plans: what the database knows about a run goes in, a prepared run or the reason why not comes out."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from quilate.accounts.model import ProjectReference
from quilate.blueprints.model import PlannedCheck
from quilate.domain.errors import QuilateError
from quilate.domain.ids import CheckId, Digest
from quilate.domain.verdict import Completion
from quilate.evidence.artifacts import ArtifactStore
from quilate.evidence.model import Evidence
from quilate.kit.database.database import Connection, Database
from quilate.kit.tracing import PIPELINE_RUN_ID, span
from quilate.policy.model import Waiver
from quilate.runs.durable.items import Planned, Unplannable
from quilate.runs.durable.live import Prepared
from quilate.runs.durable.plan_request import PlanText, Request
from quilate.runs.durable.preparation import Preparer
from quilate.runs.durable.reading import evidence_of_row
from quilate.runs.durable.rows import ClaimedStep, recorded_attempt
from quilate.runs.durable.sql import QUERIES
from quilate.runs.state import Attempt
from quilate.runs.triggers.model import Trigger
from quilate.runs.workspaces.errors import SourceUnavailableError
from quilate.runs.workspaces.model import Source, SourceKind

_AT_ONCE = 4
"""Trees fetched at once by one worker."""

_PAUSES_SECONDS = (1.0, 4.0)
"""Before a source that could not be reached is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRules:
    """What a project's owners have laid down, as a run is judged by it.

    Attributes:
        protected_branch: The branch whose word counts.
        blueprint: Name of the blueprint where the submission names none; empty for the project file's.
        blueprint_text: Text of the published blueprint that is asked for; empty for a built-in or a file.
        waivers: Approved waivers.
    """

    protected_branch: str = "main"
    blueprint: str = ""
    blueprint_text: str = ""
    waivers: tuple[Waiver, ...] = ()


class Rules(Protocol):
    """Reads a project's rules."""

    async def read(self, connection: Connection, project_id: UUID, blueprint: str, on: date) -> ProjectRules:
        """Return the rules as they stand now."""
        ...


class Sources(Protocol):
    """Judges where a run's files may come from; ``runs.workspaces.resolver`` implements it."""

    async def resolve(self, project: ProjectReference, source: Source) -> Source:
        """Return the source as this project may use it.

        Raises:
            QuilateError: The project may not have it, or it is not there.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedDocument:
    """What of a submission the plan needs."""

    project: str
    source: Source
    event: str = "manual"
    blueprint: str = ""
    project_file: str = ""
    only: tuple[str, ...] = ()
    from_stage: str = ""
    supersede: bool = False
    use_cache: bool = True
    trigger: Trigger | None = None
    governed: bool = False
    without_secrets: bool = False

    @property
    def wants_to_be_merged(self) -> bool:
        """What is judged is a change, which the protected branch's rules bind."""
        return self.governed or (self.trigger is not None and self.trigger.pull_request is not None)


_DOCUMENT = msgspec.json.Decoder(SubmittedDocument)


class Planner:
    """Plans claimed runs, several at once."""

    def __init__(
        self, database: Database, preparer: Preparer, rules: Rules, sources: Sources | None, artifacts: ArtifactStore
    ) -> None:
        self._database = database
        self._preparer = preparer
        self._rules = rules
        self._sources = sources
        self._artifacts = artifacts
        self._fetching = asyncio.Semaphore(_AT_ONCE)

    async def rules_for(self, claims: list[ClaimedStep]) -> dict[tuple[UUID, str], ProjectRules]:
        """Return the rules of every project and blueprint that the claims name, read once each."""
        today = datetime.now(UTC).date()
        wanted = {(claim.project_id, _DOCUMENT.decode(claim.document).blueprint) for claim in claims}

        async def work(connection: Connection) -> dict[tuple[UUID, str], ProjectRules]:
            return {key: await self._rules.read(connection, *key, today) for key in wanted}

        return await self._database.run(work)

    async def plan(self, claim: ClaimedStep, rules: Mapping[tuple[UUID, str], ProjectRules]) -> Planned | Unplannable:
        """Return the plan of a claimed run, or why there is none."""
        with span("run.plan", parent=claim.traceparent, **{PIPELINE_RUN_ID: str(claim.run_id)}):
            return await self._planned(claim, rules)

    async def _planned(
        self, claim: ClaimedStep, rules: Mapping[tuple[UUID, str], ProjectRules]
    ) -> Planned | Unplannable:
        submitted = _DOCUMENT.decode(claim.document)
        chosen = rules[claim.project_id, submitted.blueprint]
        request = Request(
            project=submitted.project,
            source=submitted.source,
            event=claim.event,
            text=PlanText(
                blueprint=submitted.blueprint or chosen.blueprint,
                blueprint_text=chosen.blueprint_text,
                project_text=submitted.project_file,
                only=submitted.only,
                from_stage=submitted.from_stage,
                without_secrets=submitted.without_secrets,
            ),
            approved_waivers=chosen.waivers,
            evaluated_on=datetime.now(UTC).date(),
            protected_branch=chosen.protected_branch,
            pull_request=submitted.wants_to_be_merged,
        )
        try:
            # Whoever submitted it (a person, a schedule, a replay), the project's right to its files is asked here.
            request = replace(request, source=await self._resolved(claim, submitted))
            prepared = await self._prepared(request)
        except QuilateError as error:
            return Unplannable(claim=claim, failure={"error": str(error), "next_step": error.next_step})
        answers = await self._answers(claim, prepared) if submitted.use_cache else {}
        supersede = submitted.supersede or prepared.plan.blueprint.supersede
        return Planned(claim=claim, prepared=replace(prepared, answers=answers), supersede=supersede)

    async def _resolved(self, claim: ClaimedStep, submitted: SubmittedDocument) -> Source:
        if self._sources is None or submitted.source.kind is SourceKind.NONE:
            return submitted.source
        project = ProjectReference(id=claim.project_id, slug=submitted.project, name=submitted.project)
        return await self._sources.resolve(project, submitted.source)

    async def _prepared(self, request: Request) -> Prepared:
        if request.source.kind is SourceKind.NONE:
            return self._preparer.prepare(request)
        async with self._fetching:
            for pause in _PAUSES_SECONDS:
                try:
                    return await asyncio.to_thread(self._preparer.prepare, request)
                except SourceUnavailableError:
                    # Somebody else's machine may be down for a moment: the lease lasts meanwhile.
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
            return await asyncio.to_thread(self._preparer.prepare, request)

    async def _answers(self, claim: ClaimedStep, prepared: Prepared) -> Mapping[CheckId, Attempt]:
        """Return what need not run again: what passed in the run that is repeated, and what the cache holds."""
        if claim.rerun_of is None and not prepared.keys:
            return {}
        checks = {check.id: check for check in prepared.plan.checks if not check.effects}

        async def work(connection: Connection) -> dict[CheckId, Attempt]:
            answers = await self._cached(connection, claim.project_id, prepared, checks)
            if claim.rerun_of is not None:
                answers |= await self._passed(connection, claim, prepared, checks)
            return answers

        return await self._database.run(work)

    async def _cached(
        self,
        connection: Connection,
        project_id: UUID,
        prepared: Prepared,
        checks: Mapping[CheckId, PlannedCheck],
    ) -> dict[CheckId, Attempt]:
        keys = {str(key): check_id for check_id, key in prepared.keys.items()}
        if not keys:
            return {}
        cursor = await connection.execute(QUERIES["cached_answers"], {"project": project_id, "keys": list(keys)})
        answers = {}
        for row in await cursor.fetchall():
            check = checks[keys[row["key"]]]
            evidence = msgspec.json.decode(row["attempts"], type=Evidence)
            if _is_fresh(check, row["age"]) and all(
                self._artifacts.exists(Digest(kept.digest)) for kept in evidence.artifacts
            ):
                answers[check.id] = Attempt(
                    completion=Completion.COMPLETED, evidence=evidence, cached_age_seconds=max(row["age"], 0.0)
                )
        return answers

    async def _passed(
        self,
        connection: Connection,
        claim: ClaimedStep,
        prepared: Prepared,
        checks: Mapping[CheckId, PlannedCheck],
    ) -> dict[CheckId, Attempt]:
        asked = {"run": claim.rerun_of, "project": claim.project_id}
        cursor = await connection.execute(QUERIES["earlier_run"], asked)
        earlier: Mapping[str, Any] | None = await cursor.fetchone()
        same = earlier is not None and (
            earlier["plan_digest"] == prepared.plan_digest and earlier["subject_digest"] == str(prepared.subject.digest)
        )
        if not same:
            return {}
        cursor = await connection.execute(QUERIES["passed_attempts"], asked)
        answers = {}
        for row in await cursor.fetchall():
            check = checks.get(row["check_id"])
            if check is not None and _is_fresh(check, row["cached_age_seconds"]):
                evidence = await asyncio.to_thread(evidence_of_row, row, self._artifacts)
                answers[check.id] = recorded_attempt(row, evidence).attempt
        return answers


def _is_fresh(check: PlannedCheck, age_seconds: float) -> bool:
    return check.fresh_for_seconds is None or age_seconds <= check.fresh_for_seconds
