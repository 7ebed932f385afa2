"""The log on the wire."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

LARGEST = 2**63 - 1


class AuditEntryView(BaseModel):
    """An entry of the log."""

    index: int = Field(description="Its place in the log, from 0.")
    id: UUID = Field(description="Its id.")
    at: str = Field(description="When it was written, by the clock of the process that did it.")
    appended_at: datetime = Field(description="When it got its place; never before that of an entry before it.")
    action: str = Field(description="What was done.")
    actor: str = Field(description="Who did it.")
    subject: str = Field(description="What it was done to.")
    project: UUID | None = Field(description="Id of the project, if it was in one.")
    details: Any = Field(description="Digests, states and ids.")
    personal: dict[str, str] = Field(description="Personal values that have not been erased; the log has their hashes.")
    leaf_hash: str = Field(description="Base64 of the entry's hash in the tree.")


class AuditEntryPage(BaseModel):
    """A page of entries."""

    items: list[AuditEntryView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class InclusionView(BaseModel):
    """Proof that an entry is in the log, verified offline."""

    leaf: str = Field(description="Base64 of the entry's bytes as they were hashed.")
    index: int = Field(description="Its place in the log.")
    proof: str = Field(description="C2SP tlog-proof: the hashes and the signed checkpoint.")


class AuditEntryDetail(BaseModel):
    """An entry with its proof."""

    entry: AuditEntryView = Field(description="The entry.")
    inclusion: InclusionView | None = Field(description="Its proof, once a signed checkpoint covers it.")


class ConsistencyView(BaseModel):
    """Proof that one tree begins another."""

    first: int = Field(description="Entries of the smaller tree.")
    first_root: str = Field(description="Base64 of its root.")
    second: int = Field(description="Entries of the larger tree.")
    second_root: str = Field(description="Base64 of its root.")
    proof: list[str] = Field(description="Base64 of each hash (RFC 6962, section 2.1.2).")


class LogKeyView(BaseModel):
    """A key of the log."""

    first_size: int = Field(description="The smallest checkpoint that it signs.")
    verifier_keys: list[str] = Field(description="Its public halves as C2SP verifier keys, one of each algorithm.")


class HeadView(BaseModel):
    """How the log stands."""

    origin: str = Field(description="The log's name.")
    size: int = Field(description="Entries that have a place.")
    root: str = Field(description="Base64 of the root over them.")
    waiting: int = Field(description="Entries that wait for a place, 100,000 at most.")
    signed_size: int | None = Field(description="Entries that the newest checkpoint covers.")
    witnessed_size: int | None = Field(description="Entries that a witness has signed.")
    refusal: str = Field(description="Why the log does not go on; empty where it does.")
    refused_at: datetime | None = Field(description="Since when.")
    keys: list[LogKeyView] = Field(description="Every key, oldest first.")


class Cosignatures(BaseModel):
    """What a witness sends."""

    size: Annotated[int, Field(ge=0, le=LARGEST, description="Size of the checkpoint that was signed.")]
    signatures: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=8192)]],
        Field(min_length=1, max_length=16, description="Signature lines of the note, each without its newline."),
    ]
