"""``quilate check``: the check types with their limits and facts (C02, C04)."""

import pytest

from quilate.app.cli import run_command_line
from quilate.checks.registry import CHECK_TYPES


def test_list_names_every_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["check", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(CHECK_TYPES)
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("check_type", sorted(CHECK_TYPES))
def test_show_tells_all_of_a_type(check_type: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["check", "show", check_type]) == 0
    out = capsys.readouterr().out
    for heading in ("Why:", "Facts", "Source:", "Parameters (", "Binding", "  severity_threshold: severity  = "):
        assert heading in out


def test_show_of_an_unknown_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["check", "show", "DATA_SCHEMAS"]) == 2
    assert "did you mean 'DATA_SCHEMA'?" in capsys.readouterr().err
