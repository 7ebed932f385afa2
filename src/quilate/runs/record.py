"""The record of a run in ``.quilate/runs/<number>``: decision, its inputs, evidence, seal."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from quilate.domain.errors import ConfigurationError
from quilate.domain.ids import CheckId
from quilate.evidence.model import Finding
from quilate.kit.canonical import sha256_of
from quilate.policy.decision import decision_bytes, input_bytes
from quilate.runs.report import RunReport
from quilate.runs.state import CheckRun
from quilate.runs.store import RunDirectory, write_atomically

DECISION_FILE = "decision.json"
INPUT_FILE = "decision-input.json"
SEAL_FILE = "seal.dsse.json"
RUN_FILE = "run.json"


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a run besides its decision: history, durations, attempts; nothing that decides."""

    number: int
    project: str
    blueprint: str
    profile: str
    verdict: str | None
    started_at: str
    duration_seconds: float
    partial: bool
    plan_digest: str
    results: dict[str, str]
    failing: list[tuple[str, str]]
    runs: dict[str, CheckRun]


def save_run(directory: RunDirectory, report: RunReport) -> RunReport:
    """Give the run its number and write its record; returns the report with both."""
    number = directory.next_number()
    target = directory.runs / str(number)
    target.mkdir(parents=True)
    if report.decision is not None:
        write_atomically(target / DECISION_FILE, decision_bytes(report.decision))
    write_atomically(target / INPUT_FILE, input_bytes(report.decision_input))
    record = RunRecord(
        number=number,
        project=report.plan.project.project,
        blueprint=report.plan.blueprint.document.id,
        profile=report.plan.profile.version,
        verdict=report.decision.verdict.value if report.decision else None,
        started_at=report.started_at,
        duration_seconds=report.duration_seconds,
        partial=report.decision is None,
        plan_digest=report.plan.digest,
        results={str(check_id): result.value for check_id, result in report.results.items()},
        failing=failing_keys(report),
        runs={str(check_id): run for check_id, run in report.runs.items()},
    )
    write_atomically(target / RUN_FILE, msgspec.json.encode(record))
    return replace(report, number=number, directory=str(target))


def failing_keys(report: RunReport) -> list[tuple[str, str]]:
    """Return (check, rule) of everything that blocks, so that a later run can say since when."""
    keys: list[tuple[str, str]] = []
    for check in report.decision_input.checks:
        if report.results[check.check_id].value not in {"fail", "error", "undecided", "timed_out"}:
            continue
        rules = sorted({str(f.rule) for f in check.findings if f.severity >= check.severity_threshold})
        keys.extend((str(check.check_id), rule) for rule in rules or [""])
    return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A run read back from its directory. ``decision`` and ``seal`` are the stored bytes, if there are any."""

    record: RunRecord
    directory: Path
    decision: bytes | None
    decision_input: bytes
    seal: bytes | None

    @property
    def seal_digest(self) -> str:
        """The digest of the seal, or an empty string."""
        return sha256_of(self.seal) if self.seal else ""


def load_run(directory: RunDirectory, reference: str) -> SavedRun:
    """Return a run by its number or ``last``.

    Raises:
        ConfigurationError: There is no such run, or its files are damaged.
    """
    path = directory.run_path(reference)
    try:
        return SavedRun(
            record=msgspec.json.decode((path / RUN_FILE).read_bytes(), type=RunRecord),
            directory=path,
            decision=_optional(path / DECISION_FILE),
            decision_input=(path / INPUT_FILE).read_bytes(),
            seal=_optional(path / SEAL_FILE),
        )
    except (OSError, ValueError) as error:
        # Damaged text gives a UnicodeDecodeError, which is a ValueError as msgspec's own errors are.
        raise ConfigurationError(f"run {path.name} cannot be read: {error}", next_step="run again") from error


def load_records(directory: RunDirectory, *, before: int | None = None) -> list[RunRecord]:
    """Return the records of the kept runs, oldest first; damaged ones are left out."""
    records = []
    for number in directory.numbers():
        if before is not None and number >= before:
            break
        try:
            content = (directory.runs / str(number) / RUN_FILE).read_bytes()
            records.append(msgspec.json.decode(content, type=RunRecord))
        except (OSError, ValueError):
            continue
    return records


def _optional(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def findings_of(runs: Mapping[CheckId, CheckRun] | Mapping[str, CheckRun]) -> tuple[Finding, ...]:
    """Return every finding of a run."""
    return tuple(
        finding
        for run in runs.values()
        if run.attempts and run.last.evidence is not None
        for finding in run.last.evidence.findings
    )
