"""Answers about versions on the wire: compatibility, differences, tests."""

from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from quilate.sandbox.model import Engine, FailureClass, Level, Outcome
from quilate.scripts.versions.compatibility import Compatibility, CompatibilityReport, SchemaReport
from quilate.scripts.versions.differences import VersionDiff
from quilate.scripts.versions.model import ScriptRecord, VersionRecord
from quilate.scripts.versions.pushing import PushedVersion
from quilate.scripts.versions.schema_relations import Effect
from quilate.scripts.versions.schemas import (
    RemarkView,
    ScriptView,
    VersionView,
    remark_view,
    script_view,
    version_view,
)
from quilate.scripts.versions.trial import DataViolation, Trial


class ChangeView(BaseModel):
    """One change of a schema."""

    path: str = Field(description="Where in the data: a JSON pointer with `*` for any item or name.")
    keyword: str = Field(description="Of JSON Schema.")
    effect: Effect = Field(description="What it does to the values that are taken; `changed` counts as both.")
    reason: str


class SchemaReportView(BaseModel):
    """What changed of a schema."""

    compatibility: Compatibility = Field(
        description="`backward`: takes all that the earlier one took. `forward`: the earlier one took all that this"
        " one takes. `full`: both. `breaking`: neither."
    )
    changes: list[ChangeView]
    truncated: bool = Field(description="There are more changes.")


class CompatibilityView(BaseModel):
    """What a version means for the users of an earlier one."""

    before: str = Field(description="Number of the earlier version.")
    after: str = Field(description="Number of the later version.")
    breaks_callers: bool = Field(description="Data that the earlier version takes may be refused.")
    breaks_readers: bool = Field(description="Results may be such as the earlier version never gives.")
    input: SchemaReportView
    output: SchemaReportView


class PushedView(VersionView):
    """A version that was pushed."""

    compatibility: CompatibilityView | None = Field(
        description="With the version right before by number; none for the first."
    )


class CreatedView(ScriptView):
    """A script that was created."""

    version: PushedView | None = Field(description="Its first version, where one was given.")


class FieldChangeView(BaseModel):
    """A property that is not the same."""

    field: str = Field(description="Such as `engine`, `shape.size`, `limits.cpu_seconds`.")
    before: Any
    after: Any


class DiffView(BaseModel):
    """What differs between two versions."""

    before: str
    after: str
    source: str = Field(description="A unified diff, empty where the sources are the same.")
    fields: list[FieldChangeView]
    compatibility: CompatibilityView


class DataViolationView(BaseModel):
    """Where data breaks a schema."""

    path: str = Field(description="A JSON pointer into the data, empty for the whole.")
    message: str


class FailureView(BaseModel):
    """Why there is no result."""

    model_config = ConfigDict(populate_by_name=True)

    kind: FailureClass = Field(alias="class", description="Its class, as an execution that failed has it.")
    message: str
    line: int | None = Field(description="In the script, from 1.")
    column: int | None = Field(description="In the script, from 1.")
    record: int | None = Field(description="Index of the record that was being read, from 0.")
    rule: str | None


class CostView(BaseModel):
    """What a test used."""

    wall_milliseconds: float
    cpu_milliseconds: float
    peak_memory_bytes: int
    fuel: int | None = Field(description="Steps, where the engine counts them.")


class TrialView(BaseModel):
    """What came of a test."""

    output: Any = Field(description="The result; null where there is none.")
    failure: FailureView | None
    parts: dict[str, Any] | None = Field(description="What became of chunks or groups; `failed` names those that did.")
    console: list[str]
    console_truncated: bool
    cost: CostView | None = Field(description="Null where nothing ran.")
    engine: Engine | None
    level: Level | None = Field(description="How the sandbox was shut in.")
    warnings: list[RemarkView]
    input_violations: list[DataViolationView] = Field(description="Where the data breaks the schema; nothing ran then.")
    output_violations: list[DataViolationView]
    reduced: bool = Field(description="What needs a review was left out.")


def compatibility_view(report: CompatibilityReport) -> CompatibilityView:
    """Return a report as it goes over the wire."""
    return CompatibilityView(
        before=report.before,
        after=report.after,
        breaks_callers=report.breaks_callers,
        breaks_readers=report.breaks_readers,
        input=_report(report.input),
        output=_report(report.output),
    )


def _report(report: SchemaReport) -> SchemaReportView:
    return SchemaReportView.model_validate(msgspec.to_builtins(report))


def pushed_view(pushed: PushedVersion) -> PushedView:
    """Return a version that was pushed as it goes over the wire."""
    report = pushed.compatibility
    view = dict(version_view(pushed.record))
    return PushedView(**view, compatibility=None if report is None else compatibility_view(report))


def created_view(record: ScriptRecord, pushed: PushedVersion | None) -> CreatedView:
    """Return a script that was created as it goes over the wire."""
    return CreatedView(**dict(script_view(record)), version=None if pushed is None else pushed_view(pushed))


def diff_view(before: VersionRecord, after: VersionRecord, diff: VersionDiff) -> DiffView:
    """Return what differs as it goes over the wire."""
    return DiffView(
        before=before.version.semver,
        after=after.version.semver,
        source=diff.source,
        fields=[FieldChangeView(field=each.field, before=each.before, after=each.after) for each in diff.fields],
        compatibility=compatibility_view(diff.compatibility),
    )


def trial_answer(trial: Trial) -> dict[str, Any]:
    """Return what came of a test, for JSON; the result goes through as it is."""
    outcome = trial.outcome
    view = TrialView(
        output=None,
        failure=_failure(outcome),
        parts=None if trial.parts is None else dict(trial.parts),
        console=list(outcome.console) if outcome else [],
        console_truncated=bool(outcome and outcome.console_truncated),
        cost=_cost(outcome),
        engine=None if outcome is None else outcome.engine,
        level=None if outcome is None else outcome.level,
        warnings=[remark_view(each) for each in trial.remarks],
        input_violations=_violations(trial.input_violations),
        output_violations=_violations(trial.output_violations),
        reduced=trial.reduced,
    )
    answer = view.model_dump(mode="json", by_alias=True)
    if outcome is not None and outcome.output is not None:
        answer["output"] = msgspec.Raw(outcome.output)
    return answer


def _violations(found: tuple[DataViolation, ...]) -> list[DataViolationView]:
    return [DataViolationView(path=each.path, message=each.message) for each in found]


def _failure(outcome: Outcome | None) -> FailureView | None:
    if outcome is None or outcome.failure is None:
        return None
    return FailureView.model_validate(msgspec.to_builtins(outcome.failure))


def _cost(outcome: Outcome | None) -> CostView | None:
    if outcome is None:
        return None
    return CostView(
        wall_milliseconds=outcome.wall_milliseconds,
        cpu_milliseconds=outcome.cpu_milliseconds,
        peak_memory_bytes=outcome.peak_memory_bytes,
        fuel=outcome.fuel,
    )
