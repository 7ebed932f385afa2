"""A run as one SARIF 2.1.0 log with one merged run, as code hosts and editors read it.

Source: OASIS Static Analysis Results Interchange Format (SARIF) Version 2.1.0 plus Errata 01; the tests validate
against its schema. ``security-severity`` and ``tags`` follow GitHub code scanning.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Finding, FindingKind, Location
from quilate.evidence.redaction import redact_known
from quilate.evidence.report import FindingState, ReportedCheck, ReportedFinding, WaiverNote
from quilate.evidence.safe_text import unicode_text, without_ansi

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "quilateFingerprint/v1"
SOURCE_ROOT = "%SRCROOT%"

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_SECURITY_SEVERITIES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.5",
    Severity.INFO: "0.0",
}
_SECURITY_KINDS = {FindingKind.VULNERABILITY, FindingKind.SECRET, FindingKind.CRYPTOGRAPHY}
_NOT_RUN = {CheckResult.ERROR, CheckResult.TIMED_OUT, CheckResult.CANCELLED}
_NOTIFICATIONS = (
    ("QL-RUN-001", "A check could not get its evidence"),
    ("QL-RUN-002", "A check's evidence does not settle the question"),
)
_COULD_NOT_RUN, _UNDECIDED = 0, 1


def sarif_document(  # noqa: PLR0913 - one argument per fact about the run
    *,
    tool_version: str,
    checks: Sequence[ReportedCheck],
    automation_id: str = "",
    revision: str = "",
    branch: str = "",
    repository_uri: str = "",
) -> dict[str, Any]:
    """Return the SARIF log of a run.

    Args:
        tool_version: Quilate's version.
        checks: All checks of the run, of several projects where they are reported together.
        automation_id: Names the run, for example ``ds-ia-crypto/1842``.
        revision: The git revision that was judged, if any.
        branch: The git branch, if any.
        repository_uri: Where the repository is; SARIF takes revision and branch as provenance only with it.
    """
    reported = [(check, finding) for check in checks for finding in check.findings]
    rules = _rules([entry.finding for _, entry in reported])
    positions = {rule["id"]: position for position, rule in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "Quilate",
                "version": tool_version,
                "rules": rules,
                "notifications": [
                    {"id": name, "shortDescription": {"text": description}} for name, description in _NOTIFICATIONS
                ],
            }
        },
        "invocations": [_invocation(checks)],
        "originalUriBaseIds": {SOURCE_ROOT: {"description": {"text": "The directory of the project"}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(check, entry, positions) for check, entry in reported],
        "properties": {"checks": [_check_properties(check) for check in checks]},
    }
    if automation_id:
        run["automationDetails"] = {"id": _text(automation_id)}
    _add_provenance(run, revision=revision, branch=branch, repository_uri=repository_uri)
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _add_provenance(run: dict[str, Any], *, revision: str, branch: str, repository_uri: str) -> None:
    known = {"revisionId": _text(revision), "branch": _text(branch)}
    details = {name: value for name, value in known.items() if value}
    if repository_uri:
        run["versionControlProvenance"] = [
            {"repositoryUri": _uri(repository_uri), **details, "mappedTo": {"uriBaseId": SOURCE_ROOT}}
        ]
    elif details:
        run["properties"] |= details


def _check_properties(check: ReportedCheck) -> dict[str, Any]:
    return {
        "id": _text(check.check_id),
        "type": _text(check.type),
        "stage": _text(check.stage),
        "result": check.result.value,
        "durationSeconds": round(check.duration_seconds, 3),
    }


def _rules(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return one descriptor per rule, in the order of their ids; its worst finding stands for it."""
    worst: dict[str, Finding] = {}
    for finding in findings:
        known = worst.get(_text(finding.rule))
        if known is None or finding.severity > known.severity:
            worst[_text(finding.rule)] = finding
    return [_rule(rule, worst[rule]) for rule in sorted(worst)]


def _rule(rule: str, finding: Finding) -> dict[str, Any]:
    properties: dict[str, Any] = {"tags": [finding.kind.value]}
    if finding.kind in _SECURITY_KINDS:
        properties["tags"].append("security")
        properties["security-severity"] = _SECURITY_SEVERITIES[finding.severity]
    descriptor: dict[str, Any] = {
        "id": rule,
        "shortDescription": {"text": _text(finding.message) or rule},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": properties,
    }
    if _is_web_address(finding.help_url):
        descriptor["helpUri"] = _uri(finding.help_url)
    return descriptor


def _result(check: ReportedCheck, entry: ReportedFinding, positions: Mapping[str, int]) -> dict[str, Any]:
    finding = entry.finding
    rule = _text(finding.rule)
    result: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": positions[rule],
        "kind": "fail",
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "properties": _properties(check, finding),
    }
    location = _location(finding.location)
    if location:
        result["locations"] = [location]
    if finding.fingerprint:
        result["partialFingerprints"] = {FINGERPRINT: _text(finding.fingerprint)}
    if entry.state != FindingState.NOT_COMPARED:
        result["baselineState"] = entry.state
    if entry.waiver is not None:
        result["suppressions"] = [_suppression(entry.waiver)]
    return result


def _message(finding: Finding) -> str:
    text = _text(finding.message)
    if finding.measured and finding.limit:
        text += f" (measured {_text(finding.measured)}, limit {_text(finding.limit)})"
    return f"{text}. Fix: {_text(finding.fix)}" if finding.fix else text or _text(finding.rule)


def _properties(check: ReportedCheck, finding: Finding) -> dict[str, Any]:
    location = finding.location
    properties = {
        "check": _text(check.check_id),
        "stage": _text(check.stage),
        "severity": finding.severity.value,
        "kind": finding.kind.value,
        "measured": _text(finding.measured),
        "limit": _text(finding.limit),
        "fix": _text(finding.fix),
        "fixable": finding.fixable,
        "record": location.record,
        "field": None if location.field is None else _text(location.field),
        "cell": location.cell,
        "line": None if location.cell is None else location.line,
    }
    return {name: value for name, value in properties.items() if value is not None}


def _suppression(waiver: WaiverNote) -> dict[str, Any]:
    return {
        "kind": "inSource" if waiver.inline else "external",
        "status": "accepted" if waiver.effective else "underReview",
        "justification": _text(waiver.justification),
    }


def _location(location: Location) -> dict[str, Any]:
    """Return a SARIF location; a line within a notebook's cell or a data record is no line of the file."""
    described: dict[str, Any] = {}
    if location.path:
        address = {"uri": path_uri(location.path), "uriBaseId": SOURCE_ROOT}
        described["physicalLocation"] = {"artifactLocation": address}
        region = _region(location)
        if region:
            described["physicalLocation"]["region"] = region
    elif location.url:
        described["physicalLocation"] = {"artifactLocation": {"uri": _uri(location.url)}}
    logical = _logical_location(location)
    if logical:
        described["logicalLocations"] = [logical]
    return described


def _region(location: Location) -> dict[str, int]:
    if location.line is None or location.cell is not None or location.line < 1:
        return {}
    region = {"startLine": location.line}
    if location.column and location.column >= 1:
        region["startColumn"] = location.column
    last = location.line
    if location.end_line and location.end_line >= location.line:
        region["endLine"] = last = location.end_line
    least = 1 if last > location.line else max(location.column or 1, 1)
    if location.end_column is not None and location.end_column >= least:
        region["endColumn"] = location.end_column
    return region


def _logical_location(location: Location) -> dict[str, str]:
    if location.cell is not None:
        return {"name": f"cell {location.cell}", "kind": "cell"}
    if location.field is not None:
        record = f"record {location.record}/" if location.record is not None else ""
        field = _text(location.field)
        return {"name": field, "fullyQualifiedName": f"{record}{field}", "kind": "field"}
    return {"name": f"record {location.record}", "kind": "record"} if location.record is not None else {}


def _invocation(checks: Sequence[ReportedCheck]) -> dict[str, Any]:
    notifications = []
    for check in checks:
        if check.result in _NOT_RUN:
            text = check.reason or f"{check.check_id} ended as {check.result.value}"
            notifications.append(_notification(check, _COULD_NOT_RUN, text, check.next_step))
        notifications.extend(
            _notification(check, _UNDECIDED, f"{question.subject}: {question.reason}", question.next_step)
            for question in check.undecided
        )
        if check.result is CheckResult.UNDECIDED and not check.undecided:
            notifications.append(_notification(check, _UNDECIDED, check.reason or "undecided", check.next_step))
    return {
        "executionSuccessful": not any(check.result in _NOT_RUN for check in checks),
        "toolExecutionNotifications": notifications,
    }


def _notification(check: ReportedCheck, index: int, text: str, next_step: str) -> dict[str, Any]:
    step = f". {_text(next_step)}" if next_step else ""
    return {
        "descriptor": {"id": _NOTIFICATIONS[index][0], "index": index},
        "level": "error" if index == _COULD_NOT_RUN else "warning",
        "message": {"text": f"{_text(check.check_id)}: {_text(text)}{step}"},
        "properties": {"check": _text(check.check_id), "stage": _text(check.stage), "result": check.result.value},
    }


def path_uri(path: str) -> str:
    """Return a workspace path as a relative URI; bytes that are not UTF-8 keep their value."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def _uri(address: str) -> str:
    """Return an address with everything escaped that a URI must not hold, and without a password in it."""
    return quote(redact_known(unicode_text(address)), safe="!#$%&'()*+,/:;=?@~[]")


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _text(text: str) -> str:
    return redact_known(unicode_text(without_ansi(text)))
