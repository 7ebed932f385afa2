"""Blueprints on the wire."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.blueprints.diff import Change, Direction
from quilate.blueprints.registry.model import (
    Comparison,
    Draft,
    ListedBlueprint,
    Origin,
    PublishedBlueprint,
    ReplayedDecision,
)
from quilate.domain.verdict import Verdict

LONGEST_TEXT = 512 << 10
NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$"
VERSION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9}){0,4}$"
REFERENCE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}(@[0-9]{1,9}(\.[0-9]{1,9}){0,4})?$"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DraftRequest(_Request):
    """The text of a draft."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=r"^[^\x00]*$")] = Field(
        description="The blueprint as YAML. It may extend a built-in blueprint or one that this project published."
    )


class WithdrawRequest(_Request):
    """Why a version is taken out of use."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")] = Field(
        description="Shown with the version."
    )


class DraftView(BaseModel):
    """The next version of a blueprint while people write at it."""

    name: str = Field(description="The document's `id`.")
    version: str = Field(description="The document's `version`.")
    description: str = Field(description="The document's `description`.")
    text: str = Field(description="The YAML.")
    digest: str = Field(description="Digest of its meaning, what it extends included.")
    revision: int = Field(description="Counts its changes, from one.")
    authors: list[str] = Field(description="Everybody who wrote at it, the last one last; none of them may publish it.")
    created_at: datetime
    updated_at: datetime


class VersionSummary(BaseModel):
    """A published version."""

    name: str = Field(description="The document's `id`.")
    version: str = Field(description="Its number; numbers rise and are never used again.")
    description: str = Field(description="The document's `description`.")
    digest: str = Field(description="Digest of its meaning; decisions name it.")
    authors: list[str] = Field(description="Who wrote it.")
    publisher: str = Field(description="Who published it; none of the authors.")
    published_at: datetime
    withdrawn_at: datetime | None = Field(description="Since then no new run is judged by it.")
    withdrawn_by: str | None
    withdrawal_reason: str | None


class VersionView(VersionSummary):
    """A published version with its text."""

    text: str = Field(description="The YAML with what it extends laid under it: what runs use.")
    written: str = Field(description="The YAML as its authors wrote it.")


class VersionPage(BaseModel):
    """A page of versions."""

    items: list[VersionSummary] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class BlueprintView(BaseModel):
    """A blueprint that the project can use or is writing."""

    name: str
    origin: Origin = Field(description="Built in, or the project's own.")
    description: str
    version: str | None = Field(description="The newest version that counts; none where only a draft is there.")
    digest: str | None = Field(description="Digest of that version's meaning.")
    published_at: datetime | None = Field(description="When that version was published; none for built-in ones.")
    draft_version: str | None = Field(description="The version that its draft is to become, where there is one.")


class BlueprintPage(BaseModel):
    """A page of blueprints."""

    items: list[BlueprintView] = Field(description="In the order of their names.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class ChangeView(BaseModel):
    """One difference."""

    kind: str = Field(description="`+` added, `-` removed, `~` changed.")
    subject: str = Field(description="What differs.")
    before: str
    after: str
    direction: str = Field(
        description="`stricter`, `looser`, `neutral`, or `changed` where only a person can tell.",
        json_schema_extra={"enum": [each.value.lower() for each in Direction]},
    )
    note: str


class ComparisonView(BaseModel):
    """What two blueprints let through differently."""

    before: str = Field(description="The older side.")
    after: str = Field(description="The newer side.")
    stricter: int = Field(description="Changes that let less through.")
    looser: int = Field(description="Changes that let more through.")
    changes: list[ChangeView]


class ReplayedView(BaseModel):
    """A run decided again under the draft."""

    run_id: UUID
    before: Verdict
    after: Verdict
    changed: bool
    unmeasured: list[str] = Field(description="Checks of the draft that the run did not have.")


class WhatIfView(BaseModel):
    """What a draft would have made of the project's last runs. Nothing was run."""

    replayed: int = Field(description="Runs that were decided again.")
    changed: int = Field(description="Runs whose verdict changes.")
    runs: list[ReplayedView] = Field(description="Newest first.")


def draft_view(draft: Draft) -> DraftView:
    """Return a draft as it goes over the wire."""
    return DraftView(
        name=draft.name,
        version=draft.version,
        description=draft.description,
        text=draft.text,
        digest=draft.digest,
        revision=draft.revision,
        authors=list(draft.authors),
        created_at=draft.created_at,
        updated_at=draft.updated_at,
    )


def version_summary(published: PublishedBlueprint) -> VersionSummary:
    """Return a version without its text."""
    return VersionSummary(**_version_fields(published))


def version_view(published: PublishedBlueprint) -> VersionView:
    """Return a version with its text."""
    return VersionView(text=published.text, written=published.written, **_version_fields(published))


def _version_fields(published: PublishedBlueprint) -> dict[str, Any]:
    fields = {name: getattr(published, name) for name in VersionSummary.model_fields}
    return {**fields, "authors": list(published.authors)}


def blueprint_view(listed: ListedBlueprint) -> BlueprintView:
    """Return a line of the list."""
    return BlueprintView(**{name: getattr(listed, name) for name in BlueprintView.model_fields})


def comparison_view(comparison: Comparison) -> ComparisonView:
    """Return a comparison."""
    directions = [change.direction for change in comparison.changes]
    return ComparisonView(
        before=comparison.before,
        after=comparison.after,
        stricter=directions.count(Direction.STRICTER),
        looser=directions.count(Direction.LOOSER),
        changes=[_change_view(change) for change in comparison.changes],
    )


def _change_view(change: Change) -> ChangeView:
    return ChangeView(
        kind=change.kind,
        subject=change.subject,
        before=change.before,
        after=change.after,
        direction=change.direction.value.lower(),
        note=change.note,
    )


def what_if_view(replayed: tuple[ReplayedDecision, ...]) -> WhatIfView:
    """Return what became of replayed runs."""
    runs = [
        ReplayedView(
            run_id=each.run_id,
            before=each.before,
            after=each.after,
            changed=each.before is not each.after,
            unmeasured=list(each.unmeasured),
        )
        for each in replayed
    ]
    return WhatIfView(replayed=len(runs), changed=sum(each.changed for each in runs), runs=runs)
