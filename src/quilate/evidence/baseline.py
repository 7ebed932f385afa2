"""The findings that were there before: how they are kept, and what is new, fixed or unchanged against them.

A baseline file lets a repository with thousands of old findings adopt the gate in one commit: it holds fingerprints
only, no text of the findings, as canonical JSON with a digest that shows a damaged or badly merged file.
"""

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from quilate.domain.errors import ConfigurationError, SourcePosition
from quilate.evidence.model import Finding
from quilate.kit.canonical import canonical_json, digest_of

BASELINE_FORMAT = "quilate-baseline/v1"
MAX_BASELINE_BYTES = 64 << 20
"""About 1.8 million fingerprints."""

_FINGERPRINT = re.compile(r"[\x21-\x7e]{1,128}")
_MAX_REFERENCE_CHARACTERS = 500
_MEND = "make it again: quilate run --save-baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The findings that were there before. ``reference`` is a git revision's hash or a saved run's decision digest."""

    reference: str
    fingerprints: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Findings against a baseline. Of the fixed ones only the fingerprint was kept, so they are counted."""

    new: tuple[Finding, ...]
    unchanged: tuple[Finding, ...]
    fixed_count: int


def baseline_of(reference: str, findings: Iterable[Finding]) -> Baseline:
    """Return the baseline that holds these findings; one without a fingerprint is always new and left out."""
    return Baseline(
        reference=reference, fingerprints=frozenset(finding.fingerprint for finding in findings if finding.fingerprint)
    )


def compare(current: Iterable[Finding], baseline: Baseline) -> Comparison:
    """Return what is new, unchanged and fixed; a finding without a fingerprint is new."""
    new: list[Finding] = []
    unchanged: list[Finding] = []
    seen = set()
    for finding in current:
        seen.add(finding.fingerprint)
        known = bool(finding.fingerprint) and finding.fingerprint in baseline.fingerprints
        (unchanged if known else new).append(finding)
    return Comparison(new=tuple(new), unchanged=tuple(unchanged), fixed_count=len(baseline.fingerprints - seen))


class _BaselineDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    reference: str
    count: int
    fingerprints: list[str]
    digest: str


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline so that a reader sees the old file or the whole new one.

    Raises:
        ConfigurationError: The file cannot be written, or a fingerprint or the reference could not be read back.
    """
    wrong = next((text for text in sorted(baseline.fingerprints) if not _FINGERPRINT.fullmatch(text)), None)
    if wrong is not None or not _is_reference(baseline.reference):
        raise ConfigurationError("the baseline holds a fingerprint or a reference that is not plain text")
    content = canonical_json(_document(baseline.reference, sorted(baseline.fingerprints))) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), 0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(
            f"the baseline {path.name} cannot be written: {error.strerror}", next_step="see its directory's permissions"
        ) from error


def read_baseline(path: Path) -> Baseline:
    """Return a baseline that ``write_baseline`` wrote.

    Raises:
        ConfigurationError: It is missing, too large, damaged, of another version, or changed by hand.
    """
    document = _read_document(path)
    if document.format != BASELINE_FORMAT:
        raise _refused(path, f"its format is not {BASELINE_FORMAT}")
    fingerprints = frozenset(document.fingerprints)
    if not _is_reference(document.reference) or not all(map(_FINGERPRINT.fullmatch, fingerprints)):
        raise _refused(path, "it holds a fingerprint or a reference that is not plain text")
    if not len(fingerprints) == len(document.fingerprints) == document.count:
        raise _refused(path, f"it holds {len(fingerprints)} different fingerprints and claims {document.count}")
    if document.digest != _document(document.reference, sorted(fingerprints)).digest:
        raise _refused(path, "its digest does not fit its content: it was merged or changed by hand")
    return Baseline(reference=document.reference, fingerprints=fingerprints)


def _read_document(path: Path) -> _BaselineDocument:
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            content = stream.read(MAX_BASELINE_BYTES + 1) or b""
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from error
    if len(content) > MAX_BASELINE_BYTES:
        raise _refused(path, f"it is larger than {MAX_BASELINE_BYTES >> 20} MiB")
    try:
        return msgspec.json.decode(content, type=_BaselineDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(path, f"it is no baseline: {error}") from error


def _without_waiting(path: str, flags: int) -> int:
    """Open a file so that a named pipe in its place cannot hold the run up."""
    return os.open(path, flags | os.O_NONBLOCK)


def _document(reference: str, fingerprints: list[str]) -> _BaselineDocument:
    fields = {
        "format": BASELINE_FORMAT,
        "reference": reference,
        "count": len(fingerprints),
        "fingerprints": fingerprints,
    }
    return _BaselineDocument(
        format=BASELINE_FORMAT,
        reference=reference,
        count=len(fingerprints),
        fingerprints=fingerprints,
        digest=digest_of(fields),
    )


def _is_reference(text: str) -> bool:
    return len(text) <= _MAX_REFERENCE_CHARACTERS and text.isprintable()


def _refused(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the baseline is refused: {why}", next_step=_MEND, position=SourcePosition(path=path.name)
    )
