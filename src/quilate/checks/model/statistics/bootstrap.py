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

_NO_SPREAD = 1e-12
"""Samples this close to each other differ by rounding only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric with its interval; ``None`` where it has no value."""

    value: float | None
    low: float | None
    high: float | None
    sample_size: int


def estimates(  # noqa: PLR0913 - one argument per thing that an interval depends on
    metrics: Mapping[str, Metric],
    multiplicities: Counts,
    *,
    confidence: float,
    samples: int,
    seed: int,
    support: Mapping[str, int] | None = None,
) -> Mapping[str, Estimate]:
    """Return every metric with its interval, all from the same samples.

    Args:
        metrics: Functions of row weights.
        multiplicities: How often each distinct row is in the file.
        confidence: Share of intervals that hold the true value, for example 0.95.
        samples: Number of bootstrap samples.
        seed: Of the generator.
        support: For each metric that is a share, the least number of rows that one of its parts rests on. Where all
            samples agree, on zero or on one, resampling says nothing of what was not seen, and the exact binomial
            bound (Clopper and Pearson, 1934) over these rows takes its place. Other metrics then get an interval only
            where by the same bound less than ``MAX_LOST_SHARE`` of all rows could be unlike those that were seen.
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
        name: _estimate(
            metric(whole), draws[name], rows=rows, confidence=confidence, support=(support or {}).get(name, 0)
        )
        for name, metric in metrics.items()
    }


def _resampled(generator: np.random.Generator, multiplicities: Counts, rows: int) -> Numbers:
    """Return how often each distinct row is drawn in ``rows`` draws with replacement."""
    distinct = len(multiplicities)
    if distinct == rows:
        return np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(np.float64)
    return generator.multinomial(rows, multiplicities / rows).astype(np.float64)


def _estimate(
    value: float, draws: np.ndarray[tuple[int], np.dtype[np.float64]], *, rows: int, confidence: float, support: int
) -> Estimate:
    if not isfinite(value):
        return Estimate(value=None, low=None, high=None, sample_size=rows)
    kept = draws[np.isfinite(draws)]
    if len(kept) < (1 - MAX_LOST_SHARE) * len(draws):
        return Estimate(value=value, low=None, high=None, sample_size=rows)
    tail = (1 - confidence) / 2
    if np.ptp(kept) <= _NO_SPREAD * max(abs(value), 1.0):
        return _without_spread(value, rows=rows, tail=tail, support=support)
    low, high = np.quantile(kept, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high), sample_size=rows)


def _without_spread(value: float, *, rows: int, tail: float, support: int) -> Estimate:
    bound = tail ** (1 / support) if support else 0.0
    if support and abs(value - 1) <= _NO_SPREAD:
        return Estimate(value=value, low=bound, high=1.0, sample_size=rows)
    if support and abs(value) <= _NO_SPREAD:
        return Estimate(value=value, low=0.0, high=1 - bound, sample_size=rows)
    seen = 1 - tail ** (1 / rows) <= MAX_LOST_SHARE
    return Estimate(value=value, low=value if seen else None, high=value if seen else None, sample_size=rows)


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
