"""CloudEvents 1.0 over HTTP: structured, binary and batched, judged strictly by the specification.

Source: CloudEvents 1.0.2, its JSON format and its HTTP protocol binding. Attribute names are lower-case letters and
digits; values are texts without control characters, 32-bit integers or booleans; ``null`` is as if it were not there.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from quilate.kit.web.problems import Problem

MOST_IN_BATCH = 1000
LONGEST_ATTRIBUTE = 2048
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"

_NAME = re.compile(r"\A[a-z0-9]{1,64}\Z")
_MEDIA_TYPE = re.compile(r"\A[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;.*)?\Z", re.ASCII)
_MOMENT = re.compile(r"\A\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_URI = re.compile(r"\A[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_REQUIRED = ("specversion", "id", "source", "type")
_TEXTS = (*_REQUIRED, "datacontenttype", "dataschema", "subject", "time")
_MOST_ATTRIBUTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One event that keeps to the specification.

    Attributes:
        id: Unique within the source.
        source: URI reference.
        type: What it is.
        subject: What it is about.
        time: When it happened.
        data: Of JSON the value, else nothing.
        extensions: Further attributes.
    """

    id: str
    source: str
    type: str
    subject: str = ""
    time: datetime | None = None
    data: Any = None
    extensions: Mapping[str, Any] = field(default_factory=dict)


def read_events(headers: Mapping[str, str], body: bytes, *, longest: int) -> list[CloudEvent]:
    """Return the events of a request.

    Args:
        headers: Names in lower case.
        body: As it arrived.
        longest: Bytes that one event may have; a batch may have more.

    Raises:
        Problem: 400 for no JSON, 413, 415 for none of the three modes, or 422 with every fault.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == BATCHED:
        return _batch(body, longest)
    _require_short(len(body), longest, "the event")
    if media_type == STRUCTURED:
        return [_event(_decoded(body), "")]
    if media_type.startswith("application/cloudevents"):
        raise _unsupported(f"{media_type[:80]} is no format that is understood")
    if "ce-specversion" in headers or "ce-id" in headers:
        return [_event(_binary(headers, body, media_type), "")]
    raise _unsupported("the request is no CloudEvent")


def _batch(body: bytes, longest: int) -> list[CloudEvent]:
    documents = _decoded(body)
    if not isinstance(documents, list):
        raise _invalid([("", "a batch is a list of events")])
    if len(documents) > MOST_IN_BATCH:
        raise _too_large(f"a batch of {len(documents)} events is longer than {MOST_IN_BATCH}")
    faults: list[tuple[str, str]] = []
    events = []
    for place, document in enumerate(documents):
        _require_short(len(msgspec.json.encode(document)), longest, f"event {place} of the batch")
        try:
            events.append(_event(document, f"/{place}"))
        except Problem as problem:
            faults += [(each["pointer"][1:], each["detail"]) for each in problem.extensions["errors"]]
    if faults:
        # All or nothing: who sends a batch again must not have to find out which of it counted.
        raise _invalid(faults)
    return events


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            status=400, type="malformed", detail="the body is no JSON", next_step="send one JSON value as UTF-8"
        ) from error


def _binary(headers: Mapping[str, str], body: bytes, media_type: str) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in headers.items():
        if name.startswith("ce-"):
            document[name[3:]] = _unescaped(value)
    if "datacontenttype" in document or "data" in document or "data_base64" in document:
        raise _invalid([("/datacontenttype", "in binary mode Content-Type says it, and the body is the data")])
    if headers.get("content-type"):
        document["datacontenttype"] = headers["content-type"]
    if body:
        is_json = media_type == "application/json" or media_type.endswith("+json")
        document["data"] = _decoded(body) if is_json else None
    return document


def _unescaped(value: str) -> str:
    """Return a header's text: percent-encoded UTF-8, in quotes or not (HTTP binding, 3.1.3.2)."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        return "\0"  # No text: it is refused as what it is.


def _event(document: Any, pointer: str) -> CloudEvent:
    if not isinstance(document, dict):
        raise _invalid([(pointer, "an event is an object")])
    attributes = {
        name: value for name, value in document.items() if value is not None and name not in {"data", "data_base64"}
    }
    faults = [*_attribute_faults(attributes), *_data_faults(document)]
    if faults:
        raise _invalid([(f"{pointer}/{name}", detail) for name, detail in faults])
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes.get("subject", ""),
        time=_moment(attributes["time"]) if "time" in attributes else None,
        data=document.get("data"),
        extensions={name: value for name, value in attributes.items() if name not in _TEXTS},
    )


def _attribute_faults(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    if len(attributes) > _MOST_ATTRIBUTES:
        return [("", f"an event has at most {_MOST_ATTRIBUTES} attributes")]
    faults = [(name, "is missing") for name in _REQUIRED if name not in attributes]
    for name, value in attributes.items():
        if not _NAME.match(name):
            faults.append(("", "a name of an attribute holds other than lower-case letters and digits"))
        elif (fault := _value_fault(name, value)) is not None:
            faults.append((name, fault))
    return faults


def _value_fault(name: str, value: Any) -> str | None:
    if isinstance(value, str):
        if len(value) > LONGEST_ATTRIBUTE:
            return f"is longer than {LONGEST_ATTRIBUTE} characters"
        if _CONTROL.search(value):
            return "holds characters that no attribute may hold"
        rule = _RULES.get(name)
        return rule[1] if rule is not None and not rule[0](value) else None
    if name in _TEXTS:
        return "has to be a text"
    if isinstance(value, bool) or (isinstance(value, int) and -(1 << 31) <= value < 1 << 31):
        return None
    return "has to be a text, a boolean or a 32-bit integer"


def _data_faults(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    encoded = document.get("data_base64")
    if encoded is None:
        return []
    if document.get("data") is not None:
        return [("data_base64", "cannot stand beside data")]
    try:
        base64.b64decode(encoded if isinstance(encoded, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        return [("data_base64", "is no base64")]
    return []


def _moment(value: str) -> datetime | None:
    if not _MOMENT.match(value):
        return None
    try:
        # A leap second is written as 60; the second before stands for it.
        return datetime.fromisoformat(re.sub(r"(T\d\d:\d\d):60", r"\1:59", value.upper()))
    except ValueError:
        return None


def _is_reference(value: str) -> bool:
    try:
        urlsplit(value)
    except ValueError:
        return False
    return bool(_URI.match(value))


def _is_absolute(value: str) -> bool:
    return _is_reference(value) and bool(re.match(r"\A[A-Za-z][A-Za-z0-9+.-]*:", value))


_RULES: Mapping[str, tuple[Any, str]] = {
    "specversion": (lambda value: value == "1.0", "has to be 1.0"),
    "id": (bool, "must not be empty"),
    "source": (_is_reference, "has to be a URI reference that is not empty"),
    "type": (bool, "must not be empty"),
    "subject": (bool, "must not be empty"),
    "dataschema": (_is_absolute, "has to be an absolute URI"),
    "datacontenttype": (lambda value: bool(_MEDIA_TYPE.match(value)), "has to be a media type"),
    "time": (lambda value: _moment(value) is not None, "has to be a time by RFC 3339"),
}


def _require_short(length: int, longest: int, what: str) -> None:
    if length > longest:
        raise _too_large(f"{what} is longer than {longest} bytes")


def _too_large(detail: str) -> Problem:
    return Problem(
        status=413,
        type="too-large",
        detail=detail,
        next_step="send less at a time, and links to what is long; operators set QUILATE_EVENT_BYTES",
    )


def _unsupported(detail: str) -> Problem:
    return Problem(
        status=415,
        type="unsupported-media-type",
        detail=detail,
        next_step=f"send {STRUCTURED}, {BATCHED}, or the attributes as ce- headers",
    )


def _invalid(faults: Sequence[tuple[str, str]]) -> Problem:
    errors = [{"pointer": f"#{pointer}"[:200], "in": "body", "detail": detail} for pointer, detail in faults[:100]]
    return Problem(
        status=422,
        type="invalid-request",
        detail="the event does not keep to CloudEvents 1.0",
        next_step="correct what errors names",
        extensions={"errors": errors},
    )
