"""What outputs of scripts are handed on with, by the API and in the background."""

from quilate.datasets.service import CatalogueService
from quilate.kit.database.database import Database
from quilate.runs.durable.intake import Intake
from quilate.runs.durable.wakeups import Wakeups
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.outputs import OutputParts, OutputStore


def output_store(database: Database, catalogue: CatalogueService, store: PayloadStore, wakeups: Wakeups) -> OutputStore:
    """Return what makes outputs versions of datasets, has them judged, and writes them elsewhere."""
    intake = Intake(database, wakeups)
    return OutputStore(OutputParts(database=database, store=store, catalogue=catalogue, intake=intake))
