"""The published JSON Schemas: committed as generated, and in agreement with the parser (C02)."""

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from quilate.blueprints.references import builtin_names, builtin_text
from quilate.blueprints.schema import BLUEPRINT_FILE, PROJECT_FILE, blueprint_schema, project_schema
from quilate.blueprints.yaml_positions import load_yaml, plain


def as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


def document(text: str) -> Any:
    return as_json(plain(load_yaml(text.encode(), "f.yaml")))


@pytest.fixture(scope="module")
def blueprints() -> jsonschema.Draft202012Validator:
    schema = json.loads(BLUEPRINT_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(("file", "generate"), [(BLUEPRINT_FILE, blueprint_schema), (PROJECT_FILE, project_schema)])
def test_the_committed_schema_is_the_generated_one(file: Path, generate: Any) -> None:
    # In a process of its own: here other tests have made their check types known, and those are not published.
    program = f"import sys; from {generate.__module__} import {generate.__name__}, schema_text\n"
    program += f"sys.stdout.write(schema_text({generate.__name__}()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert file.read_text(encoding="utf-8") == done.stdout.decode(), "python -m quilate.blueprints.schema"


@pytest.mark.parametrize("name", builtin_names())
def test_the_library_fits_the_schema(name: str, blueprints: jsonschema.Draft202012Validator) -> None:
    blueprints.validate(document(builtin_text(name)))


@pytest.mark.parametrize(
    "change",
    [
        ("type: CODE_LINT", "type: CODE_LINTT"),
        ("min_coverage: 0.8", "min_coverge: 0.8"),
        ("min_coverage: 0.8", "min_coverage: [0.8]"),
        ("required: true", "required: 1"),
        ("stages:", "stagess:"),
        ("severity_threshold: medium", "severity_threshold: loud"),
        ("  approval:", "  approval:\n    engin: rego"),
        ("severity_threshold: high", "params: {severty: high}"),
    ],
)
def test_what_the_parser_refuses_the_schema_refuses(
    change: tuple[str, str], blueprints: jsonschema.Draft202012Validator
) -> None:
    text = builtin_text("ds-ia-crypto")
    assert change[0] in text
    with pytest.raises(jsonschema.ValidationError):
        blueprints.validate(document(text.replace(*change, 1)))


def test_a_child_may_leave_types_to_its_parent(blueprints: jsonschema.Draft202012Validator) -> None:
    text = "id: c\nversion: 1\nstages: [{name: code, checks: [{id: unit_tests}]}]\n"
    blueprints.validate(document(text + "extends: crypto-lib\n"))
    with pytest.raises(jsonschema.ValidationError):
        blueprints.validate(document(text))


def test_project_files() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(PROJECT_FILE.read_text(encoding="utf-8")))
    text = "project: p\ntype: ds\nblueprint: ds-batch\nbindings:\n  m: {predictions: p.csv}\n  lint:\n"
    validator.validate(document(text))
    validator.validate(document("projects: [a, b]\n"))
    for wrong in ("bindins: {}", "exclude: x", "version: 2", "secrets: {a: [1]}"):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(document(f"{text}{wrong}\n"))
