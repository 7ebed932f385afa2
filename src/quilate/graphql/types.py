"""The types of projects, with their waivers and figures. Names and values are those of REST."""

from datetime import date, datetime
from typing import Self
from uuid import UUID

import strawberry

from quilate.accounts.model import ProjectAccess
from quilate.domain.verdict import RunStatus, Verdict
from quilate.graphql.context import QueryInfo, refused
from quilate.graphql.limits import DEFAULT_PAGE, page_size
from quilate.graphql.pages import After, First, PageInfo, cut, decode_id, filter_text
from quilate.graphql.run_types import Run
from quilate.graphql.store import Row, RunsWanted, WaiversWanted
from quilate.kit.web.problems import Problem
from quilate.waivers.requests.model import WaiverState

strawberry.enum(WaiverState, description="What became of a waiver.")


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
            filter_text(branch),
            filter_text(event),
        )
        rows = await info.context.loaders.runs.load((self.access.project.id, wanted))
        shown, page = cut(rows, first, lambda row: (row["id"],))
        return RunPage(nodes=[Run.of(self.access, row) for row in shown], page_info=page)

    @strawberry.field(description="Requests for waivers and what became of them, newest first.")
    async def waivers(
        self, info: QueryInfo, first: First = DEFAULT_PAGE, after: After = "", state: WaiverState | None = None
    ) -> WaiverPage:
        """Return a page of its waivers."""
        wanted = WaiversWanted(page_size(first), decode_id(after), state.value if state else None)
        rows = await info.context.loaders.waivers.load((self.access.project.id, wanted))
        shown, page = cut(rows, first, lambda row: (row["id"],))
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
