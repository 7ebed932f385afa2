"""Blueprints: the document's YAML as it stands, and every fault at once with its place (C02, C04)."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from quilate.blueprints.model import Blueprint
from quilate.blueprints.references import builtin_text, load_blueprint, parse_blueprint_text
from quilate.domain.errors import ConfigurationError, ConfigurationErrors
from quilate.domain.severity import Severity

DOCUMENT = (Path(__file__).parent / "fixtures" / "ds-ia-crypto.yaml").read_text(encoding="utf-8")
"""Section 7.1 of the source document, word by word."""


def parse(text: str, root: Path = Path("/nowhere")) -> Blueprint:
    return parse_blueprint_text(text.encode(), "b.yaml", root)


def errors_of(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    error = caught.value
    return [str(each) for each in (error.errors if isinstance(error, ConfigurationErrors) else (error,))]


def with_check(*lines: str) -> str:
    body = "\n".join(f"        {line}" for line in lines)
    return f"id: b\nversion: 1\nstages:\n  - name: s\n    checks:\n      - id: c\n{body}\n"


def test_the_documents_blueprint_is_accepted_as_it_stands() -> None:
    blueprint = parse(DOCUMENT)
    assert blueprint.document.id == "ds-ia-crypto"
    assert blueprint.document.version == "1"
    assert blueprint.project_types == ("ds", "ml-service")
    assert [stage.name for stage in blueprint.stages] == ["build", "data_validation", "model_training", "pre_deploy"]
    checks = {str(check.id): check for stage in blueprint.stages for check in stage.checks}
    assert len(checks) == 11
    assert checks["unit_tests"].parameters == {"min_coverage": Decimal("0.8")}
    assert checks["offline_metrics"].parameters == {"min_metrics": {"f1_score": Decimal("0.80")}}
    assert not checks["fairness_check"].required
    (approval,) = blueprint.policies
    rule = " ".join(approval.rule.split())
    assert rule.startswith("all_required_checks_pass and coverage >= 0.8 and no_vulnerabilities_with_severity")
    assert rule.endswith('at_or_above("high") and no_crypto_anti_patterns_detected')


def test_the_built_in_copy_is_the_documents_text() -> None:
    assert builtin_text("ds-ia-crypto") == DOCUMENT


def test_every_key_of_the_format_is_read() -> None:
    blueprint = parse(
        """\
id: full
version: 1.10
description: everything
project_types: [ds]
concurrency: {key: branch, supersede: true}
waivers: {approval: required}
stages:
  - name: first
    checks:
      - {id: look, type: CODE_LINT}
  - name: second
    description: after it
    needs: [first]
    when: branch == "main"
    effects: true
    policy:
      rule: check_passes("tests")
      binds_on: new
    checks:
      - id: tests
        type: UNIT_TESTS
        required: false
        needs: [look]
        when: not dirty
        timeout: 10m
        retries: 2
        params: {min_coverage: 0.5}
        severity: low
        severity_threshold: high
        enforce_from: 2027-01-31
        fresh_for: 24h
"""
    )
    assert blueprint.document.version == "1.10"
    assert (blueprint.concurrency_key, blueprint.supersede, blueprint.waivers_need_approval) == ("branch", True, True)
    stage = blueprint.stages[1]
    (check,) = stage.checks
    assert (stage.needs, stage.when, stage.effects) == (("first",), 'branch == "main"', True)
    assert (check.required, check.needs, check.when, check.retries) == (False, ("look",), "not dirty", 2)
    assert (check.timeout_seconds, check.fresh_for_seconds) == (600.0, 86400.0)
    assert (check.severity, check.enforce_from, check.effects) == (Severity.LOW, date(2027, 1, 31), True)
    assert check.parameters == {"min_coverage": Decimal("0.5"), "severity_threshold": "high"}
    (policy,) = blueprint.policies
    assert (policy.name, policy.stage, policy.binds_on, policy.line) == ("stage.second", "second", "new", 17)


def test_all_faults_are_told_at_once_with_place_and_nearest_name() -> None:
    text = """\
id: b
version: 1
stagess: 3
stages:
  - name: build
    chekcs: []
    checks:
      - id: lint
        type: CODE_LINTT
      - id: tests
        type: UNIT_TESTS
        min_coverge: 0.8
        requird: true
        required: yes
"""
    assert errors_of(text) == [
        "b.yaml:3:1: a blueprint has no key 'stagess', did you mean 'stages'?",
        "b.yaml:6:5: a stage has no key 'chekcs', did you mean 'checks'?",
        "b.yaml:9:15: unknown check type 'CODE_LINTT', did you mean 'CODE_LINT'?",
        "b.yaml:12:9: UNIT_TESTS has no parameter 'min_coverge', did you mean 'min_coverage'?",
        "b.yaml:13:9: UNIT_TESTS has no parameter 'requird', did you mean 'required'?",
        "b.yaml:14:19: required must be true or false, not 'yes'",
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["type: UNIT_TESTS", "min_coverage: 0.8", "params: {min_coverage: 0.9}"], "b.yaml:8:9: the parameter"),
        (["type: UNIT_TESTS", "min_coverage: much"], "b.yaml:8:9: c: "),
        (["type: LOAD_TEST"], "b.yaml:6:9: c: LOAD_TEST needs max_latency_ms_p95"),
        (["type: CODE_LINT", "severity_threshold: sky"], "b.yaml:8:9: c: severity_threshold must be one of"),
        (["type: CODE_LINT", "timeout: 5 minutes"], "b.yaml:8:18: timeout must be a duration"),
        (["type: CODE_LINT", "timeout: 0s"], "b.yaml:8:18: timeout must be a duration"),
        (["type: CODE_LINT", "retries: 99"], "b.yaml:8:18: retries must be a whole number from 0 to 10"),
        (["type: CODE_LINT", "enforce_from: soon"], "b.yaml:8:23: enforce_from must be a date"),
        (["type: CODE_LINT", "needs: lint"], "b.yaml:8:16: needs must be a list"),
        (["type: CODE_LINT", "when: branch = 1"], "b.yaml:8:"),
        (["type: [CODE_LINT]"], "b.yaml:7:15: type must be a text, not a list"),
        (["params: 3", "type: CODE_LINT"], "b.yaml:7:17: params must be a mapping"),
    ],
)
def test_a_wrong_check_says_where(lines: list[str], expected: str) -> None:
    assert errors_of(with_check(*lines))[0].startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\nstages: []\n", "the blueprint lacks id"),
        ("id: b\nversion: 1\n", "b.yaml:1:1: a blueprint needs at least one stage"),
        ("id: b\nversion: 1\nstages:\n  - name: s\n    checks: []\n", "b.yaml:4:5: the stage 's' has no checks"),
        ("id: b\nversion: 1\nstages: [3]\n", "each item of stages must be a mapping"),
        ("id: b/../c\nversion: 1\nstages: []\n", "'b/../c' is no name"),
    ],
)
def test_a_wrong_outline_says_what(text: str, expected: str) -> None:
    assert any(expected in error for error in errors_of(text))


def test_names_are_unique() -> None:
    text = with_check("type: CODE_LINT") + "      - id: c\n        type: CODE_LINT\n"
    assert errors_of(text) == ["b.yaml:8:9: the check 'c' is there twice; the other stands in line 6"]


def test_a_wrong_rule_points_into_the_folded_text() -> None:
    text = (
        with_check("type: CODE_LINT")
        + "policies:\n  approval:\n    rule: >\n      all_required_checks_pass and\n      or\n"
    )
    (error,) = errors_of(text)
    assert error.startswith("b.yaml:12:7: ")


def test_the_digest_is_of_the_meaning(tmp_path: Path) -> None:
    one = parse(with_check("type: UNIT_TESTS", "min_coverage: 0.80"))
    same = parse("# a comment\n" + with_check("params: {min_coverage: 0.8}", "type: UNIT_TESTS"), tmp_path)
    other = parse(with_check("type: UNIT_TESTS", "min_coverage: 0.81"))
    assert one.document.digest == same.document.digest
    assert one.document.digest != other.document.digest


def test_built_in_by_name(tmp_path: Path) -> None:
    assert load_blueprint("crypto-lib", tmp_path).waivers_need_approval
    with pytest.raises(ConfigurationError, match="no built-in blueprint 'crypto-lab', did you mean 'crypto-lib'"):
        load_blueprint("crypto-lab", tmp_path)


def test_the_example_of_the_documentation_is_sound() -> None:
    page = (Path(__file__).parents[2] / "docs" / "blueprints.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    assert parse(example).document.id == "release-gate"
