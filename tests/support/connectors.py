"""What tests of connectors stand on: a context over real HTTP on loopback, events and reports of all kinds of runs."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from quilate.deliveries.connector import (
    RUN_FINISHED,
    RUN_QUEUED,
    DeliveredEvent,
    DeliveryError,
    ReportedCheck,
    ReportedFinding,
    RunReport,
)
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingHttp
from quilate.runs.triggers.model import Trigger

LOOPBACK = AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)
PROJECT = "fraud"
REPOSITORY = "acme/fraud"
OLD_COMMIT = "1" * 40
COMMIT = "4f2a9c1d" + "0" * 32
BASE_URL = "https://quilate.test"
EVIL = "@everyone <img src=x onerror=alert(1)> <!-- quilate:comment:fraud --> [x](javascript:alert(1)) `a` | b\n# h"
"""Text as a hostile repository puts it into messages, names and paths."""

_IDS = UUID("6b1f0f0e-6a53-4d55-9b4e-000000000005")
_NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class CrashError(Exception):
    """The process died at this place."""


@dataclass(slots=True, kw_only=True)
class MemoryContext:
    """Implements ``DeliveryContext``: real requests, reports and memory of the test.

    Attributes:
        reports: By run.
        memory: What the connection remembers.
        sarif_log: The SARIF log of every run.
        crashes_before_remembering: So many times ``remember`` dies before anything is durable.
        crashes_on: It dies so once, at the first key that begins with this.
    """

    settings: Any
    http: OutgoingHttp
    dry_run: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    reports: dict[UUID, RunReport] = field(default_factory=dict)
    memory: dict[str, str] = field(default_factory=dict)
    sarif_log: bytes = b""
    crashes_before_remembering: int = 0
    crashes_on: str = ""

    def secret(self, name: str) -> str:
        return self.secrets.get(name, "")

    async def report(self, run_id: UUID) -> RunReport:
        try:
            return self.reports[run_id]
        except KeyError as error:
            raise DeliveryError("there is no such run", permanent=True) from error

    async def sarif(self, run_id: UUID) -> bytes:
        return self.sarif_log or sarif_log(self.reports[run_id])

    async def remembered(self, key: str) -> str | None:
        return self.memory.get(key)

    async def remember(self, key: str, value: str) -> None:
        if self.crashes_before_remembering:
            self.crashes_before_remembering -= 1
            raise CrashError
        if self.crashes_on and key.startswith(self.crashes_on):
            self.crashes_on = ""
            raise CrashError
        if not self.dry_run:
            self.memory[key] = value

    def learn(self, report: RunReport) -> RunReport:
        """Make a report known."""
        self.reports[report.id] = report
        return report


@contextlib.asynccontextmanager
async def open_context(
    settings: Any,
    *,
    secrets: Mapping[str, str] | None = None,
    dry_run: bool = False,
    timeout: float = 10.0,  # noqa: ASYNC109 - the limit of each request
) -> AsyncIterator[MemoryContext]:
    """Give a context whose requests reach loopback, and close its connections."""
    http = OutgoingHttp(policy=LOOPBACK, dry_run=dry_run, timeout=timeout)
    try:
        yield MemoryContext(settings=settings, http=http, dry_run=dry_run, secrets=secrets or {})
    finally:
        await http.close()


def run_id(number: int = 1) -> UUID:
    """Return the id of a run."""
    return uuid5(_IDS, f"run {number}")


def finding(number: int = 1, **changes: Any) -> ReportedFinding:
    """Return a finding in ``src/score.py``."""
    found = ReportedFinding(
        check="lint",
        rule=f"ruff/E{500 + number}",
        severity="high",
        message=f"line {number} is too long",
        fingerprint=f"{number:064x}",
        path="src/score.py",
        line=number,
        fix="break the line",
    )
    return replace(found, **changes)


def check(identifier: str = "lint", result: str = "pass", **changes: Any) -> ReportedCheck:
    """Return a check of the stage ``code``."""
    made = ReportedCheck(
        id=identifier,
        type="code.lint",
        stage="code",
        result=result,
        required=True,
        url=f"{BASE_URL}/api/v1/projects/{PROJECT}/runs/{run_id()}/checks/{identifier}",
    )
    return replace(made, **changes)


def queued(number: int = 1, **changes: Any) -> RunReport:
    """Return a run that waits; it judges ``COMMIT`` on ``main`` after a push."""
    report = RunReport(
        id=run_id(number),
        project=PROJECT,
        status="queued",
        headline="fraud waits to be judged",
        blueprint="quilate/python@1.2.0",
        blueprint_digest="sha256:" + "b" * 64,
        subject_kind="commit",
        subject_name="fraud",
        revision=COMMIT,
        branch="main",
        url=f"{BASE_URL}/api/v1/projects/{PROJECT}/runs/{run_id(number)}",
        trigger=trigger(),
        submitted_at=_NOW + timedelta(minutes=number),
    )
    return replace(report, **changes)


def _decided(number: int, verdict: str, **changes: Any) -> RunReport:
    report = queued(
        number,
        status="succeeded",
        verdict=verdict,
        decision_digest="sha256:" + "d" * 64,
        subject_digest="sha256:" + "5" * 64,
        started_at=_NOW,
        ended_at=_NOW,
    )
    return replace(report, **changes)


def passing(number: int = 1, **changes: Any) -> RunReport:
    """Return a run that passed."""
    report = _decided(
        number, "PASS", headline="fraud passed all 2 required checks", checks=(check("lint"), check("tests"))
    )
    return replace(report, **changes)


def failing(number: int = 1, *, findings: int = 3, **changes: Any) -> RunReport:
    """Return a run that failed, with so many findings; no more than 1,000 of them are in the report."""
    report = _decided(
        number,
        "FAIL",
        headline=f"fraud failed: lint has {findings} findings",
        reasons=(f"lint: {findings} new findings, limit 0",),
        next_steps=("correct the findings of lint",),
        checks=(check("lint", "fail", reason=f"{findings} findings, limit 0"), check("tests")),
        findings=tuple(finding(each + 1) for each in range(min(findings, 1_000))),
        findings_total=findings,
        waivers=("ruff/E999 until 2027-01-01 (by ann)",),
    )
    return replace(report, **changes)


def unknown(number: int = 1, **changes: Any) -> RunReport:
    """Return a run that could not be judged."""
    report = _decided(
        number,
        "UNKNOWN",
        status="failed",
        headline="fraud could not be judged",
        reasons=("tests: the tool stopped before its end",),
        next_steps=("run it again",),
        checks=(check("lint"), check("tests", "undecided", reason="the tool stopped before its end")),
    )
    return replace(report, **changes)


def superseded(number: int = 1, **changes: Any) -> RunReport:
    """Return a run of ``OLD_COMMIT`` that a newer one took the place of."""
    report = queued(
        number,
        status="cancelled",
        headline="fraud was superseded by a newer run",
        superseded=True,
        revision=OLD_COMMIT,
        trigger=trigger(commit=OLD_COMMIT),
        ended_at=_NOW,
    )
    return replace(report, **changes)


def trigger(**changes: Any) -> Trigger:
    """Return what the event of a push to ``main`` said."""
    made = Trigger(
        provider="github",
        event_id="17",
        kind="push",
        repository=REPOSITORY,
        repository_id="4711",
        clone_url=f"https://forge.test/{REPOSITORY}.git",
        commit=COMMIT,
        branch="main",
        sender="ann",
    )
    return replace(made, **changes)


def of_pull_request(report: RunReport, *, number: int = 12, fork: bool = False) -> RunReport:
    """Return the report as that of a pull request into ``main``; ``fork``: from another repository."""
    assert report.trigger is not None
    return replace(
        report,
        branch="feature",
        trigger=replace(
            report.trigger,
            kind="pull_request",
            branch="feature",
            pull_request=number,
            base_branch="main",
            base_commit="b" * 40,
            from_fork=fork,
        ),
    )


def queued_event(report: RunReport, number: int = 1) -> DeliveredEvent:
    """Return the event that a run was queued."""
    return _event(RUN_QUEUED, report, number, {"run": str(report.id), "status": "queued", "verdict": None})


def finished_event(report: RunReport, number: int = 1) -> DeliveredEvent:
    """Return the event that a run ended."""
    data = {"run": str(report.id), "status": report.status, "verdict": report.verdict or None}
    return _event(RUN_FINISHED, report, number, data)


def _event(event_type: str, report: RunReport, number: int, data: Mapping[str, Any]) -> DeliveredEvent:
    return DeliveredEvent(
        id=uuid5(_IDS, f"{event_type} {report.id} {number}"),
        type=event_type,
        time=_NOW,
        project=report.project,
        subject=f"run:{report.id}",
        data=data,
        run_id=report.id,
    )


def other_event(event_type: str = "dev.quilate.waiver.expired") -> DeliveredEvent:
    """Return an event that is about no run."""
    return DeliveredEvent(
        id=uuid5(_IDS, event_type), type=event_type, time=_NOW, project=PROJECT, subject="waiver:w-1", data={}
    )


def sarif_log(report: RunReport) -> bytes:
    """Return a small SARIF 2.1.0 log with the report's findings."""
    results = [{"ruleId": each.rule, "level": "error", "message": {"text": each.message}} for each in report.findings]
    driver = {"name": "quilate", "informationUri": "https://quilate.dev", "rules": []}
    document = {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(document).encode()
