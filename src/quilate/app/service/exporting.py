"""What outputs are handed on with, by the API and in the background."""

from quilate.accounts.trail.recording import AccessTrail
from quilate.app.service.ground import catalogue_of
from quilate.app.service.scripting import data_vault, payload_store
from quilate.app.service.settings import Settings
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.runs.durable.intake import Intake
from quilate.runs.durable.wakeups import Wakeups
from quilate.scripts.exports.working import ExportParts
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.outputs import OutputParts, OutputStore


def output_store(database: Database, catalogue: CatalogueService, store: PayloadStore, wakeups: Wakeups) -> OutputStore:
    """Return what makes outputs versions of datasets, has them judged, and writes them elsewhere."""
    intake = Intake(database, wakeups)
    return OutputStore(OutputParts(database=database, store=store, catalogue=catalogue, intake=intake))


def export_parts(settings: Settings, database: Database) -> ExportParts:
    """Return what the background process carries exports out with."""
    catalogue = catalogue_of(settings, database, DirectoryArtifactStore(settings.artifact_directory))
    store = payload_store(settings, data_vault(settings, database))
    outputs = output_store(database, catalogue, store, Wakeups(database))
    return ExportParts(database=database, outputs=outputs, trail=AccessTrail(database))
