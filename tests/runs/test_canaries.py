"""A check whose canary passes is broken, and the doctor says so (design section 5)."""

import sys
from collections.abc import Iterator

import pytest

from quilate.checks import registry
from quilate.checks.registry import CHECK_TYPES, register_check
from quilate.domain.errors import ConfigurationError
from quilate.runs.canaries import run_canary


@pytest.fixture
def always_green() -> Iterator[str]:
    register_check("ALWAYS_GREEN", "tests.support.fake_checks:AlwaysGreen")
    yield "ALWAYS_GREEN"
    registry._TARGETS.pop("ALWAYS_GREEN")  # noqa: SLF001 - the registry has no way back, since no user needs one


def test_a_check_that_finds_nothing_on_its_canary_is_broken(always_green: str) -> None:
    result = run_canary(always_green, sys.executable)

    assert not result.red
    assert result.message == "its canary passed: QL-XXX-001 not found"


@pytest.mark.parametrize("check_type", ["CODE_LINT", "CRYPTO_ANALYSIS", "DATA_SCHEMA", "TLS_POLICY"])
def test_real_checks_go_red(check_type: str) -> None:
    assert run_canary(check_type, sys.executable).red


def test_a_registered_type_is_known_and_cannot_be_taken_twice(always_green: str) -> None:
    assert always_green in CHECK_TYPES
    with pytest.raises(ConfigurationError, match="taken"):
        register_check(always_green, "elsewhere:Other")
