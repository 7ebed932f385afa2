"""How bad a finding is."""

from enum import StrEnum


class Severity(StrEnum):
    """Ordered from ``info`` to ``critical``; compares by rank, not by spelling."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Zero for ``info`` up to four for ``critical``."""
        return _RANKS[self.value]

    def __lt__(self, other: str) -> bool:
        return self.rank < Severity(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Severity(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Severity(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Severity(other).rank


_RANKS = {"info": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}
