"""A schema of inputs or outputs, compiled once: what breaks it, and what it marks.

Violations never hold a value. They are at most ``MOST_VIOLATIONS``, each with the JSON pointer from the whole payload
and, where the payload is an array of records, the record's index.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from quilate.scripts.payloads.errors import MOST_VIOLATIONS
from quilate.scripts.payloads.marks import Marks, Place
from quilate.scripts.payloads.model import Protection, Violation
from quilate.scripts.versions.schema_documents import compile_schema
from quilate.scripts.versions.schema_words import escaped, subschemas

_ABOUT_THE_ARRAY = frozenset({"type", "items", "minItems", "maxItems"})
_WITHOUT_EFFECT = frozenset(
    {"$schema", "$id", "$defs", "definitions", "$comment", "title", "description", "default", "examples", "deprecated"}
)
_DEFINITIONS = ("$defs", "definitions")
_LONGEST_MESSAGE = 300
_MANY = 1000
_MOST_COMPILED = 256


class InputSchema:
    """What checks payloads of one version.

    Args:
        value: The schema as parsed JSON.

    Raises:
        ConfigurationError: It is none that is taken.
    """

    def __init__(self, value: Any) -> None:
        self._validator = compile_schema(value)
        self._root: Mapping[str, Any] = value if isinstance(value, dict) else {}
        self.marks = Marks(value)
        self._records = self._record_validator()

    @property
    def protection(self) -> Protection:
        """What the schema asks for its data."""
        return self.marks.protection

    @property
    def record_place(self) -> Place:
        """Place of each record, where the payload is an array of them."""
        return self.marks.item(self.marks.root, 0)

    @property
    def by_record(self) -> bool:
        """Whether records can be checked one after the other: the array itself has nothing but type and length."""
        return self._records is not None

    def violations(self, value: Any) -> list[Violation]:
        """Return what of a whole payload breaks the schema, at most one more than are told."""
        if self._validator.is_valid(value):
            return []
        if isinstance(value, list) and len(value) > _MANY and self._records is not None:
            # The validator collects every error before it gives the first one.
            found = [*self.length_violations(len(value)), *self._first_broken(value)]
            if found:
                return found[: MOST_VIOLATIONS + 1]
        errors = islice(self._validator.iter_errors(value), MOST_VIOLATIONS + 1)
        return [_violation(error, in_array=isinstance(value, list)) for error in errors]

    def record_violations(self, record: Any, index: int, line: int | None = None) -> list[Violation]:
        """Return what of one record breaks the schema of records; only where ``by_record``."""
        checker = self._records
        if checker is None or checker.is_valid(record):
            return []
        errors = islice(checker.iter_errors(record), MOST_VIOLATIONS + 1)
        return [_violation(error, in_array=True, before=(index,), line=line) for error in errors]

    def length_violations(self, records: int) -> list[Violation]:
        """Return whether there are too few or too many records."""
        found = []
        if records < self._root.get("minItems", 0):
            found.append(Violation(path="", rule="minItems", message=f"has less than {self._root['minItems']} records"))
        if "maxItems" in self._root and records > self._root["maxItems"]:
            found.append(Violation(path="", rule="maxItems", message=f"has more than {self._root['maxItems']} records"))
        return found

    def _first_broken(self, records: Iterable[Any]) -> list[Violation]:
        found: list[Violation] = []
        for index, record in enumerate(records):
            found += self.record_violations(record, index)
            if len(found) > MOST_VIOLATIONS:
                break
        return found

    def _record_validator(self) -> jsonschema_rs.Draft202012Validator | None:
        root = self._root
        words = {word for word in root if not word.startswith("x-")}
        array = root.get("type") == "array" or root.get("type") == ["array"]
        if not array or not words <= _ABOUT_THE_ARRAY | _WITHOUT_EFFECT or _refers_beyond_definitions(root):
            return None
        kept = {word: root[word] for word in _DEFINITIONS if word in root}
        return compile_schema({**kept, "allOf": [root.get("items", True)]})


def _refers_beyond_definitions(root: Mapping[str, Any]) -> bool:
    waiting: list[Any] = [root]
    while waiting:
        schema = waiting.pop()
        if isinstance(schema, dict):
            if not str(schema.get("$ref", "#/$defs/")).startswith(("#/$defs/", "#/definitions/")):
                return True
            waiting.extend(each for _, _, each in subschemas(schema))
    return False


def _violation(
    error: jsonschema_rs.ValidationError, *, in_array: bool, before: tuple[int, ...] = (), line: int | None = None
) -> Violation:
    path = [*before, *error.instance_path]
    first = path[0] if path and in_array else None
    return Violation(
        path="".join(f"/{escaped(str(part))}" for part in path),
        rule=error.kind.name,
        message=error.message.splitlines()[0][:_LONGEST_MESSAGE] if error.message else "is not allowed",
        record=first if isinstance(first, int) else None,
        line=line,
    )


@lru_cache(maxsize=_MOST_COMPILED)
def compiled_schema(canonical: bytes) -> InputSchema:
    """Return the schema of canonical JSON as a version holds it; the last ones are kept.

    Raises:
        ConfigurationError: It is none that is taken.
    """
    return InputSchema(msgspec.json.decode(canonical))


def protection_of(canonical: bytes | None) -> Protection:
    """Return what a version's schema asks for its data; nothing without a schema.

    Raises:
        ConfigurationError: It is none that is taken.
    """
    return compiled_schema(canonical).protection if canonical is not None else Protection()


def output_protection(input_schema: bytes | None, output_schema: bytes | None) -> Protection:
    """Return what an output is kept like: as its own schema asks, without one as the input's.

    What is made of sensitive fields may hold them, unless somebody has said what it holds. An output has no subjects
    and no tokens of its own.
    """
    asked = protection_of(output_schema if output_schema is not None else input_schema)
    return Protection(sensitive=asked.sealed)


def first_violations(found: Iterator[Violation]) -> tuple[tuple[Violation, ...], bool]:
    """Return the violations that are told, and whether there are more."""
    told = tuple(islice(found, MOST_VIOLATIONS + 1))
    return told[:MOST_VIOLATIONS], len(told) > MOST_VIOLATIONS
