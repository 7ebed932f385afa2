"""The published shapes of requests: what a server here takes has one, and no member that its provider does not know."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from tests.support.forge_servers.documented import DOCUMENTED

_FOLDER = Path(__file__).parent / "schemas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one operation takes.

    Attributes:
        operation: Method and path with its parameters in braces.
        page: Where the provider documents it.
        source: Where the shape is from, with its version.
    """

    operation: str
    page: str
    source: str
    validator: Draft202012Validator

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request is one of this operation."""
        own, _, pattern = self.operation.partition(" ")
        return own == method and re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(pattern)), path) is not None

    def problems(self, body: Any) -> list[str]:
        """Return what is wrong with a body."""
        return [f"{self.operation}: {error.message[:300]}" for error in self.validator.iter_errors(body)]


def shapes_of(provider: str) -> list[Shape]:
    """Return the shapes of a provider; those of Gitea have to fit Forgejo too."""
    if provider in DOCUMENTED:
        source = "written from the documentation page"
        return [_shape(name, each, source) for name, each in DOCUMENTED[provider].items()]
    names = ("gitea", "forgejo") if provider == "gitea" else (provider,)
    found = []
    for name in names:
        document = json.loads((_FOLDER / f"{name}.json").read_bytes())
        source = f"{document['source']} {document['version']}"
        found += [_shape(operation, each, source) for operation, each in document["operations"].items()]
    return found


def _shape(operation: str, given: Mapping[str, Any], source: str) -> Shape:
    validator = Draft202012Validator(closed(given["schema"]), format_checker=FormatChecker())
    return Shape(operation=operation, page=given["page"], source=source, validator=validator)


def closed(schema: Any) -> Any:
    """Return a schema by which no object has members that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tight = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "object" in schema.get("type", ()):
        tight.setdefault("additionalProperties", False)
    return tight
