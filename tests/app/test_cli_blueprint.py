"""``quilate blueprint``: list, show, validate, diff, schema (C02, C21)."""

import json
from pathlib import Path

import pytest

from quilate.app.cli import run_command_line
from quilate.blueprints.references import builtin_names, builtin_text

SOUND = (
    "id: b\nversion: 3\nstages:\n  - name: s\n    checks:\n      - {id: sast, type: SAST, severity_threshold: medium}\n"
)


def test_list_names_every_built_in_blueprint(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["blueprint", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(builtin_names())
    assert {"ds-ia-crypto", "ds-batch", "realtime-ml", "crypto-lib", "api-secure"} == set(builtin_names())


def test_show_prints_the_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["blueprint", "show", "ds-ia-crypto"]) == 0
    assert capsys.readouterr().out == builtin_text("ds-ia-crypto")
    assert run_command_line(["blueprint", "show", "ds-batsh"]) == 2
    assert "did you mean 'ds-batch'?" in capsys.readouterr().err


def test_validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.yaml").write_text(SOUND, encoding="utf-8")
    assert run_command_line(["blueprint", "validate", "b.yaml"]) == 0
    assert capsys.readouterr().out.startswith("b v3 is sound: 1 check in 1 stage, 0 policies  sha256:")
    Path("b.yaml").write_text(SOUND.replace("SAST,", "SATS, requird: no,"), encoding="utf-8")
    assert run_command_line(["blueprint", "validate", "b.yaml"]) == 2
    error = capsys.readouterr().err
    assert "b.yaml:6:26: unknown check type 'SATS', did you mean 'SAST'?" in error
    Path("b.yaml").write_text(SOUND + "policies: {approval: coverag > 0}\n", encoding="utf-8")
    assert run_command_line(["blueprint", "validate", "b.yaml"]) == 2
    assert "b.yaml:7:22: no check produces `coverag`" in capsys.readouterr().err


def test_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(SOUND, encoding="utf-8")
    Path("b.yaml").write_text(SOUND.replace("medium", "high").replace("version: 3", "version: 4"), encoding="utf-8")
    assert run_command_line(["blueprint", "diff", "a.yaml", "b.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "b v3 → b v4",
        "  ~ sast.severity_threshold  medium → high  LOOSER, needs review",
    ]
    assert run_command_line(["blueprint", "diff", "a.yaml", "b.yaml", "--json", "--fail-on-looser"]) == 1
    (change,) = json.loads(capsys.readouterr().out)
    assert change["direction"] == "LOOSER"
    assert run_command_line(["blueprint", "diff", "b.yaml", "a.yaml", "--fail-on-looser"]) == 0
    assert "stricter" in capsys.readouterr().out
    assert run_command_line(["blueprint", "diff", "a.yaml", "a.yaml"]) == 0
    assert "no difference in meaning" in capsys.readouterr().out


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["blueprint", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Quilate blueprint"
    assert run_command_line(["blueprint", "schema", "--project"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Quilate project file"
