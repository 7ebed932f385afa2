"""Stable identities of findings, so that a run can tell new from old although lines moved."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from quilate.evidence.model import Finding

SourceLine = Callable[[str, int], str]
"""Path and line (from one) to that line's text, or an empty string."""


def assign_fingerprints(findings: Iterable[Finding], source_line: SourceLine) -> tuple[Finding, ...]:
    """Return the findings with ``context`` and ``fingerprint`` filled in.

    The fingerprint covers rule, path, field, URL and the stripped text of the place, and a running number that tells
    apart findings alike in all of these; the line number is left out, so that code above may grow.
    """
    seen: Counter[str] = Counter()
    identified = []
    for finding in findings:
        location = finding.location
        context = finding.context
        if not context and location.path and location.line and location.cell is None:
            context = " ".join(source_line(location.path, location.line).split())
        if not context:
            context = finding.message
        basis = "\x1f".join((finding.rule, location.path, location.field or "", location.url, context))
        seen[basis] += 1
        fingerprint = hashlib.sha256(f"{basis}\x1f{seen[basis]}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        identified.append(replace(finding, context="", fingerprint=fingerprint))
    return tuple(identified)
