"""Figures of a project: what goes through, what does not and why, how long it takes, and what nobody mends.

Requirement C18. Every figure comes with the number that it rests on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.queries import load_queries
from quilate.kit.web.problems import Problem
from quilate.runs.api.times import first_id_at

_QUERIES = load_queries("quilate.ops", "kpis.sql")

FLAKY_RULE = "QL-TST-003"
"""The rule of ``UNIT_TESTS`` for a test that failed and then passed."""

MOST_RUNS = 20_000
"""Runs that the figures are about at most, the newest ones, so that asking stays cheap."""

MOST_LISTED = 20
DEFAULT_RANGE = timedelta(days=30)
LONGEST_RANGE = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A check and rule with the runs that they kept from passing; ``rule`` is empty without a finding."""

    check_id: str
    rule: str
    rejected: int
    undecided: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakyTest:
    """A test that failed and then passed, with the runs in which it did."""

    check_id: str
    fingerprint: str
    message: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCount:
    """A check with a number of runs."""

    check_id: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverAges:
    """The waivers that count now, and the requests that wait; ages in days since they were asked for."""

    active: int
    mean_age_days: float | None
    oldest_age_days: float | None
    ending_soon: int
    waiting: int
    oldest_waiting_days: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpis:
    """The figures of a time range.

    Attributes:
        releases: Whole runs that were decided, each the candidate of a release.
        passed: Those through all gates.
        time_to_verdict_p50: Seconds from submission to decision, the lower one of the two in the middle.
        reasons: What rejected most, at most twenty.
        flaky_tests: How many tests were flaky; ``flaky`` holds those in most runs.
        passed_on_retry: Checks with the runs in which only a repeated attempt passed.
        never_failed: Checks that ran in at least the asked-for number of runs and failed in none.
        truncated: There were more runs than ``MOST_RUNS``; the figures are about the newest.
    """

    since: datetime
    until: datetime
    releases: int
    passed: int
    rejected: int
    undecided: int
    time_to_verdict_p50: float | None
    time_to_verdict_p95: float | None
    reasons: tuple[Reason, ...]
    flaky_tests: int
    flaky: tuple[FlakyTest, ...]
    passed_on_retry: tuple[CheckCount, ...]
    never_failed: tuple[CheckCount, ...]
    waivers: WaiverAges
    truncated: bool

    @property
    def share_passed(self) -> float | None:
        """Ratio of releases through all gates; ``None`` where there were none."""
        return self.passed / self.releases if self.releases else None


class KpiService:
    """Computes the figures of a project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def kpis(
        self, access: ProjectAccess, *, since: datetime | None, until: datetime | None, minimum_runs: int
    ) -> Kpis:
        """Return the figures of runs submitted from ``since`` to before ``until``.

        Args:
            access: Whose figures.
            since: By default 30 days before ``until``; without a time zone it is UTC.
            until: By default now.
            minimum_runs: A check that ran less often is not called one that never failed.

        Raises:
            Problem: 422, the range is empty or longer than a year.
        """
        end = _aware(until) or datetime.now(UTC)
        begin = _aware(since) or _before(end)
        if not timedelta(0) < end - begin <= LONGEST_RANGE:
            raise Problem(
                status=422,
                type="invalid-request",
                detail="the time range is empty or longer than a year",
                next_step="let `since` lie before `until`, by 366 days at most",
            )
        async with self._database.transaction() as connection:
            return await _kpis(connection, access.project.id, begin, end, minimum_runs)


async def _kpis(connection: Connection, project_id: UUID, since: datetime, until: datetime, minimum_runs: int) -> Kpis:
    given = {
        "project": project_id,
        "first": first_id_at(since),
        "last": first_id_at(until),
        "most": MOST_RUNS,
        "listed": MOST_LISTED,
        "rule": FLAKY_RULE,
    }
    totals = (await _rows(connection, "releases", given))[0]
    reasons = await _rows(connection, "reasons", given)
    flaky = await _rows(connection, "flaky_tests", given)
    checks = await _rows(connection, "checks", given)
    waivers = (await _rows(connection, "waivers", given))[0]
    retried = sorted((row for row in checks if row["passed_on_retry"]), key=lambda row: -int(row["passed_on_retry"]))
    steady = [row for row in checks if not row["failed"] and row["runs"] >= minimum_runs]
    return Kpis(
        since=since,
        until=until,
        releases=totals["releases"],
        passed=totals["passed"],
        rejected=totals["rejected"],
        undecided=totals["undecided"],
        time_to_verdict_p50=totals["p50"],
        time_to_verdict_p95=totals["p95"],
        reasons=tuple(Reason(**row) for row in reasons),
        flaky_tests=flaky[0]["tests"] if flaky else 0,
        flaky=tuple(
            FlakyTest(**{name: row[name] for name in ("check_id", "fingerprint", "message", "runs")}) for row in flaky
        ),
        passed_on_retry=tuple(CheckCount(check_id=row["check_id"], runs=row["passed_on_retry"]) for row in retried),
        never_failed=tuple(CheckCount(check_id=row["check_id"], runs=row["runs"]) for row in steady),
        waivers=WaiverAges(**waivers),
        truncated=totals["releases"] >= MOST_RUNS,
    )


async def _rows(connection: Connection, query: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    cursor = await connection.execute(_QUERIES[query], given)
    return await cursor.fetchall()


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _before(end: datetime) -> datetime:
    try:
        return end - DEFAULT_RANGE
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
