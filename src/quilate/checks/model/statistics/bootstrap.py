"""Percentile intervals by resampling whole rows.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. Rows are drawn with replacement, not
stratified by class, so that the class shares vary as they would in another sample of the same population. PCG64 with
a given seed: the same file and parameters give the same interval to the last digit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite

import numpy as np

from quilate.checks.model.statistics.metrics import Metric
from quilate.checks.model.statistics.predictions import Numbers

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]

MAX_LOST_SHARE = 0.05
"""A metric that has no value in more than 5 % of the samples gets no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric with its interval; ``None`` where it has no value."""

    value: float | None
    low: float | None
    high: float | None
    sample_size: int


def estimates(
    metrics: Mapping[str, Metric], multiplicities: Counts, *, confidence: float, samples: int, seed: int
) -> Mapping[str, Estimate]:
    """Return every metric with its interval, all from the same samples.

    Args:
        metrics: Functions of row weights.
        multiplicities: How often each distinct row is in the file.
        confidence: Share of intervals that hold the true value, for example 0.95.
        samples: Number of bootstrap samples.
        seed: Of the generator.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = int(multiplicities.sum())
    draws = {name: np.empty(samples) for name in metrics}
    for sample in range(samples):
        weights = _resampled(generator, multiplicities, rows)
        for name, metric in metrics.items():
            draws[name][sample] = metric(weights)
    whole = multiplicities.astype(np.float64)
    return {
        name: _estimate(metric(whole), draws[name], rows=rows, confidence=confidence)
        for name, metric in metrics.items()
    }


def _resampled(generator: np.random.Generator, multiplicities: Counts, rows: int) -> Numbers:
    """Return how often each distinct row is drawn in ``rows`` draws with replacement."""
    distinct = len(multiplicities)
    if distinct == rows:
        return np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(np.float64)
    return generator.multinomial(rows, multiplicities / rows).astype(np.float64)


def _estimate(
    value: float, draws: np.ndarray[tuple[int], np.dtype[np.float64]], *, rows: int, confidence: float
) -> Estimate:
    if not isfinite(value):
        return Estimate(value=None, low=None, high=None, sample_size=rows)
    kept = draws[np.isfinite(draws)]
    if len(kept) < (1 - MAX_LOST_SHARE) * len(draws):
        return Estimate(value=value, low=None, high=None, sample_size=rows)
    tail = (1 - confidence) / 2
    low, high = np.quantile(kept, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high), sample_size=rows)


def needed_sample(estimate: Estimate, limit: float) -> int | None:
    """Return about how many rows would settle whether the metric meets the limit.

    The half width of an interval shrinks with the root of the sample, so that n (half width / distance)² rows bring
    it down to the distance between value and limit. ``None`` where the value equals the limit: no sample settles it.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    distance = abs(estimate.value - limit)
    half_width = max(estimate.value - estimate.low, estimate.high - estimate.value)
    if distance == 0:
        return None
    needed = estimate.sample_size * (half_width / distance) ** 2
    return max(ceil(round(needed, 6)), estimate.sample_size + 1) if needed < MAX_NEEDED else None


MAX_NEEDED = 1e12
"""Beyond a trillion rows the value is as good as equal to the limit."""
