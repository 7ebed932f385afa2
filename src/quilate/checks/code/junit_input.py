"""Read JUnit XML as pytest and other producers write it; the file is hostile until read."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from quilate.domain.errors import EvidenceError

MAX_REPORT_BYTES = 64 << 20
_MESSAGE_LENGTH = 400


class TestOutcome(StrEnum):
    """What a test case says."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


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
    if len(content) > MAX_REPORT_BYTES:
        raise EvidenceError(f"{name} has more than {MAX_REPORT_BYTES >> 20} MiB", next_step="split the test run")
    root = parse_xml(content, name)
    if root.tag not in {"testsuites", "testsuite"}:
        raise EvidenceError(f"{name} is not JUnit XML: its root is <{root.tag}>", next_step="write a JUnit XML report")
    return tuple(_cases(root))


def parse_xml(content: bytes, name: str) -> ET.Element:
    """Return the root of an XML document without any document type declaration.

    Entities, external ones and those that expand a thousandfold, need such a declaration; no report does.

    Raises:
        EvidenceError: There is one, or the document is not well-formed; says where.
    """
    if re.search(rb"<!\s*(DOCTYPE|ENTITY)", content[:4096] + content[4096:], re.IGNORECASE) or b"\0" in content[:4]:
        raise EvidenceError(f"{name} has a document type declaration", next_step="write the report without one")
    try:
        return ET.fromstring(content)  # noqa: S314 - declarations, and with them entities, were refused above
    except ET.ParseError as error:
        line, column = error.position
        raise EvidenceError(
            f"{name}:{line}:{column + 1} is not well-formed XML", next_step="see whether its producer was cut short"
        ) from error


def _cases(root: ET.Element) -> Iterator[TestCase]:
    for case in root.iter("testcase"):
        class_name, name = case.get("classname", ""), case.get("name", "")
        outcome, message = TestOutcome.PASSED, ""
        for child in case:
            if child.tag in {"failure", "error", "skipped"}:
                outcome = {"failure": TestOutcome.FAILED, "error": TestOutcome.ERROR}.get(
                    child.tag, TestOutcome.SKIPPED
                )
                message = _first_line(child.get("message") or child.text or "")
                break
        line = case.get("line", "")
        yield TestCase(
            identity=f"{class_name}::{name}" if class_name else name,
            class_name=class_name,
            name=name,
            outcome=outcome,
            message=message,
            path=(case.get("file") or "").replace("\\", "/"),
            line=int(line) + 1 if line.isdecimal() else None,
        )


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return " ".join(lines[:2])[:_MESSAGE_LENGTH] if lines else ""
