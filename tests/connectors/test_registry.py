"""Every connector loads, says what it needs, and is documented as it is (C05)."""

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from quilate.connectors.registry import CONNECTOR_TYPES, load_connector, register_connector
from quilate.deliveries.catalog import described_settings
from quilate.deliveries.connector import ConnectorKind, SecretSpec
from quilate.domain.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connectors" / "others.md").read_text(encoding="utf-8")
ROWS = {
    line.split("`")[1]: [part.strip() for part in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `") and line.count("|") > len(("connector", "cases", "suite", "pages")) + 1
}
FOLDERS = ("notify", "tickets", "registries", "catalogs")
OTHERS = sorted(name for name, target in CONNECTOR_TYPES.items() if target.split(".")[2] in FOLDERS)
EVERY = pytest.mark.parametrize("name", sorted(CONNECTOR_TYPES))
DOCUMENTED = pytest.mark.parametrize("name", OTHERS)


@EVERY
def test_a_connector_has_all_that_the_interface_asks_for(name: str) -> None:
    connector = load_connector(name)
    assert connector.type == name
    assert isinstance(connector.kind, ConnectorKind)
    assert 10 < len(connector.summary) < 120
    assert not connector.summary.endswith(".")
    assert connector.events
    assert all(event == "*" or event.startswith("dev.quilate.") for event in connector.events)
    assert inspect.iscoroutinefunction(connector.deliver)
    assert inspect.iscoroutinefunction(connector.probe)
    assert (inspect.getdoc(type(connector)) or "").strip()


@EVERY
def test_its_settings_have_a_schema_and_are_documented(name: str) -> None:
    connector = load_connector(name)
    assert dataclasses.is_dataclass(connector.settings)
    schema = described_settings(connector)
    jsonschema.Draft202012Validator.check_schema(schema)
    names = {field.name for field in dataclasses.fields(connector.settings)}
    assert set(schema.get("properties", {})) == names
    documentation = inspect.getdoc(connector.settings) or ""
    for each in names:
        assert re.search(rf"\b{each}\b", documentation), f"{name}: {each} is not documented"


@EVERY
def test_its_secrets_are_named_and_explained(name: str) -> None:
    secrets = load_connector(name).secrets
    assert all(isinstance(each, SecretSpec) and len(each.meaning) > 10 for each in secrets)
    assert len({each.name for each in secrets}) == len(secrets)
    assert not {each.name for each in secrets} & set(described_settings(load_connector(name)).get("properties", {}))


@DOCUMENTED
def test_the_page_says_what_the_code_does(name: str) -> None:
    connector = load_connector(name)
    _, events, settings, secrets, requests, again = ROWS[name]
    told = {f"dev.quilate.{event}" for event in re.findall(r"`([^`]+)`", events)} or {"*"}
    assert told == connector.events
    assert set(re.findall(r"`([^`]+)`", settings)) == {field.name for field in dataclasses.fields(connector.settings)}
    assert {each.name for each in connector.secrets} <= set(re.findall(r"`([^`]+)`", secrets))
    assert "](https://" in requests
    assert again


@DOCUMENTED
def test_the_page_names_the_suite_that_tests_it(name: str) -> None:
    match = re.search(rf"^\| `{name}` \| \d+ \| `(tests/[^`]+)` \|", PAGE, re.MULTILINE)
    assert match is not None
    suite = (ROOT / match[1]).read_text(encoding="utf-8")
    class_name = CONNECTOR_TYPES[name].rpartition(":")[2]
    servers = (ROOT / "tests" / "support" / "ticket_servers.py").read_text(encoding="utf-8")
    assert re.search(rf"\b{class_name}\b", suite + (servers if "ticket_servers" in suite else ""))


def test_the_page_holds_the_table_of_cases_that_the_command_prints() -> None:
    command = [sys.executable, "-m", "tests.connectors.cases"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    table, _, requests = printed.partition("\n\n")
    assert table in PAGE
    assert {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")} == {
        name
        for name in CONNECTOR_TYPES
        if not name.startswith("test-")  # Other tests of the same process register connectors of their own.
    }
    assert "check-runs" in requests


def test_an_unknown_name_is_told_with_the_nearest_one_and_a_taken_one_stays() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_connector("slak")
    assert "slack" in str(caught.value)
    with pytest.raises(ConfigurationError):
        register_connector("slack", "evil.module:Slack")
    assert CONNECTOR_TYPES["slack"].startswith("quilate.")
