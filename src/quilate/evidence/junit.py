"""A run as JUnit XML: a suite per stage, a case per check. CI servers read it.

Source: the format as Jenkins' xUnit plug-in and Maven Surefire define it; ``flakyFailure`` is a failed attempt of a
test that passed later, ``rerunFailure`` one of a test that never did.
"""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence

from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Location
from quilate.evidence.redaction import redact_known
from quilate.evidence.report import ReportedCheck, ReportedFinding
from quilate.evidence.safe_text import xml_text
from quilate.kit.words import counted

MAX_FINDINGS = 200
"""Findings written out per check; the rest is counted. SARIF holds all."""

_MAX_MESSAGE = 20_000
_ERRORS = {CheckResult.UNDECIDED, CheckResult.ERROR, CheckResult.TIMED_OUT, CheckResult.CANCELLED}
_SKIPPED = {CheckResult.SKIPPED, CheckResult.NOT_APPLICABLE}
_ELEMENTS = {
    CheckResult.FAIL: "failure",
    **dict.fromkeys(_ERRORS, "error"),
    **dict.fromkeys(_SKIPPED, "skipped"),
}


def junit_xml(checks: Sequence[ReportedCheck]) -> str:
    """Return the JUnit XML document of a run; what is undecided or could not run is an error, never a pass."""
    root = ET.Element("testsuites", {"name": "quilate", **_tally(checks, with_skipped=False)})
    stages: dict[str, list[ReportedCheck]] = {}
    for check in checks:
        stages.setdefault(check.stage, []).append(check)
    for stage, members in stages.items():
        suite = ET.SubElement(root, "testsuite", {"name": _text(stage), **_tally(members, with_skipped=True)})
        properties = ET.SubElement(suite, "properties")
        for check in members:
            _add_properties(properties, check)
        for check in members:
            _add_case(suite, check)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False)


def _tally(checks: Sequence[ReportedCheck], *, with_skipped: bool) -> dict[str, str]:
    elements = Counter(_ELEMENTS.get(check.result, "passed") for check in checks)
    counts = {
        "tests": str(len(checks)),
        "failures": str(elements["failure"]),
        "errors": str(elements["error"]),
        "time": _seconds(sum(check.duration_seconds for check in checks)),
    }
    return counts | {"skipped": str(elements["skipped"])} if with_skipped else counts


def _add_properties(properties: ET.Element, check: ReportedCheck) -> None:
    counting = sum(entry.counts for entry in check.findings)
    waived = sum(entry.waiver is not None and entry.waiver.effective for entry in check.findings)
    values = {
        "type": check.type,
        "result": check.result.value,
        "findings": str(counting),
        "waived": str(waived),
        "undecided": str(len(check.undecided)),
    }
    for name, value in values.items():
        ET.SubElement(properties, "property", {"name": _text(f"{check.check_id}.{name}"), "value": _text(value)})


def _add_case(suite: ET.Element, check: ReportedCheck) -> None:
    attributes = {
        "name": _text(check.check_id),
        "classname": _text(f"{check.stage}.{check.type}"),
        "time": _seconds(check.duration_seconds),
    }
    case = ET.SubElement(suite, "testcase", attributes)
    element = _ELEMENTS.get(check.result)
    if element is not None:
        outcome = ET.SubElement(case, element, {"type": check.result.value, "message": _text(_headline(check))})
        outcome.text = _text("\n".join(_body(check)))
    _add_attempts(case, check)
    if element is None and (check.findings or check.undecided):
        ET.SubElement(case, "system-out").text = _text("\n".join(_body(check)))


def _headline(check: ReportedCheck) -> str:
    if check.result is CheckResult.FAIL:
        counting = [entry for entry in check.findings if entry.counts]
        rules = ", ".join(sorted({entry.finding.rule for entry in counting})[:5])
        if counting:
            return f"{counted(len(counting), 'finding')}: {rules}"
    if check.result is CheckResult.UNDECIDED and check.undecided:
        return "; ".join(f"{question.subject}: {question.reason}" for question in check.undecided[:3])
    return check.reason or check.result.value


def _body(check: ReportedCheck) -> list[str]:
    lines = [check.reason] if check.reason else []
    lines += [check.next_step] if check.next_step else []
    for question in check.undecided:
        lines.append(f"undecided {question.subject}: {question.reason}")
        lines += [f"  {question.next_step}"] if question.next_step else []
    counting = sorted((entry for entry in check.findings if entry.counts), key=lambda e: -e.finding.severity.rank)
    for entry in counting[:MAX_FINDINGS]:
        lines += _finding_lines(entry)
    if len(counting) > MAX_FINDINGS:
        lines.append(f"and {len(counting) - MAX_FINDINGS} more")
    hidden = len(check.findings) - len(counting)
    return [*lines, f"{hidden} more waived, known or fixed"] if hidden else lines


def _finding_lines(entry: ReportedFinding) -> list[str]:
    finding = entry.finding
    lines = [f"{_place(finding.location)}: {finding.rule} {finding.severity.value}: {finding.message}"]
    if finding.measured and finding.limit:
        lines.append(f"  measured {finding.measured}, limit {finding.limit}")
    return [*lines, f"  fix: {finding.fix}"] if finding.fix else lines


def _place(location: Location) -> str:
    place = location.path or location.url or "-"
    if location.cell is not None:
        place += f", cell {location.cell}"
    if location.line is not None:
        place += f":{location.line}"
    if location.record is not None:
        place += f", record {location.record}"
    return f"{place}, field {location.field}" if location.field is not None else place


def _add_attempts(case: ET.Element, check: ReportedCheck) -> None:
    """Keep every failed attempt: a test that passed on a later one is flaky, never silently green."""
    last = {attempt.test: attempt.passed for attempt in check.test_attempts}
    tried = Counter(attempt.test for attempt in check.test_attempts)
    for attempt in check.test_attempts:
        if attempt.passed or tried[attempt.test] == 1:
            continue
        name = "flakyFailure" if last[attempt.test] else "rerunFailure"
        message = f"{attempt.test}, attempt {attempt.attempt}"
        element = ET.SubElement(case, name, {"type": "attempt", "message": _text(message)})
        element.text = _text(attempt.message)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _text(text: str) -> str:
    return redact_known(xml_text(text[:_MAX_MESSAGE]))
