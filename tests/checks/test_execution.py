"""A check runs to an answer that can be told, whatever happens to it (C04)."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quilate.checks import registry
from quilate.checks.registry import register_check
from quilate.domain.errors import ToolMissingError
from tests.support.check_runner import run_check

MODULE = """
from tests.support.fake_checks import AlwaysGreen


class NeedsPackage(AlwaysGreen):
    type = "NEEDS_PACKAGE"

    def run(self, context):
        import {package}
"""


@pytest.fixture
def needs_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    register_check("NEEDS_PACKAGE", "needs_package_check:NeedsPackage")
    yield tmp_path / "needs_package_check.py"
    registry._TARGETS.pop("NEEDS_PACKAGE")  # noqa: SLF001 - the registry has no way back, since no user needs one
    sys.modules.pop("needs_package_check", None)


def test_a_missing_extra_is_a_missing_tool_with_its_install_command(needs_package: Path, tmp_path: Path) -> None:
    needs_package.write_text(MODULE.format(package="no_such_package_of_an_extra"), encoding="utf-8")

    with pytest.raises(ToolMissingError, match="no_such_package_of_an_extra is not installed") as raised:
        run_check("NEEDS_PACKAGE", tmp_path)

    assert "pip install 'quilate[all]'" in raised.value.next_step


def test_a_module_of_ours_that_is_missing_is_our_fault_not_a_missing_tool(needs_package: Path, tmp_path: Path) -> None:
    needs_package.write_text(MODULE.format(package="quilate.no_such_module"), encoding="utf-8")

    with pytest.raises(ModuleNotFoundError):
        run_check("NEEDS_PACKAGE", tmp_path)
