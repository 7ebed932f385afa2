"""Where outputs go: into their execution's row, the payload store or a project's object store, and into the catalogue.

An output becomes a version of a dataset with its lineage: which version of which script made it of which input. The
data gate judges it as any other version: a run whose source it is.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from quilate.accounts.access import lacks
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.statements import Row
from quilate.audit.entries import AuditEntry, append_entries
from quilate.datasets.errors import CatalogueError
from quilate.datasets.model import EntryKind, StoredFile, Version
from quilate.datasets.service import CatalogueService, Registration
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.problems import Problem
from quilate.runs.durable.intake import Intake
from quilate.runs.durable.model import Idempotency, Refusal, Submission, Submitted
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.columns import batches_of, written
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.errors import refused
from quilate.scripts.payloads.formats import suffix_of
from quilate.scripts.payloads.model import Lineage, StoredPayload
from quilate.scripts.payloads.vault import STATEMENTS

EVENT = "script_output"
_MOST_LINEAGE = 100
_RETRY_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputParts:
    """What outputs are kept with.

    Attributes:
        database: Where lineage is.
        store: Keeps them.
        catalogue: Dataset versions.
        intake: Takes runs in.
    """

    database: Database
    store: PayloadStore
    catalogue: CatalogueService
    intake: Intake


class OutputStore:
    """Keeps outputs and hands them on."""

    def __init__(self, parts: OutputParts) -> None:
        self._parts = parts

    # Keeping --------------------------------------------------------------------------------------------------------

    async def keep(
        self,
        access: ProjectAccess,
        execution_id: UUID,
        output: StoredPayload,
        *,
        target: str,
    ) -> StoredPayload:
        """Put an output into an object store and return it as it lies there; a short one goes there as well.

        Args:
            access: Whose it is, and who asked.
            execution_id: Names the object below the target.
            output: As it was kept first.
            target: ``s3://bucket/prefix``, ``gs://...`` or ``az://...``, as the installation allows it.

        Raises:
            Problem: 422, it may not be written there, or is sensitive; 503, the provider does not answer.
        """
        if output.sealed:
            raise refused(
                "an output with sensitive fields stays here, encrypted",
                "give the version an output schema that marks none, or read the output through the API",
            )
        objects = self._parts.store.objects
        url = f"{target.rstrip('/')}/{execution_id}{suffix_of(output.format)}"
        if objects is None:
            raise refused("the installation has no object stores", "ask for one with QUILATE_OBJECT_STORES")
        objects.require(url, access.project.slug, writing=True)
        content = self._parts.store.stream(output, access.project.id)
        await objects.write(url, content, project=access.project.slug)
        return StoredPayload(
            digest=output.digest,
            size=output.size,
            format=output.format,
            reference=url,
            provenance=output.provenance,
        )

    # The catalogue --------------------------------------------------------------------------------------------------

    async def register(
        self, access: ProjectAccess, dataset: str, output: StoredPayload, lineage: Lineage
    ) -> tuple[Version, bool]:
        """Make an output a version of a dataset; the same content is the same version. Safe to repeat.

        Args:
            access: Who asks.
            dataset: Its name; it is there already.
            output: As it was kept.
            lineage: What it was made from.

        Returns:
            The version, and whether it is new.

        Raises:
            Problem: 403, the permission is missing; 404, no such dataset; 409, it is archived; 422, it is sensitive
                or no table.
        """
        if not access.may(Permission.DATASET_WRITE):
            raise lacks(access.principal, Permission.DATASET_WRITE)
        if output.sealed:
            raise refused(
                "an output with sensitive fields becomes no dataset version: the catalogue keeps files as they are",
                "give the version an output schema that marks none",
            )
        catalogue = self._parts.catalogue
        await catalogue.get(access.project, EntryKind.DATASET, dataset)
        file = await self._file(access, output)
        comment = f"Output of script {lineage.script_id}, version {lineage.script_version}."
        try:
            version, new = await catalogue.register(
                access, EntryKind.DATASET, dataset, Registration(files=[file], comment=comment)
            )
        except CatalogueError as error:
            raise refused(
                f"the output becomes no version of a dataset: {error.message}",
                "let the script return records, objects with at least one field, or send the output nowhere",
            ) from error

        async def work(connection: Connection) -> None:
            await _insert_lineage(connection, access, dataset, version, output, lineage)

        await self._parts.database.run(work)
        return version, new

    async def lineage(self, access: ProjectAccess, dataset: str, number: int) -> list[Row]:
        """Return which executions gave a dataset version, the oldest first; nothing where none did.

        Raises:
            Problem: 404, there is no such version.
        """
        await self._parts.catalogue.version(access.project, EntryKind.DATASET, dataset, number)
        async with self._parts.database.connection() as connection:
            return await STATEMENTS.many(
                connection, "lineage", project=access.project.id, dataset=dataset, number=number, limit=_MOST_LINEAGE
            )

    async def _file(self, access: ProjectAccess, output: StoredPayload) -> StoredFile:
        limits, store = self._parts.catalogue.limits, self._parts.store
        if output.format is not FileFormat.ARROW:
            name = f"output{suffix_of(output.format)}"
            content = store.stream(output, access.project.id)
            return await self._parts.catalogue.receive(name, content, room=limits.upload_bytes)
        # The catalogue has tables of other formats; Parquet keeps the columns' types.
        with tempfile.TemporaryDirectory(prefix="quilate-output-") as directory:
            path = Path(directory, "output.arrows")
            await store.copy_to(output, access.project.id, path)
            content = _as_parquet(path)
            return await self._parts.catalogue.receive("output.parquet", content, room=limits.upload_bytes)

    # The data gate --------------------------------------------------------------------------------------------------

    async def gate(
        self, access: ProjectAccess, dataset: str, version: Version, lineage: Lineage, *, blueprint: str = ""
    ) -> Submitted:
        """Submit a run that judges a dataset version; the same execution and version give the same run.

        Args:
            access: Who asks.
            dataset: The dataset's name.
            version: Its version.
            lineage: Goes with the run as its parameters.
            blueprint: ``name`` or ``name@version``; empty for the project's own.

        Raises:
            Problem: 403, the permission is missing; 429, the project's queue is full; 422, this execution's gate was
                asked for with another blueprint.
        """
        if not access.may(Permission.RUN_SUBMIT):
            raise lacks(access.principal, Permission.RUN_SUBMIT)
        source = Source(kind=SourceKind.DATASET, location=dataset, revision=str(version.number), digest=version.digest)
        submission = Submission(
            project_id=access.project.id,
            project=access.project.slug,
            source=source,
            actor=access.actor,
            event=EVENT,
            parameters=dict(lineage.document()),
            blueprint=blueprint,
            idempotency=Idempotency(source=f"script:{lineage.execution_id}", id=f"{dataset}@{version.number}"),
        )
        submitted = await self._parts.intake.submit(submission)
        if submitted.refusal is Refusal.QUEUE_FULL:
            raise Problem(
                status=429,
                type="queue-full",
                detail=f"project {access.project.slug!r} has too many runs waiting",
                next_step="wait until some have started, or cancel those that nobody needs",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
        if submitted.refusal is not None:
            raise Problem(
                status=422,
                type="idempotency-mismatch",
                detail="the gate of this execution was asked for otherwise before",
                extensions={"run": str(submitted.run_id)},
            )
        return submitted


async def _as_parquet(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as stream:
        pieces = written(batches_of(stream, FileFormat.ARROW), FileFormat.PARQUET)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece


async def _insert_lineage(  # noqa: PLR0913, PLR0917 - a row's columns
    connection: Connection,
    access: ProjectAccess,
    dataset: str,
    version: Version,
    output: StoredPayload,
    lineage: Lineage,
) -> None:
    inserted = await STATEMENTS.execute(
        connection,
        "insert_lineage",
        version=version.id,
        execution=lineage.execution_id,
        project=access.project.id,
        dataset=dataset,
        number=version.number,
        script=lineage.script_id,
        script_version_id=lineage.script_version_id,
        script_version=lineage.script_version,
        input_digest=lineage.input_digest,
        input_address=lineage.input_address,
        output_digest=output.digest,
        actor=str(access.actor),
    )
    if inserted:
        details = {
            "execution": str(lineage.execution_id),
            "script_version": str(lineage.script_version_id),
            "input": lineage.input_digest,
            "output": output.digest,
            "version": version.number,
        }
        entry = AuditEntry(
            action="dataset.version.derived",
            actor=str(access.actor),
            subject=f"dataset:{version.entry_id}",
            project_id=access.project.id,
            details=details,
        )
        await append_entries(connection, [entry])
