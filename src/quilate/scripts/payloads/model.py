"""Inputs and outputs of executions as values: what they are, where they lie, where they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from quilate.scripts.model import FileFormat

INLINE_BYTES = 256 << 10
"""So much of a payload lies in the row of its execution; more becomes an artifact."""

OWN = "payload:"
"""References to artifacts of the payload store, followed by their digest."""

CATALOGUE = "dataset:"
"""References to files of dataset versions, followed by their digest: the catalogue keeps them, nothing is copied."""

ENVELOPE = b"\xffQLS\x01"
"""How a sealed content begins: no text is UTF-8 and no Parquet or Arrow file that begins so."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a payload came from.

    Attributes:
        kind: ``body``, ``multipart``, ``file``, ``https``, ``s3``, ``gs``, ``az``, ``dataset`` or ``execution``.
        address: Which one, without credentials and queries; empty for a body.
        digest: ``sha256:`` of the plain content.
    """

    kind: str
    address: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPayload:
    """An input or output that is kept: in its execution's row, as an artifact, or in an object store.

    Attributes:
        digest: ``sha256:`` of the plain content, after its transfer's compression was undone.
        size: Bytes of the plain content.
        format: How it is written.
        inline: What lies in ``script_payloads``: the content where it is short, plain or in an envelope; of a content
            that lies elsewhere the envelope of its key, ``None`` where it is plain. See ``contents``.
        reference: ``payload:sha256:...``, ``dataset:sha256:...`` or an object's URL, where the content is not inline.
        provenance: Where it came from.
    """

    digest: str
    size: int
    format: FileFormat
    inline: bytes | None = field(default=None, repr=False)
    reference: str | None = None
    provenance: Provenance | None = None

    @property
    def sealed(self) -> bool:
        """Whether the content is encrypted at rest."""
        return self.inline is not None and self.inline.startswith(ENVELOPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadLimits:
    """What one payload may cost.

    Attributes:
        sent_bytes: Of the body as it was sent.
        plain_bytes: Of the content once its compression is undone.
        ratio: How many times longer than what was sent the content may be, beyond ``ratio_from_bytes``.
        ratio_from_bytes: Shorter contents may be of any ratio.
        inline_bytes: What lies in the execution's row.
        document_bytes: Of one JSON document whose schema is checked: it is held in memory as a whole.
        line_bytes: Of one line of NDJSON whose schema is checked.
        depth: Nesting of a value whose schema is checked.
    """

    sent_bytes: int = 1024 * _MIB
    plain_bytes: int = 4096 * _MIB
    ratio: int = 250
    ratio_from_bytes: int = 8 * _MIB
    inline_bytes: int = INLINE_BYTES
    document_bytes: int = 64 * _MIB
    line_bytes: int = 4 * _MIB
    depth: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Data that a submission only points to; the service reads it.

    Attributes:
        url: ``file:///...``, ``https://...``, ``s3://bucket/key``, ``gs://bucket/key``, ``az://container/blob``, or
            ``dataset://name/version/path`` (``latest`` for the newest version).
        sha256: What the content's digest has to be, 64 hexadecimal characters, with ``sha256:`` before it or not;
            empty for any. For compressed content it is the digest of what was compressed.
        format: How it is written; ``None`` to go by the end of its name.
    """

    url: str
    sha256: str = ""
    format: FileFormat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Something in a payload that its schema does not allow.

    Attributes:
        path: JSON pointer (RFC 6901) from the whole payload; for NDJSON and columns the first part is the record.
        record: Index of the record, from 0, where the payload is an array of records.
        rule: The schema's keyword, for example ``maximum``; ``json`` for what is no JSON, ``integer`` beyond 2^53.
        message: What is wrong, without the value itself.
        line: Line of the text, from 1, where it is known.
        column: Byte of that line, from 1, where it is known.
        byte: Byte of the whole text, from 0, where it is known.
    """

    path: str
    rule: str
    message: str
    record: int | None = None
    line: int | None = None
    column: int | None = None
    byte: int | None = None

    def document(self) -> dict[str, Any]:
        """Return it as a problem's ``errors`` list it."""
        found = {"pointer": f"#{self.path}", "in": "body", "detail": self.message, "rule": self.rule}
        more = {"record": self.record, "line": self.line, "column": self.column, "byte": self.byte}
        return found | {name: value for name, value in more.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What an output was made from.

    Attributes:
        execution_id: The execution.
        script_id: The script.
        script_version_id: Its immutable version.
        script_version: That version's number as people write it.
        input_digest: Of the input's plain content.
        input_address: Where the input came from, where it has an address.
    """

    execution_id: UUID
    script_id: UUID
    script_version_id: UUID
    script_version: str
    input_digest: str
    input_address: str = ""

    def document(self) -> Mapping[str, str]:
        """Return it in words for a version's comment and a run's parameters."""
        return {
            "execution": str(self.execution_id),
            "script": str(self.script_id),
            "script_version": self.script_version,
            "script_version_id": str(self.script_version_id),
            "input_digest": self.input_digest,
            "input_address": self.input_address,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What a schema asks for the data that it describes.

    Attributes:
        sensitive: There are sensitive fields: the content is sealed at rest and masked wherever it is shown.
        tokenise: There are fields whose values are replaced before the script sees them.
        subjects: There are fields that say whom a record is about.
    """

    sensitive: bool = False
    tokenise: bool = False
    subjects: bool = False

    @property
    def sealed(self) -> bool:
        """Whether the content is encrypted at rest."""
        return self.sensitive or self.tokenise or self.subjects


UNPROTECTED = Protection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """An input that its schema has let in.

    Attributes:
        payload: What the script gets: long integers as texts and tokens for values where the schema says so.
        violations: Why it is not let in, at most 100; then nothing may be run on it.
        truncated: There are further violations.
        subjects: Keyed digests of those whom its records are about, 16 bytes each.
        records: How many records were looked at; 1 for a document that is no array.
    """

    payload: StoredPayload
    violations: tuple[Violation, ...] = ()
    truncated: bool = False
    subjects: tuple[bytes, ...] = field(default=(), repr=False)
    records: int = 0
