"""Pauses between attempts: exponential with full jitter.

Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: among the variants full jitter
spreads callers best, who would otherwise all come back at the same moments.
"""

import random
from dataclasses import dataclass

_MOST_DOUBLINGS = 64
"""Beyond this every pause is the longest one anyway, and a float would overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before the next attempt.

    Attributes:
        first_seconds: The longest that the first pause can be.
        longest_seconds: The longest that any pause can be.
        factor: What the longest pause grows by with each failure.
    """

    first_seconds: float = 0.5
    longest_seconds: float = 60.0
    factor: float = 2.0

    def __post_init__(self) -> None:
        if not (0 < self.first_seconds <= self.longest_seconds and self.factor >= 1):
            raise ValueError("a pause is above zero, no longer than the longest, and does not shrink")

    def ceiling(self, failures: int) -> float:
        """Return the longest that the pause after so many failures in a row can be, in seconds; none after none."""
        if failures < 1:
            return 0.0
        return min(self.longest_seconds, self.first_seconds * self.factor ** min(failures - 1, _MOST_DOUBLINGS))

    def pause(self, failures: int, source: random.Random | None = None) -> float:
        """Return a pause between zero and ``ceiling``, in seconds.

        Args:
            failures: Failures in a row so far.
            source: Where chance comes from; a seeded one gives the same pauses again.
        """
        return (source or _CHANCE).uniform(0.0, self.ceiling(failures))


_CHANCE = random.Random()  # noqa: S311 - jitter, no secret
