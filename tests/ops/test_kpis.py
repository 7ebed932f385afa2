"""Figures of a project (C18)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quilate.accounts.model import ProjectReference
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from quilate.ops import kpis
from tests.support.governance import GovernanceApi
from tests.support.run_rows import Ended, decide_by_hand, end_check, finding, submitted_run

_ADDRESS = "/projects/fraud/kpis"


def _lint(*rules: str) -> Ended:
    return Ended(
        check="lint",
        result=CheckResult.FAIL if rules else CheckResult.PASS,
        evidence=Evidence(findings=tuple(finding(rule) for rule in rules)),
    )


_TESTS = Ended(check="tests", result=CheckResult.PASS, evidence=Evidence())
_LOST = Ended(check="tests", result=CheckResult.ERROR)


async def _run(
    api: GovernanceApi, attempts: Sequence[Ended], *, seconds: float = 10, project: ProjectReference | None = None
) -> str:
    """Add a decided run whose attempts end as given and whose verdict took so long."""
    whose = project or api.project
    run = await submitted_run(api.database, whose)
    for version, attempt in enumerate(attempts, start=2):
        await end_check(api.database, whose, run, attempt)
        assert version
    await decide_by_hand(api.database, whose, run, [each for each in attempts if each.final])
    async with api.database.connection() as connection:
        await connection.execute(
            "UPDATE runs SET submitted_at = decided_at - %s FROM decisions WHERE run_id = id AND id = %s",
            (timedelta(seconds=seconds), run),
        )
    return str(run)


async def _kpis(api: GovernanceApi, **asked: Any) -> dict[str, Any]:
    answer = await api.as_caller("viewer").get(_ADDRESS, params=asked)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.asyncio
async def test_a_project_without_runs_has_figures_without_ratios(api: GovernanceApi) -> None:
    document = await _kpis(api)
    assert document["releases"] == 0
    assert document["share_passed"] is None
    assert document["time_to_verdict"] == {"p50_seconds": None, "p95_seconds": None}
    assert document["never_failed"] == []
    assert not document["truncated"]


@pytest.mark.asyncio
async def test_the_share_through_all_gates_and_what_rejected_the_others(api: GovernanceApi) -> None:
    for seconds in (1, 2, 3):
        await _run(api, [_lint(), _TESTS], seconds=seconds)
    await _run(api, [_lint("ruff/S101", "ruff/E501"), _TESTS], seconds=4)
    await _run(api, [_lint("ruff/S101"), _TESTS], seconds=100)
    await _run(api, [_lint(), _LOST], seconds=5)
    document = await _kpis(api)
    assert (document["releases"], document["passed"], document["rejected"], document["undecided"]) == (6, 3, 2, 1)
    assert document["share_passed"] == 0.5
    assert document["reasons"][:2] == [
        {"check": "lint", "rule": "ruff/S101", "rejected": 2, "undecided": 0},
        {"check": "lint", "rule": "ruff/E501", "rejected": 1, "undecided": 0},
    ]
    assert document["time_to_verdict"] == {"p50_seconds": 3.0, "p95_seconds": 100.0}


@pytest.mark.asyncio
async def test_flaky_tests_and_checks_that_only_pass_when_repeated_are_debt(api: GovernanceApi) -> None:
    flaky = Ended(
        check="tests",
        result=CheckResult.WARN,
        evidence=Evidence(
            findings=(finding(kpis.FLAKY_RULE, Severity.INFO, 1), finding(kpis.FLAKY_RULE, Severity.INFO, 2))
        ),
    )
    once = Ended(
        check="tests",
        result=CheckResult.WARN,
        evidence=Evidence(findings=(finding(kpis.FLAKY_RULE, Severity.INFO, 1),)),
    )
    failed = Ended(check="tests", result=CheckResult.FAIL, evidence=Evidence(), final=False)
    repeated = Ended(check="tests", result=CheckResult.PASS, evidence=Evidence(), attempt=2)
    await _run(api, [_lint(), flaky])
    await _run(api, [_lint(), once])
    await _run(api, [_lint(), failed, repeated])
    debt = (await _kpis(api))["flaky_debt"]
    assert debt["tests"] == 2
    assert [each["runs"] for each in debt["listed"]] == [2, 1]
    assert debt["passed_on_retry"] == [{"check": "tests", "runs": 1}]


@pytest.mark.asyncio
async def test_checks_that_never_failed_are_named_once_they_ran_often_enough(api: GovernanceApi) -> None:
    for _ in range(3):
        await _run(api, [_lint(), _TESTS])
    await _run(api, [_lint("ruff/S101"), _TESTS])
    assert (await _kpis(api, minimum_runs=4))["never_failed"] == [{"check": "tests", "runs": 4}]
    assert (await _kpis(api, minimum_runs=5))["never_failed"] == []
    assert (await _kpis(api))["never_failed"] == []


@pytest.mark.asyncio
async def test_waivers_show_their_age(api: GovernanceApi) -> None:
    bodies = [
        {
            "rule": f"ruff/S{number}",
            "reason": "why",
            "until": (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat(),
        }
        for number, ahead in enumerate((10, 100, 100))
    ]
    ids = [(await api.as_caller("dev").post("/projects/fraud/waivers", json=body)).json()["id"] for body in bodies]
    for waiver in ids[:2]:
        await api.as_caller("ann").post(f"/projects/fraud/waivers/{waiver}/approve", json={})
    await api.rows("ALTER TABLE waiver_requests DISABLE TRIGGER ALL")
    await api.rows("UPDATE waiver_requests SET requested_at = now() - interval '8 days' WHERE rule = 'ruff/S0'")
    await api.rows("UPDATE waiver_requests SET requested_at = now() - interval '2 days' WHERE rule = 'ruff/S1'")
    waivers = (await _kpis(api))["waivers"]
    assert (waivers["active"], waivers["ending_soon"], waivers["waiting"]) == (2, 1, 1)
    assert waivers["mean_age_days"] == pytest.approx(5, abs=0.01)
    assert waivers["oldest_age_days"] == pytest.approx(8, abs=0.01)
    assert waivers["oldest_waiting_days"] == pytest.approx(0, abs=0.01)


@pytest.mark.asyncio
async def test_only_runs_of_the_project_and_the_time_count(api: GovernanceApi, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await _run(api, [_lint(), _TESTS])
    assert (await _kpis(api, until=(datetime.now(UTC) - timedelta(minutes=5)).isoformat()))["releases"] == 0
    assert (await _kpis(api, since="2026-01-01T00:00:00"))["releases"] == 3
    foreign = await api.as_caller("eve").get("/projects/other/kpis")
    assert foreign.json()["releases"] == 0
    assert (await api.as_caller("eve").get(_ADDRESS)).status_code == 404
    monkeypatch.setattr(kpis, "MOST_RUNS", 2)
    bounded = await _kpis(api)
    assert (bounded["releases"], bounded["truncated"]) == (2, True)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "asked",
    [
        {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"since": "2020-01-01T00:00:00Z"},
        {"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"},
        {"until": "0001-01-01T00:00:00Z", "since": "0001-01-01T00:00:00Z"},
        {"minimum_runs": 0},
        {"since": "yesterday"},
    ],
)
async def test_times_that_make_no_sense_are_refused(api: GovernanceApi, asked: dict[str, Any]) -> None:
    assert (await api.as_caller("viewer").get(_ADDRESS, params=asked)).status_code == 422


@pytest.mark.asyncio
async def test_the_edges_of_time_are_answered(api: GovernanceApi) -> None:
    for edge in (
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ):
        answer = await api.as_caller("viewer").get(_ADDRESS, params={"until": edge})
        assert answer.status_code in {200, 422}, answer.text
