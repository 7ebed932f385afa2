"""Which variables of the runner a project's checks may be given (A14)."""

import pytest

from quilate.checks.variables import is_given, patterns_for

ALLOWED = ("DEPLOY_TOKEN", "SHARED_*", "shop:SHOP_KEY", "shop:SHOP_*", "bank:BANK_KEY")


@pytest.mark.parametrize(
    ("project", "variable", "given"),
    [
        ("shop", "DEPLOY_TOKEN", True),
        ("shop", "DEPLOY_TOKEN_2", False),
        ("shop", "deploy_token", False),
        ("shop", "SHARED_REGION", True),
        ("shop", "SHARED", False),
        ("shop", "SHOP_ANYTHING", True),
        ("shop", "BANK_KEY", False),
        ("bank", "SHOP_KEY", False),
        ("bank", "BANK_KEY", True),
        ("", "BANK_KEY", False),
        ("shop", "", False),
        ("shop", "bank:BANK_KEY", False),
    ],
)
def test_a_project_gets_what_is_allowed_to_all_or_to_it(project: str, variable: str, *, given: bool) -> None:
    assert is_given(variable, patterns_for(project, ALLOWED)) is given


def test_without_a_list_everything_is_given_and_with_an_empty_one_nothing() -> None:
    assert is_given("HOME", patterns_for("shop", None))
    assert not is_given("HOME", patterns_for("shop", ()))
