"""Metrics as functions of row weights.

Every metric is computed from distinct rows and a weight for each: how often the row is in the file gives the metric
itself, how often it is in a bootstrap sample the metric of that sample, without copying a row. A metric that has no
value there (one class only, no variance) is NaN.

Source: definitions as in scikit-learn's user guide, section 3.4; ROC AUC as the Mann-Whitney statistic with ties
counted half; PR AUC as average precision, the sum of precision over the steps of recall.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from quilate.checks.model.statistics.predictions import Codes, Numbers

Metric = Callable[[Numbers], float]

CLIP = float(np.finfo(np.float64).eps)
"""Probabilities of zero and one are moved by so much in the logarithm, as scikit-learn does."""


def _divided(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else float("nan")


@dataclass(frozen=True, slots=True)
class Confusion:
    """Metrics of the confusion matrix: rows are the truth, columns the prediction.

    ``positive`` is the code of the positive class of a binary problem; ``None`` averages over the classes (macro),
    where a class that is never predicted counts zero and a class that is nowhere is left out.
    """

    truth: Codes
    predicted: Codes
    classes: int
    positive: int | None

    def matrix(self, weights: Numbers) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return the weighted confusion matrix."""
        cells = np.bincount(self.truth * self.classes + self.predicted, weights=weights, minlength=self.classes**2)
        return cells.astype(np.float64).reshape(self.classes, self.classes)

    def accuracy(self, weights: Numbers) -> float:
        """Right predictions by all."""
        return _divided(float(weights[self.truth == self.predicted].sum()), float(weights.sum()))

    def balanced_accuracy(self, weights: Numbers) -> float:
        """Mean recall of the classes that occur; NaN where fewer than two do."""
        matrix = self.matrix(weights)
        support = matrix.sum(axis=1)
        occurring = support > 0
        if int(occurring.sum()) < 2:  # noqa: PLR2004 - a mean over one class measures nothing
            return float("nan")
        return float((np.diag(matrix)[occurring] / support[occurring]).mean())

    def precision(self, weights: Numbers) -> float:
        """Right positives by predicted positives."""
        matrix = self.matrix(weights)
        return self._ratio(np.diag(matrix), matrix.sum(axis=0), matrix)

    def recall(self, weights: Numbers) -> float:
        """Right positives by actual positives."""
        matrix = self.matrix(weights)
        return self._ratio(np.diag(matrix), matrix.sum(axis=1), matrix)

    def f1_score(self, weights: Numbers) -> float:
        """Harmonic mean of precision and recall."""
        matrix = self.matrix(weights)
        return self._ratio(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1), matrix)

    def _ratio(
        self,
        numerators: Numbers,
        denominators: Numbers,
        matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    ) -> float:
        if self.positive is not None:
            return _divided(float(numerators[self.positive]), float(denominators[self.positive]))
        occurring = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
        safe = np.where(denominators > 0, denominators, 1.0)
        return float((numerators / safe)[occurring].mean()) if occurring.any() else float("nan")


class Ranking:
    """Metrics of the order of scores, for one positive class."""

    def __init__(self, is_positive: np.ndarray[tuple[int], np.dtype[np.bool_]], scores: Numbers) -> None:
        _, self._group = np.unique(scores, return_inverse=True)
        self._groups = int(self._group.max()) + 1
        self._is_positive = is_positive.astype(np.float64)
        self._is_negative = 1.0 - self._is_positive

    def _by_score(self, weights: Numbers) -> tuple[Numbers, Numbers]:
        positives = np.bincount(self._group, weights=weights * self._is_positive, minlength=self._groups)
        negatives = np.bincount(self._group, weights=weights * self._is_negative, minlength=self._groups)
        return positives.astype(np.float64), negatives.astype(np.float64)

    def roc_auc(self, weights: Numbers) -> float:
        """Probability that a positive scores above a negative, ties counted half."""
        positives, negatives = self._by_score(weights)
        below = np.cumsum(negatives) - negatives
        won = float((positives * (below + negatives / 2)).sum())
        return _divided(won, float(positives.sum()) * float(negatives.sum()))

    def pr_auc(self, weights: Numbers) -> float:
        """Average precision."""
        positives, negatives = self._by_score(weights)
        positives, negatives = positives[::-1], negatives[::-1]
        total = float(positives.sum())
        if total == 0:
            return float("nan")
        hits = np.cumsum(positives)
        seen = hits + np.cumsum(negatives)
        steps = positives > 0
        return float((positives[steps] * hits[steps] / seen[steps]).sum()) / total


def mean_of(values: Numbers) -> Metric:
    """Return the metric that is the mean of a value per row."""

    def mean(weights: Numbers) -> float:
        return _divided(float(weights @ values), float(weights.sum()))

    return mean


def r2_of(truth: Numbers, predicted: Numbers) -> Metric:
    """Return the coefficient of determination; NaN where the truth does not vary."""
    squared_error = (truth - predicted) ** 2

    def r2(weights: Numbers) -> float:
        mean = _divided(float(weights @ truth), float(weights.sum()))
        spread = float(weights @ (truth - mean) ** 2)
        return float("nan") if spread == 0 else 1 - float(weights @ squared_error) / spread

    return r2


def classification_metrics(confusion: Confusion) -> Mapping[str, Metric]:
    """Return the metrics that need labels only."""
    return {
        "accuracy": confusion.accuracy,
        "balanced_accuracy": confusion.balanced_accuracy,
        "precision": confusion.precision,
        "recall": confusion.recall,
        "f1_score": confusion.f1_score,
    }


def score_metrics(
    is_positive: np.ndarray[tuple[int], np.dtype[np.bool_]], scores: Numbers, *, probabilities: bool
) -> Mapping[str, Metric]:
    """Return the metrics of scores; those of probabilities only where the scores are."""
    ranking = Ranking(is_positive, scores)
    metrics: dict[str, Metric] = {"roc_auc": ranking.roc_auc, "pr_auc": ranking.pr_auc}
    if probabilities:
        clipped = np.clip(scores, CLIP, 1 - CLIP)
        metrics["log_loss"] = mean_of(-np.log(np.where(is_positive, clipped, 1 - clipped)))
        metrics["brier_score"] = mean_of((scores - is_positive) ** 2)
    return metrics


def regression_metrics(truth: Numbers, predicted: Numbers) -> Mapping[str, Metric]:
    """Return the metrics of numbers."""
    return {
        "mean_squared_error": mean_of((truth - predicted) ** 2),
        "mean_absolute_error": mean_of(np.abs(truth - predicted)),
        "r2": r2_of(truth, predicted),
    }
