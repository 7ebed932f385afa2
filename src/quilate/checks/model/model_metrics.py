"""Is a model good enough on held-out data, and better than a trivial one?

Why: A score on a few hundred rows is a draw from a distribution. A limit gates on the bounds of an interval: what lies
inside is undecided, and the answer says how many rows would settle it.

Input: A file of predictions (CSV, TSV, Parquet, JSON, NDJSON) with the truth and the prediction, the score of the
positive class, or both. Without a prediction, a score of at least decision_threshold predicts the positive class. The
task is taken from the requested metrics, else from the truth: numbers with fractions, or more than 20 different ones,
are a regression. Of several classes precision, recall and F1 are macro averages.

Facts: accuracy, balanced_accuracy, precision, recall, f1_score, roc_auc, pr_auc (average precision), log_loss,
brier_score; mean_squared_error, mean_absolute_error, r2; baseline_gain (accuracy above that of the most frequent class,
or mean squared error below that of the mean); rows. Each with low, high and sample size; a metric that the data cannot
give is null.

Limits: min_metrics and max_metrics by name. Met when the whole interval meets it, missed when the whole interval misses
it. must_beat_baseline: the gain must be above zero. Intervals are percentiles of bootstrap_samples samples of whole
rows (not stratified) at confidence, from a fixed seed; where no sample differs, a share of zero or one gets its exact
binomial bound over the rows of the rarest class (accuracy: over all rows), and other metrics of few rows stay open.

Findings: QL-MOD-101 a metric misses its limit, 102 the model is no better than the trivial baseline on this data (a
gain of zero or less; a gain whose interval still reaches zero is undecided).

Raises: The file is missing or broken; a truth, prediction or score is missing or no number (names record and line); a
score lies outside [0, 1] and log_loss or brier_score is asked for.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993); definitions in
quilate/checks/model/statistics/metrics.py.
"""

import builtins
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.model.parameters import (
    BASELINE_GAIN,
    METRIC_UNITS,
    REGRESSION_METRICS,
    ModelMetricsBinding,
    ModelMetricsParameters,
)
from quilate.domain.errors import ConfigurationError, ToolMissingError
from quilate.domain.ids import RuleId
from quilate.domain.nearest import nearest_hint
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Evidence,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    Undecided,
    number_fact,
)

if TYPE_CHECKING:
    from quilate.checks.model.statistics.bootstrap import Estimate


class ModelMetrics:
    """Measures predictions and holds them against limits."""

    type: ClassVar[str] = "MODEL_METRICS"
    version: ClassVar[str] = "1"
    queue: ClassVar[Queue] = Queue.ML
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = {
        "severity_threshold": "medium",
        "min_metrics": {},
        "max_metrics": {},
        "must_beat_baseline": True,
        "decision_threshold": "0.5",
        "confidence": "0.95",
        "bootstrap_samples": 1000,
        "seed": 20260101,
    }
    parameters: ClassVar[builtins.type] = ModelMetricsParameters
    binding: ClassVar[builtins.type] = ModelMetricsBinding

    def produces(self, parameters: ModelMetricsParameters) -> tuple[FactSpec, ...]:
        """Return all metrics.

        Raises:
            ConfigurationError: A limit names a metric that there is not, or a parameter is out of its range.
        """
        _validate(parameters)
        metrics = tuple(FactSpec(name=name, type=FactType.NUMBER, unit=unit) for name, unit in METRIC_UNITS.items())
        gain = FactSpec(
            name=BASELINE_GAIN, type=FactType.NUMBER, description="how much better than the trivial model; above zero"
        )
        return (*metrics, gain, FactSpec(name="rows", type=FactType.NUMBER, unit="count"))

    def inputs(self, parameters: ModelMetricsParameters, binding: ModelMetricsBinding) -> Inputs:  # noqa: ARG002 - contract
        """Return the predictions."""
        return Inputs(files=(binding.predictions,))

    def run(self, context: Context) -> Evidence:
        """Measure the predictions.

        Raises:
            EvidenceError: They cannot be read.
        """
        parameters: ModelMetricsParameters = context.parameters
        _validate(parameters)
        try:
            from quilate.checks.model.statistics.measurement import measure  # noqa: PLC0415 - loads numpy and Polars
        except ImportError as error:
            raise ToolMissingError(
                "numpy or polars is not installed", next_step="pip install 'quilate[model]'"
            ) from error
        measured = measure(context.workspace, parameters, context.binding)
        asked = {*parameters.min_metrics, *parameters.max_metrics}
        path = context.binding.predictions
        findings = [*_limit_findings(path, parameters, measured.estimates)]
        undecided = [*_limit_undecided(parameters, measured.estimates)]
        if parameters.must_beat_baseline:
            findings += _baseline_findings(path, measured.estimates, measured.baseline)
            undecided += _baseline_undecided(measured.estimates, measured.baseline)
        empty = measured.estimates.get
        facts = [_fact(name, unit, empty(name)) for name, unit in {**METRIC_UNITS, BASELINE_GAIN: ""}.items()]
        shown = sorted(asked) or (["f1_score"] if measured.task == "classification" else ["r2"])
        return Evidence(
            summary=", ".join([*(_summary(name, empty(name)) for name in shown), f"n {measured.rows:,}"]),
            facts=(*facts, number_fact("rows", measured.rows, unit="count")),
            findings=tuple(findings),
            undecided=tuple(undecided),
            notes=measured.notes,
        )

    def canary(self, directory: Path) -> Canary:
        """Write predictions that are wrong every second time."""
        rows = "".join(f"{number % 2},{(number // 2) % 2}\n" for number in range(400))
        (directory / "predictions.csv").write_text("y_true,y_pred\n" + rows, encoding="utf-8")
        return Canary(
            expected_rules=("QL-MOD-101", "QL-MOD-102"),
            parameters={"min_metrics": {"f1_score": "0.8"}},
            binding={"predictions": "predictions.csv"},
        )


def _validate(parameters: ModelMetricsParameters) -> None:
    for name in (*parameters.min_metrics, *parameters.max_metrics):
        if name not in METRIC_UNITS:
            raise ConfigurationError(
                f"there is no metric {name!r}{nearest_hint(name, METRIC_UNITS)}",
                next_step=f"use {', '.join(METRIC_UNITS)}",
            )
    if not 0 < parameters.confidence < 1:
        raise ConfigurationError("confidence must lie between 0 and 1, for example 0.95")
    if parameters.bootstrap_samples < 100:  # noqa: PLR2004 - fewer samples have no tails to take percentiles of
        raise ConfigurationError("bootstrap_samples must be at least 100")


def _fact(name: str, unit: str, estimate: "Estimate | None") -> Any:
    if estimate is None:
        return number_fact(name, None, unit=unit)
    return number_fact(
        name, estimate.value, unit=unit, low=estimate.low, high=estimate.high, sample_size=estimate.sample_size
    )


def _summary(name: str, estimate: "Estimate | None") -> str:
    return f"{name} {_interval(estimate)}"


def _interval(estimate: "Estimate | None") -> str:
    if estimate is None or estimate.value is None:
        return "not measurable"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4g} without interval"
    return f"{estimate.value:.4g} in [{estimate.low:.4g}, {estimate.high:.4g}]"


def _limits(parameters: ModelMetricsParameters) -> Iterator[tuple[str, Decimal, bool]]:
    yield from ((name, limit, True) for name, limit in parameters.min_metrics.items())
    yield from ((name, limit, False) for name, limit in parameters.max_metrics.items())


def _limit_findings(
    path: str, parameters: ModelMetricsParameters, estimates: "Mapping[str, Estimate]"
) -> Iterator[Finding]:
    for name, limit, is_minimum in _limits(parameters):
        estimate = estimates.get(name)
        if estimate is None or estimate.low is None or estimate.high is None:
            continue
        low, high = Decimal(repr(estimate.low)), Decimal(repr(estimate.high))
        if (high < limit) if is_minimum else (low > limit):
            word = "at least" if is_minimum else "at most"
            yield Finding(
                rule=RuleId("QL-MOD-101"),
                kind=FindingKind.MODEL,
                severity=Severity.HIGH,
                message=f"{name} is {_interval(estimate)}, the limit is {word} {limit}",
                location=Location(path=path, field=name),
                measured=f"{_interval(estimate)}, n {estimate.sample_size}",
                limit=f"{word} {limit}",
                fix="Improve the model or its data, or agree on another limit.",
                context=f"{name} {word}",
            )


def _limit_undecided(parameters: ModelMetricsParameters, estimates: "Mapping[str, Estimate]") -> Iterator[Undecided]:
    from quilate.checks.model.statistics.bootstrap import needed_sample  # noqa: PLC0415 - loads numpy

    for name, limit, is_minimum in _limits(parameters):
        estimate = estimates.get(name)
        if estimate is None or estimate.low is None or estimate.high is None:
            yield Undecided(
                subject=name,
                reason=f"{name} is {_interval(estimate)} on these predictions",
                next_step=_what_is_missing(name),
            )
            continue
        low, high = Decimal(repr(estimate.low)), Decimal(repr(estimate.high))
        if low < limit <= high if is_minimum else low <= limit < high:
            needed = needed_sample(estimate, float(limit))
            yield Undecided(
                subject=name,
                reason=f"{name} is {_interval(estimate)}, limit {limit}, n {estimate.sample_size}",
                next_step=_settles(needed),
                needed_sample=needed,
            )


def _settles(needed: int | None) -> str:
    if needed is None:
        return "the value is as good as equal to the limit; agree on another limit"
    return f"about {needed:,} rows of the same kind settle it"


def _what_is_missing(name: str) -> str:
    if name in {"roc_auc", "pr_auc", "log_loss", "brier_score"}:
        return "bind a `score` column of two classes, both of them in the data"
    if name in REGRESSION_METRICS:
        return "bind numeric `y_true` and `y_pred` that vary"
    return "give data in which every class occurs often enough"


def _baseline_findings(path: str, estimates: "Mapping[str, Estimate]", baseline: str) -> list[Finding]:
    gain = estimates.get(BASELINE_GAIN)
    if gain is None or gain.value is None or gain.value > 0:
        return []
    return [
        Finding(
            rule=RuleId("QL-MOD-102"),
            kind=FindingKind.MODEL,
            severity=Severity.HIGH,
            message=f"the model is no better than {baseline}",
            location=Location(path=path, field=BASELINE_GAIN),
            measured=f"gain {_interval(gain)}, n {gain.sample_size}",
            limit="a gain above 0",
            fix="Look for a signal in the data first; a constant would serve as well as this model.",
            context=BASELINE_GAIN,
        )
    ]


def _baseline_undecided(estimates: "Mapping[str, Estimate]", baseline: str) -> list[Undecided]:
    from quilate.checks.model.statistics.bootstrap import needed_sample  # noqa: PLC0415 - loads numpy

    gain = estimates.get(BASELINE_GAIN)
    if gain is not None and gain.value is not None and (gain.value <= 0 or (gain.low is not None and gain.low > 0)):
        return []
    needed = needed_sample(gain, 0.0) if gain is not None else None
    return [
        Undecided(
            subject=BASELINE_GAIN,
            reason=f"the gain over {baseline} is {_interval(gain)}",
            next_step=_settles(needed),
            needed_sample=needed,
        )
    ]
