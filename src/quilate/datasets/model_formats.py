"""Refuse models that run code when they are loaded: by their content, whatever their names say."""

import codecs
import json
import pickletools
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from quilate.datasets.errors import UnsafeFormatError
from quilate.datasets.formats import MODELS, suffix_of

_HEAD = 512
_PIECE = 1 << 20
_LONGEST_PICKLE_TEXT = 8 << 20
_LONGEST_HEADER = 100 << 20
_MOST_MEMBERS = 100_000
_PICKLE_PROTOCOLS = range(2, 6)
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"ZF", b"\x04\x22\x4d\x18")
_ZIP = b"PK\x03\x04"
_SKOPS_MEMBERS = frozenset({".json", ".npy", ".npz", ".txt"})
_NPY = b"\x93NUMPY"


def require_safe_model(path: Path, name: str) -> str:
    """Return the format of a model's file.

    Raises:
        UnsafeFormatError: It is a pickle (joblib's and PyTorch's included), or of no format that is known to be safe.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        suffix = suffix_of(name)
        if is_pickle(head) or _is_compressed_pickle(head):
            raise _pickle(name)
        if suffix not in MODELS:
            raise UnsafeFormatError(
                f"a model's files are {', '.join(sorted(MODELS))}",
                next_step="export it to ONNX, safetensors or skops; pickle and joblib run code when they are loaded",
            )
        stream.seek(0)
        form = MODELS[suffix]
        if not _CHECKS[form](stream, path.stat().st_size):
            raise UnsafeFormatError(
                f"the file is not what {suffix} says", next_step="export the model again, and upload it whole"
            )
    return form


def is_pickle(head: bytes) -> bool:
    """Tell whether content begins as a pickle of protocol 2 to 5 does; older ones are texts, see ``_is_text``."""
    return len(head) > 1 and head[0] == 0x80 and head[1] in _PICKLE_PROTOCOLS  # noqa: PLR2004 - the opcode PROTO


def _is_compressed_pickle(head: bytes) -> bool:
    if head.startswith(_COMPRESSED):
        return True  # No safe format is compressed as a whole; joblib's files are.
    try:
        return is_pickle(zlib.decompressobj().decompress(head, 2))
    except zlib.error:
        return False


def _pickle(name: str) -> UnsafeFormatError:
    shown = name.rpartition("/")[2][:80]
    return UnsafeFormatError(
        f"{shown!r} is a pickle or a compressed file, which may run code when it is loaded",
        next_step="export the model to ONNX, safetensors or skops",
    )


def _is_onnx(stream: BinaryIO, size: int) -> bool:
    # ModelProto's first field, ir_version: field 1, a varint, small.
    head = stream.read(2)
    return size > len(head) and head[:1] == b"\x08" and 0 < head[1] < 0x80  # noqa: PLR2004 - one byte of a varint


def _is_safetensors(stream: BinaryIO, size: int) -> bool:
    length = int.from_bytes(stream.read(8), "little")
    if not len(b"{}") <= length <= min(_LONGEST_HEADER, size - 8):
        return False
    try:
        return isinstance(json.loads(stream.read(length)), dict)
    except (ValueError, RecursionError):
        return False


def _is_skops(stream: BinaryIO, size: int) -> bool:  # noqa: ARG001 - the form of every check
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            if "schema.json" not in names or len(names) > _MOST_MEMBERS:
                return False
            return all(_is_skops_member(archive, name) for name in names)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, ValueError):
        return False


def _is_skops_member(archive: zipfile.ZipFile, name: str) -> bool:
    suffix = suffix_of(name)
    if suffix not in _SKOPS_MEMBERS:
        return False
    with archive.open(name) as member:
        head = member.read(_HEAD)
    # An array of objects is kept as a pickle behind the array's header.
    return not is_pickle(head) and not (head.startswith(_NPY) and b"|O" in head)


def _is_gguf(stream: BinaryIO, size: int) -> bool:  # noqa: ARG001 - the form of every check
    return stream.read(4) == b"GGUF"


def _is_ubjson(stream: BinaryIO, size: int) -> bool:  # noqa: ARG001 - the form of every check
    return stream.read(1) == b"{"


def _is_text(stream: BinaryIO, size: int) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := stream.read(_PIECE):
            if "\0" in decoder.decode(piece):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    stream.seek(0)
    return size > _LONGEST_PICKLE_TEXT or not _is_pickle_text(stream.read())


def _is_pickle_text(content: bytes) -> bool:
    """Tell whether a text is, from its first to its last character, a pickle of protocol 0; nothing is loaded."""
    end = -1
    try:
        for opcode, _, position in pickletools.genops(content):
            if opcode.name == "STOP":
                end = position or 0
    except (ValueError, IndexError, UnicodeError, OverflowError):
        return False
    return end > 0


_CHECKS: Mapping[str, Callable[[BinaryIO, int], bool]] = MappingProxyType(
    {
        "onnx": _is_onnx,
        "safetensors": _is_safetensors,
        "skops": _is_skops,
        "gguf": _is_gguf,
        "ubjson": _is_ubjson,
        "text": _is_text,
    }
)
