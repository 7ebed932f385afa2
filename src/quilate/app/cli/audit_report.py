"""The answer of ``quilate audit verify``: for people, and as JSON."""

import json
from collections.abc import Iterator

from quilate.audit.findings import AnchorKind, LogReport
from quilate.kit.canonical import to_document

_KIND = {
    AnchorKind.SIGNATURE: "signed by the log's key",
    AnchorKind.WITNESS: "witnessed by",
    AnchorKind.HEAD: "known from",
}


def report_lines(report: LogReport) -> Iterator[str]:
    """Give the lines; the reason for the exit comes last."""
    word = "intact" if report.intact else "tampered with"
    yield f"{word}: {_count(report.size)} of {report.origin or 'no log'}"
    for anchor in report.anchors:
        yield f"  entries 0 to {anchor.size - 1}: {_KIND[anchor.kind]} {anchor.name}"
    if report.anchored < report.size:
        yield f"  entries {report.anchored} to {report.size - 1}: not anchored, nothing outside holds them"
    for note in report.notes:
        yield f"  note: {note}"
    for finding in report.findings:
        yield f"  {finding.kind.value}: {finding.message}"
    if report.unlisted:
        yield f"  and {report.unlisted} more findings"
    yield "  the log is tamper-evident, not tamper-proof: this shows changes, it cannot prevent them"
    yield f"exit {0 if report.intact else 1}: {word}"


def _count(size: int) -> str:
    return f"{size} entry" if size == 1 else f"{size} entries"


def report_document(report: LogReport) -> list[str]:
    """Return the answer as JSON."""
    document = {
        "format": "quilate-audit-verification/v1",
        "intact": report.intact,
        "origin": report.origin,
        "size": report.size,
        "anchored": report.anchored,
        "findings": to_document(report.findings),
        "unlisted": report.unlisted,
        "anchors": to_document(report.anchors),
        "keys": [{"first_size": first, "verifier_keys": list(map(str, key))} for first, key in report.keys],
        "notes": list(report.notes),
    }
    return [json.dumps(document, indent=2)]
