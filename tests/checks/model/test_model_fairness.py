"""MODEL_FAIRNESS (C15, local half): gaps between groups with intervals whose coverage is checked by simulation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quilate.checks.model.model_fairness import ModelFairness
from quilate.checks.model.statistics.proportions import Proportion, disparity, needed_rows, newcombe
from quilate.domain.errors import EvidenceError
from quilate.evidence.model import Evidence, Fact
from tests.support.check_runner import run_check


def rows(group: str, hits: int, size: int, truth: str = "1") -> str:
    return "".join(f"{truth},{int(at < hits)},{group}\n" for at in range(size))


def judged(directory: Path, *parts: str, parameters: Mapping[str, Any] | None = None, **binding: Any) -> Evidence:
    (directory / "p.csv").write_text("y_true,y_pred,age\n" + "".join(parts), encoding="utf-8")
    full = {"predictions": "p.csv", "groups": ["age"], **binding}
    return run_check("MODEL_FAIRNESS", directory, parameters=parameters, binding=full)


def fact(evidence: Evidence, name: str) -> Fact:
    return next(entry for entry in evidence.facts if entry.name == name)


def test_the_canary_goes_red(tmp_path: Path) -> None:
    canary = ModelFairness().canary(tmp_path)
    evidence = run_check("MODEL_FAIRNESS", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert {finding.rule for finding in evidence.findings} >= set(canary.expected_rules)


def test_equal_groups_pass_when_there_are_enough(tmp_path: Path) -> None:
    evidence = judged(tmp_path, rows("young", 1000, 2000), rows("old", 1010, 2000))
    assert (evidence.findings, evidence.undecided) == ((), ())
    assert fact(evidence, "disparity").value == "0.005"
    assert fact(evidence, "worst_group").value == "age=young"


def test_a_gap_beyond_the_limit_is_found(tmp_path: Path) -> None:
    evidence = judged(tmp_path, rows("young", 300, 500), rows("65+", 150, 500))
    (finding,) = evidence.findings
    assert (finding.rule, finding.limit, finding.location.field) == ("QL-MOD-201", "at most 0.1", "age")
    assert "0.300 for age=65+ (n 500)" in finding.message
    assert evidence.summary.startswith("gap 0.3 in [0.24, 0.36], limit 0.1, n 1000")


def test_an_open_gap_says_how_many_rows_settle_it(tmp_path: Path) -> None:
    evidence = judged(tmp_path, rows("young", 2500, 5000), rows("65+", 28, 60))
    assert evidence.findings == ()
    (undecided,) = evidence.undecided
    assert "limit 0.1, n 5060" in undecided.reason
    needed = undecided.needed_sample
    assert needed is not None
    assert undecided.next_step == f"about {needed} rows of age=65+ settle it"
    parts = -(-needed // 15)  # The same rate, 7 of 15, at that size.
    assert judged(tmp_path, rows("young", 2500, 5000), rows("65+", 7 * parts, 15 * parts)).undecided == ()


def test_small_groups_are_named_and_leave_it_open(tmp_path: Path) -> None:
    evidence = judged(tmp_path, rows("a", 1000, 2000), rows("b", 1000, 2000), rows("c", 2, 12))
    (undecided,) = evidence.undecided
    assert undecided.reason == "age=c has 12 rows for the share of positive predictions, fewer than 30"
    assert undecided.needed_sample == 30
    alone = judged(tmp_path, rows("a", 10, 40))
    assert fact(alone, "disparity").value is None
    assert [entry.subject for entry in alone.undecided] == ["disparity"]


def test_a_missing_group_is_a_group(tmp_path: Path) -> None:
    evidence = judged(tmp_path, rows("a", 300, 500), rows("", 100, 500))
    assert fact(evidence, "worst_group").value == "age=(missing)"


@pytest.mark.parametrize(
    ("measure", "expected", "rate"),
    [("equal_opportunity", "0.2", "true positive rate"), ("equalized_odds", "0.4", "false positive rate")],
)
def test_measures_with_the_truth(tmp_path: Path, measure: str, expected: str, rate: str) -> None:
    parts = (rows("a", 300, 500), rows("b", 200, 500), rows("a", 300, 500, "0"), rows("b", 100, 500, "0"))
    evidence = judged(tmp_path, *parts, parameters={"measure": measure})
    assert float(fact(evidence, "disparity").value or 0) == pytest.approx(float(expected))
    assert rate in evidence.findings[0].message


def test_scores_and_several_group_columns(tmp_path: Path) -> None:
    content = "score,age,area\n" + "0.9,x,n\n0.1,y,n\n0.7,x,s\n0.2,y,s\n" * 100
    (tmp_path / "s.csv").write_text(content, encoding="utf-8")
    evidence = run_check("MODEL_FAIRNESS", tmp_path, binding={"predictions": "s.csv", "groups": ["area", "age"]})
    assert [finding.location.field for finding in evidence.findings] == ["age"]
    assert fact(evidence, "groups").value == "4"


@pytest.mark.parametrize(
    ("content", "binding", "message"),
    [
        ("y_pred,age\n1,a\n,b\n", {}, "p.csv:3: y_pred of record 2 is missing"),
        ("y_pred,age\nyes,a\nno,b\n", {}, "no y_pred is the positive label '1'"),
        ("y_pred,aeg\n1,a\n", {}, "has no column 'age', did you mean 'aeg'?"),
        ("y_pred,age\n1,a\n", {"groups": []}, "no group column is bound"),
        ("y_pred,age\n" + "".join(f"1,{i}\n" for i in range(200)), {}, "more than 100 groups"),
    ],
)
def test_bad_predictions_are_errors(tmp_path: Path, content: str, binding: Mapping[str, Any], message: str) -> None:
    (tmp_path / "p.csv").write_text(content, encoding="utf-8")
    with pytest.raises(EvidenceError) as raised:
        run_check("MODEL_FAIRNESS", tmp_path, binding={"predictions": "p.csv", "groups": ["age"], **binding})
    assert message in raised.value.message


def test_newcombe_gives_the_published_interval() -> None:
    # Newcombe (1998), table II, contrast (a): 56/70 - 48/80 by method 10.
    low, high = newcombe((56 / 70, 70), (48 / 80, 80), 0.95)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def family(shares: list[float], size: int, generator: np.random.Generator) -> list[Proportion]:
    hits = [int(generator.binomial(size, share)) for share in shares]
    return [Proportion(group=str(at), rate="r", hits=hit, size=size) for at, hit in enumerate(hits)]


@pytest.mark.parametrize(
    ("shares", "least", "most"),
    [
        ([0.4, 0.4], 0.93, 0.98),
        ([0.4, 0.4, 0.4, 0.4, 0.4], 0.94, 1.0),
        ([0.3, 0.4, 0.5], 0.94, 1.0),
    ],
)
def test_intervals_cover_the_true_disparity(shares: list[float], least: float, most: float) -> None:
    generator = np.random.default_rng(11)
    true = max(shares) - min(shares)
    trials = 1500
    covered = 0
    for _ in range(trials):
        found = disparity([family(shares, 120, generator)], 0.95)
        covered += found.low <= true <= found.high
    assert least <= covered / trials <= most


def test_no_sample_settles_a_gap_at_the_limit() -> None:
    pair = [
        Proportion(group="a", rate="r", hits=50, size=100),
        Proportion(group="b", rate="r", hits=60, size=100),
    ]
    assert needed_rows(disparity([pair], 0.95), 0.1) is None
