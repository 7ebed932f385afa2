"""Scripts and versions on the wire."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from quilate.sandbox.model import Engine, Limits
from quilate.scripts.model import Mode, Shape, VersionState
from quilate.scripts.versions.model import PushWish, Remark, ScriptRecord, VersionRecord
from quilate.scripts.versions.semver import LONGEST_SEMVER

_NO_NUL = r"^[^\x00]*$"
_NAME = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
"""One line that is not blank."""

LONGEST_SOURCE = 1 << 20
"""Characters; ``limits.source_bytes`` says how many bytes of UTF-8 are taken."""


def _text(longest: int, shortest: int = 0) -> Any:
    return StringConstraints(min_length=shortest, max_length=longest, pattern=_NO_NUL)


ScriptName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NAME)]
Description = Annotated[str, _text(1000)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ShapeBody(_Wire):
    """How a script wants data that may be large."""

    mode: Mode = Field(
        default=Mode.WHOLE, description="`process` gets everything at once, a chunk of records, or one group of them."
    )
    size: int = Field(default=10_000, ge=1, le=1_000_000, description="Records of a chunk.")
    key: list[Annotated[str, _text(255, 1)]] = Field(
        default_factory=list, max_length=16, description="Fields that make a group; for the mode `group` only."
    )
    combine: bool = Field(
        default=False, description="`combine(partials)` is called at the end with the array of all results."
    )

    def shape(self) -> Shape:
        """Return it as the inside has it."""
        return Shape(mode=self.mode, size=self.size, key=tuple(self.key), combine=self.combine)


class LimitsBody(_Wire):
    """What one call may use; more than the default needs a review."""

    wall_seconds: float = Field(default=5.0, gt=0, le=3600, allow_inf_nan=False, description="From begin to end.")
    cpu_seconds: float = Field(default=2.0, gt=0, le=3600, allow_inf_nan=False, description="Of processor time.")
    heap_bytes: int = Field(default=64 << 20, ge=8 << 20, le=4 << 30, description="Of the JavaScript heap.")
    stack_kibibytes: int = Field(default=512, ge=64, le=984, description="Of the JavaScript stack, in KiB.")
    source_bytes: int = Field(default=256 << 10, ge=1, le=LONGEST_SOURCE, description="Longest source.")
    output_bytes: int = Field(default=32 << 20, ge=1, le=1 << 30, description="Longest result.")
    console_bytes: int = Field(default=64 << 10, ge=0, le=1 << 20, description="Of `console.log` that are kept.")

    def limits(self) -> Limits:
        """Return it as the inside has it."""
        return Limits(**self.model_dump())


class VersionFields(_Wire):
    """What a version says beside its source."""

    shape: ShapeBody = Field(default_factory=ShapeBody, description="How it wants its data.")
    engine: Engine = Field(
        default=Engine.DEFAULT, description="`fast` needs a review; `strict` counts steps, the same on every machine."
    )
    deterministic: bool = Field(default=False, description="Seeded `Math.random` and a clock that stands still.")
    reuse: bool = Field(default=False, description="Isolates are used again (warm): faster, needs a review.")
    limits: LimitsBody = Field(default_factory=LimitsBody, description="Of each call.")
    input_schema: dict[str, Any] | bool | None = Field(
        default=None,
        description='JSON Schema 2020-12 of the data; fields with `"x-sensitive": true` are sensitive.',
        examples=[{"type": "array", "items": {"type": "object", "required": ["produto"]}}],
    )
    output_schema: dict[str, Any] | bool | None = Field(default=None, description="JSON Schema 2020-12 of the result.")

    def wish(self, source: str, **more: Any) -> PushWish:
        """Return what is wanted."""
        return PushWish(
            source=source,
            shape=self.shape.shape(),
            engine=self.engine,
            deterministic=self.deterministic,
            reuse=self.reuse,
            limits=self.limits.limits(),
            input_schema=self.input_schema,
            output_schema=self.output_schema,
            **more,
        )


class _Numbered(VersionFields):
    semver: Annotated[str, _text(LONGEST_SEMVER, 1)] | None = Field(
        default=None,
        description="Semantic version, once in the script; by default the patch after the highest, `1.0.0` first.",
        examples=["1.2.0"],
    )
    allow_breaking: bool = Field(
        default=False,
        description="The input schema may refuse what the version before takes, without a number that says so.",
    )
    activate: bool = Field(default=False, description="Executions use it at once; not possible where a review is due.")

    def numbered_wish(self, source: str) -> PushWish:
        """Return what is wanted."""
        return self.wish(source, semver=self.semver, allow_breaking=self.allow_breaking, activate=self.activate)


class PushBody(_Numbered):
    """A new version."""

    source: Annotated[str, _text(LONGEST_SOURCE, 1)] = Field(
        description="JavaScript that defines `process(data)`.",
        examples=["function process(data) { return data.length; }"],
    )

    def push(self) -> PushWish:
        """Return what is wanted."""
        return self.numbered_wish(self.source)


class ScriptBody(_Numbered):
    """A new script; with `source` also its first version."""

    name: ScriptName = Field(description="Once in the project, on one line.", examples=["card-totals"])
    description: Description = Field(default="", description="For people.")
    source: Annotated[str, _text(LONGEST_SOURCE, 1)] | None = Field(
        default=None, description="JavaScript that defines `process(data)`: the first version."
    )

    def first(self) -> PushWish | None:
        """Return the first version, ``None`` without one."""
        return None if self.source is None else self.numbered_wish(self.source)


class ScriptPatch(_Wire):
    """What is changed of a script; what is left out stays."""

    name: ScriptName | None = Field(default=None, description="Once in the project.")
    description: Description | None = Field(default=None, description="For people.")

    @field_validator("name", "description")
    @classmethod
    def _given(cls, value: str | None) -> str | None:
        if value is None:
            raise ValueError("leave it out to keep it")
        return value


class ReviewBody(_Wire):
    """Why a version is approved."""

    reason: Annotated[str, _text(2000)] = Field(default="", description="Kept with the version.")


class RefusalBody(_Wire):
    """Why a version is refused."""

    reason: Annotated[str, _text(2000, 1)] = Field(description="What has to change; kept with the version.")


class TestBody(_Wire):
    """Sample data."""

    __test__ = False

    data: Any = Field(description="Any JSON; `process` gets it as it is.")


class SourceTestBody(VersionFields):
    """A source and sample data."""

    source: Annotated[str, _text(LONGEST_SOURCE, 1)] = Field(description="JavaScript that defines `process(data)`.")
    data: Any = Field(description="Any JSON; `process` gets it as it is.")


class ScriptView(BaseModel):
    """A script."""

    id: UUID
    name: str
    description: str
    active: UUID | None = Field(description="The version that executions use unless they name one.")
    active_semver: str | None = Field(description="Its number.")
    latest: int = Field(description="Versions that were pushed.")
    revision: int = Field(description="Counts changes of name, description and active version, from one.")
    created_at: datetime
    updated_at: datetime
    created_by: str = Field(description="Who, as the audit log names it.")


class ScriptPage(BaseModel):
    """A page of scripts."""

    items: list[ScriptView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class RemarkView(BaseModel):
    """A warning of the validation."""

    rule: str = Field(description="Id of the rule.")
    severity: str
    line: int
    column: int
    message: str
    fix: str


class VersionSummary(BaseModel):
    """A version without its source and schemas."""

    id: UUID
    script_id: UUID
    number: int = Field(description="From 1, by script.")
    semver: str
    digest: str = Field(description="`sha256:` of the source's UTF-8.")
    state: VersionState
    privileged: bool = Field(description="It asks for more than the defaults and needs a review.")
    quarantined: bool = Field(description="It has crashed workers three times: no execution is taken.")
    crashes: int = Field(description="Workers that it crashed since it was pushed or released.")
    shape: ShapeBody
    engine: Engine
    deterministic: bool
    reuse: bool
    limits: LimitsBody
    warnings: list[RemarkView]
    submitted_by: str | None = Field(description="Who asked for the review.")
    reviewed_by: str | None
    reviewed_at: datetime | None
    review_reason: str
    created_at: datetime
    created_by: str = Field(description="Who, as the audit log names it.")
    changed_at: datetime = Field(description="When its state last changed.")


class VersionPage(BaseModel):
    """A page of versions."""

    items: list[VersionSummary] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class VersionView(VersionSummary):
    """A version."""

    source: str
    input_schema: dict[str, Any] | bool | None
    output_schema: dict[str, Any] | bool | None


def script_view(record: ScriptRecord) -> ScriptView:
    """Return a script as it goes over the wire."""
    script = record.script
    return ScriptView(
        id=script.id,
        name=script.name,
        description=script.description,
        active=script.active,
        active_semver=record.active_semver,
        latest=script.latest,
        revision=script.revision,
        created_at=script.created_at,
        updated_at=script.updated_at,
        created_by=script.created_by,
    )


def version_summary(record: VersionRecord) -> VersionSummary:
    """Return a version of a list as it goes over the wire."""
    return VersionSummary(**_summary(record))


def version_view(record: VersionRecord) -> VersionView:
    """Return a version as it goes over the wire."""
    version = record.version
    return VersionView(
        **_summary(record),
        source=version.source,
        input_schema=_schema(version.input_schema),
        output_schema=_schema(version.output_schema),
    )


def remark_view(remark: Remark) -> RemarkView:
    """Return a warning as it goes over the wire."""
    return RemarkView.model_validate(msgspec.to_builtins(remark))


def _summary(record: VersionRecord) -> dict[str, Any]:
    version, shape = record.version, record.version.shape
    return {
        "id": version.id,
        "script_id": version.script_id,
        "number": version.number,
        "semver": version.semver,
        "digest": version.digest,
        "state": version.state,
        "privileged": version.privileged,
        "quarantined": version.quarantined,
        "crashes": version.crashes,
        "shape": ShapeBody(mode=shape.mode, size=shape.size, key=list(shape.key), combine=shape.combine),
        "engine": version.engine,
        "deterministic": version.deterministic,
        "reuse": version.reuse,
        "limits": LimitsBody.model_construct(**msgspec.to_builtins(version.limits)),
        "warnings": [remark_view(each) for each in record.remarks],
        "submitted_by": record.submitted_by,
        "reviewed_by": record.reviewed_by,
        "reviewed_at": record.reviewed_at,
        "review_reason": record.review_reason,
        "created_at": version.created_at,
        "created_by": version.created_by,
        "changed_at": record.changed_at,
    }


def _schema(stored: bytes | None) -> Any:
    return None if stored is None else msgspec.json.decode(stored)
