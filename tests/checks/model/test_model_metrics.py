"""MODEL_METRICS (C15, local half): hand-computed values, brute force as reference, intervals that decide."""

import itertools
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.checks.model.model_metrics import ModelMetrics
from quilate.checks.model.parameters import ModelMetricsParameters
from quilate.checks.model.statistics.bootstrap import Estimate, estimates, needed_sample
from quilate.checks.model.statistics.metrics import Confusion, Ranking, mean_of
from quilate.domain.errors import ConfigurationError, EvidenceError
from quilate.evidence.model import Evidence, Fact
from tests.support.check_runner import run_check

FAST = {"bootstrap_samples": 200}


def measured(directory: Path, content: str, parameters: Mapping[str, Any] | None = None, **binding: Any) -> Evidence:
    (directory / "p.csv").write_text(content, encoding="utf-8")
    full = {"predictions": "p.csv", **binding}
    return run_check("MODEL_METRICS", directory, parameters=FAST | dict(parameters or {}), binding=full)


def facts(evidence: Evidence) -> dict[str, Fact]:
    return {fact.name: fact for fact in evidence.facts}


def number(evidence: Evidence, name: str) -> float:
    value = facts(evidence)[name].number
    assert value is not None
    return float(value)


def repeated(rows: str, times: int) -> str:
    return rows * times


def test_the_canary_goes_red(tmp_path: Path) -> None:
    canary = ModelMetrics().canary(tmp_path)
    evidence = run_check("MODEL_METRICS", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert {finding.rule for finding in evidence.findings} >= set(canary.expected_rules)


def test_classification_by_hand(tmp_path: Path) -> None:
    # Truth 1 1 1 0 0, scores .9 .8 .3 .8 .1, threshold .5: 2 true and 1 false positive, 1 false and 1 true negative.
    content = "y_true,score\n1,0.9\n1,0.8\n1,0.3\n0,0.8\n0,0.1\n"
    evidence = measured(tmp_path, content)
    expected = {
        "accuracy": 3 / 5,
        "balanced_accuracy": (2 / 3 + 1 / 2) / 2,
        "precision": 2 / 3,
        "recall": 2 / 3,
        "f1_score": 2 / 3,
        "roc_auc": (2 + 1.5 + 1) / 6,  # Pairs won by .9: 2; by .8: 1 and a tie; by .3: 1.
        "pr_auc": 1 / 3 * 1 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 4,
        "brier_score": (0.01 + 0.04 + 0.49 + 0.64 + 0.01) / 5,
        "log_loss": -(np.log(0.9) + np.log(0.8) + np.log(0.3) + np.log(0.2) + np.log(0.9)) / 5,
        "baseline_gain": 0.0,
    }
    assert {name: number(evidence, name) for name in expected} == pytest.approx(expected)
    assert facts(evidence)["r2"].value is None
    assert facts(evidence)["accuracy"].sample_size == 5


def test_regression_by_hand(tmp_path: Path) -> None:
    evidence = measured(tmp_path, "y_true,y_pred\n1.0,1.5\n2.0,2.0\n3.0,2.0\n4.5,4.5\n")
    assert number(evidence, "mean_squared_error") == pytest.approx(1.25 / 4)
    assert number(evidence, "mean_absolute_error") == pytest.approx(1.5 / 4)
    assert number(evidence, "r2") == pytest.approx(1 - 1.25 / 6.6875)
    assert facts(evidence)["accuracy"].value is None


def test_several_classes_are_averaged(tmp_path: Path) -> None:
    evidence = measured(tmp_path, "y_true,y_pred\na,a\na,b\nb,b\nc,b\n")
    assert number(evidence, "f1_score") == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert number(evidence, "precision") == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert number(evidence, "recall") == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert "macro" in evidence.notes[0]


def test_a_limit_below_the_interval_is_met_above_it_missed_and_inside_undecided(tmp_path: Path) -> None:
    content = "y_true,y_pred\n" + repeated("1,1\n1,1\n1,1\n1,0\n0,0\n0,0\n0,0\n0,1\n", 40)
    met = measured(tmp_path, content, {"min_metrics": {"accuracy": 0.6}})
    assert (met.findings, met.undecided) == ((), ())
    (missed,) = measured(tmp_path, content, {"min_metrics": {"accuracy": 0.9}}).findings
    assert (missed.rule, missed.limit) == ("QL-MOD-101", "at least 0.9")
    assert "n 320" in missed.measured
    evidence = measured(tmp_path, content, {"min_metrics": {"accuracy": 0.76}})
    (undecided,) = evidence.undecided
    assert evidence.findings == ()
    assert undecided.needed_sample is not None
    assert undecided.needed_sample > 320
    assert f"about {undecided.needed_sample:,} rows" in undecided.next_step


def test_upper_limits_are_the_mirror(tmp_path: Path) -> None:
    content = "y_true,y_pred\n" + "".join(f"{i / 7:.3f},{i / 7 + (-1) ** i:.3f}\n" for i in range(200))
    assert measured(tmp_path, content, {"max_metrics": {"mean_squared_error": 1.01}}).findings == ()
    (missed,) = measured(tmp_path, content, {"max_metrics": {"mean_squared_error": 0.9}}).findings
    assert missed.limit == "at most 0.9"


def test_the_same_seed_gives_the_same_interval(tmp_path: Path) -> None:
    content = "y_true,score\n" + "".join(f"{i % 2},{(i * 37 % 101) / 101:.4f}\n" for i in range(150))
    first, again = measured(tmp_path, content), measured(tmp_path, content)
    assert first.facts == again.facts
    assert measured(tmp_path, content, {"seed": 7}).facts != first.facts


def test_one_class_only_is_undecided(tmp_path: Path) -> None:
    content = "y_true,score\n" + repeated("0,0.2\n0,0.4\n", 30)
    evidence = measured(
        tmp_path, content, {"min_metrics": {"roc_auc": 0.7, "f1_score": 0.5}, "must_beat_baseline": False}
    )
    assert evidence.findings == ()
    assert [entry.subject for entry in evidence.undecided] == ["roc_auc", "f1_score"]


def test_a_model_no_better_than_the_majority_is_found(tmp_path: Path) -> None:
    content = "y_true,y_pred\n" + repeated("0,0\n0,0\n1,0\n", 50)
    evidence = measured(tmp_path, content)
    assert [finding.rule for finding in evidence.findings] == ["QL-MOD-102"]
    assert "most frequent class '0'" in evidence.findings[0].message
    assert measured(tmp_path, content, {"must_beat_baseline": False}).findings == ()


def test_a_gain_that_may_be_chance_is_undecided(tmp_path: Path) -> None:
    content = "y_true,y_pred\n" + "0,0\n" * 20 + "1,1\n" * 8 + "0,1\n" * 6 + "1,0\n" * 4
    evidence = measured(tmp_path, content)
    assert evidence.findings == ()
    assert [entry.subject for entry in evidence.undecided] == ["baseline_gain"]


def test_noise_does_not_beat_the_mean(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    rows = zip(generator.normal(size=500), generator.normal(size=500), strict=True)
    evidence = measured(tmp_path, "y_true,y_pred\n" + "".join(f"{a:.5f},{b:.5f}\n" for a, b in rows))
    assert [finding.rule for finding in evidence.findings] == ["QL-MOD-102"]


@pytest.mark.parametrize(
    ("content", "parameters", "message"),
    [
        ("y_true,y_pred\n1,1\n,0\n", {}, "p.csv:3: y_true of record 2 is missing"),
        ("y_true,score\n1,0.5\n0,high\n", {}, "p.csv:3: score of record 2 is no number"),
        ("y_true,score\n1,0.5\n0,NaN\n", {}, "p.csv:3: score of record 2 is not finite"),
        ("y_true,score\n1,2.5\n0,1\n", {"max_metrics": {"log_loss": 1}}, "p.csv:2: score of record 1 lies outside"),
        ("y_true,y_pred\n1,1\n0\n", {}, "p.csv:3: record 2 has 1 fields"),
        ("y_true,y_pred\n", {}, "has no predictions"),
        ("truth,y_pred\n1,1\n", {}, "has no column 'y_true'"),
        ("y_true\n1\n", {}, "has no column 'y_pred'"),
        ("y_true,y_pred\ngood,good\nbad,bad\n", {}, "no record has the positive label '1'"),
        ("y_true,score\na,1\nb,1\nc,1\n", {}, "more than two classes"),
    ],
)
def test_bad_predictions_are_errors(tmp_path: Path, content: str, parameters: Mapping[str, Any], message: str) -> None:
    with pytest.raises(EvidenceError) as raised:
        measured(tmp_path, content, parameters)
    assert message in raised.value.message
    assert raised.value.next_step


def test_an_unknown_metric_is_an_error_of_the_plan() -> None:
    parameters = ModelMetricsParameters(
        min_metrics={"f1": Decimal("0.8")},
        max_metrics={},
        must_beat_baseline=True,
        decision_threshold=Decimal("0.5"),
        confidence=Decimal("0.95"),
        bootstrap_samples=1000,
        seed=1,
    )
    with pytest.raises(ConfigurationError, match="there is no metric 'f1'"):
        ModelMetrics().produces(parameters)


def test_parquet_with_other_spellings_of_labels(tmp_path: Path) -> None:
    pl.DataFrame({"y_true": [1, 0, 1, 0], "y_pred": [1.0, 0.0, 0.0, 0.0]}).write_parquet(tmp_path / "p.parquet")
    evidence = run_check("MODEL_METRICS", tmp_path, parameters=FAST, binding={"predictions": "p.parquet"})
    assert number(evidence, "recall") == 0.5


def test_booleans_are_labels(tmp_path: Path) -> None:
    content = "y_true,y_pred\nTrue,true\nFalse,false\nTrue,False\n"
    assert number(measured(tmp_path, content, positive=True), "recall") == 0.5


rows_of = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


@given(rows=rows_of)
@settings(max_examples=60, deadline=None)
def test_macro_f1_equals_its_definition(rows: list[tuple[int, int]]) -> None:
    truth, predicted = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    scores = []
    for label in sorted({*truth.tolist(), *predicted.tolist()}):
        hits = sum(a == b == label for a, b in rows)
        scores.append(2 * hits / (sum(a == label for a, _ in rows) + sum(b == label for _, b in rows)))
    confusion = Confusion(truth, predicted, 3, None)
    assert confusion.f1_score(np.ones(len(rows))) == pytest.approx(sum(scores) / len(scores))


scored = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30)


def average_precision(rows: list[tuple[bool, int]]) -> float:
    """Return the area below precision over recall by its definition, one step per score of a hit."""
    positives = [score for hit, score in rows if hit]
    steps = []
    for threshold in set(positives):
        chosen = [hit for hit, score in rows if score >= threshold]
        steps.append(positives.count(threshold) / len(positives) * sum(chosen) / len(chosen))
    return sum(steps)


@given(rows=scored, weights=st.data())
@settings(max_examples=60, deadline=None)
def test_ranking_metrics_equal_brute_force_on_repeated_rows(
    rows: list[tuple[bool, int]], weights: st.DataObject
) -> None:
    counts = weights.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    ranking = Ranking(np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows]))
    weight = np.array(counts, dtype=np.float64)
    copies = [row for row, count in zip(rows, counts, strict=True) for _ in range(count)]
    positives = [score for hit, score in copies if hit]
    negatives = [score for hit, score in copies if not hit]
    pairs = list(itertools.product(positives, negatives))
    share_won = sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs) if pairs else np.nan
    assert ranking.roc_auc(weight) == pytest.approx(share_won, nan_ok=True)
    if positives:
        assert ranking.pr_auc(weight) == pytest.approx(average_precision(copies))


def test_the_interval_of_a_mean_is_about_the_normal_one() -> None:
    values = np.random.default_rng(5).normal(size=400)
    found = estimates({"m": mean_of(values)}, np.ones(400, dtype=np.int64), confidence=0.95, samples=2000, seed=1)["m"]
    error = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + error, abs=0.15 * error)


def test_grouped_rows_give_the_interval_of_single_ones() -> None:
    ones = estimates(
        {"m": mean_of(np.repeat([0.0, 1.0], [300, 100]))},
        np.ones(400, dtype=np.int64),
        confidence=0.95,
        samples=3000,
        seed=1,
    )["m"]
    grouped = estimates(
        {"m": mean_of(np.array([0.0, 1.0]))}, np.array([300, 100]), confidence=0.95, samples=3000, seed=1
    )["m"]
    assert (grouped.value, grouped.sample_size) == (ones.value, ones.sample_size)
    assert grouped.low == pytest.approx(ones.low, abs=0.006)
    assert grouped.high == pytest.approx(ones.high, abs=0.006)


def test_the_needed_sample_follows_the_root_of_n() -> None:
    assert needed_sample(Estimate(value=0.85, low=0.75, high=0.95, sample_size=100), 0.8) == 400
    assert needed_sample(Estimate(value=0.8, low=0.7, high=0.9, sample_size=100), 0.8) is None


@pytest.mark.parametrize(("rows", "settled"), [(1, False), (2, False), (10, False), (40, True)])
def test_few_rows_without_an_error_prove_nothing(tmp_path: Path, rows: int, settled: bool) -> None:  # noqa: FBT001 - a case
    content = "y_true,y_pred\n" + "".join(f"{i % 2},{i % 2}\n" for i in range(rows))

    evidence = measured(tmp_path, content, {"min_metrics": {"accuracy": 0.9}, "must_beat_baseline": False})

    assert bool(evidence.undecided) is not settled
    assert number(evidence, "accuracy") == 1
    assert float(facts(evidence)["accuracy"].low or 0) == pytest.approx(0.025 ** (1 / rows))


def test_recall_without_a_miss_rests_on_the_rarest_class(tmp_path: Path) -> None:
    content = "y_true,y_pred\n" + "1,1\n" * 4 + "0,0\n" * 400

    evidence = measured(tmp_path, content, {"min_metrics": {"recall": 0.8}, "must_beat_baseline": False})

    assert [question.subject for question in evidence.undecided] == ["recall"]


def test_a_regression_over_few_rows_without_spread_is_open(tmp_path: Path) -> None:
    limit = {"max_metrics": {"mean_squared_error": 0.5}, "must_beat_baseline": False}

    assert measured(tmp_path, "y_true,y_pred\n1.5,1.5\n2.5,2.5\n", limit).undecided
