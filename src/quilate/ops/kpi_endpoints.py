"""The route of a project's figures."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.answers import problem_responses
from quilate.ops.kpis import Kpis, KpiService

PATH = "/projects/{project}/kpis"


class ReasonView(BaseModel):
    """What kept runs from passing."""

    check: str
    rule: str = Field(description="Empty where the check left no finding, for example because it ended in an error.")
    rejected: int = Field(description="Runs that were rejected with it.")
    undecided: int = Field(description="Runs that stayed undecided with it.")


class FlakyTestView(BaseModel):
    """A test that failed and then passed."""

    check: str
    fingerprint: str
    message: str
    runs: int = Field(description="Runs in which it did.")


class CheckCountView(BaseModel):
    """A check with a number of runs."""

    check: str
    runs: int


class TimeToVerdictView(BaseModel):
    """From submission to decision."""

    p50_seconds: float | None
    p95_seconds: float | None


class FlakyDebtView(BaseModel):
    """What passes only when it is tried again."""

    tests: int = Field(description="Tests that were flaky.")
    listed: list[FlakyTestView] = Field(description="Those in most runs.")
    passed_on_retry: list[CheckCountView] = Field(description="Checks that only a repeated attempt let pass.")


class WaiverAgesView(BaseModel):
    """Waivers as they are now."""

    active: int
    mean_age_days: float | None
    oldest_age_days: float | None
    ending_soon: int = Field(description="Active ones that end within thirty days.")
    waiting: int = Field(description="Requests that nobody has decided on.")
    oldest_waiting_days: float | None


class KpisView(BaseModel):
    """The figures of a project over a time range."""

    since: datetime
    until: datetime
    releases: int = Field(description="Whole runs that were decided.")
    passed: int = Field(description="Those through all gates.")
    rejected: int
    undecided: int
    share_passed: float | None = Field(description="Ratio from 0 to 1; none where there were no releases.")
    reasons: list[ReasonView] = Field(description="What rejected most, at most twenty.")
    time_to_verdict: TimeToVerdictView
    flaky_debt: FlakyDebtView
    waivers: WaiverAgesView
    never_failed: list[CheckCountView] = Field(description="Checks that ran often enough and failed in no run.")
    truncated: bool = Field(description="The range holds more runs than are looked at; these are the newest.")


def make_router(service: KpiService, access: Access) -> APIRouter:
    """Return the route, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=["kpis"])

    @router.get(
        PATH,
        operation_id="get_kpis",
        summary="Read a project's figures",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_kpis(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))],
        since: Annotated[datetime | None, Query(description="Submitted then or later; 30 days by default.")] = None,
        until: Annotated[datetime | None, Query(description="Submitted before; now by default.")] = None,
        minimum_runs: Annotated[
            int, Query(ge=1, le=10_000, description="Runs of a check from which `never_failed` counts it.")
        ] = 10,
    ) -> KpisView:
        """Of runs that were submitted within the time and decided; a year at most."""
        return kpis_view(await service.kpis(granted, since=since, until=until, minimum_runs=minimum_runs))

    return router


def kpis_view(kpis: Kpis) -> KpisView:
    """Return the figures as they go over the wire."""
    waivers = kpis.waivers
    return KpisView(
        since=kpis.since,
        until=kpis.until,
        releases=kpis.releases,
        passed=kpis.passed,
        rejected=kpis.rejected,
        undecided=kpis.undecided,
        share_passed=kpis.share_passed,
        reasons=[
            ReasonView(check=each.check_id, rule=each.rule, rejected=each.rejected, undecided=each.undecided)
            for each in kpis.reasons
        ],
        time_to_verdict=TimeToVerdictView(p50_seconds=kpis.time_to_verdict_p50, p95_seconds=kpis.time_to_verdict_p95),
        flaky_debt=FlakyDebtView(
            tests=kpis.flaky_tests,
            listed=[
                FlakyTestView(check=each.check_id, fingerprint=each.fingerprint, message=each.message, runs=each.runs)
                for each in kpis.flaky
            ],
            passed_on_retry=[CheckCountView(check=each.check_id, runs=each.runs) for each in kpis.passed_on_retry],
        ),
        waivers=WaiverAgesView(
            active=waivers.active,
            mean_age_days=waivers.mean_age_days,
            oldest_age_days=waivers.oldest_age_days,
            ending_soon=waivers.ending_soon,
            waiting=waivers.waiting,
            oldest_waiting_days=waivers.oldest_waiting_days,
        ),
        never_failed=[CheckCountView(check=each.check_id, runs=each.runs) for each in kpis.never_failed],
        truncated=kpis.truncated,
    )
