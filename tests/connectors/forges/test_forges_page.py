"""C05: the page about forges says what the suite checks."""

from pathlib import Path

import pytest

from quilate.connectors.registry import load_connector
from quilate.deliveries.catalog import described_settings
from tests.connectors.forges.cases import table
from tests.support.forge_servers.shapes import shapes_of

PAGE = Path(__file__).parents[3] / "docs" / "connectors" / "forges.md"


def test_the_page_holds_the_table_of_cases_and_requests() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("provider", ["github", "gitlab", "bitbucket", "gitea"])
def test_the_page_names_every_setting_and_secret(provider: str) -> None:
    connector = load_connector(provider)
    page = PAGE.read_text(encoding="utf-8")
    names = [*described_settings(connector)["properties"], *(each.name for each in connector.secrets)]
    assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.parametrize("provider", ["github", "gitlab", "bitbucket", "gitea"])
def test_shapes_refuse_members_that_the_provider_does_not_know(provider: str) -> None:
    for shape in shapes_of(provider):
        assert shape.problems({"no-such-member": 1}), shape.operation
        assert shape.page.startswith("https://")
