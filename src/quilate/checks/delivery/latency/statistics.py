"""Distribution-free confidence intervals of quantiles, by order statistics.

Of n independent latencies, the number that lies at or below the true q-quantile is binomial with parameters n and q,
whatever the distribution. So the ranks that bracket the quantile follow from the binomial distribution alone.

Source: Hahn and Meeker, Statistical Intervals, section 5.2; David and Nagaraja, Order Statistics, section 7.1.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

MAX_TOLD_SAMPLE = 1_000_000
"""A needed sample beyond this is not told: nobody would send so many requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileEstimate:
    """A quantile of a sample, in the sample's unit; ``low`` or ``high`` is ``None`` where n is too small for it."""

    value: float
    low: float | None
    high: float | None
    sample_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileRanks:
    """Ranks, counted from one, whose order statistics bound a quantile; ``None`` where n is too small."""

    low: int | None
    high: int | None


def quantile_ranks(sample_size: int, quantile: float, confidence: float) -> QuantileRanks:
    """Return the ranks of the two-sided interval; each side misses with at most half of ``1 - confidence``."""
    tail = (1 - confidence) / 2
    cumulated, low, high = 0.0, None, None
    for count, probability in enumerate(_binomial(sample_size, quantile)):
        cumulated += probability
        if cumulated <= tail and count < sample_size:
            low = count + 1
        if cumulated >= 1 - tail and count < sample_size:
            high = count + 1
            break
    return QuantileRanks(low=low, high=high)


def estimate_quantile(ordered: Sequence[float], quantile: float, confidence: float) -> QuantileEstimate:
    """Return the nearest-rank quantile of an ascending, non-empty sample with its interval."""
    size = len(ordered)
    ranks = quantile_ranks(size, quantile, confidence)
    return QuantileEstimate(
        value=ordered[max(math.ceil(size * quantile), 1) - 1],
        low=None if ranks.low is None else ordered[ranks.low - 1],
        high=None if ranks.high is None else ordered[ranks.high - 1],
        sample_size=size,
    )


def smallest_sample(quantile: float, confidence: float) -> int:
    """Return the smallest n whose greatest value bounds the quantile from above."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(quantile))


def needed_sample(within_limit: int, sample_size: int, quantile: float, confidence: float) -> int | None:
    """Return about how large n must be to tell whether the quantile keeps a limit, or ``None`` if that is too close.

    ``within_limit`` of ``sample_size`` values kept the limit; the question is whether that share is at least
    ``quantile``, so the normal approximation of a proportion's interval tells the size.
    """
    distance = abs(within_limit / sample_size - quantile)
    smallest = max(smallest_sample(quantile, confidence), sample_size + 1)
    if not distance:
        return None
    normal = NormalDist().inv_cdf(1 - (1 - confidence) / 2)
    size = max(math.ceil(normal**2 * quantile * (1 - quantile) / distance**2), smallest)
    return size if size <= MAX_TOLD_SAMPLE else None


def _binomial(size: int, probability: float) -> Iterator[float]:
    """Yield the probability of 0, 1, … ``size`` successes."""
    log_success, log_failure = math.log(probability), math.log1p(-probability)
    whole = math.lgamma(size + 1)
    for count in range(size + 1):
        ways = whole - math.lgamma(count + 1) - math.lgamma(size - count + 1)
        yield math.exp(ways + count * log_success + (size - count) * log_failure)
