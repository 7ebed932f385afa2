"""``quilate init``: detect, write, never overwrite by accident (C02, C11)."""

from pathlib import Path

import pytest

from quilate.app.cli import run_command_line
from quilate.blueprints.project_file import load_project


def test_init_writes_what_it_detected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sales.csv").write_text("id\n1\n", encoding="utf-8")
    (tmp_path / "job.py").write_text("import csv\n", encoding="utf-8")
    assert run_command_line(["init", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "data: sales.csv" in out
    assert "blueprint ds-batch: data files without an HTTP service" in out
    assert "`quilate plan`" in out.splitlines()[-1]
    project = load_project(tmp_path)
    assert project.bindings == {"data_profile": {"dataset": "sales.csv"}}
    assert run_command_line(["plan", str(tmp_path)]) == 0


def test_init_asks_for_bindings_only_where_some_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    complete, gaps = tmp_path / "complete", tmp_path / "gaps"
    for each in (complete, gaps):
        each.mkdir()
        (each / "job.py").write_text("import csv\n", encoding="utf-8")
    (gaps / "app.py").write_text("from fastapi import FastAPI\n", encoding="utf-8")
    for each in (complete, gaps):
        assert run_command_line(["init", str(each)]) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        marked = "bind it like this" in (each / "quilate.yaml").read_text(encoding="utf-8")
        assert ("bind what is marked there" in last) is marked is (each == gaps)


def test_init_overwrites_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "quilate.yaml"
    file.write_text("mine\n", encoding="utf-8")
    assert run_command_line(["init", str(tmp_path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "mine\n"
    assert run_command_line(["init", str(tmp_path), "--print"]) == 0
    printed = capsys.readouterr().out
    assert file.read_text(encoding="utf-8") == "mine\n"
    assert run_command_line(["init", str(tmp_path), "--force"]) == 0
    assert file.read_text(encoding="utf-8") == printed


def test_init_does_not_follow_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "target"
    target.write_text("precious\n", encoding="utf-8")
    project = tmp_path / "project"
    project.mkdir()
    (project / "quilate.yaml").symlink_to(target)
    assert run_command_line(["init", str(project), "--force"]) == 2
    assert target.read_text(encoding="utf-8") == "precious\n"
    assert run_command_line(["init", str(project / "none")]) == 2
    assert "is not a directory" in capsys.readouterr().err
