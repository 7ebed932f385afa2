"""What exports of outputs stand on, from the settings."""

from quilate.accounts.trail.recording import AccessTrail
from quilate.app.service.ground import catalogue_of
from quilate.app.service.outputs import output_store
from quilate.app.service.scripting import data_vault, payload_store
from quilate.app.service.settings import Settings
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.runs.durable.wakeups import Wakeups
from quilate.scripts.exports.working import ExportParts


def export_parts(settings: Settings, database: Database) -> ExportParts:
    """Return what the background process carries exports out with."""
    catalogue = catalogue_of(settings, database, DirectoryArtifactStore(settings.artifact_directory))
    store = payload_store(settings, data_vault(settings, database))
    outputs = output_store(database, catalogue, store, Wakeups(database))
    return ExportParts(database=database, outputs=outputs, trail=AccessTrail(database))
