"""Verify an export of the log: every entry, the tree over them, every checkpoint, and what is known from elsewhere.

A Merkle log makes tampering *evident*, it does not prevent it: whoever may write the database can change it, and this
finds out, as far back as something outside the database (a trusted key, a witness, a kept head) reaches.
"""

from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import msgspec

from quilate.audit.checkpoints import SignedCheckpoint, is_signed_by, parse_checkpoint, verify_signature
from quilate.audit.export_format import FORMAT, CheckpointLine, Damaged, End, Header
from quilate.audit.findings import (
    MOST_FINDINGS,
    Anchor,
    AnchorKind,
    FindingKind,
    LogFinding,
    LogReport,
    Reference,
    Trust,
)
from quilate.audit.key_entries import KEY_PREFIX, REPLACED, ROTATED, KeyChain
from quilate.audit.merkle import HASH_BYTES, leaf_hash
from quilate.audit.notes import decode_base64
from quilate.audit.tiles import Coordinate, GrowingTree

_HASH_START = len(b'{"hash":"')
_HASH_END = _HASH_START + 44
_FLUSH = 8192
_NEVER = 1 << 63


class _EntryLine(msgspec.Struct):
    hash: str
    index: int
    leaf: msgspec.Raw


_OTHER = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(slots=True)
class _Anchors:
    """How far each thing holds."""

    signed: int = 0
    signer: str = ""
    witnessed: dict[str, int] = field(default_factory=dict)
    matched: list[Reference] = field(default_factory=list)
    untrusted: int = 0


class LogVerifier:
    """Reads an export line by line; memory does not grow with the log but for one hash in 256."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._chain = KeyChain(origin="")
        self._trusted: set[int] = set()
        self._tree = GrowingTree()
        self._hashes: list[bytes] = []
        self._count = 0
        self._tree_known = True
        self._header: Header | None = None
        self._end: int | None = None
        self._findings: list[LogFinding] = []
        self._unlisted = 0
        self._anchors = _Anchors()
        self._good = 0
        self._mismatches: list[tuple[int, int]] = []
        self._references = sorted(trust.references, key=lambda each: each.head.size)
        self._stop = self._next_reference()
        self.upper_tiles: dict[Coordinate, bytes] = {}

    @property
    def chain(self) -> KeyChain:
        """The keys that the log names."""
        return self._chain

    @property
    def root(self) -> bytes | None:
        """The root of the tree; ``None`` where a hash was not there."""
        return self._tree.root() if self._tree_known else None

    def note(self, kind: FindingKind, message: str, first: int | None = None, last: int | None = None) -> None:
        """Add a finding."""
        if len(self._findings) >= MOST_FINDINGS:
            self._unlisted += 1
            return
        self._findings.append(LogFinding(kind=kind, message=message, first=first, last=first if last is None else last))

    def feed(self, lines: Iterable[bytes]) -> None:
        """Read lines, each with its newline."""
        for line in lines:
            prefix = b'","index":%d,"leaf":' % self._count
            end = _HASH_END + len(prefix)
            if line[_HASH_END:end] != prefix or line[-2:] != b"}\n" or line[:_HASH_START] != b'{"hash":"':
                self._other(line)
                continue
            leaf = line[end:-2]
            digest = sha256(b"\x00" + leaf).digest()
            if b2a_base64(digest, newline=False) != line[_HASH_START:_HASH_END]:
                self._changed(line)
                continue
            self._append(digest, leaf)

    def _append(self, hashed: bytes, leaf: bytes) -> None:
        self._hashes.append(hashed)
        index = self._count
        self._count = index + 1
        if leaf.startswith(KEY_PREFIX):
            self._take_up_key(index, leaf)
        if self._count == self._stop:
            self._compare_references()
        elif len(self._hashes) >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        changed = self._tree.append(self._hashes)
        self._hashes.clear()
        self.upper_tiles.update((place, tile) for place, tile in changed.items() if place[0])

    def _changed(self, line: bytes) -> None:
        """Take in an entry whose content does not have the hash beside it: the tree goes on with the hash."""
        index = self._count
        try:
            hashed = decode_base64(msgspec.json.decode(line, type=_EntryLine).hash)
        except (msgspec.MsgspecError, ValueError):
            hashed = b""
        self.note(
            FindingKind.ENTRY, f"entry {index} was changed: its content does not have the hash in the tree", index
        )
        self._append_stored(hashed, b"")

    def _append_stored(self, hashed: bytes, leaf: bytes) -> None:
        if len(hashed) != HASH_BYTES:
            self._tree_known = False
            hashed = bytes(HASH_BYTES)
        self._append(hashed, leaf)

    def _other(self, line: bytes) -> None:
        try:
            members = _OTHER.decode(line)
            if self._header is None:
                self._begin(msgspec.json.decode(line, type=Header))
            elif "checkpoint" in members:
                self._checkpoint(msgspec.json.decode(line, type=CheckpointLine).checkpoint)
            elif "damaged" in members:
                self._damaged(msgspec.json.decode(line, type=Damaged))
            elif "end" in members:
                self._end = msgspec.json.decode(line, type=End).end
            else:
                self._misplaced(msgspec.json.decode(line, type=_EntryLine))
        except (msgspec.MsgspecError, ValueError):
            self._header = self._header or Header(format="", origin="", size=0)
            self.note(FindingKind.FORMAT, f"a line after entry {self._count - 1} is none of an export", self._count)

    def _begin(self, header: Header) -> None:
        self._header = header
        self._chain.origin = header.origin
        if header.format != FORMAT:
            self.note(FindingKind.FORMAT, f"the export has the format {header.format!r}, known is {FORMAT}")

    def _damaged(self, line: Damaged) -> None:
        if line.index != self._count:
            self._gap(line.index)
        index, hashed = line.index, decode_base64(line.hash)
        if line.leaf_base64 is None:
            self.note(FindingKind.MISSING, f"entry {index} is missing", index)
            self._append_stored(hashed, b"")
            return
        leaf = decode_base64(line.leaf_base64)
        own = leaf_hash(leaf)
        if own != hashed:
            what = "does not have the hash in the tree" if hashed else "has no hash in the tree"
            self.note(FindingKind.ENTRY, f"entry {index} was changed: its content {what}", index)
        elif decode_base64(line.row_hash) != own:
            self.note(FindingKind.ENTRY, f"entry {index} was changed: the hash beside it is not its own", index)
        else:
            self.note(FindingKind.ENTRY, f"entry {index} is no line of JSON, which every entry is", index)
        self._append_stored(hashed or own, leaf if own == hashed else b"")

    def _misplaced(self, line: _EntryLine) -> None:
        """Take in an entry that stands at another place than the one it names."""
        if line.index < self._count:
            self.note(FindingKind.FORMAT, f"entry {line.index} stands there twice", line.index)
            return
        if line.index > self._count:
            self._gap(line.index)
        self._append_stored(decode_base64(line.hash), b"")
        if leaf_hash(bytes(line.leaf)) != decode_base64(line.hash):
            message = f"entry {line.index} was changed: its content does not have the hash in the tree"
            self.note(FindingKind.ENTRY, message, line.index)

    def _gap(self, index: int) -> None:
        if index < self._count or index > self._count + (self._header.size if self._header else 0):
            raise ValueError("an index is out of order")
        last = index - 1
        what = f"entry {last} is missing" if last == self._count else f"entries {self._count} to {last} are missing"
        self.note(FindingKind.MISSING, what, self._count, last)
        self._tree_known = False
        while self._count < index:
            self._append(bytes(HASH_BYTES), b"")

    def _take_up_key(self, index: int, leaf: bytes) -> None:
        entry = self._chain.add(index, leaf)
        if entry is None:
            self.note(FindingKind.KEY, f"entry {index} names a key, but not everybody signed it who has to", index)
            return
        before = self._chain.keys[-2][0] if len(self._chain.keys) > 1 else None
        given = bool(set(self._trust.keys) & set(entry.new))
        handed_on = before in self._trusted and entry.action == ROTATED
        on_trust = before is None and not self._trust.keys
        if given or handed_on or on_trust:
            self._trusted.add(index + 1)
        elif entry.action == REPLACED and before in self._trusted:
            key = entry.new[0]
            message = (
                f"from entry {index} on another key signs ({key.key_id.hex()}), and the lost one vouches for nobody"
            )
            self.note(FindingKind.KEY, message + "; trust it with --key if that is right", index)

    def _checkpoint(self, note: str) -> None:
        try:
            signed = parse_checkpoint(note)
        except ValueError as error:
            self.note(FindingKind.FORMAT, f"the checkpoint after entry {self._count - 1} is damaged: {error}")
            return
        size = signed.checkpoint.size
        if not self._is_signed(signed):
            return
        if size > self._count:
            if not any(finding.kind is FindingKind.TRUNCATED for finding in self._findings):
                message = f"the log was truncated: {size} entries were signed, it ends after {self._count}"
                self.note(FindingKind.TRUNCATED, message, self._count, size - 1)
            return
        if size < self._count:
            self.note(FindingKind.FORMAT, f"the checkpoint of {size} entries stands in the wrong place")
            return
        if not self._tree_known:
            return
        self._flush()
        if self._tree.root() != signed.checkpoint.root:
            self._mismatches.append((self._good, size))
            return
        self._good = size
        self._anchor(signed)

    def _is_signed(self, signed: SignedCheckpoint) -> bool:
        size, keys = signed.checkpoint.size, self._chain.at(signed.checkpoint.size)
        if signed.checkpoint.origin != self._chain.origin:
            self.note(FindingKind.SIGNATURE, f"the checkpoint of {size} entries is another log's")
            return False
        if is_signed_by(keys, signed):
            return True
        retired = [first for first, key in self._chain.keys if key != keys and is_signed_by(key, signed)]
        by = f"a key that signed from {retired[0]} entries on only" if retired else "no key of the log"
        self.note(FindingKind.SIGNATURE, f"the checkpoint of {size} entries is signed by {by}")
        return False

    def _anchor(self, signed: SignedCheckpoint) -> None:
        size, anchors = signed.checkpoint.size, self._anchors
        first = max((each for each, _ in self._chain.keys if each <= size), default=0)
        if first in self._trusted:
            anchors.signed, anchors.signer = size, self._chain.at(size)[0].key_id.hex()
        else:
            anchors.untrusted = size
        for witness in self._trust.witnesses:
            lines = [line for line in signed.note.signatures if line.is_by(witness)]
            if any(verify_signature(witness, signed, line) is not None for line in lines):
                anchors.witnessed[witness.name] = size
            elif lines:
                self.note(FindingKind.SIGNATURE, f"{witness.name} did not sign the checkpoint of {size} entries")

    def _next_reference(self) -> int:
        return next((each.head.size for each in self._references if each.head.size > self._count), _NEVER)

    def _compare_references(self) -> None:
        """Hold the tree against what is known from elsewhere about this size."""
        self._flush()
        root = self._tree.root()
        for reference in self._references:
            if reference.head.size != self._count or not self._tree_known or not self._is_of_this_log(reference):
                continue
            if reference.head.root == root:
                self._anchors.matched.append(reference)
                continue
            since = self._anchors.matched[-1].head.size if self._anchors.matched else 0
            signed = ", signed by the log's own key: two histories were signed" if self._has_signed(reference) else ""
            message = (
                f"the log was forked or rewritten: {reference.name} knows other entries in {since} to {self._count - 1}"
            )
            self.note(FindingKind.FORK, message + signed, since, self._count - 1)
        self._stop = self._next_reference()

    def _is_of_this_log(self, reference: Reference) -> bool:
        return reference.head.origin == self._chain.origin

    def _has_signed(self, reference: Reference) -> bool:
        try:
            signed = parse_checkpoint(reference.head.note)
        except ValueError:
            return False
        told = (signed.checkpoint.size, signed.checkpoint.root)
        return told == (reference.head.size, reference.head.root) and is_signed_by(
            self._chain.at(reference.head.size), signed
        )

    def finish(self) -> LogReport:
        """Return what was found, once all lines were read."""
        self._flush()
        self._about_the_end()
        self._about_references()
        self._about_rewriting()
        anchors = self._anchors
        # Of an empty log nothing is signed either, which whoever trusts a key of the log must be told.
        expected = self._count or self._trust.keys
        if expected and not anchors.signed and self._tree_known and not self._findings:
            whom = "a key that is trusted" if anchors.untrusted or not self._count else "anybody"
            self.note(FindingKind.SIGNATURE, f"no checkpoint of the log is signed by {whom}")
        return LogReport(
            origin=self._chain.origin,
            size=self._count,
            findings=tuple(self._findings),
            unlisted=self._unlisted,
            anchors=tuple(self._listed_anchors()),
            keys=tuple(self._chain.keys),
            notes=tuple(self._notes()),
        )

    def with_later_findings(self, report: LogReport) -> LogReport:
        """Return the report with the findings that were noted after it."""
        return replace(report, findings=tuple(self._findings), unlisted=self._unlisted)

    def _about_the_end(self) -> None:
        if self._header is None:
            self.note(FindingKind.FORMAT, "it is no export of an audit log")
            return
        if self._end is None or self._end != self._count or self._header.size != self._count:
            message = f"the export was cut short: it holds {self._count} of {self._header.size} entries"
            self.note(FindingKind.TRUNCATED, message, self._count, max(self._header.size - 1, self._count))

    def _about_references(self) -> None:
        for reference in self._references:
            size = reference.head.size
            if not self._is_of_this_log(reference) and size:
                message = f"{reference.name} is about another log ({reference.head.origin})"
                self.note(FindingKind.FORK if self._count else FindingKind.ROLLBACK, message)
            elif size > self._count:
                message = f"the log was turned back: {reference.name} knows {size} entries, it ends after {self._count}"
                self.note(FindingKind.ROLLBACK, message, self._count, size - 1)

    def _about_rewriting(self) -> None:
        """Name the first range that contradicts its checkpoint; later ones do so for the same reason."""
        if not self._mismatches:
            return
        first, size = self._mismatches[0]
        if self._good > size:
            message = f"two histories were signed: the checkpoint of {size} entries is not of this log, later ones are"
            self.note(FindingKind.FORK, message, first, size - 1)
            return
        since = f"the checkpoint of {first} entries" if first else "the beginning"
        message = (
            f"entries {first} to {size - 1} were rewritten: {since} fits, the checkpoint of {size} entries does not"
        )
        self.note(FindingKind.REWRITTEN, message, first, size - 1)

    def _listed_anchors(self) -> Iterable[Anchor]:
        anchors = self._anchors
        if anchors.signed:
            yield Anchor(kind=AnchorKind.SIGNATURE, name=anchors.signer, size=anchors.signed)
        for name, size in anchors.witnessed.items():
            yield Anchor(kind=AnchorKind.WITNESS, name=name, size=size)
        for reference in anchors.matched:
            yield Anchor(kind=AnchorKind.HEAD, name=reference.name, size=reference.head.size)

    def _notes(self) -> Iterable[str]:
        if not self._trust.keys and self._chain.keys:
            key = self._chain.keys[0][1][0].key_id.hex()
            yield f"the log's first key ({key}) was taken on trust: give --key to be sure who signed"
        if not self._trust.references:
            yield "no head from outside was given: that the log is the newest one is not shown (--head)"


def verify_lines(lines: Iterable[bytes], trust: Trust) -> LogReport:
    """Return what the lines of an export hold."""
    verifier = LogVerifier(trust)
    verifier.feed(lines)
    return verifier.finish()


def key_lines(keys: Sequence[tuple[int, tuple[object, ...]]]) -> list[str]:
    """Return the log's keys as verifier keys, one line each."""
    return [str(key) for _, each in keys for key in each]
