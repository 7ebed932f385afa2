"""Intervals for the difference of two proportions, and for the largest of several differences.

The largest difference among groups is biased upward: between equal groups it is never zero in a sample, and its
bootstrap inherits the bias. So each pair of groups gets its own interval, at a level that makes all of them hold at
once (Bonferroni), and the largest gap is bounded from them: from below by the largest lower bound, from above by the
largest upper bound. Its coverage is at least nominal; for two groups it is about nominal.

Source: Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10 (hybrid score, from Wilson's intervals without
continuity correction); Dunn, JASA 56 (1961) 52-64, for the correction over pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil, sqrt
from statistics import NormalDist

MAX_NEEDED = 10_000_000
"""Beyond ten million rows the gap is as good as equal to the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """How many of a group's rows have the property. ``rate`` names the property, ``group`` the rows."""

    group: str
    rate: str
    hits: int
    size: int

    @property
    def share(self) -> float:
        """Hits by size."""
        return self.hits / self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The absolute difference of two proportions with its interval."""

    first: Proportion
    second: Proportion
    value: float
    low: float
    high: float

    @property
    def smaller(self) -> Proportion:
        """The group with fewer rows."""
        return min(self.first, self.second, key=lambda one: one.size)

    @property
    def lower(self) -> Proportion:
        """The group with the lower rate."""
        return min(self.first, self.second, key=lambda one: one.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disparity:
    """The largest gap over all pairs, with an interval that holds for all pairs at once."""

    widest: Gap
    low: float
    high: float
    gaps: tuple[Gap, ...]
    level: float


def wilson(share: float, size: float, level: float) -> tuple[float, float]:
    """Return Wilson's score interval."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = share + z * z / (2 * size)
    reach = z * sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    scale = 1 + z * z / size
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def newcombe(first: tuple[float, float], second: tuple[float, float], level: float) -> tuple[float, float]:
    """Return the interval for the difference of two proportions, each given as share and size."""
    share_1, share_2 = first[0], second[0]
    low_1, high_1 = wilson(*first, level)
    low_2, high_2 = wilson(*second, level)
    difference = share_1 - share_2
    low = difference - sqrt((share_1 - low_1) ** 2 + (high_2 - share_2) ** 2)
    high = difference + sqrt((high_1 - share_1) ** 2 + (share_2 - low_2) ** 2)
    return max(-1.0, low), min(1.0, high)


def _absolute(low: float, high: float) -> tuple[float, float]:
    return max(0.0, low, -high), max(abs(low), abs(high))


def disparity(families: Sequence[Sequence[Proportion]], confidence: float) -> Disparity:
    """Return the largest gap within the families; each family holds one rate of groups that are compared.

    Args:
        families: At least one with at least two groups.
        confidence: Of all pairs at once.
    """
    pairs = [pair for family in families for pair in combinations(family, 2)]
    level = 1 - (1 - confidence) / len(pairs)
    gaps = tuple(_gap(first, second, level) for first, second in pairs)
    return Disparity(
        widest=max(gaps, key=lambda gap: gap.value),
        low=max(gap.low for gap in gaps),
        high=max(gap.high for gap in gaps),
        gaps=gaps,
        level=level,
    )


def _gap(first: Proportion, second: Proportion, level: float) -> Gap:
    bounds = newcombe((first.share, first.size), (second.share, second.size), level)
    low, high = _absolute(*bounds)
    value = abs(first.hits * second.size - second.hits * first.size) / (first.size * second.size)
    return Gap(first=first, second=second, value=value, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededRows:
    """How many rows settle a gap: of one group alone, or of each group of the pair."""

    group: str
    rows: int
    of_each: bool


def needed_rows(found: Disparity, limit: float) -> NeededRows | None:
    """Return about how many rows would settle whether the gap meets the limit, were the rates to stay.

    First more rows of the smallest group among the open pairs, then of both groups of that pair; ``None`` where the
    gap is as good as equal to the limit.
    """
    open_gaps = [gap for gap in found.gaps if gap.low <= limit < gap.high]
    if not open_gaps:
        return None
    gap = min(open_gaps, key=lambda one: one.smaller.size)
    for of_each in (False, True):
        rows = _smallest_settling(gap, limit, found.level, of_each=of_each)
        if rows is not None:
            return NeededRows(group=gap.smaller.group, rows=rows, of_each=of_each)
    return None


def _smallest_settling(gap: Gap, limit: float, level: float, *, of_each: bool) -> int | None:
    small = gap.smaller
    other = gap.second if small is gap.first else gap.first

    def settles(rows: int) -> bool:
        other_rows = max(rows, other.size) if of_each else other.size
        low, high = _absolute(*newcombe((small.share, rows), (other.share, other_rows), level))
        return high <= limit or low > limit

    low, high = small.size, small.size * 2
    while not settles(high):
        low, high = high, high * 2
        if high > MAX_NEEDED:
            return None
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return ceil(high)
