"""The JSON Schemas (2020-12) of blueprints and project files, generated from the code.

Editors use them while somebody writes; the parser's own errors remain the last word. ``python -m
quilate.blueprints.schema`` writes both files anew.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from quilate.blueprints.layers import BLUEPRINT_KEYS, CHECK_KEYS, POLICY_KEYS, STAGE_KEYS
from quilate.blueprints.parser import MAX_RETRIES, plain_numbers
from quilate.blueprints.project_file import KEYS
from quilate.checks.registry import CHECK_TYPES, load_check
from quilate.domain.severity import Severity
from quilate.policy.model import Binding, PolicyEngine

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BLUEPRINT_FILE = Path(__file__).with_name("blueprint.schema.json")
PROJECT_FILE = Path(__file__).with_name("project.schema.json")

_NAME = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,99}$"}
_TEXTS = {"type": ["array", "null"], "items": {"type": "string"}}
_DURATION = {
    "description": "a duration: 30s, 10m, 24h, 7d, or seconds",
    "anyOf": [{"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}, {"type": "number", "exclusiveMinimum": 0}],
}
_SEVERITY = {"type": "string", "enum": [severity.value for severity in Severity]}
_RULE = {"type": "string", "description": "a rule of the policy language, or a Rego module"}


def blueprint_schema() -> dict[str, Any]:
    """Return the schema of a blueprint file."""
    policy = {
        "type": "object",
        "properties": _checked_keys(
            {
                "rule": _RULE,
                "engine": {"enum": [engine.value for engine in PolicyEngine]},
                "binds_on": {"enum": [binding.value for binding in Binding]},
                "file": {"type": "string", "description": "a Rego file, relative to the blueprint"},
            },
            POLICY_KEYS,
        ),
        "additionalProperties": False,
    }
    stage = {
        "type": "object",
        "properties": _checked_keys(
            {
                "name": _NAME,
                "description": {"type": "string"},
                "checks": {"type": "array", "items": {"$ref": "#/$defs/check"}},
                "needs": _TEXTS,
                "when": _RULE,
                "policy": {"anyOf": [_RULE, {"$ref": "#/$defs/policy"}]},
                "effects": {"type": "boolean"},
            },
            STAGE_KEYS,
        ),
        "required": ["name"],
        "additionalProperties": False,
    }
    definitions: dict[str, Any] = {"policy": policy, "stage": stage, "check": _check()}
    for check_type in sorted(CHECK_TYPES):
        definitions |= _parameters(check_type)
    return {
        "$schema": DIALECT,
        "title": "Quilate blueprint",
        "description": "Which checks and policies decide about a project.",
        "type": "object",
        "properties": _checked_keys(_blueprint_properties(), BLUEPRINT_KEYS),
        "required": ["id", "version"],
        "additionalProperties": False,
        "if": {"not": {"required": ["extends"]}},
        "then": {
            "required": ["stages"],
            "properties": {
                "stages": {
                    "minItems": 1,
                    "items": {
                        "required": ["checks"],
                        "properties": {"checks": {"minItems": 1, "items": {"required": ["type"]}}},
                    },
                }
            },
        },
        "$defs": definitions,
    }


def _blueprint_properties() -> dict[str, Any]:
    return {
        "id": _NAME,
        "version": {"type": ["string", "number"]},
        "description": {"type": "string"},
        "project_types": _TEXTS,
        "extends": {"type": "string", "description": "a built-in blueprint, a file, or https://…#sha256=…"},
        "stages": {"type": "array", "items": {"$ref": "#/$defs/stage"}},
        "policies": {
            "type": ["object", "null"],
            "additionalProperties": {"anyOf": [_RULE, {"$ref": "#/$defs/policy"}]},
        },
        "concurrency": {
            "type": "object",
            "properties": {"key": {"type": "string"}, "supersede": {"type": "boolean"}},
            "required": ["key"],
            "additionalProperties": False,
        },
        "waivers": {
            "type": "object",
            "properties": {"approval": {"enum": ["required", "optional"]}},
            "additionalProperties": False,
        },
    }


def _check() -> dict[str, Any]:
    properties = {
        "id": _NAME,
        "type": {"type": "string", "enum": sorted(CHECK_TYPES)},
        "required": {"type": "boolean", "default": True},
        "needs": _TEXTS,
        "when": _RULE,
        "timeout": _DURATION,
        "retries": {"type": "integer", "minimum": 0, "maximum": MAX_RETRIES},
        "params": {"type": ["object", "null"], "description": "parameters, where a name is also a key of the format"},
        "severity": {**_SEVERITY, "description": "every finding of the check gets this severity"},
        "enforce_from": {"type": "string", "format": "date", "description": "before this date a failure only warns"},
        "fresh_for": _DURATION,
        "effects": {"type": "boolean", "description": "runs only when everything before it passed"},
    }
    own = dict.fromkeys(CHECK_KEYS, True)
    return {
        "type": "object",
        "properties": _checked_keys(properties, CHECK_KEYS),
        "required": ["id"],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": check_type}}, "required": ["type"]},
                "then": {
                    "properties": {
                        **own,
                        **_references(check_type),
                        "params": {"anyOf": [{"type": "null"}, {"$ref": f"#/$defs/{check_type}.params"}]},
                    },
                    "additionalProperties": False,
                },
            }
            for check_type in sorted(CHECK_TYPES)
        ],
    }


def _references(check_type: str) -> dict[str, Any]:
    names = _parameter_properties(check_type)
    return {
        name: {"$ref": f"#/$defs/{check_type}.params/properties/{name}"} for name in names if name not in CHECK_KEYS
    }


def _parameter_properties(check_type: str) -> dict[str, Any]:
    kind = load_check(check_type)
    properties = dict(_dataclass_schema(kind.parameters)["properties"])
    properties["severity_threshold"] = {**_SEVERITY, "description": "findings at or above it fail the check"}
    for name, value in kind.profile.items():
        if name in properties:
            properties[name] = {**properties[name], "default": _json(value)}
    return {name: properties[name] for name in sorted(properties)}


def _parameters(check_type: str) -> dict[str, Any]:
    return {
        f"{check_type}.params": {
            "type": "object",
            "properties": _parameter_properties(check_type),
            "additionalProperties": False,
        }
    }


def project_schema() -> dict[str, Any]:
    """Return the schema of ``quilate.yaml``."""
    bindings = {check_type: _dataclass_schema(load_check(check_type).binding) for check_type in sorted(CHECK_TYPES)}
    definitions = {f"{check_type}.binding": {**schema, "title": check_type} for check_type, schema in bindings.items()}
    texts_by_name = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
    properties = {
        "version": {"const": 1},
        "project": _NAME,
        "type": _NAME,
        "blueprint": {"type": "string", "description": "a built-in blueprint, a file, or https://…#sha256=…"},
        "bindings": {
            "type": ["object", "null"],
            "description": "which file, data set, predictions or address each check's subject is, by check id",
            "additionalProperties": {
                "anyOf": [{"type": "null"}, *({"$ref": f"#/$defs/{name}"} for name in definitions)]
            },
        },
        "interpreter": {"type": "string", "description": "the Python that runs the project's tests"},
        "exclude": {**_TEXTS, "description": "globs of files that are not judged"},
        "waivers": {"type": ["array", "null"], "items": {"type": "object"}},
        "protected_branch": {"type": "string", "default": "main"},
        "projects": {**_TEXTS, "description": "sub-directories with a quilate.yaml of their own"},
        "tickets": {"type": ["object", "null"]},
        "secrets": {**texts_by_name, "description": "names that checks ask for to environment variables"},
    }
    return {
        "$schema": DIALECT,
        "title": "Quilate project file",
        "description": "What a project is, which blueprint judges it, and what its checks are bound to.",
        "type": "object",
        "properties": _checked_keys(properties, KEYS),
        "anyOf": [{"required": ["project", "type", "blueprint"]}, {"required": ["projects"]}],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _checked_keys(properties: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the properties in the parser's order: a key that only one of the two knows is a fault of ours."""
    if set(properties) != set(keys):
        raise ValueError(f"schema and parser differ in {sorted(set(properties) ^ set(keys))}")
    return {key: properties[key] for key in keys}


def _dataclass_schema(target: type) -> dict[str, Any]:
    (schema,), definitions = msgspec.json.schema_components([target], ref_template="#/$defs/{name}")
    name = str(schema["$ref"]).rpartition("/")[2] if "$ref" in schema else ""
    found = dict(definitions[name]) if name else dict(schema)
    return {
        "type": "object",
        "properties": {key: _plain(value, definitions) for key, value in found.get("properties", {}).items()},
        "required": list(found.get("required", [])),
        "additionalProperties": False,
    }


def _plain(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema as YAML is written: exact decimals are numbers, references are resolved, titles dropped."""
    if isinstance(schema, list):
        return [_plain(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(definitions[str(schema["$ref"]).rpartition("/")[2]], definitions)
    if schema.get("format") == "decimal":
        return {"type": ["number", "string"]}
    return {key: _plain(value, definitions) for key, value in schema.items() if key not in {"title", "description"}}


def _json(value: Any) -> Any:
    """Return a profile value as JSON types; exact decimals are texts."""
    return plain_numbers(value)


def schema_text(schema: Mapping[str, Any]) -> str:
    """Return a schema as it is committed."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write both schemas beside this module."""
    BLUEPRINT_FILE.write_text(schema_text(blueprint_schema()), encoding="utf-8")
    PROJECT_FILE.write_text(schema_text(project_schema()), encoding="utf-8")


if __name__ == "__main__":
    main()
