"""Read JUnit XML as pytest and other producers write it; the file is hostile until read."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from quilate.domain.errors import EvidenceError
from quilate.evidence.redaction import redact

MAX_REPORT_BYTES = 64 << 20
_MESSAGE_LENGTH = 400
_MOST_DIGITS = 9
_RANKS = {"skipped": 0, "failure": 1, "error": 2}
"""What a test case's elements say about it; of several the worst counts."""


class TestOutcome(StrEnum):
    """What a test case says."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


_OUTCOMES = {"skipped": TestOutcome.SKIPPED, "failure": TestOutcome.FAILED, "error": TestOutcome.ERROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCase:
    """One test case of a report. ``path`` and ``line`` (from one) are empty where the producer does not say them."""

    __test__ = False

    identity: str
    class_name: str
    name: str
    outcome: TestOutcome
    message: str = ""
    path: str = ""
    line: int | None = None


def read_junit(content: bytes, name: str) -> tuple[TestCase, ...]:
    """Return the test cases of a report, in its order.

    Raises:
        EvidenceError: It is too large, declares entities, or is not JUnit XML.
    """
    root = parse_xml(content, name)
    if root.tag not in {"testsuites", "testsuite"}:
        raise EvidenceError(f"{name} is not JUnit XML: its root is <{root.tag}>", next_step="write a JUnit XML report")
    cases = tuple(_cases(root))
    bad = sum(case.outcome in {TestOutcome.FAILED, TestOutcome.ERROR} for case in cases)
    declared = _declared_failures(root)
    if declared > bad:
        raise EvidenceError(
            f"{name} speaks of {declared} failures and errors but names {bad}",
            next_step="write a JUnit report with a test case for each failure",
        )
    return cases


def _declared_failures(root: ET.Element) -> int:
    """Return the failures and errors that the innermost suites count in their attributes."""
    innermost = [suite for suite in root.iter("testsuite") if suite.find("testsuite") is None]
    return sum(_number(suite.get(kind, "")) or 0 for suite in innermost for kind in ("failures", "errors"))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def parse_xml(content: bytes, name: str) -> ET.Element:
    """Return the root of an XML document without any document type declaration.

    Entities, external ones and those that expand a thousandfold, need such a declaration; no report does.

    Raises:
        EvidenceError: There is one, or the document is not well-formed; says where.
    """
    if len(content) > MAX_REPORT_BYTES:
        raise EvidenceError(f"{name} has more than {MAX_REPORT_BYTES >> 20} MiB", next_step="split the test run")
    try:
        parser = ET.XMLParser(target=_PlainTree(name))  # noqa: S314 - the target refuses declarations, so entities too
        parser.feed(content)
        root: ET.Element = parser.close()
    except ET.ParseError as error:
        line, column = error.position
        raise EvidenceError(
            f"{name}:{line}:{column + 1} is not well-formed XML", next_step="see whether its producer was cut short"
        ) from error
    return root


class _PlainTree(ET.TreeBuilder):
    """Builds the tree of a document and refuses a document type declaration as soon as it begins."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def doctype(self, *_declaration: object) -> None:
        """Refuse it."""
        raise EvidenceError(f"{self._name} has a document type declaration", next_step="write the report without one")


def _cases(root: ET.Element) -> Iterator[TestCase]:
    for case in root.iter("testcase"):
        class_name, name = case.get("classname", ""), case.get("name", "")
        worst = max((child for child in case if child.tag in _RANKS), key=lambda child: _RANKS[child.tag], default=None)
        line = _number(case.get("line", ""))
        yield TestCase(
            identity=f"{class_name}::{name}" if class_name else name,
            class_name=class_name,
            name=name,
            outcome=TestOutcome.PASSED if worst is None else _OUTCOMES[worst.tag],
            message="" if worst is None else redact(_message(worst)),
            path=(case.get("file") or "").replace("\\", "/"),
            line=None if line is None else line + 1,
        )


def _message(element: ET.Element) -> str:
    """Return what a failure says; pytest tells the reason of a collection failure only in the text."""
    text = element.text or ""
    reasons = [line[1:].strip() for line in text.splitlines() if line.startswith("E  ")]
    if element.get("message") == "collection failure" and reasons:
        return reasons[-1][:_MESSAGE_LENGTH]
    return _first_line(element.get("message") or text)


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return " ".join(lines[:2])[:_MESSAGE_LENGTH] if lines else ""
