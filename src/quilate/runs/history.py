"""What earlier runs said, for explanations."""

from quilate.policy.explanation import HistoryEntry
from quilate.runs.record import load_records
from quilate.runs.store import RunDirectory


def history_before(directory: RunDirectory, number: int) -> tuple[HistoryEntry, ...]:
    """Return the kept whole runs before ``number``, oldest first."""
    return tuple(
        HistoryEntry(run=record.number, verdict=record.verdict or "", failing=frozenset(map(tuple, record.failing)))
        for record in load_records(directory, before=number)
        if not record.partial
    )
