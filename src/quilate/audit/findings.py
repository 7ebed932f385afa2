"""What the verification of a log found."""

from dataclasses import dataclass, field
from enum import StrEnum

from quilate.audit.head import Head
from quilate.audit.notes import VerifierKey

MOST_FINDINGS = 200
"""Findings that are listed; the rest are counted."""


class FindingKind(StrEnum):
    """What is wrong with a log; part of the output of ``quilate audit verify --json``."""

    FORMAT = "format"
    ENTRY = "entry"
    MISSING = "missing"
    TREE = "tree"
    REWRITTEN = "rewritten"
    TRUNCATED = "truncated"
    ROLLBACK = "rollback"
    FORK = "fork"
    SIGNATURE = "signature"
    KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFinding:
    """One thing that is wrong: a sentence without a full stop, and the entries that it is about, both included."""

    kind: FindingKind
    message: str
    first: int | None = None
    last: int | None = None


class AnchorKind(StrEnum):
    """What holds entries fast."""

    SIGNATURE = "signature"
    WITNESS = "witness"
    HEAD = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Entries from 0 up to, not including, ``size`` are held fast by ``name``."""

    kind: AnchorKind
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A head or checkpoint known from elsewhere; ``name`` is the file that it came from."""

    name: str
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a verification believes.

    Attributes:
        keys: Public keys of the log; empty: the log's own first key, on trust.
        witnesses: Public keys of witnesses.
        references: Heads and checkpoints kept elsewhere.
    """

    keys: tuple[VerifierKey, ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """The result.

    Attributes:
        origin: The log.
        size: Entries that were read.
        findings: What is wrong, ``MOST_FINDINGS`` at most.
        unlisted: How many more findings there were.
        anchors: What holds which entries fast.
        keys: The log's keys, with the sizes from which they sign.
        notes: What to know about the result.
    """

    origin: str
    size: int
    findings: tuple[LogFinding, ...]
    unlisted: int = 0
    anchors: tuple[Anchor, ...] = ()
    keys: tuple[tuple[int, tuple[VerifierKey, ...]], ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def intact(self) -> bool:
        """Nothing is wrong."""
        return not self.findings

    @property
    def anchored(self) -> int:
        """How many entries, from the first on, something holds fast."""
        return max((anchor.size for anchor in self.anchors), default=0)
