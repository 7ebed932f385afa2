"""JSON Schemas of scripts: what is taken, how it is stored, and that checking against it stays cheap.

A schema is JSON Schema 2020-12 that stands by itself: it points only into itself, its patterns are matched in linear
time, and no value takes more checking than ``MOST_CHECKS`` for each of its own parts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import msgspec
import rfc8785

from quilate.domain.errors import ConfigurationError
from quilate.kit.canonical import canonical_json
from quilate.scripts.versions.schema_graph import checking_fault
from quilate.scripts.versions.schema_words import subschemas, target_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LARGEST_SCHEMA = 128 << 10
DEEPEST_SCHEMA = 40
"""Levels of nesting, of objects and arrays alike."""
LARGEST_PATTERN = 512 << 10
"""Bytes that a compiled pattern may take."""
MOST_PATTERNS = 100

_REFUSED_WORDS = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$recursiveAnchor", "$vocabulary")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDocument:
    """A schema that was taken: its canonical JSON, its value, and its subschemas by their pointers (``#/...``)."""

    canonical: bytes
    value: Any
    nodes: Mapping[str, Any] = field(default_factory=dict)


def read_schema(value: Any, name: str) -> SchemaDocument:
    """Return a schema as it is stored.

    Args:
        value: Parsed JSON.
        name: What it is called in messages, for example ``input_schema``.

    Raises:
        ConfigurationError: It is no schema that is taken; the message says where and why.
    """
    if not isinstance(value, dict | bool):
        raise _refused(name, "#", "is neither an object nor a boolean")
    _require_shallow(value, name)
    try:
        canonical = canonical_json(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise _refused(name, "#", "holds a number or a text that JSON cannot keep exactly") from error
    if len(canonical) > LARGEST_SCHEMA:
        raise _refused(name, "#", f"is longer than {LARGEST_SCHEMA} bytes")
    nodes = dict(_nodes(value))
    _require_own_words(nodes, name)
    # Before it is compiled: what unfolds without bounds would do so there.
    fault = checking_fault(nodes)
    if fault is not None:
        raise _refused(name, *fault)
    compile_schema(value, name)
    return SchemaDocument(canonical=canonical, value=value, nodes=nodes)


def stored_schema(canonical: bytes) -> SchemaDocument:
    """Return a schema that ``read_schema`` took once."""
    value = msgspec.json.decode(canonical)
    return SchemaDocument(canonical=canonical, value=value, nodes=dict(_nodes(value)))


def compile_schema(value: Any, name: str = "schema") -> jsonschema_rs.Draft202012Validator:
    """Return what checks values against a schema: offline, patterns in linear time, values never in its messages.

    Raises:
        ConfigurationError: It is no schema of 2020-12.
    """
    try:
        return jsonschema_rs.Draft202012Validator(
            value,
            offline=True,
            validate_formats=True,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=LARGEST_PATTERN),
            mask="the value",
        )
    except jsonschema_rs.ValidationError as error:
        place = "#" + "".join(f"/{part}" for part in error.instance_path)
        raise _refused(name, place, _reason(error)) from error
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise _refused(name, "#", "cannot be read as JSON Schema 2020-12") from error


def _reason(error: jsonschema_rs.ValidationError) -> str:
    message = error.message.splitlines()[0][:300] if error.message else "is not valid"
    if "Resource" in message or "Retrieval" in message:
        return "refers to another document"
    if 'not a "regex"' in message:
        return "is no pattern that is matched in linear time: no look-around, no back references, no huge repetitions"
    return f"is not valid: {message}"


def _refused(name: str, place: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} {place[:200]} {why}",
        next_step="send one JSON Schema of the dialect 2020-12 that refers only to itself, by #/$defs/NAME",
    )


def _require_shallow(value: Any, name: str) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST_SCHEMA:
            raise _refused(name, "#", f"is nested deeper than {DEEPEST_SCHEMA} levels")
        level = [inner for each in level for inner in _inner(each)]


def _inner(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in inner if isinstance(each, dict | list)]


def _nodes(root: Any) -> Iterator[tuple[str, Any]]:
    waiting = [("#", root)]
    while waiting:
        pointer, schema = waiting.pop()
        yield pointer, schema
        if isinstance(schema, dict):
            waiting.extend((pointer + below, each) for _, below, each in subschemas(schema))


def _require_own_words(nodes: Mapping[str, Any], name: str) -> None:
    schemas = {pointer: schema for pointer, schema in nodes.items() if isinstance(schema, dict)}
    if sum(_patterns(schema) for schema in schemas.values()) > MOST_PATTERNS:
        raise _refused(name, "#", f"has more than {MOST_PATTERNS} patterns")
    for pointer, schema in schemas.items():
        fault = _fault(pointer, schema, nodes)
        if fault is not None:
            raise _refused(name, pointer, fault)


def _fault(pointer: str, schema: Mapping[str, Any], nodes: Mapping[str, Any]) -> str | None:
    """Return what a subschema holds that is not taken."""
    refused = next((word for word in _REFUSED_WORDS if word in schema), None)
    if refused is not None:
        return f"uses {refused}, which is not taken"
    if pointer != "#" and ("$id" in schema or "$schema" in schema):
        return "has an $id or $schema of its own"
    if str(schema.get("$schema", DIALECT)).rstrip("#") != DIALECT:
        return "names another dialect"
    if "$ref" in schema and target_of(schema["$ref"]) not in nodes:
        return "refers to something that is no schema of this document"
    return None


def _patterns(schema: Mapping[str, Any]) -> int:
    named = schema.get("patternProperties")
    return ("pattern" in schema) + (len(named) if isinstance(named, dict) else 0)
