"""Where subschemas stand in a JSON Schema (2020-12), and what its references name."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

SINGLE_IN_PLACE = ("not", "if", "then", "else")
SINGLE_OF_PROPERTIES = ("additionalProperties", "propertyNames", "unevaluatedProperties")
SINGLE_OF_ITEMS = ("items", "contains", "unevaluatedItems")
SINGLE_OTHER = ("contentSchema",)
LISTS_IN_PLACE = ("allOf", "anyOf", "oneOf")
LISTS_OF_ITEMS = ("prefixItems",)
MAPS_IN_PLACE = ("dependentSchemas",)
MAPS_OF_PROPERTIES = ("properties", "patternProperties")
MAPS_OF_DEFINITIONS = ("$defs", "definitions")

IN_PLACE = frozenset({*SINGLE_IN_PLACE, *LISTS_IN_PLACE, *MAPS_IN_PLACE, "$ref"})
"""Keywords whose subschemas see the very value that the schema itself sees."""

_SINGLE = (*SINGLE_IN_PLACE, *SINGLE_OF_PROPERTIES, *SINGLE_OF_ITEMS, *SINGLE_OTHER)
_LISTS = (*LISTS_IN_PLACE, *LISTS_OF_ITEMS)
_MAPS = (*MAPS_IN_PLACE, *MAPS_OF_PROPERTIES, *MAPS_OF_DEFINITIONS)


def escaped(part: str) -> str:
    """Return a name as a part of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield keyword, pointer below the schema and subschema of each place where one stands."""
    for keyword in _SINGLE:
        if keyword in schema:
            yield keyword, f"/{keyword}", schema[keyword]
    for keyword in _LISTS:
        listed = schema.get(keyword)
        if isinstance(listed, list):
            for index, each in enumerate(listed):
                yield keyword, f"/{keyword}/{index}", each
    for keyword in _MAPS:
        named = schema.get(keyword)
        if isinstance(named, dict):
            for name, each in named.items():
                yield keyword, f"/{keyword}/{escaped(name)}", each


def target_of(reference: Any) -> str:
    """Return the pointer (``#/...``) that a local ``$ref`` names; what is no such reference names nothing."""
    return unquote(reference) if isinstance(reference, str) else ""
