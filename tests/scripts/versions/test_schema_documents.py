"""Which JSON Schemas are taken (A10)."""

import time
from typing import Any

import msgspec
import pytest

from quilate.domain.errors import ConfigurationError
from quilate.scripts.versions.schema_documents import (
    DEEPEST_SCHEMA,
    LARGEST_SCHEMA,
    compile_schema,
    read_schema,
    stored_schema,
)

_RECORDS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "array",
    "items": {"$ref": "#/$defs/one record"},
    "$defs": {
        "one record": {
            "type": "object",
            "required": ["trimestre"],
            "properties": {"trimestre": {"pattern": r"^\d{5}$"}},
        }
    },
}


def _records() -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(_RECORDS))
    document["items"]["$ref"] = "#/$defs/one%20record"
    return document


def test_a_schema_is_stored_as_canonical_json() -> None:
    read = read_schema(_records(), "input_schema")
    assert read.canonical.startswith(b'{"$defs":{"one record":{"properties"')
    assert stored_schema(read.canonical) == read
    checker = compile_schema(read.value)
    assert checker.is_valid([{"trimestre": "20231"}])
    assert not checker.is_valid([{"trimestre": "2023"}])


@pytest.mark.parametrize("schema", [True, False, {}, {"x-sensitive": True}, {"default": {"$ref": "nothing"}}])
def test_small_schemas_are_taken(schema: Any) -> None:
    assert read_schema(schema, "s").value == schema


def test_recursion_through_the_value_is_taken() -> None:
    tree = {
        "type": "object",
        "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "all": {"items": {"$ref": "#"}}},
    }
    assert read_schema(tree, "s")


def _doubling(levels: int, leaf: dict[str, Any]) -> dict[str, Any]:
    twice = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**twice, f"a{levels}": leaf}}


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (5, "neither an object nor a boolean"),
        (None, "neither an object nor a boolean"),
        ({"type": "strin"}, "#/type is not valid"),
        ({"properties": {"a": {"minimum": "x"}}}, "#/properties/a/minimum is not valid"),
        ({"$ref": "https://example.org/schema.json"}, "refers to something"),
        ({"$ref": "file:///etc/passwd"}, "refers to something"),
        ({"$ref": "#/$defs/nothing"}, "refers to something"),
        ({"enum": [{"type": "string"}], "items": {"$ref": "#/enum/0"}}, "refers to something"),
        ({"$ref": 5}, "refers to something"),
        ({"$dynamicRef": "#a"}, "uses $dynamicRef"),
        ({"$anchor": "a"}, "uses $anchor"),
        ({"items": {"$id": "https://example.org/a"}}, "$id or $schema of its own"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "another dialect"),
        ({"pattern": "(?=a)b"}, "linear time"),
        ({"pattern": "("}, "linear time"),
        ({"pattern": "(a{1000}){1000}"}, "linear time"),
        ({"properties": {f"p{n}": {"pattern": "a"} for n in range(101)}}, "more than 100 patterns"),
        ({"$ref": "#"}, "without descending"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, "without descending"),
        ({"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]}, "several ways"),
        ({"patternProperties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}, "several ways"),
        (_doubling(40, {}), "unfolds to more"),
        (_nested(DEEPEST_SCHEMA + 1), "deeper than"),
        ({"enum": ["a" * LARGEST_SCHEMA]}, "longer than"),
        ({"minimum": 2**60}, "keep exactly"),
        ({"minimum": float("inf")}, "keep exactly"),
        ({"title": "\ud800"}, "keep exactly"),
        ({"properties": 5}, "is not valid"),
        ({"allOf": {"a": 1}}, "is not valid"),
        ({"items": 5}, "is not valid"),
    ],
)
def test_what_cannot_be_checked_safely_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^input_schema #") as caught:
        read_schema(schema, "input_schema")
    assert words in caught.value.message
    assert caught.value.next_step


def test_long_chains_of_references_take_no_time() -> None:
    chain = {f"a{n}": {"items": {"$ref": f"#/$defs/a{n + 1}"}} for n in range(2000)}
    begin = time.process_time()
    read_schema({"$ref": "#/$defs/a0", "$defs": {**chain, "a2000": {"$ref": "#/$defs/a0"}}}, "s")
    read_schema(_doubling(12, {"type": "string"}), "s")
    assert time.process_time() - begin < 5
