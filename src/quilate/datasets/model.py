"""Datasets and models of a project: names with immutable versions."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from quilate.domain.ids import Digest

NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?$"
"""Names stand in addresses: lower-case letters, digits, and ``.``, ``_``, ``-`` between them."""

NAME = re.compile(NAME_PATTERN.replace("$", r"\Z"))
LARGEST_VERSION = 2**31 - 1


class EntryKind(StrEnum):
    """What is catalogued."""

    DATASET = "dataset"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A dataset or a model.

    Attributes:
        id: Never reused.
        project_id: Whose it is.
        kind: Dataset or model; each kind has names of its own.
        name: Unique within project and kind.
        description: For people.
        archived: Takes no new versions and is not listed unless asked for.
        latest: Number of the newest version, zero before the first.
        revision: Counts the changes of this row, for ``ETag`` and ``If-Match``.
        created_at: When.
        created_by: Who, as the audit log names it.
    """

    id: UUID
    project_id: UUID
    kind: EntryKind
    name: str
    description: str
    archived: bool
    latest: int
    revision: int
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table: its name and its type as Polars writes it (``Int64``, ``String``, ``Date``)."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFile:
    """One file of a version.

    Attributes:
        path: Relative, with ``/``.
        digest: Of its content.
        size_bytes: Length.
        format: ``csv``, ``tsv``, ``parquet``, ``json``, ``ndjson`` for tables; what a model's file is.
        rows: Records, where it is a table.
        columns: Columns, where it is a table.
    """

    path: str
    digest: Digest
    size_bytes: int
    format: str = ""
    rows: int | None = None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One immutable version.

    Attributes:
        id: Never reused.
        number: One, two, three… within its dataset or model.
        digest: Of the manifest: paths, digests and lengths of all files.
        size_bytes: Length of all files.
        file_count: How many files.
        rows: Records of all tables together; ``None`` for a model.
        columns: Columns, where all tables have the same ones; else empty.
        parent: Number of the version that it was made from, if any.
        comment: For people.
        created_at: When.
        created_by: Who, as the audit log names it.
    """

    id: UUID
    entry_id: UUID
    number: int
    digest: Digest
    size_bytes: int
    file_count: int
    rows: int | None
    columns: tuple[Column, ...]
    parent: int | None
    comment: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that was received: its path within the version, and the artifact it is."""

    path: str
    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceArchive:
    """An uploaded archive of files to be judged."""

    project_id: UUID
    digest: Digest
    size_bytes: int
    uploaded_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueLimits:
    """What registering may cost.

    Attributes:
        upload_bytes: Length of one upload, all files together.
        files: Files of one version.
        archive_bytes: Length of one uploaded source archive.
        archive_days: How long a source archive is kept after its last upload.
        inspection_seconds: Time for reading one table's columns and counting its rows.
        inspection_bytes: Memory for that.
        columns: Columns of one table.
    """

    upload_bytes: int = 4 << 30
    files: int = 1000
    archive_bytes: int = 512 << 20
    archive_days: int = 30
    inspection_seconds: float = 120.0
    inspection_bytes: int = 1 << 30
    columns: int = 10_000
