"""What exports of outputs stand on, from the settings."""

from quilate.accounts.trail.recording import AccessTrail
from quilate.app.service.scripting import data_vault, payload_store
from quilate.app.service.settings import Settings
from quilate.datasets.model import CatalogueLimits
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.runs.durable.intake import Intake
from quilate.runs.durable.wakeups import Wakeups
from quilate.scripts.exports.working import ExportParts
from quilate.scripts.payloads.outputs import OutputParts, OutputStore


def export_parts(settings: Settings, database: Database) -> ExportParts:
    """Return what outputs are handed on with."""
    limits = CatalogueLimits(upload_bytes=settings.upload_bytes, archive_bytes=settings.upload_bytes)
    catalogue = CatalogueService(
        database,
        DirectoryArtifactStore(settings.artifact_directory),
        limits=limits,
        allowed_data_roots=settings.data_roots,
    )
    outputs = OutputStore(
        OutputParts(
            database=database,
            store=payload_store(settings, data_vault(settings, database)),
            catalogue=catalogue,
            intake=Intake(database, Wakeups(database)),
        )
    )
    return ExportParts(database=database, outputs=outputs, trail=AccessTrail(database))
