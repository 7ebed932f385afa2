"""The times that run ids stand for."""

from datetime import datetime
from uuid import UUID


def first_id_at(moment: datetime) -> UUID:
    """Return what every run id of ``moment`` or later follows: version 7 UUIDs begin with their milliseconds."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), (1 << 48) - 1)
    return UUID(int=milliseconds << 80)
