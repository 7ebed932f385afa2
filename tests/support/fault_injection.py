"""Requests that carry a hostile string in one place each: every parameter and every string of every body."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from urllib.parse import quote
from uuid import UUID

SLEEP_SECONDS = 8
"""So long would an injected statement sleep."""
TRACE = "quilate-injected"
"""Name of a file and of a header that an injection would make."""

TEXTS = (
    "' OR '1'='1' --",
    "'; DROP TABLE runs CASCADE; --",
    f"1; SELECT pg_sleep({SLEEP_SECONDS}); --",
    f"'||(SELECT pg_sleep({SLEEP_SECONDS}))||'",
    "\\'; COPY users TO PROGRAM 'id'; --",
    "%(project)s %s %n {0.__class__} {{7*7}} ${7*7}",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "file:///etc/passwd",
    f"$(touch /tmp/{TRACE}); `touch /tmp/{TRACE}` | touch /tmp/{TRACE}",
    f"x\r\n{TRACE}: 1\r\n\r\n<b>",
    "<script>alert(1)</script>",
    "${jndi:ldap://127.0.0.1/a}",
    "a\x00b",
    "\u202e\ufeff\U0001f4a3 e\u0301",
    "-1e309",
    "__proto__",
    "x" * 5000,
)
"""What is put everywhere."""

_HEADERS = ("Accept", "Content-Type", "If-Match", "If-None-Match", "Last-Event-ID", "Range", "traceparent",
            "tracestate", "X-Request-ID", "X-Forwarded-For", "X-Forwarded-Host", "Origin", "Referer", "Cookie",
            "User-Agent")  # fmt: skip
_NOBODY = str(UUID(int=7))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request."""

    method: str
    path: str
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    content: bytes | None = None
    spot: str = ""

    def __str__(self) -> str:
        """Say what was sent where."""
        return f"{self.method} {self.path[:200]} ({self.spot})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the description with what fills its request.

    Attributes:
        method: In capitals.
        path: With parameters in braces.
        parameters: As the description has them.
        body: A body of the smallest form; ``None`` where there is none.
        schema: The body's.
        components: Schemas by name.
    """

    method: str
    path: str
    parameters: list[dict[str, Any]]
    body: Any
    schema: dict[str, Any]
    components: Mapping[str, Any]

    def requests(self, known: Mapping[str, str], texts: Iterator[str], each: int) -> Iterator[Sent]:
        """Yield requests with ``each`` of the next texts in each place.

        Args:
            known: Values of path parameters that lead somewhere; others name nobody's thing.
            texts: Endless.
            each: Texts for each place.
        """
        base = self._path(known)
        content = None if self.body is None else json.dumps(self.body).encode()
        for parameter in self.parameters:
            for _ in range(each):
                yield self._with_parameter(parameter, next(texts), known, base, content)
        for name in _HEADERS:
            text = next(texts)
            yield Sent(
                method=self.method, path=base, headers=_headers({name: text}), content=content, spot=f"{name}: {text!r}"
            )
        for pointer in _strings(self.schema, self.components):
            for _ in range(each):
                text = next(texts)
                changed = json.dumps(_changed(self.body, pointer, text)).encode()
                spot = f"{'/'.join(pointer)}: {text[:60]!r}"
                yield Sent(method=self.method, path=base, headers=_headers({}), content=changed, spot=spot)

    def _with_parameter(
        self, parameter: Mapping[str, Any], text: str, known: Mapping[str, str], base: str, content: bytes | None
    ) -> Sent:
        name, spot = parameter["name"], f"{parameter['name']}: {text[:60]!r}"
        path, headers = base, {}
        if parameter["in"] == "path":
            path = self._path({**known, name: text})
        elif parameter["in"] == "query":
            path = f"{base}{'&' if '?' in base else '?'}{quote(name)}={quote(text, safe='')}"
        else:
            headers = {name: text}
        return Sent(method=self.method, path=path, headers=_headers(headers), content=content, spot=spot)

    def _path(self, values: Mapping[str, str]) -> str:
        path = self.path
        for parameter in self.parameters:
            if parameter["in"] == "path":
                value = values.get(parameter["name"], _NOBODY)
                path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
        return path


def _headers(given: Mapping[str, str]) -> dict[bytes, bytes]:
    # The client refuses line ends and NUL by itself; servers are asked with everything else as bytes.
    plain = {"Content-Type": "application/json", "If-Match": '"1"', **given}
    return {name.encode(): text.replace("\r\n", "%0d%0a").replace("\0", "%00").encode() for name, text in plain.items()}


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Return every operation of an OpenAPI description."""
    components = document["components"]["schemas"]
    found = []
    for path, item in document["paths"].items():
        for method, described in item.items():
            content = described.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            found.append(
                Operation(
                    method=method.upper(),
                    path=path,
                    parameters=[*item.get("parameters", []), *described.get("parameters", [])],
                    body=_smallest(schema, components) if schema else None,
                    schema=schema,
                    components=components,
                )
            )
    return found


def endless_texts() -> Iterator[str]:
    """Yield the texts over and over."""
    return cycle(TEXTS)


def _resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    while True:
        if "$ref" in schema:
            schema = components[schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema or "oneOf" in schema:
            options = schema.get("anyOf") or schema["oneOf"]
            schema = next((each for each in options if each.get("type") != "null"), {})
        elif "allOf" in schema:
            schema = schema["allOf"][0]
        else:
            return schema


def _smallest(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """Return a value with all that is required and nothing else."""
    schema = _resolved(schema, components)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: _smallest(schema["properties"][name], components) for name in schema.get("required", ())}
    if kind == "array":
        return [_smallest(schema["items"], components)] * schema.get("minItems", 0)
    if kind == "string":
        formats = {"uuid": _NOBODY, "date": "2027-01-31", "date-time": "2027-01-31T00:00:00Z"}
        return formats.get(schema.get("format", ""), "x" * max(schema.get("minLength", 1), 1))
    return {"integer": schema.get("minimum", 1), "number": 1, "boolean": False}.get(str(kind))


def _strings(schema: Mapping[str, Any], components: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Yield the places of strings: names of members, ``0`` for the first of an array, ``*`` for a member's own name."""
    schema = _resolved(schema, components)
    kind = schema.get("type")
    if kind == "string":
        yield ()
    elif kind == "array":
        yield from (("0", *rest) for rest in _strings(schema.get("items", {}), components, depth))
    elif kind == "object" and depth < 4:
        for name, part in schema.get("properties", {}).items():
            yield from ((name, *rest) for rest in _strings(part, components, depth + 1))
        if schema.get("additionalProperties"):
            yield ("*",)


def _changed(body: Any, pointer: tuple[str, ...], text: str) -> Any:
    if not pointer:
        return text
    name, rest = pointer[0], pointer[1:]
    if name == "0":
        return [_changed(body[0] if isinstance(body, list) and body else None, rest, text)]
    members = dict(body) if isinstance(body, dict) else {}
    if name == "*":
        return {**members, text: text}
    return {**members, name: _changed(members.get(name), rest, text)}
