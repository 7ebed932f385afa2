"""The types of the read side. Names and values are those of the vocabulary and of REST."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
import strawberry
from graphql import GraphQLError
from strawberry.scalars import JSON

from quilate.accounts.model import ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, RunStatus, Verdict
from quilate.graphql.context import QueryInfo, refused
from quilate.graphql.limits import DEFAULT_PAGE, page_size
from quilate.graphql.loaders import CheckRows
from quilate.graphql.store import FindingsWanted, Row, RunsWanted, WaiversWanted
from quilate.kit.web.paging import decode_cursor, encode_cursor
from quilate.kit.web.problems import Problem
from quilate.runs.api.model import state_of_result
from quilate.runs.api.views import decode_outline
from quilate.waivers.requests.model import WaiverState

_LONGEST_TEXT = 500

strawberry.enum(RunStatus, description="Where a run stands.")
strawberry.enum(Verdict, description="Only PASS lets anything through.")
strawberry.enum(CheckResult, description="What a check came to.")
strawberry.enum(WaiverState, description="What became of a waiver.")
strawberry.enum(Severity, name="FindingSeverity", description="How bad a finding is.")


First = Annotated[int, strawberry.argument(description="Entries of a page, 1 to 100.")]
After = Annotated[str, strawberry.argument(description="Cursor that the page before ended with.")]


@strawberry.type(description="Where a page ends.")
class PageInfo:
    """Where a page ends."""

    has_next_page: bool
    end_cursor: str


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
        _place(after, tuple[str, int, int]),
    )
    rows = await info.context.loaders.findings.load((place, wanted))
    shown, page = _cut(rows, first, lambda row: (row["check_id"], row["attempt"], row["place"]))
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


@strawberry.type(description="A page of runs, newest first.")
class RunPage:
    """A page of runs."""

    nodes: list[Run]
    page_info: PageInfo


@strawberry.type(description="An accepted exception: rule and places, owner, reason, approver, expiry.")
class Waiver:
    """A waiver."""

    id: UUID
    state: WaiverState
    rule: str
    paths: list[str]
    reason: str
    until: date
    owner: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    comment: str | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the waiver of a row."""
        return cls(
            id=row["id"],
            state=WaiverState(row["state_now"]),
            rule=row["rule"],
            paths=list(row["paths"]),
            reason=row["reason"],
            until=row["until"],
            owner=row["owner"],
            requested_at=row["requested_at"],
            decided_by=row["decided_by"],
            decided_at=row["decided_at"],
            comment=row["decision_comment"],
        )


@strawberry.type(description="A page of waivers, newest first.")
class WaiverPage:
    """A page of waivers."""

    nodes: list[Waiver]
    page_info: PageInfo


@strawberry.type(description="What kept runs from passing, counted.")
class Reason:
    """A reason."""

    check: str
    rule: str
    rejected: int
    undecided: int


@strawberry.type(description="Figures of a project over a time range.")
class Kpis:
    """The figures of a project."""

    since: datetime
    until: datetime
    releases: int
    passed: int
    rejected: int
    undecided: int
    share_passed: float | None
    time_to_verdict_p50_seconds: float | None
    time_to_verdict_p95_seconds: float | None
    flaky_tests: int
    active_waivers: int
    oldest_waiver_days: float | None
    never_failed: list[str]
    reasons: list[Reason]


@strawberry.type(description="What a team ships; also the unit of tenancy.")
class Project:
    """A project."""

    access: strawberry.Private[ProjectAccess]
    slug: str
    name: str
    archived: bool

    @classmethod
    def of(cls, access: ProjectAccess) -> Self:
        """Return the project that access was granted to."""
        reference = access.project
        return cls(access=access, slug=reference.slug, name=reference.name, archived=reference.archived)

    @strawberry.field(description="Newest first.")
    async def runs(  # noqa: PLR0913, PLR0917 - the filters of the list
        self,
        info: QueryInfo,
        first: First = DEFAULT_PAGE,
        after: After = "",
        status: RunStatus | None = None,
        verdict: Verdict | None = None,
        branch: str | None = None,
        event: str | None = None,
    ) -> RunPage:
        """Return a page of its runs."""
        wanted = RunsWanted(
            page_size(first),
            decode_id(after),
            status.value if status else None,
            verdict.value if verdict else None,
            _text(branch),
            _text(event),
        )
        rows = await info.context.loaders.runs.load((self.access.project.id, wanted))
        shown, page = _cut(rows, first, lambda row: (row["id"],))
        return RunPage(nodes=[Run.of(self.access, row) for row in shown], page_info=page)

    @strawberry.field(description="Requests for waivers and what became of them, newest first.")
    async def waivers(
        self, info: QueryInfo, first: First = DEFAULT_PAGE, after: After = "", state: WaiverState | None = None
    ) -> WaiverPage:
        """Return a page of its waivers."""
        wanted = WaiversWanted(page_size(first), decode_id(after), state.value if state else None)
        rows = await info.context.loaders.waivers.load((self.access.project.id, wanted))
        shown, page = _cut(rows, first, lambda row: (row["id"],))
        return WaiverPage(nodes=[Waiver.of(row) for row in shown], page_info=page)

    @strawberry.field(description="Of runs submitted within the time and decided; the last 30 days by default.")
    async def kpis(self, info: QueryInfo, since: datetime | None = None, until: datetime | None = None) -> Kpis:
        """Return its figures."""
        try:
            found = await info.context.kpis.kpis(self.access, since=since, until=until, minimum_runs=10)
        except Problem as problem:
            raise refused(problem) from problem
        return Kpis(
            since=found.since,
            until=found.until,
            releases=found.releases,
            passed=found.passed,
            rejected=found.rejected,
            undecided=found.undecided,
            share_passed=found.share_passed,
            time_to_verdict_p50_seconds=found.time_to_verdict_p50,
            time_to_verdict_p95_seconds=found.time_to_verdict_p95,
            flaky_tests=found.flaky_tests,
            active_waivers=found.waivers.active,
            oldest_waiver_days=found.waivers.oldest_age_days,
            never_failed=[each.check_id for each in found.never_failed],
            reasons=[
                Reason(check=each.check_id, rule=each.rule, rejected=each.rejected, undecided=each.undecided)
                for each in found.reasons
            ],
        )


@strawberry.type(description="A page of projects, in the order of their creation.")
class ProjectPage:
    """A page of projects."""

    nodes: list[Project]
    page_info: PageInfo


def _cut(rows: Sequence[Row], first: int, place: Any) -> tuple[Sequence[Row], PageInfo]:
    shown = rows[:first]
    more = len(rows) > first
    return shown, PageInfo(has_next_page=more, end_cursor=encode_cursor(*place(shown[-1])) if more else "")


def _place(cursor: str, form: Any) -> Any:
    try:
        return decode_cursor(cursor, form)
    except Problem as problem:
        raise refused(problem) from problem


def decode_id(cursor: str) -> UUID | None:
    """Return the id that a cursor holds; nothing for the first page."""
    found = _place(cursor, tuple[UUID])
    return None if found is None else found[0]


def _text(text: str | None) -> str | None:
    if text is not None and (len(text) > _LONGEST_TEXT or "\0" in text):
        raise GraphQLError(f"a text in a filter has {_LONGEST_TEXT} characters at most and no NUL")
    return text
