"""The last signed head of the log, kept outside the database, so that a database turned back is noticed."""

import base64
import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from quilate.audit.checkpoints import parse_checkpoint
from quilate.audit.merkle import HASH_BYTES
from quilate.audit.notes import decode_base64
from quilate.domain.errors import ConfigurationError

HEAD_FILE = "audit-head"
_FORMAT = "quilate-audit-head/v1"
_MAX_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head that was signed: the log's origin, its size, its root and the whole checkpoint."""

    origin: str
    size: int
    root: bytes
    note: str = ""


class _Document(msgspec.Struct):
    format: str
    origin: str
    size: int
    root: str
    checkpoint: str = ""


class HeadFile:
    """The head in a file of the state directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / HEAD_FILE

    def read(self) -> Head | None:
        """Return the head, ``None`` where there is no file.

        Raises:
            ConfigurationError: The file cannot be read or holds no head.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(
                f"cannot read {self.path}: {error.strerror}", next_step="make it readable for the service's user"
            ) from error
        return parse_head(content, str(self.path))

    def write(self, head: Head) -> None:
        """Replace the head; after a power cut there is the old one or the new one.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        document = _Document(
            format=_FORMAT,
            origin=head.origin,
            size=head.size,
            root=base64.b64encode(head.root).decode(),
            checkpoint=head.note,
        )
        try:
            self._replace(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {self.path}: {error.strerror}", next_step="make room, or the directory writable"
            ) from error

    def _replace(self, content: bytes) -> None:
        descriptor, partial = tempfile.mkstemp(dir=self.path.parent, prefix=f".{HEAD_FILE}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(partial).replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(partial).unlink()
            raise
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def parse_head(content: bytes, name: str) -> Head:
    """Return the head in a file: an ``audit-head`` or a checkpoint.

    Raises:
        ConfigurationError: It holds neither.
    """
    try:
        if not content.lstrip().startswith(b"{"):
            signed = parse_checkpoint(content.decode())
            head = signed.checkpoint
            return Head(origin=head.origin, size=head.size, root=head.root, note=content.decode())
        document = msgspec.json.decode(content[:_MAX_BYTES], type=_Document)
        root = decode_base64(document.root)
        if document.format != _FORMAT or len(root) != HASH_BYTES or document.size < 0:
            raise ValueError("it is no head")  # noqa: TRY301 - one kind of error for all that is wrong
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigurationError(
            f"{name} holds neither a head nor a checkpoint of an audit log",
            next_step="give the service's `audit-head` file, or a checkpoint as the service serves it",
        ) from error
    return Head(origin=document.origin, size=document.size, root=root, note=document.checkpoint)
