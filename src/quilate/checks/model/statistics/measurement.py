"""Read predictions and measure them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import polars as pl

from quilate.checks.model.parameters import (
    BASELINE_GAIN,
    CLASSIFICATION_METRICS,
    REGRESSION_METRICS,
    ModelMetricsBinding,
    ModelMetricsParameters,
)
from quilate.checks.model.statistics import predictions as read
from quilate.checks.model.statistics.bootstrap import Counts, Estimate, estimates
from quilate.checks.model.statistics.metrics import (
    Confusion,
    Metric,
    classification_metrics,
    mean_of,
    regression_metrics,
    score_metrics,
)
from quilate.checks.tables.model import Table
from quilate.checks.tables.reader import read_table
from quilate.checks.workspace import Workspace
from quilate.domain.errors import EvidenceError

MOST_CLASSES = 20
"""More different integers than this are taken for a quantity, not for classes."""

_PROBABILITY_METRICS = ("log_loss", "brier_score")
_BINARY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All metrics of a file. ``baseline`` says in words what the trivial model is."""

    task: str
    rows: int
    estimates: Mapping[str, Estimate]
    baseline: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    task: str
    metrics: Mapping[str, Metric]
    multiplicities: Counts
    baseline: str
    notes: tuple[str, ...] = ()
    support: Mapping[str, int] = field(default_factory=dict)


def measure(workspace: Workspace, parameters: ModelMetricsParameters, binding: ModelMetricsBinding) -> Measured:
    """Return every metric with its interval.

    Raises:
        EvidenceError: The file or a value in it cannot be used.
    """
    table = read_table(workspace, binding.predictions, delimiter=binding.delimiter, encoding=binding.encoding)
    table.require_rectangular()
    table.require_columns((binding.y_true,), "y_true")
    if table.rows == 0:
        raise EvidenceError(f"{table.path} has no predictions", next_step="bind a file with records")
    if _is_regression(table, parameters, binding):
        problem = _regression(table, binding)
    else:
        problem = _classification(table, parameters, binding)
    return Measured(
        task=problem.task,
        rows=table.rows,
        estimates=estimates(
            problem.metrics,
            problem.multiplicities,
            confidence=float(parameters.confidence),
            samples=parameters.bootstrap_samples,
            seed=parameters.seed,
            support=problem.support,
        ),
        baseline=problem.baseline,
        notes=problem.notes,
    )


def _is_regression(table: Table, parameters: ModelMetricsParameters, binding: ModelMetricsBinding) -> bool:
    if binding.task != "auto":
        return binding.task == "regression"
    asked = {*parameters.min_metrics, *parameters.max_metrics}
    if asked & set(REGRESSION_METRICS):
        return True
    if asked & set(CLASSIFICATION_METRICS):
        return False
    return read.is_continuous(table.frame[binding.y_true], MOST_CLASSES)


def _regression(table: Table, binding: ModelMetricsBinding) -> _Problem:
    table.require_columns((binding.y_pred,), "y_pred")
    truth, predicted = read.numbers(table, binding.y_true), read.numbers(table, binding.y_pred)
    mean = truth.mean()
    (truth, predicted), multiplicities = _distinct(truth, predicted)
    gain = (truth - mean) ** 2 - (truth - predicted) ** 2
    metrics = {**regression_metrics(truth, predicted), BASELINE_GAIN: mean_of(gain)}
    baseline = "always predicting the mean"
    return _Problem(task="regression", metrics=metrics, multiplicities=multiplicities, baseline=baseline)


def _classification(table: Table, parameters: ModelMetricsParameters, binding: ModelMetricsBinding) -> _Problem:
    truth = read.labels(table, binding.y_true)
    positive = read.canonical_label(str(binding.positive))
    has_score = binding.score in table.frame.columns
    scores = read.numbers(table, binding.score) if has_score else None
    predicted = predicted_labels(table, truth, binding, scores, parameters.decision_threshold)
    labels = _with_positive(read.encoded(truth, predicted), positive, binding)
    code = labels.names.index(positive) if positive in labels.names and len(labels.names) <= _BINARY else None
    if scores is not None:
        _require_probabilities(table, parameters, binding)
    sizes = np.bincount(labels.truth)
    majority, rarest = int(sizes.argmax()), int(sizes[sizes > 0].min())
    columns = (labels.truth, labels.predicted, *(() if scores is None else (scores,)))
    distinct, multiplicities = _distinct(*columns)
    truth_codes, predicted_codes = (column.astype(np.int64) for column in distinct[:2])
    confusion = Confusion(truth_codes, predicted_codes, len(labels.names), code)
    metrics = dict(classification_metrics(confusion))
    if scores is not None and code is not None:
        probabilities = bool(((scores >= 0) & (scores <= 1)).all())
        metrics |= score_metrics(truth_codes == code, distinct[2], probabilities=probabilities)
    right = (truth_codes == predicted_codes).astype(np.float64)
    metrics[BASELINE_GAIN] = mean_of(right - (truth_codes == majority))
    macro = f"{len(labels.names)} classes: precision, recall and F1 are macro averages"
    return _Problem(
        task="classification",
        metrics=metrics,
        multiplicities=multiplicities,
        baseline=f"always predicting the most frequent class {labels.names[majority][:40]!r}",
        notes=() if code is not None else (macro,),
        support={name: rarest for name, unit in CLASSIFICATION_METRICS.items() if unit == "ratio"}
        | {"accuracy": table.rows},
    )


def _require_probabilities(table: Table, parameters: ModelMetricsParameters, binding: ModelMetricsBinding) -> None:
    asked = {*parameters.min_metrics, *parameters.max_metrics}.intersection(_PROBABILITY_METRICS)
    if asked:
        read.refuse_beyond_unit(table, binding.score, min(asked))


def _distinct(*columns: read.Numbers | read.Codes) -> tuple[tuple[read.Numbers, ...], Counts]:
    """Return the distinct rows, column by column, and how often each occurs."""
    stacked = np.column_stack([column.astype(np.float64) for column in columns])
    rows, counts = np.unique(stacked, axis=0, return_counts=True)
    return tuple(np.ascontiguousarray(column) for column in rows.T), counts.astype(np.int64)


def predicted_labels(
    table: Table, truth: pl.Series, binding: ModelMetricsBinding, scores: read.Numbers | None, threshold: Decimal
) -> pl.Series:
    """Return the predicted labels: the bound column, or the positive class from a score of ``threshold`` on.

    Raises:
        EvidenceError: There is neither, or the scores are of more than two classes.
    """
    if binding.y_pred in table.frame.columns or scores is None:
        table.require_columns((binding.y_pred,), "y_pred")
        return read.labels(table, binding.y_pred)
    positive = read.canonical_label(str(binding.positive))
    others = sorted(set(truth.unique().to_list()) - {positive})
    if len(others) > 1:
        raise EvidenceError(
            f"{table.path} has a score but no {binding.y_pred!r}, and more than two classes",
            next_step="bind `y_pred`, or `positive` to the class that the score is of",
        )
    other = others[0] if others else f"not {positive}"
    return pl.Series([positive if score >= float(threshold) else other for score in scores], dtype=pl.String)


def _with_positive(labels: read.Labels, positive: str, binding: ModelMetricsBinding) -> read.Labels:
    """Add the positive class where only the other one occurs, so that its metrics are open instead of perfect."""
    if positive in labels.names or len(labels.names) > _BINARY:
        return labels
    if len(labels.names) == _BINARY:
        raise EvidenceError(
            f"no record has the positive label {positive!r}",
            next_step=f"bind `positive` to one of {', '.join(labels.names)}; the column is {binding.y_true}",
        )
    return read.Labels(names=(*labels.names, positive), truth=labels.truth, predicted=labels.predicted)
