"""Texts of the service: no file and no address, `extends` laid under, the same meaning afterwards (C02, C06)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.blueprints.references import builtin_names
from quilate.blueprints.registry.documents import (
    BlueprintReference,
    Layer,
    builtin_layer,
    extended_reference,
    read_blueprint,
    read_builtin,
    version_key,
)
from quilate.blueprints.registry.yaml_writing import quoted
from quilate.blueprints.yaml_positions import Scalar, load_yaml
from quilate.domain.errors import ConfigurationError, ConfigurationErrors

_CHILD = """\
id: scores
version: 1.10
extends: ds-batch
stages:
  - name: code
    checks:
      - id: unit_tests
        min_coverage: 0.80
policies:
  approval:
    rule: |
      coverage >= 0.8
      and all_required_checks_pass
"""


@pytest.mark.parametrize(
    "reference",
    ["../../etc/passwd", "/etc/passwd", "https://evil.example/b.yaml#sha256=" + "0" * 64, "a.yaml/b", "x@../y", "~/b"],
)
def test_a_text_cannot_lead_the_server_to_a_file_or_an_address(reference: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        extended_reference(f"id: a\nversion: 1\nextends: '{reference}'\n")
    assert "is no blueprint of the service" in caught.value.message
    assert caught.value.position is not None
    assert (caught.value.position.line, caught.value.position.column) == (3, 11)


def test_a_rego_file_is_not_read() -> None:
    text = (
        "id: a\nversion: 1\nstages:\n  - name: s\n    checks:\n      - {id: secrets, type: SECRETS}\n"
        "policies:\n  p:\n    file: /etc/passwd\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        read_blueprint(text)
    assert "cannot name the file" in caught.value.message
    assert caught.value.position is not None
    assert caught.value.position.line == 9


def test_what_is_extended_is_laid_under_and_the_text_then_stands_alone() -> None:
    read = read_blueprint(_CHILD, parent=builtin_layer("ds-batch"))
    assert "extends" not in read.standalone
    again = read_blueprint(read.standalone)
    assert again.blueprint.document == read.blueprint.document
    assert again.blueprint.document.version == "1.10"
    assert [check.id for check in again.plan.checks] == [check.id for check in read.plan.checks]
    assert again.plan.policies[0].rule == read.plan.policies[0].rule


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_blueprint_can_be_extended_and_written_out(name: str) -> None:
    read = read_blueprint(f"id: own\nversion: 2\nextends: {name}\nstages: []\n", parent=builtin_layer(name))
    built_in = read_builtin(name)
    assert read_blueprint(read.standalone).blueprint.document == read.blueprint.document
    assert len(read.plan.checks) == len(built_in.plan.checks)


def test_an_error_in_what_is_extended_names_that_text() -> None:
    parent = Layer(
        label="base@2", text="id: base\nversion: 2\nstages:\n  - {name: s, checks: [{id: a, type: SECRTS}]}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        read_blueprint("id: own\nversion: 1\nextends: base\nstages: []\n", parent=parent)
    assert str(caught.value).startswith("base@2:4:")
    assert "did you mean 'SECRETS'?" in caught.value.message


def test_every_error_is_told_at_once() -> None:
    text = (
        "id: a\nversion: 1\nstagse: []\nstages:\n  - name: s\n    checks:\n      - {id: b, type: CODE_LNT}\n"
        "      - {id: secrets, type: SECRETS, severty: high}\n"
    )
    with pytest.raises(ConfigurationErrors) as caught:
        read_blueprint(text)
    assert len(caught.value.errors) >= 2


def test_versions_are_ordered_as_numbers() -> None:
    ordered = ["1", "1.2", "1.10", "2", "2.0.1", "10"]
    assert sorted(["10", "1.10", "2.0.1", "1", "2", "1.2"], key=version_key) == ordered
    assert version_key("1.0") == version_key("1")
    for wrong in ("1.0-beta", "v1", "", "1..2", "1.", "²"):
        with pytest.raises(ConfigurationError):
            version_key(wrong)


def test_references_are_a_name_and_a_version() -> None:
    assert BlueprintReference.parse("a-b@1.2") == BlueprintReference(name="a-b", version="1.2")
    assert BlueprintReference.parse("a").version is None
    for wrong in ("a@", "@1", "a@@1", "a b", "a/b", ""):
        with pytest.raises(ConfigurationError):
            BlueprintReference.parse(wrong)


@given(st.text())
def test_any_text_written_in_quotes_is_read_as_the_same_text(text: str) -> None:
    written = f"key: {quoted(text)}\n"
    try:
        encoded = written.encode()
    except UnicodeEncodeError:
        return
    node = load_yaml(encoded, "test").entries["key"]
    assert isinstance(node, Scalar)
    assert node.value == text
