"""The report of a fault holds no secret from the command line or the error (C11)."""

from pathlib import Path

import pytest

from quilate.app.cli.crash_report import write_crash_report


def test_secrets_in_the_command_and_in_the_error_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    secret = "hunter2" * 3
    error = RuntimeError(f"no answer from https://ana:{secret}@example.org/")

    sentence = write_crash_report(error, ["run", "--baseline", f"https://ana:{secret}@example.org/"])

    (report,) = tmp_path.iterdir()
    assert str(report) in sentence
    assert "RuntimeError" in report.read_text(encoding="utf-8")
    assert secret not in report.read_text(encoding="utf-8")
