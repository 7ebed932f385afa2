"""The catalogue on the wire."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from quilate.datasets.model import (
    LARGEST_VERSION,
    NAME_PATTERN,
    CatalogueEntry,
    Column,
    SourceArchive,
    Version,
    VersionFile,
)

NO_NUL = r"^[^\x00]*$"


class EntryRequest(BaseModel):
    """A dataset or model to create."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        pattern=NAME_PATTERN, max_length=128, description="Its name within the project.", examples=["sales"]
    )
    description: str = Field(default="", max_length=4000, pattern=NO_NUL, description="What it is, for people.")


class EntryChange(BaseModel):
    """What changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(
        default=None, max_length=4000, pattern=NO_NUL, description="What it is, for people."
    )
    archived: bool | None = Field(default=None, description="Archived: no new versions, listed only if asked for.")


class ImportRequest(BaseModel):
    """Files that lie on the server already."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(
        min_length=1, max_length=4096, pattern=NO_NUL, description="A file or directory below an allowed directory."
    )
    parent: int | None = Field(
        default=None, ge=1, le=LARGEST_VERSION, description="The version it was made from; the newest if left out."
    )
    comment: str = Field(default="", max_length=4000, pattern=NO_NUL, description="What changed, for people.")


class EntryView(BaseModel):
    """A dataset or model."""

    name: str = Field(description="Its name within the project.")
    kind: str = Field(description="`dataset` or `model`.")
    description: str = Field(description="What it is, for people.")
    archived: bool = Field(description="Whether it takes no new versions.")
    latest: int = Field(description="Number of the newest version, zero before the first.")
    created_at: datetime = Field(description="When it was created.")
    created_by: str = Field(description="Who created it, as the audit log names it.")


class ColumnView(BaseModel):
    """One column of a table."""

    name: str = Field(description="Its name.")
    type: str = Field(description="Its type, as Polars writes it: `Int64`, `String`, `Date`.")


class VersionView(BaseModel):
    """An immutable version."""

    number: int = Field(description="One, two, three… within its dataset or model.")
    digest: str = Field(description="SHA-256 of the manifest: path, digest and length of every file.")
    size: int = Field(description="Length of all files in bytes.")
    files: int = Field(description="How many files.")
    rows: int | None = Field(description="Records of all tables together; null for a model.")
    columns: list[ColumnView] = Field(description="Columns, where all tables have the same ones.")
    parent: int | None = Field(description="The version it was made from.")
    comment: str = Field(description="What changed, for people.")
    created_at: datetime = Field(description="When it was registered.")
    created_by: str = Field(description="Who registered it, as the audit log names it.")


class FileView(BaseModel):
    """One file of a version."""

    path: str = Field(description="Relative path.")
    digest: str = Field(description="SHA-256 of its content.")
    size: int = Field(description="Length in bytes.")
    format: str = Field(description="What it holds.")
    rows: int | None = Field(description="Records, where it is a table.")
    columns: list[ColumnView] = Field(description="Columns, where it is a table.")


class ArchiveView(BaseModel):
    """An uploaded archive, to be named in a run's source."""

    digest: str = Field(description="SHA-256 of the archive.")
    size: int = Field(description="Length in bytes.")
    uploaded_at: datetime = Field(description="When it was uploaded last.")
    expires_at: datetime = Field(description="Until when runs may use it; uploading it again moves this.")


class EntryPage(BaseModel):
    """One page of datasets or models."""

    items: list[EntryView] = Field(description="In the order of their names.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


class VersionPage(BaseModel):
    """One page of versions."""

    items: list[VersionView] = Field(description="The newest first.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


class FilePage(BaseModel):
    """One page of a version's files."""

    items: list[FileView] = Field(description="In the order of their paths.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


def entry_view(entry: CatalogueEntry) -> EntryView:
    """Return a dataset or model as it is shown."""
    return EntryView(
        name=entry.name,
        kind=entry.kind.value,
        description=entry.description,
        archived=entry.archived,
        latest=entry.latest,
        created_at=entry.created_at,
        created_by=entry.created_by,
    )


def version_view(version: Version) -> VersionView:
    """Return a version as it is shown."""
    return VersionView(
        number=version.number,
        digest=version.digest,
        size=version.size_bytes,
        files=version.file_count,
        rows=version.rows,
        columns=_column_views(version.columns),
        parent=version.parent,
        comment=version.comment,
        created_at=version.created_at,
        created_by=version.created_by,
    )


def file_view(file: VersionFile) -> FileView:
    """Return a file as it is shown."""
    return FileView(
        path=file.path,
        digest=file.digest,
        size=file.size_bytes,
        format=file.format,
        rows=file.rows,
        columns=_column_views(file.columns),
    )


def archive_view(archive: SourceArchive) -> ArchiveView:
    """Return an archive as it is shown."""
    return ArchiveView(
        digest=archive.digest,
        size=archive.size_bytes,
        uploaded_at=archive.uploaded_at,
        expires_at=archive.expires_at,
    )


def _column_views(columns: Sequence[Column]) -> list[ColumnView]:
    return [ColumnView(name=column.name, type=column.type) for column in columns]
