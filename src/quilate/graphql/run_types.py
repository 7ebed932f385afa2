"""The types of runs, with their checks, findings and decisions. Names and values are those of REST."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec
import strawberry
from strawberry.scalars import JSON

from quilate.accounts.model import ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, RunStatus, Verdict
from quilate.graphql.context import QueryInfo
from quilate.graphql.limits import DEFAULT_PAGE, page_size
from quilate.graphql.loaders import CheckRows
from quilate.graphql.pages import After, First, PageInfo, cut, place_of
from quilate.graphql.store import FindingsWanted, Row
from quilate.runs.api.model import state_of_result
from quilate.runs.api.views import decode_outline

strawberry.enum(RunStatus, description="Where a run stands.")
strawberry.enum(Verdict, description="Only PASS lets anything through.")
strawberry.enum(CheckResult, description="What a check came to.")
strawberry.enum(Severity, name="FindingSeverity", description="How bad a finding is.")


@strawberry.type(description="One thing wrong.")
class Finding:
    """One thing wrong."""

    check: str
    rule: str
    severity: Severity
    message: str
    path: str
    line: int | None
    fingerprint: str

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the finding of a row."""
        return cls(
            check=row["check_id"],
            rule=row["rule"],
            severity=Severity(row["severity"]),
            message=row["message"],
            path=row["path"],
            line=row["line"],
            fingerprint=row["fingerprint"],
        )


@strawberry.type(description="A page of findings, in the order of check and place.")
class FindingPage:
    """A page of findings."""

    nodes: list[Finding]
    page_info: PageInfo


async def _findings(
    info: QueryInfo, place: tuple[UUID, str | None], first: int, after: str, severities: list[Severity] | None
) -> FindingPage:
    wanted = FindingsWanted(
        page_size(first),
        tuple(sorted(each.value for each in severities)) if severities is not None else None,
        place_of(after, tuple[str, int, int]),
    )
    rows = await info.context.loaders.findings.load((place, wanted))
    shown, page = cut(rows, first, lambda row: (row["check_id"], row["attempt"], row["place"]))
    return FindingPage(nodes=[Finding.of(row) for row in shown], page_info=page)


@strawberry.type(description="One question about a subject, as a run asked it.")
class Check:
    """A check of a run."""

    access: strawberry.Private[ProjectAccess]
    run_id: strawberry.Private[UUID]
    id: str
    type: str
    stage: str
    required: bool
    state: str
    result: CheckResult | None
    attempts: int
    flaky: bool
    reason: str
    next_step: str
    duration_ms: float | None
    cached_age_seconds: float | None

    @strawberry.field(description="What its last attempt found.")
    async def findings(
        self,
        info: QueryInfo,
        first: First = DEFAULT_PAGE,
        after: After = "",
        severities: list[Severity] | None = None,
    ) -> FindingPage:
        """Return a page of its findings."""
        info.context.show_evidence(self.access, AccessKind.FINDINGS, f"run:{self.run_id}/check:{self.id}")
        return await _findings(info, (self.run_id, self.id), first, after, severities)


@strawberry.type(description="What kept a run from passing.")
class Blocking:
    """A check and a rule."""

    check: str
    rule: str


@strawberry.type(description="Verdict with the digests of all that it rests on.")
class Decision:
    """A decision."""

    run_id: strawberry.Private[UUID]
    verdict: Verdict
    subject_digest: str
    blueprint: str
    blueprint_digest: str
    decision_digest: str
    input_digest: str
    seal_digest: str
    decided_at: datetime
    blocking: list[Blocking]
    what_if: JSON | None

    @strawberry.field(description="The decision document as it is sealed: clauses, waivers used, digests.")
    async def document(self, info: QueryInfo) -> JSON:
        """Return the document."""
        content = await info.context.loaders.documents.load(self.run_id)
        return JSON(msgspec.json.decode(content or b"null"))

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the decision of a row."""
        return cls(
            run_id=row["run_id"],
            verdict=Verdict(row["verdict"]),
            subject_digest=row["subject_digest"],
            blueprint=row["blueprint_id"],
            blueprint_digest=row["blueprint_digest"],
            decision_digest=row["decision_digest"],
            input_digest=row["input_digest"],
            seal_digest=row["seal_digest"],
            decided_at=row["decided_at"],
            blocking=[Blocking(check=check, rule=rule) for check, rule in row["failing"] or ()],
            what_if=row["what_if"],
        )


@strawberry.type(description="What is judged.")
class Subject:
    """A subject."""

    kind: str
    name: str
    digest: str
    revision: str
    branch: str


@strawberry.type(description="A pipeline run.")
class Run:
    """A run."""

    access: strawberry.Private[ProjectAccess]
    id: UUID
    project: str
    status: RunStatus
    verdict: Verdict | None
    event: str
    actor: str
    priority: int
    subject: Subject | None
    trigger: JSON | None
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @strawberry.field(description="In the order of the plan.")
    async def checks(self, info: QueryInfo) -> list[Check]:
        """Return its checks."""
        return list(_checks(self.access, self.id, await info.context.loaders.checks.load(self.id)))

    @strawberry.field(description="What the last attempts of its checks found.")
    async def findings(
        self,
        info: QueryInfo,
        first: First = DEFAULT_PAGE,
        after: After = "",
        severities: list[Severity] | None = None,
    ) -> FindingPage:
        """Return a page of its findings."""
        info.context.show_evidence(self.access, AccessKind.FINDINGS, f"run:{self.id}")
        return await _findings(info, (self.id, None), first, after, severities)

    @strawberry.field(description="Once there is one; a partial run has none.")
    async def decision(self, info: QueryInfo) -> Decision | None:
        """Return its decision."""
        info.context.show_evidence(self.access, AccessKind.DECISION, f"run:{self.id}")
        row = await info.context.loaders.decisions.load(self.id)
        return None if row is None else Decision.of(row)

    @classmethod
    def of(cls, access: ProjectAccess, row: Row) -> Self:
        """Return the run of a row."""
        subject = None
        if row["subject_digest"] is not None:
            subject = Subject(
                kind=row["subject_kind"],
                name=row["subject_name"],
                digest=row["subject_digest"],
                revision=row["revision"],
                branch=row["branch"],
            )
        return cls(
            access=access,
            id=row["id"],
            project=access.project.slug,
            status=RunStatus(row["status"]),
            verdict=Verdict(row["verdict"]) if row["verdict"] else None,
            event=row["event"],
            actor=row["actor"],
            priority=row["priority"],
            subject=subject,
            trigger=row["trigger"],
            submitted_at=row["submitted_at"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
        )


def _checks(access: ProjectAccess, run: UUID, rows: CheckRows) -> Iterator[Check]:
    attempts: dict[str, list[Row]] = {}
    for row in rows.attempts:
        attempts.setdefault(row["check_id"], []).append(row)
    in_flight = {row["check_id"]: row for row in rows.in_flight}
    outline = {check.id: check for check in decode_outline(rows.plan)}
    for name in dict.fromkeys([*outline, *attempts]):
        planned, tried = outline.get(name), attempts.get(name, [])
        last = tried[-1] if tried else None
        moving = in_flight.get(name)
        state = moving["status"] if moving else state_of_result(last["result"]).value if last else "waiting"
        yield Check(
            access=access,
            run_id=run,
            id=name,
            type=planned.type if planned else "",
            stage=planned.stage if planned else "",
            required=planned.required if planned else True,
            state=state,
            result=CheckResult(last["result"]) if last else None,
            attempts=len(tried),
            flaky=bool(last and last["result"] == CheckResult.PASS and _failed_before(tried)),
            reason=last["reason"] if last else "",
            next_step=last["next_step"] if last else "",
            duration_ms=last["duration_ms"] if last else None,
            cached_age_seconds=last["cached_age_seconds"] if last else None,
        )


def _failed_before(tried: Sequence[Row]) -> bool:
    return any(row["result"] != CheckResult.PASS for row in tried[:-1])
