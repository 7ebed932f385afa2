"""What a change of blueprint means: stricter or looser (C02, C21)."""

from pathlib import Path
from typing import Any

import pytest

from quilate.blueprints.diff import compare_blueprints, compare_profiles, parameter_direction
from quilate.blueprints.references import parse_blueprint_text

BASE = """\
id: b
version: 1
stages:
  - name: one
    checks:
      - {id: tests, type: UNIT_TESTS, min_coverage: 0.8}
      - {id: sast, type: SAST, severity_threshold: medium, required: false}
      - {id: load, type: LOAD_TEST, max_latency_ms_p95: 250, timeout: 5m}
      - {id: metrics, type: MODEL_METRICS, min_metrics: {f1_score: 0.8}}
policies:
  approval: all_required_checks_pass and coverage >= 0.8
"""


def changes(before: str, after: str) -> list[str]:
    old, new = (parse_blueprint_text(text.encode(), "b.yaml", Path("/nowhere")) for text in (before, after))
    return [
        f"{change.kind} {change.subject} {change.before} -> {change.after}: {change.direction.value}"
        for change in compare_blueprints(old, new)
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("min_coverage: 0.8", "min_coverage: 0.9", "~ tests.min_coverage 0.8 -> 0.9: stricter"),
        ("min_coverage: 0.8", "min_coverage: 0.75", "~ tests.min_coverage 0.8 -> 0.75: LOOSER"),
        ("_p95: 250", "_p95: 300", "~ load.max_latency_ms_p95 250 -> 300: LOOSER"),
        ("_p95: 250", "_p95: 9", "~ load.max_latency_ms_p95 250 -> 9: stricter"),
        ("f1_score: 0.8", "f1_score: 0.7", "~ metrics.min_metrics.f1_score 0.8 -> 0.7: LOOSER"),
        ("{f1_score: 0.8}", "{}", "~ metrics.min_metrics.f1_score 0.8 -> none: LOOSER"),
        ("threshold: medium", "threshold: low", "~ sast.severity_threshold medium -> low: stricter"),
        ("threshold: medium", "threshold: critical", "~ sast.severity_threshold medium -> critical: LOOSER"),
        ("required: false", "required: true", "~ sast.required false -> true: stricter"),
        (
            "required: false",
            "required: false, enforce_from: 2027-01-01",
            "~ sast.enforce_from none -> 2027-01-01: LOOSER",
        ),
        ("timeout: 5m", "timeout: 10m", "~ load.timeout 300s -> 600s: neutral"),
        ("timeout: 5m", "when: dirty", "~ load.when none -> dirty: LOOSER"),
        ("timeout: 5m", "retries: 2", "~ load.retries 0 -> 2: LOOSER"),
        ("coverage >= 0.8", "coverage >= 0.85", "~ policy approval coverage >= 0.8 -> coverage >= 0.85: stricter"),
        ("coverage >= 0.8", "coverage > 0.8", "~ policy approval coverage >= 0.8 -> coverage > 0.8: stricter"),
        ("coverage >= 0.8", "coverage >= 0.1", "~ policy approval coverage >= 0.8 -> coverage >= 0.1: LOOSER"),
        (" and coverage >= 0.8", "", "- policy approval coverage >= 0.8 -> : LOOSER"),
        ("coverage >= 0.8", "coverage >= 0.8 and not dirty", "+ policy approval  -> not dirty: stricter"),
        (
            "version: 1",
            "version: 1\nwaivers: {approval: required}",
            "~ waivers.approval optional -> required: stricter",
        ),
    ],
)
def test_one_change_and_its_direction(old: str, new: str, expected: str) -> None:
    found = changes(BASE, BASE.replace(old, new))
    assert expected in found


def test_checks_that_come_and_go() -> None:
    line = "      - {id: sast, type: SAST, severity_threshold: medium, required: false}\n"
    other = BASE.replace(
        line, line.replace("sast", "secrets").replace("SAST", "SECRETS").replace(", required: false", "")
    )
    assert changes(BASE, other) == [
        "+ secrets  -> SECRETS: stricter",
        "- sast SAST -> : LOOSER",
    ]


def test_the_same_meaning_is_no_change() -> None:
    assert changes(BASE, "# note\n" + BASE.replace("min_coverage: 0.8", "params: {min_coverage: 0.80}")) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("forbidden_algorithms", ("MD5",), ("MD5", "SHA-1"), "stricter"),
        ("approved_algorithms", ("AES",), ("AES", "DES"), "LOOSER"),
        ("ignored_in_tests", ("S101",), (), "stricter"),
        ("must_beat_baseline", True, False, "LOOSER"),
        ("min_version", "TLSv1.2", "TLSv1.3", "stricter"),
        ("engine", "ruff", "bandit", "changed"),
        ("seed", 1, 2, "changed"),
        ("min_days_valid", 9, 14, "stricter"),
    ],
)
def test_the_direction_of_a_limit_follows_from_its_name(name: str, old: Any, new: Any, expected: str) -> None:
    assert parameter_direction(name, old, new) == expected


def test_a_changed_profile_is_told() -> None:
    (change,) = compare_profiles({"SAST": {"min_x": "1", "same": 2}}, {"SAST": {"min_x": "0.5", "same": 2}})
    assert (change.subject, change.direction) == ("profile SAST.min_x", "LOOSER")
