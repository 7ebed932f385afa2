"""Formats of payloads by their media types, the ends of their names and their first bytes."""

from collections.abc import AsyncIterator, Mapping
from email.message import Message
from functools import lru_cache
from types import MappingProxyType

from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.decoding import SUFFIXES
from quilate.scripts.payloads.errors import refused, unsupported

MEDIA_TYPES: Mapping[str, FileFormat] = MappingProxyType(
    {
        "application/json": FileFormat.JSON,
        "application/x-ndjson": FileFormat.NDJSON,
        "application/vnd.apache.parquet": FileFormat.PARQUET,
        "application/vnd.apache.arrow.stream": FileFormat.ARROW,
        "text/csv": FileFormat.CSV,
        "text/json": FileFormat.JSON,
        "application/ndjson": FileFormat.NDJSON,
        "application/jsonl": FileFormat.NDJSON,
        "application/x-jsonlines": FileFormat.NDJSON,
        "application/json-lines": FileFormat.NDJSON,
        "application/x-parquet": FileFormat.PARQUET,
        "application/parquet": FileFormat.PARQUET,
    }
)
"""What is taken; the first five names are the ones that answers use."""

NAMED = tuple(MEDIA_TYPES)[:5]
MULTIPART = "multipart/form-data"
TAKEN = (*NAMED, MULTIPART)

_ENDS: Mapping[str, FileFormat] = MappingProxyType(
    {
        ".json": FileFormat.JSON,
        ".ndjson": FileFormat.NDJSON,
        ".jsonl": FileFormat.NDJSON,
        ".parquet": FileFormat.PARQUET,
        ".arrows": FileFormat.ARROW,
        ".arrow": FileFormat.ARROW,
        ".csv": FileFormat.CSV,
    }
)
_BEGINNINGS = {FileFormat.PARQUET: b"PAR1", FileFormat.ARROW: b"\xff\xff\xff\xff"}
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii"})
_WHATEVER = frozenset({"", "application/octet-stream"})


def media_type_of(format: FileFormat) -> str:  # noqa: A002 - what it is called everywhere here
    """Return the media type of a format, for answers."""
    return next(name for name in NAMED if MEDIA_TYPES[name] is format)


def suffix_of(format: FileFormat) -> str:  # noqa: A002 - as above
    """Return the end of names of files of a format."""
    return next(end for end, found in _ENDS.items() if found is format)


@lru_cache(maxsize=256)
def media_type(text: str) -> tuple[str, Mapping[str, str]]:
    """Return a ``Content-Type``'s name in lower case and its parameters."""
    message = Message()
    message["content-type"] = text
    parameters = message.get_params([], header="content-type")
    return (parameters[0][0].strip().lower() if parameters else ""), {name.lower(): v for name, v in parameters[1:]}


def format_of_type(text: str) -> FileFormat:
    """Return the format of a ``Content-Type``; without one it is JSON.

    Raises:
        Problem: 415, it is none that is taken, or its text is not in UTF-8.
    """
    name, parameters = media_type(text)
    if not name:
        return FileFormat.JSON
    found = MEDIA_TYPES.get(name)
    if found is None and name.startswith("application/") and name.endswith("+json"):
        found = FileFormat.JSON
    if found is None:
        raise unsupported("the Content-Type is none that is taken", TAKEN, "Accept-Post")
    if parameters.get("charset", "").strip("\"' ").lower() not in _UTF8:
        raise unsupported("texts are taken in UTF-8 only", TAKEN, "Accept-Post")
    return found


def format_of_name(name: str) -> FileFormat | None:
    """Return the format that a file's name says, the end of its compression left out; ``None`` where it says none."""
    return _ENDS.get(_end(_without_compression(name.lower())))


def encoding_of_name(name: str) -> str:
    """Return the compression that a file's name says."""
    return SUFFIXES.get(_end(name.lower()), "identity")


def format_of_part(type_: str, name: str) -> FileFormat:
    """Return the format of an uploaded or fetched file: by its type, else by its name.

    Raises:
        Problem: 415, neither says one.
    """
    base = media_type(type_)[0]
    if base in MEDIA_TYPES or base.endswith("+json"):
        return format_of_type(type_)
    found = format_of_name(name)
    if found is None:
        said = "is none that is taken" if base not in _WHATEVER else "and its name say nothing of its format"
        raise unsupported(f"the file's type {said}", TAKEN, "Accept-Post")
    return found


async def genuine(pieces: AsyncIterator[bytes], format: FileFormat) -> AsyncIterator[bytes]:  # noqa: A002 - as above
    """Give a content on, once its first bytes are those of its format; nothing else of it is looked at.

    Raises:
        Problem: 422, they are not.
    """
    beginning, seen = _BEGINNINGS.get(format, b""), b""
    async for piece in pieces:
        if len(seen) < len(beginning):
            seen += piece[: len(beginning) - len(seen)]
            _require_beginning(seen, beginning, format)
        yield piece
    if len(seen) < len(beginning):
        _require_beginning(b"\0", beginning, format)


def _require_beginning(seen: bytes, beginning: bytes, format: FileFormat) -> None:  # noqa: A002 - as above
    if not beginning.startswith(seen):
        raise refused(
            f"the content does not begin as {format.value} does",
            "say by its Content-Type or its name what it is; Arrow is taken as an IPC stream",
        )


def _end(name: str) -> str:
    base = name.rpartition("/")[2]
    return base[base.rfind(".") :] if "." in base else ""


def _without_compression(name: str) -> str:
    end = _end(name)
    return name[: -len(end)] if end in SUFFIXES else name
