"""Payload stores over fresh directories, and bodies in pieces."""

import io
import json
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from quilate.accounts.model import ProjectAccess
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.secrets.box import SecretBox, box_of
from quilate.kit.web.problems import Problem
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.admission import Admission
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.model import Admitted, PayloadLimits, StoredPayload
from quilate.scripts.payloads.receive import receive
from quilate.scripts.payloads.removing import index_subjects
from quilate.scripts.payloads.vault import DataVault
from tests.support.projects_access import access_to, project

LIMITS = PayloadLimits(
    sent_bytes=4 << 20,
    plain_bytes=8 << 20,
    ratio_from_bytes=1 << 20,
    inline_bytes=64 << 10,
    document_bytes=2 << 20,
    line_bytes=64 << 10,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSite:
    """Everything that payloads of one project need."""

    database: Database
    root: Path
    store: PayloadStore
    vault: DataVault
    admission: Admission
    access: ProjectAccess
    box: SecretBox

    @property
    def project(self) -> UUID:
        return self.access.project.id

    async def received(
        self, body: bytes | Iterable[bytes], *, seal: bool = False, limits: PayloadLimits = LIMITS, **headers: str
    ) -> StoredPayload:
        """Receive a body whose headers are given with ``_`` for ``-``."""
        pieces = [body] if isinstance(body, bytes) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await receive(named, in_pieces(pieces), self.store, limits, seal_for=self.project if seal else None)

    async def text(self, payload: StoredPayload) -> bytes:
        """Return the plain content."""
        return await self.store.read(payload, self.project)

    def files(self) -> list[Path]:
        """Return the artifacts of the payload store."""
        return [path for path in (self.root / "payloads").glob("??/??/*") if path.is_file()]


def payload_site(database: Database, root: Path) -> PayloadSite:
    """Return stores below a directory, for a new project."""
    box = box_of(b"k" * 32)
    vault = DataVault(database, box)
    store = PayloadStore(
        DirectoryArtifactStore(root / "payloads"), DirectoryArtifactStore(root / "artifacts"), vault, limits=LIMITS
    )
    return PayloadSite(
        database=database,
        root=root,
        store=store,
        vault=vault,
        admission=Admission(store, vault),
        access=access_to(project("shop")),
        box=box,
    )


async def in_pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Give pieces one after the other."""
    for piece in pieces:
        yield piece


def cut(data: bytes, size: int) -> list[bytes]:
    """Return pieces of a length."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def schema(value: Any) -> bytes:
    """Return a schema as a version holds it."""
    return msgspec.json.encode(value)


def records(properties: dict[str, Any], **more: Any) -> bytes:
    """Return the schema of an array of records."""
    return schema({"type": "array", "items": {"type": "object", "properties": properties, **more}})


async def kept(site: PayloadSite, data: Any, format_: FileFormat = FileFormat.JSON) -> StoredPayload:
    """Keep content; what is no bytes is written as JSON."""
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return await site.store.keep_bytes(content, format_)


async def admitted(site: PayloadSite, given: bytes, data: Any, format_: FileFormat = FileFormat.JSON) -> Admitted:
    """Hold content against a schema."""
    return await site.admission.admit(site.project, given, await kept(site, data, format_))


def parquet(**columns: Any) -> bytes:
    """Return a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def arrow(**columns: Any) -> bytes:
    """Return an Arrow stream."""
    table, sink = pa.table(columns), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def lines(*values: Any) -> bytes:
    """Return values as lines of JSON."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def another(payload: StoredPayload, format_: FileFormat) -> StoredPayload:
    """Return the same content under another format's name."""
    return replace(payload, format=format_)


def problem_of(error: Problem) -> tuple[int, str]:
    """Return status and type."""
    return error.status, error.type


async def execution_of(  # noqa: PLR0913 - what an execution has
    site: PayloadSite,
    given: StoredPayload,
    output: StoredPayload | None = None,
    *,
    subjects: Iterable[bytes] = (),
    days_ago: float = 0.0,
    waiting: bool = False,
    project_id: UUID | None = None,
) -> UUID:
    """Insert an execution as its own slice does, and take down whom it is about."""
    execution = uuid7(time.time_ns() // 1_000_000 - int(days_ago * 86_400_000))
    owner = project_id or site.project
    held = {"input": given, "output": output}

    async def work(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO script_executions (id, project_id, script_id, version_id, status, created_by, input_format,"
            " input_size, input_digest, input_reference, output_format, output_size, output_digest, output_reference,"
            " failure_message, submitted_at, ended_at, request_digest)"
            " VALUES (%s, %s, %s, %s, %s, 'user:x', 'json', %s, %s, %s, %s, %s, %s, %s, 'about Ana',"
            " now() - %s * interval '1 day', CASE WHEN %s THEN NULL ELSE now() END, '')",
            (
                execution,
                owner,
                uuid4(),
                uuid4(),
                "pending" if waiting else "completed",
                given.size,
                given.digest,
                given.reference,
                output.format if output else None,
                output.size if output else None,
                output.digest if output else None,
                output.reference if output else None,
                days_ago,
                waiting,
            ),
        )
        for part, payload in held.items():
            if payload is not None and payload.inline is not None:
                await connection.execute(
                    "INSERT INTO script_payloads (execution_id, part, data) VALUES (%s, %s, %s)",
                    (execution, part, payload.inline),
                )
        if waiting:
            await connection.execute(
                "INSERT INTO script_queue (execution_id, project_id, priority) VALUES (%s, %s, 0)", (execution, owner)
            )
        await index_subjects(connection, [(owner, execution, token) for token in subjects])

    await site.database.run(work)
    return execution
