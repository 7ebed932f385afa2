"""``quilate plan``: limits and their origin, bindings, evidence, what changed (C02, C04, C11, C19)."""

import json
from pathlib import Path

import pytest

from quilate.app.cli import run_command_line
from tests.support.repositories import commit_all

GATE = """\
id: gate
version: 1
stages:
  - name: code
    description: the code
    checks:
      - {id: tests, type: UNIT_TESTS, min_coverage: 0.8}
  - name: model
    checks:
      - {id: metrics, type: MODEL_METRICS, min_metrics: {f1_score: 0.8}}
      - {id: sast, type: SAST}
policies:
  approval: all_required_checks_pass and coverage >= 0.8
"""
PROJECT = "project: p\ntype: ds\nblueprint: gate.yaml\nbindings:\n  tests: {paths: [tests]}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "gate.yaml").write_text(GATE, encoding="utf-8")
    (tmp_path / "quilate.yaml").write_text(PROJECT, encoding="utf-8")
    return tmp_path


def plan(*arguments: str) -> int:
    return run_command_line(["plan", *arguments])


def test_the_plan_tells_limits_origins_bindings_and_evidence(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(str(project)) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "p (ds)  gate v1      nothing runs, nothing changes"
    assert "model  (after code)" in lines
    assert "  tests  UNIT_TESTS  required, time-out 10m" in lines
    assert "    min_coverage 0.8" in lines
    assert any(line.startswith("    from the profile: ") and "severity_threshold medium" in line for line in lines)
    assert "    bound to paths [tests]" in lines
    assert "    ! metrics is not bound: quilate.yaml lacks predictions" in lines
    assert "      add to quilate.yaml under bindings: `metrics: {predictions: …}`" in lines
    assert "policy approval  (line 13, quilate)" in lines
    assert "  reads coverage from tests" in lines
    assert "3 checks, 1 not bound (metrics): they end as error" in lines
    assert not (project / ".quilate" / "runs").exists()


def test_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(str(project), "--json", "--only", "sast") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["partial"]
    assert [check["id"] for check in document["checks"]] == ["sast"]
    assert document["checks"][0]["parameters"]["severity_threshold"] == "medium"


def test_a_changed_blueprint_is_compared_with_the_committed_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_all(project, "one")
    assert plan(str(project)) == 0
    assert "changes against" not in capsys.readouterr().out
    (project / "gate.yaml").write_text(GATE.replace("min_coverage: 0.8", "min_coverage: 0.7"), encoding="utf-8")
    assert plan(str(project)) == 0
    out = capsys.readouterr().out
    assert "changes against HEAD\n  ~ tests.min_coverage  0.8 → 0.7  LOOSER, needs review" in out
    assert plan(str(project), "--against", "HEAD", "--json") == 0
    assert json.loads(capsys.readouterr().out)["changes"]["list"][0]["subject"] == "tests.min_coverage"
    assert plan(str(project), "--against", "crypto-lib") == 0
    assert "changes against crypto-lib" in capsys.readouterr().out
    for wrong in ("--output=/tmp/x", "HEAD:/etc", "nothing"):
        assert plan(str(project), f"--against={wrong}") == 2
        assert "neither a blueprint nor a git revision" in capsys.readouterr().err


def test_an_invalid_plan_is_exit_2_with_every_fault(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "quilate.yaml").write_text(PROJECT + "  tets: {}\n  sast: {path: x}\n", encoding="utf-8")
    assert plan(str(project)) == 2
    error = capsys.readouterr().err
    assert f"{project}/quilate.yaml:6:3: quilate.yaml binds the unknown check 'tets', did you mean 'tests'?" in error
    assert f"{project}/quilate.yaml:7:10: the binding of sast (SAST) has no key 'path', did you mean 'paths'?" in error
    assert "Traceback" not in error


def test_every_project_of_a_monorepo_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "quilate.yaml").write_text(
            f"project: {name}\ntype: library\nblueprint: crypto-lib\n", encoding="utf-8"
        )
    assert plan(str(tmp_path), "--json") == 0
    assert [document["project"] for document in json.loads(capsys.readouterr().out)] == ["a", "b"]


def test_a_blueprint_may_be_given_by_its_path(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "own.yaml").write_text(GATE, encoding="utf-8")
    monkeypatch.chdir(elsewhere)
    assert plan(str(project), "--blueprint", "own.yaml") == 0
    assert plan(str(project / "missing")) == 2
