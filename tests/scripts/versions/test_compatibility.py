"""What a change of a schema means for callers and readers (A10)."""

import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.scripts.versions.compatibility import Compatibility, SchemaReport, compare_schemas
from quilate.scripts.versions.schema_documents import read_schema
from quilate.scripts.versions.schema_relations import MOST_CHANGES, Effect


def _compare(before: Any, after: Any) -> SchemaReport:
    read = [None if each is None else read_schema(each, "s") for each in (before, after)]
    return compare_schemas(read[0], read[1])


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("narrow", "wide", "place"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}, ("", "type")),
        ({"type": "integer"}, {"type": "number"}, ("", "type")),
        ({"type": "string"}, {}, ("", "type")),
        ({"enum": ["a", "b"]}, {"enum": ["a", "b", "c"]}, ("", "enum")),
        ({"const": 1}, {"enum": [1, 2]}, ("", "enum")),
        ({"enum": ["a"]}, {"type": ["string", "null", "number", "boolean", "array", "object"]}, ("", "enum")),
        ({"minimum": 5}, {"minimum": 4}, ("", "minimum")),
        ({"exclusiveMinimum": 5}, {"minimum": 5}, ("", "minimum")),
        ({"maximum": 5}, {}, ("", "maximum")),
        ({"minLength": 2}, {"minLength": 0}, ("", "minLength")),
        ({"maxItems": 2}, {"maxItems": 3}, ("", "maxItems")),
        ({"minProperties": 2}, {"minProperties": 1}, ("", "minProperties")),
        ({"multipleOf": 6}, {"multipleOf": 3}, ("", "multipleOf")),
        ({"multipleOf": 0.3}, {"multipleOf": 0.1}, ("", "multipleOf")),
        ({"pattern": "^a"}, {}, ("", "pattern")),
        ({"format": "date"}, {}, ("", "format")),
        ({"uniqueItems": True}, {"uniqueItems": False}, ("", "uniqueItems")),
        ({"required": ["a", "b"]}, {"required": ["a"]}, ("/b", "required")),
        ({**_object(a={}), "additionalProperties": False}, _object(a={}), ("/*", "")),
        (
            {**_object(a={}), "additionalProperties": False},
            {**_object(a={}, b={}), "additionalProperties": False},
            ("/b", "properties"),
        ),
        (_object(a={"type": "string"}), _object(), ("/a", "type")),
        (_object(a={"type": "string"}), _object(a={}), ("/a", "type")),
        ({"items": {"minimum": 1}}, {"items": {}}, ("/*", "minimum")),
        ({"prefixItems": [{"minimum": 1}]}, {}, ("/0", "minimum")),
        ({"propertyNames": {"maxLength": 3}}, {}, ("", "maxLength")),
        ({"contains": {"minimum": 1}}, {}, ("", "contains")),
        ({"allOf": [{"minimum": 1}, {"maximum": 3}]}, {"allOf": [{"minimum": 1}]}, ("", "maximum")),
        ({"anyOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, ("", "anyOf")),
        ({"not": {"minimum": 1}}, {"not": {"minimum": 2}}, ("", "minimum")),
        ({"not": {"type": "string"}}, {}, ("", "")),
        ({"if": {"minimum": 1}, "then": {"maximum": 2}}, {}, ("", "if")),
        ({"oneOf": [{"type": "string"}]}, {}, ("", "oneOf")),
        ({"dependentRequired": {"a": ["b"]}}, {}, ("", "dependentRequired")),
        (False, {"type": "string"}, ("", "")),
        ({"type": "string"}, None, ("", "type")),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"minimum": 2}}}, {"minimum": 1}, ("", "minimum")),
        ({"$ref": "#/$defs/a", "maximum": 9, "$defs": {"a": {"minimum": 2}}}, {"maximum": 9}, ("", "minimum")),
    ],
)
def test_each_way_of_taking_less(narrow: Any, wide: Any, place: tuple[str, str]) -> None:
    widened = _compare(narrow, wide)
    assert widened.compatibility is Compatibility.BACKWARD
    assert place in [(change.path, change.keyword) for change in widened.changes]
    narrowed = _compare(wide, narrow)
    assert narrowed.compatibility is Compatibility.FORWARD
    assert place in [(change.path, change.keyword) for change in narrowed.changes]
    assert all(change.reason for change in (*widened.changes, *narrowed.changes))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "string"}, {"type": "number"}),
        ({"pattern": "a"}, {"pattern": "b"}),
        ({"minimum": 1, "maximum": 5}, {"minimum": 2, "maximum": 6}),
        ({"multipleOf": 2}, {"multipleOf": 3}),
        ({"oneOf": [{"type": "string"}]}, {"oneOf": [{"type": "string"}, {}]}),
        ({"required": ["a"]}, {"required": ["b"]}),
        (
            {**_object(a={"type": "string"}), "additionalProperties": False},
            {**_object(b={"type": "string"}), "additionalProperties": False},
        ),
        ({"patternProperties": {"^a": {"type": "string"}}}, {"patternProperties": {"^b": {"type": "string"}}}),
        (
            {"allOf": [_object(a={})], "unevaluatedProperties": False},
            {"allOf": [_object(b={})], "unevaluatedProperties": False},
        ),
        ({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"enum": [1]}}},) * 1
        + ({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"enum": [2]}}},),
        (
            {"oneOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"minimum": 1}}},
            {"oneOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"minimum": 2}}},
        ),
    ],
)
def test_each_way_of_breaking(before: Any, after: Any) -> None:
    assert _compare(before, after).compatibility is Compatibility.BREAKING
    assert _compare(after, before).compatibility is Compatibility.BREAKING


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"title": "a"}, {"title": "b", "description": "c", "default": 1, "examples": [1]}),
        ({"type": "number", "pattern": "a"}, {"type": "number"}),
        ({"type": ["integer", "number"]}, {"type": "number"}),
        ({"minLength": 0}, {}),
        ({"minimum": 1}, {"$ref": "#/$defs/a", "$defs": {"a": {"minimum": 1.0}}}),
        (None, True),
        (None, {}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}),
    ],
)
def test_what_changes_nothing(before: Any, after: Any) -> None:
    assert _compare(before, after) == SchemaReport(compatibility=Compatibility.FULL)


def test_a_field_that_becomes_sensitive_is_noted_and_breaks_nothing() -> None:
    report = _compare(_object(cpf={"type": "string"}), _object(cpf={"type": "string", "x-sensitive": True}))
    assert report.compatibility is Compatibility.FULL
    assert [(each.path, each.effect) for each in report.changes] == [("/cpf", Effect.NOTED)]


def test_recursive_schemas_are_compared_and_the_comparison_ends() -> None:
    tree = _object(value={"type": "number"}, child={"$ref": "#"})
    wider = _object(value={"type": ["number", "null"]}, child={"$ref": "#/$defs/tree"}) | {"$defs": {"tree": tree}}
    assert _compare(tree, wider).compatibility is Compatibility.BACKWARD
    assert _compare(tree, None).compatibility is Compatibility.BACKWARD
    assert _compare(None, tree).compatibility is Compatibility.FORWARD
    assert _compare(tree, _object(value={"type": "number"})).compatibility is Compatibility.BACKWARD


def test_large_and_deep_schemas_are_compared_in_bounded_time_and_never_called_compatible() -> None:
    many = _object(**{f"p{n}": {"type": "string"} for n in range(2000)})
    other = {"additionalProperties": _object(**{f"q{n}": {"minimum": n} for n in range(1500)})}
    chain = {f"a{n}": {"items": {"$ref": f"#/$defs/a{n + 1}"}} for n in range(1000)}
    deep = {"$ref": "#/$defs/a0", "$defs": {**chain, "a1000": {"type": "string"}}}
    shorter = {"$ref": "#/$defs/a0", "$defs": {**chain, "a1000": {"type": "number"}}}
    begin = time.process_time()
    report = _compare(many, other)
    assert report.compatibility is Compatibility.BREAKING
    assert report.truncated
    assert len(report.changes) == MOST_CHANGES
    assert _compare(deep, shorter).compatibility is Compatibility.BREAKING
    assert time.process_time() - begin < 20


def test_long_lists_are_compared_in_bounded_time() -> None:
    many = [{"const": n} for n in range(3000)]
    shared = {"$ref": "#/$defs/a"}
    large = {"a": {"enum": [f"value {n}" for n in range(5000)]}}
    begin = time.process_time()
    same = [{"anyOf": many}, {"anyOf": many[::-1]}]
    assert _compare(*same).compatibility is Compatibility.FULL
    references = [{"anyOf": [{**shared, "title": str(n)} for n in range(1500)], "$defs": large} for _ in range(2)]
    references[1]["title"] = "other"
    assert _compare(*references).compatibility is Compatibility.FULL
    members = _object(**{f"p{n}": {} for n in range(1000)})
    listed = {"type": "object", "additionalProperties": {"enum": list(range(9000))}}
    assert _compare(members, listed).compatibility is Compatibility.BREAKING
    assert time.process_time() - begin < 10


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
_TYPE = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])


def _schemas() -> st.SearchStrategy[Any]:
    def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        few = st.lists(inner, min_size=1, max_size=2)
        return st.fixed_dictionaries(
            {},
            optional={
                "type": _TYPE | st.lists(_TYPE, min_size=1, max_size=3, unique=True),
                "enum": st.lists(_VALUES, min_size=1, max_size=3),
                "minimum": st.integers(-2, 2),
                "exclusiveMaximum": st.integers(-2, 3),
                "maxLength": st.integers(0, 2),
                "minItems": st.integers(0, 2),
                "multipleOf": st.integers(1, 3),
                "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
                "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
                "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=1),
                "additionalProperties": inner,
                "unevaluatedProperties": inner,
                "propertyNames": inner,
                "prefixItems": few,
                "items": inner,
                "contains": inner,
                "allOf": few,
                "anyOf": few,
                "oneOf": few,
                "not": inner,
                "if": inner,
                "then": inner,
                "dependentSchemas": st.dictionaries(st.sampled_from("ab"), inner, max_size=1),
            },
        )

    return st.recursive(st.booleans() | keywords(st.booleans()), keywords, max_leaves=5)


@settings(max_examples=200)
@given(_schemas(), _schemas(), st.lists(_VALUES, min_size=5, max_size=12))
def test_the_report_never_promises_too_much(before: Any, after: Any, values: list[Any]) -> None:
    report = _compare(before, after)
    old, new = jsonschema_rs.Draft202012Validator(before), jsonschema_rs.Draft202012Validator(after)
    for value in values:
        if report.compatibility in {Compatibility.FULL, Compatibility.BACKWARD} and old.is_valid(value):
            assert new.is_valid(value), (before, after, value)
        if report.compatibility in {Compatibility.FULL, Compatibility.FORWARD} and new.is_valid(value):
            assert old.is_valid(value), (before, after, value)
