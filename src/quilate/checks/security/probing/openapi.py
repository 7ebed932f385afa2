"""Reading an OpenAPI document that a stranger may have written, and what of it the probes need."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from quilate.checks.endpoints import Endpoint, failure_reason
from quilate.domain.errors import EvidenceError

if TYPE_CHECKING:
    from http.client import HTTPConnection

MAX_DOCUMENT_BYTES = 8 << 20
"""Documents beyond 8 MiB are refused."""

_MAX_DEPTH = 64
_ALLOWED = "%/?:@!$&'()*+,;=~[]"
"""What a URL may hold besides letters, digits and ``_.-``: only other characters are quoted."""
_METHODS = ("get", "post", "put", "patch", "delete")
_SAMPLES: Mapping[str, Any] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One place where an operation takes text: ``where`` is ``path``, ``query`` or ``body``."""

    name: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as the probes need it; ``samples`` holds a plain value for every parameter that has one."""

    method: str
    path: str
    text_fields: tuple[Field, ...]
    samples: Mapping[Field, Any]

    @property
    def label(self) -> str:
        """Method and path template, as Schemathesis labels operations too."""
        return f"{self.method} {self.path}"


def fetch_document(endpoint: Endpoint, headers: Mapping[str, str], *, timeout: float, authorities: str) -> bytes:
    """Return the document at an address; no redirect is followed. ``authorities`` as ``read_authorities`` gives them.

    Raises:
        EvidenceError: It cannot be had, or is larger than ``MAX_DOCUMENT_BYTES``.
    """
    import http.client  # noqa: PLC0415 - only the check's own process needs it, not the planner

    try:
        connection = _connection(endpoint, timeout, authorities)
        try:
            target = endpoint.url.removeprefix(endpoint.origin)
            connection.request("GET", quote(target, safe=_ALLOWED), headers={"Accept": "*/*", **headers})
            response = connection.getresponse()
            content = response.read(MAX_DOCUMENT_BYTES + 1)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise EvidenceError(
            f"the OpenAPI document at {endpoint.shown} could not be fetched: {failure_reason(error)}",
            next_step="start the service, or mend `openapi` in quilate.yaml",
        ) from error
    if response.status != http.client.OK:
        raise EvidenceError(
            f"the OpenAPI document at {endpoint.shown} answers with status {response.status}",
            next_step="mend `openapi` in quilate.yaml",
        )
    if len(content) > MAX_DOCUMENT_BYTES:
        raise EvidenceError(f"the OpenAPI document at {endpoint.shown} is larger than {MAX_DOCUMENT_BYTES} bytes")
    return content


def _connection(endpoint: Endpoint, timeout: float, authorities: str) -> "HTTPConnection":
    import http.client  # noqa: PLC0415 - loaded by the caller already
    import ssl  # noqa: PLC0415 - beside its only use

    if endpoint.scheme == "http":
        return http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout)
    context = ssl.create_default_context(cadata=authorities or None)
    return http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=timeout, context=context)


def read_document(content: bytes) -> Mapping[str, Any]:
    """Parse an OpenAPI document, JSON or YAML.

    Raises:
        EvidenceError: It is no such document, or refers to other documents (which would have to be fetched).
    """
    document = _parse(content)
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise EvidenceError(
            "the answer is no OpenAPI document: it has no `paths`", next_step="bind the URL of the OpenAPI document"
        )
    for reference in _references(document, 0):
        if not reference.startswith("#"):
            raise EvidenceError(
                "the OpenAPI document refers to other documents, which are not fetched",
                next_step="serve a bundled document in which every $ref begins with #",
            )
    return document


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        pass
    import yaml  # noqa: PLC0415 - needed for the few documents that are not JSON

    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise EvidenceError("the OpenAPI document is neither JSON nor YAML") from error


def _references(value: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise EvidenceError("the OpenAPI document is nested too deeply")
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, depth + 1)


def base_path(document: Mapping[str, Any]) -> str:
    """Return the path that all operations share, without ``/`` at its end; the document's host is ignored."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    address = first.get("url") if isinstance(first, dict) else None
    text = address if isinstance(address, str) else document.get("basePath")
    try:
        return urlsplit(text).path.rstrip("/") if isinstance(text, str) else ""
    except ValueError:
        return ""


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Yield the operations in the order of the document."""
    for path, item in document["paths"].items():
        if not isinstance(item, dict) or not str(path).startswith("/"):
            continue
        for method in _METHODS:
            if isinstance(item.get(method), dict):
                yield _operation(document, str(path), method, item)


def _operation(document: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any]) -> Operation:
    described = item[method]
    samples: dict[Field, Any] = {}
    texts: list[Field] = []
    for raw in [*_list(item.get("parameters")), *_list(described.get("parameters"))]:
        parameter = _resolved(document, raw)
        where, name = parameter.get("in"), parameter.get("name")
        if where in {"path", "query"} and isinstance(name, str):
            schema = _resolved(document, parameter.get("schema") or parameter)
            _note(Field(name=name, where=str(where)), schema, samples, texts)
    body = _resolved(document, described.get("requestBody"))
    content = _resolved(document, _mapping(body.get("content")).get("application/json"))
    schema = _resolved(document, content.get("schema"))
    for name, raw in _mapping(schema.get("properties")).items():
        _note(Field(name=str(name), where="body"), _resolved(document, raw), samples, texts)
    return Operation(method=method.upper(), path=path, text_fields=tuple(texts), samples=samples)


def _note(field: Field, schema: Mapping[str, Any], samples: dict[Field, Any], texts: list[Field]) -> None:
    kind = schema.get("type")
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        samples[field] = choices[0]
        return
    fallback = schema.get("minimum", _SAMPLES.get(kind, "a")) if isinstance(kind, str) else "a"
    samples[field] = schema.get("example", schema.get("default", fallback))
    if kind in {"string", None}:
        texts.append(field)


def _resolved(document: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    for _ in range(_MAX_DEPTH):
        if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
            break
        target: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, dict) else None
        value = target
    return _mapping(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
