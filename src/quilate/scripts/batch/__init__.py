"""Scripts over data that outgrows one call: chunks, groups, combine, with bounded memory (A21).

``run_batch`` is loaded when it is first used: it brings the Arrow library along.
"""

from typing import TYPE_CHECKING, Any

from quilate.scripts.batch.model import BatchInput, BatchOutcome, PartFailure, Progress, Settings
from quilate.scripts.batch.store import PartStore
from quilate.scripts.model import FileFormat

if TYPE_CHECKING:
    from quilate.scripts.batch.running import run_batch

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


def __getattr__(name: str) -> Any:
    if name == "run_batch":
        from quilate.scripts.batch.running import run_batch  # noqa: PLC0415 - see above

        return run_batch
    raise AttributeError(name)
