"""What a schema says of each place in the data: sensitive, to be tokenised, whom it is about, a text.

Keywords (all of them annotations, JSON Schema 2020-12 section 6.5):

- ``"x-sensitive": true``: masked wherever it is shown, encrypted at rest;
- ``"x-tokenise": true`` or a name: replaced by a token before the script sees it; values of one name join;
- ``"x-subject": true``: says whom the record is about, for erasure; counts as sensitive;
- ``"type": "string"``: integers that JavaScript cannot hold are written as texts there.

A place has the marks of every subschema that may describe it: references followed, ``allOf``, ``anyOf``, ``oneOf``,
``if``, ``then``, ``else`` and ``dependentSchemas`` all together. Rather too much is masked than too little.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from quilate.domain.errors import ConfigurationError
from quilate.scripts.payloads.model import Protection
from quilate.scripts.payloads.tokens import is_domain
from quilate.scripts.versions.schema_documents import compile_schema
from quilate.scripts.versions.schema_words import subschemas, target_of

_Schema = Mapping[str, Any]

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("if", "then", "else")
_MOST_KNOWN_KEYS = 10_000


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """A place in the data, with everything that the schema says of it.

    Attributes:
        schemas: All that describe it.
        sensitive: It is masked where it is shown.
        tokens: Name that its tokens carry, empty for none; ``None`` where it is not tokenised.
        subject: It says whom the record is about.
        text: It is read as a text.
        marked: It, or something in it, is any of the first three.
    """

    schemas: tuple[_Schema, ...]
    sensitive: bool = False
    tokens: str | None = None
    subject: bool = False
    text: bool = False
    marked: bool = False
    _children: dict[str, "Place"] = field(default_factory=dict)
    _items: dict[int, "Place"] = field(default_factory=dict)


class Marks:
    """The places of a schema, made as they are asked for.

    Args:
        value: The schema as parsed JSON.

    Raises:
        ConfigurationError: A mark is not what it has to be.
    """

    def __init__(self, value: Any) -> None:
        self._nodes = dict(_nodes(value))
        for pointer, schema in self._nodes.items():
            if isinstance(schema, dict):
                _require_marks(pointer, schema)
        self._marked = _reaching(self._nodes)
        self._places: dict[tuple[int, ...], Place] = {}
        self._patterns: dict[str, Any] = {}
        self.root = self._place([value])
        self.protection = Protection(
            sensitive=any(_is_sensitive(each) for each in self._schemas()),
            tokenise=any(each.get("x-tokenise") for each in self._schemas()),
            subjects=any(each.get("x-subject") is True for each in self._schemas()),
        )

    def child(self, place: Place, key: str) -> Place:
        """Return the place of an object's property."""
        found = place._children.get(key)  # noqa: SLF001 - its cache is filled here only
        if found is None:
            found = self._place([each for schema in place.schemas for each in self._properties(schema, key)])
            # Keys are the data's; those that the schema does not name could be without number.
            if len(place._children) < _MOST_KNOWN_KEYS:  # noqa: SLF001 - as above
                place._children[key] = found  # noqa: SLF001 - as above
        return found

    def item(self, place: Place, index: int) -> Place:
        """Return the place of an array's item."""
        longest = max((len(schema.get("prefixItems", ())) for schema in place.schemas), default=0)
        index = min(index, longest)
        found = place._items.get(index)  # noqa: SLF001 - as above
        if found is None:
            found = self._place([each for schema in place.schemas for each in _item(schema, index)])
            place._items[index] = found  # noqa: SLF001 - as above
        return found

    def _schemas(self) -> Iterator[_Schema]:
        return (schema for schema in self._nodes.values() if isinstance(schema, dict))

    def _place(self, schemas: list[Any]) -> Place:
        expanded = self._expanded(schemas)
        key = tuple(sorted(expanded))
        known = self._places.get(key)
        if known is None:
            known = self._places[key] = self._made(tuple(expanded[each] for each in key))
        return known

    def _made(self, schemas: tuple[_Schema, ...]) -> Place:
        wanted = [schema["x-tokenise"] for schema in schemas if schema.get("x-tokenise")]
        named = sorted(each for each in wanted if isinstance(each, str))
        return Place(
            schemas=schemas,
            sensitive=any(map(_is_sensitive, schemas)),
            tokens=(named[0] if named else "") if wanted else None,
            subject=any(schema.get("x-subject") is True for schema in schemas),
            text=any(_reads_text(schema) for schema in schemas),
            marked=any(id(schema) in self._marked for schema in schemas),
        )

    def _expanded(self, schemas: list[Any]) -> dict[int, _Schema]:
        found: dict[int, _Schema] = {}
        waiting = list(schemas)
        while waiting:
            schema = waiting.pop()
            if isinstance(schema, dict) and id(schema) not in found:
                found[id(schema)] = schema
                waiting.extend(self._beside(schema))
        return found

    def _beside(self, schema: _Schema) -> Iterator[Any]:
        """Give the subschemas that describe the same place."""
        if "$ref" in schema:
            yield self._nodes.get(target_of(schema["$ref"]) or "")
        for keyword in _LISTS:
            yield from schema.get(keyword, ())
        for keyword in _SINGLE:
            yield schema.get(keyword)
        yield from schema.get("dependentSchemas", {}).values()

    def _properties(self, schema: _Schema, key: str) -> Iterator[Any]:
        named = schema.get("properties", {})
        matching = [each for pattern, each in schema.get("patternProperties", {}).items() if self._fits(pattern, key)]
        if key in named:
            yield named[key]
        yield from matching
        if key not in named and not matching:
            yield schema.get("additionalProperties")
        yield schema.get("unevaluatedProperties")

    def _fits(self, pattern: str, key: str) -> bool:
        # By the validator's own matcher, which takes linear time whatever the pattern is.
        checker = self._patterns.get(pattern)
        if checker is None:
            checker = self._patterns[pattern] = compile_schema({"pattern": pattern})
        return bool(checker.is_valid(key))


def _item(schema: _Schema, index: int) -> Iterator[Any]:
    prefix = schema.get("prefixItems", ())
    yield prefix[index] if index < len(prefix) else schema.get("items")
    yield schema.get("contains")
    yield schema.get("unevaluatedItems")


def _is_sensitive(schema: _Schema) -> bool:
    return bool(schema.get("x-sensitive") or schema.get("x-subject") or schema.get("x-tokenise"))


def _reads_text(schema: _Schema) -> bool:
    named = schema.get("type")
    return named == "string" or (isinstance(named, list) and "string" in named)


def _require_marks(pointer: str, schema: _Schema) -> None:
    for word in ("x-sensitive", "x-subject"):
        if not isinstance(schema.get(word, False), bool):
            raise ConfigurationError(f"{pointer[:200]} has {word} that is not true or false", next_step="write true")
    tokens = schema.get("x-tokenise", False)
    if not isinstance(tokens, bool) and not (isinstance(tokens, str) and is_domain(tokens)):
        raise ConfigurationError(
            f"{pointer[:200]} has x-tokenise that is neither true nor a name",
            next_step="write true, or a name of lower-case letters, digits and _ whose values join",
        )


def _nodes(root: Any) -> Iterator[tuple[str, Any]]:
    waiting = [("#", root)]
    while waiting:
        pointer, schema = waiting.pop()
        yield pointer, schema
        if isinstance(schema, dict):
            waiting.extend((pointer + below, each) for _, below, each in subschemas(schema))


def _reaching(nodes: Mapping[str, Any]) -> frozenset[int]:
    """Return the ids of the schemas from which a mark can be reached."""
    schemas = [schema for schema in nodes.values() if isinstance(schema, dict)]
    above: dict[int, list[int]] = {}
    for schema in schemas:
        below = [each for _, _, each in subschemas(schema)]
        if "$ref" in schema:
            below.append(nodes.get(target_of(schema["$ref"]) or ""))
        for each in below:
            above.setdefault(id(each), []).append(id(schema))
    found: set[int] = set()
    waiting = [id(schema) for schema in schemas if _is_sensitive(schema)]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(above.get(each, ()))
    return frozenset(found)
