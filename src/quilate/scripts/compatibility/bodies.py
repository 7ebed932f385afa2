"""Bodies as the source documents and their other solutions write them: the same fields under several names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from quilate.kit.web.problems import Problem

NAMES: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "nome"),
    "content": ("content", "code", "codigo", "scriptcontent"),
    "description": ("description", "descricao"),
    "script": ("scriptid", "script_id"),
    "data": ("data", "inputdata", "dadosentrada", "input"),
    "version": ("version", "semver", "versao"),
    "schema": ("inputschema", "input_schema"),
}
"""Each field with the names it is known by; whether letters are small or capital makes no difference, as in .NET."""

LONGEST_NAME = 255
LONGEST_DESCRIPTION = 1000
_FIELD_OF = {alias: name for name, aliases in NAMES.items() for alias in aliases}
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptBody:
    """A script as it is sent; ``None`` for a field that is not there."""

    name: str | None
    content: str | None
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionBody:
    """A version as it is sent."""

    content: str
    semver: str | None
    input_schema: Any


def fields_of(body: bytes) -> Mapping[str, bytes]:
    """Return the fields of a JSON object under their first names, each as the JSON that it was sent as.

    Raises:
        Problem: 400, it is no JSON object; 422, a field came under two names with two values.
    """
    try:
        sent = _RAW.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            status=400,
            type="malformed",
            detail=f"the body is no JSON object: {error}",
            next_step="send a JSON object as the documentation at /swagger shows it",
        ) from error
    found: dict[str, bytes] = {}
    names: dict[str, str] = {}
    for sent_name, raw in sent.items():
        name = _FIELD_OF.get(sent_name.lower())
        if name is None:
            continue
        value = bytes(raw)
        if name in found and found[name] != value:
            raise Problem(
                status=422,
                type="invalid-request",
                detail=f"{names[name]!r} and {sent_name!r} are the same field with two values",
                next_step=f"send one of them, {NAMES[name][0]!r} for example",
            )
        found[name], names[name] = value, sent_name
    return found


def script_body(body: bytes) -> ScriptBody:
    """Return a script that was sent.

    Raises:
        Problem: 400 or 422.
    """
    fields = fields_of(body)
    name = _text(fields, "name", LONGEST_NAME)
    return ScriptBody(
        name=None if name is None else required(name, "name"),
        content=_text(fields, "content", None),
        description=_text(fields, "description", LONGEST_DESCRIPTION),
    )


def version_body(body: bytes) -> VersionBody:
    """Return a version that was sent.

    Raises:
        Problem: 400 or 422.
    """
    fields = fields_of(body)
    content = required(_text(fields, "content", None), "content")
    return VersionBody(content=content, semver=_text(fields, "version", 100), input_schema=_schema(fields))


def execution_body(body: bytes, script: UUID | None) -> tuple[UUID, str | None, bytes]:
    """Return which script, which version and the data; the data is not parsed.

    Args:
        body: The JSON object.
        script: Which script, where the address says it.

    Raises:
        Problem: 400 or 422.
    """
    fields = fields_of(body)
    if script is None:
        script = _identifier(required(_text(fields, "script", 100), "scriptId"))
    if "data" not in fields:
        raise _missing("data")
    return script, _text(fields, "version", 100), fields["data"]


def required(value: str | None, name: str) -> str:
    """Return a field that has to be there.

    Raises:
        Problem: 422, it is not.
    """
    if value is None or not value.strip():
        raise _missing(name)
    return value


def _missing(name: str) -> Problem:
    return Problem(
        status=422,
        type="invalid-request",
        detail=f"{name!r} is missing",
        next_step=f"send {name!r}",
        extensions={"errors": [{"pointer": f"#/{name}", "in": "body", "detail": "is required"}]},
    )


def _text(fields: Mapping[str, bytes], name: str, longest: int | None) -> str | None:
    if name not in fields:
        return None
    try:
        value = msgspec.json.decode(fields[name], type=str | None)
    except msgspec.DecodeError as error:
        raise Problem(
            status=422, type="invalid-request", detail=f"{name!r} is no text", next_step="send it as a JSON string"
        ) from error
    if value is not None and ("\x00" in value or (longest is not None and len(value) > longest)):
        limit = f"at most {longest} characters and " if longest is not None else ""
        raise Problem(
            status=422,
            type="invalid-request",
            detail=f"{name!r} has to have {limit}no NUL",
            next_step="send another text",
        )
    return value


def _schema(fields: Mapping[str, bytes]) -> Any:
    if "schema" not in fields:
        return None
    try:
        return msgspec.json.decode(fields["schema"])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(
            status=422,
            type="invalid-request",
            detail="'inputSchema' holds a number that is too large, or nests too deep",
            next_step="send a JSON Schema",
        ) from error


def _identifier(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Problem(
            status=422,
            type="invalid-request",
            detail="'scriptId' is no UUID",
            next_step="send the id that POST /api/scripts answered",
        ) from error
