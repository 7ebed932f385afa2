"""Scripts over data that outgrows one call: chunks, groups, combine, with bounded memory (A21)."""

from quilate.scripts.batch.model import BatchInput, BatchOutcome, PartFailure, Progress, Settings
from quilate.scripts.batch.running import run_batch
from quilate.scripts.batch.store import PartStore
from quilate.scripts.model import FileFormat

__all__ = [
    "BatchInput",
    "BatchOutcome",
    "FileFormat",
    "PartFailure",
    "PartStore",
    "Progress",
    "Settings",
    "run_batch",
]
