"""What the checks of models take from blueprint and project file, and the names of what they measure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

CLASSIFICATION_METRICS = {
    "accuracy": "ratio",
    "balanced_accuracy": "ratio",
    "precision": "ratio",
    "recall": "ratio",
    "f1_score": "ratio",
    "roc_auc": "ratio",
    "pr_auc": "ratio",
    "log_loss": "",
    "brier_score": "",
}
REGRESSION_METRICS = {"mean_squared_error": "", "mean_absolute_error": "", "r2": ""}
METRIC_UNITS = {**CLASSIFICATION_METRICS, **REGRESSION_METRICS}
"""All metrics with their unit."""

BASELINE_GAIN = "baseline_gain"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetricsParameters:
    """Limits by metric, and how intervals are made; ``seed`` fixes them."""

    min_metrics: Mapping[str, Decimal]
    max_metrics: Mapping[str, Decimal]
    must_beat_baseline: bool
    decision_threshold: Decimal
    confidence: Decimal
    bootstrap_samples: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetricsBinding:
    """Which file and which of its columns; ``y_pred`` and ``score`` need not both be there."""

    predictions: str
    y_true: str = "y_true"
    y_pred: str = "y_pred"
    score: str = "score"
    positive: str | int | bool = "1"
    task: Literal["auto", "classification", "regression"] = "auto"
    delimiter: str = ""
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFairnessParameters:
    """``max_disparity`` is a difference of shares; groups below ``min_group_size`` rows are not compared."""

    max_disparity: Decimal
    measure: Literal["demographic_parity", "equal_opportunity", "equalized_odds"]
    min_group_size: int
    decision_threshold: Decimal
    confidence: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFairnessBinding:
    """Which file and which of its columns; ``y_true`` is needed for all but demographic parity."""

    predictions: str
    groups: tuple[str, ...]
    y_true: str = "y_true"
    y_pred: str = "y_pred"
    score: str = "score"
    positive: str | int | bool = "1"
    delimiter: str = ""
    encoding: str = "utf-8"
