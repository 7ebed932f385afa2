"""SARIF of wrapped tools as findings: ruff's own, and hostile logs (C10, C16)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.domain.errors import EvidenceError
from quilate.domain.severity import Severity
from quilate.evidence.model import FindingKind
from quilate.evidence.sarif_input import SarifInput, findings_from_sarif


def read(log: Any, **changes: Any) -> SarifInput:
    content = log if isinstance(log, bytes) else json.dumps(log).encode()
    arguments: dict[str, Any] = {"kind": FindingKind.VULNERABILITY, "workspace_root": "/work/space"}
    return findings_from_sarif(content, **(arguments | changes))


def log_of(*results: Any, **run: Any) -> dict[str, Any]:
    driver = {"name": "My Scanner", "rules": [{"id": "A1", "properties": {"security-severity": "9.8"}}, {"id": "B2"}]}
    return {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": list(results), **run}]}


def result(**changes: Any) -> dict[str, Any]:
    region = {"startLine": 3, "startColumn": 2, "endLine": 3, "endColumn": 8}
    place = {"physicalLocation": {"artifactLocation": {"uri": "a%20b/c.py"}, "region": region}}
    return {"ruleId": "B2", "message": {"text": "Bad thing."}, "locations": [place]} | changes


def at(uri: str, **artifact: Any) -> dict[str, Any]:
    return result(locations=[{"physicalLocation": {"artifactLocation": {"uri": uri, **artifact}}}])


def test_ruffs_own_log_is_read(tmp_path: Path) -> None:
    (tmp_path / "bad module.py").write_text("import os\nimport hashlib\nhashlib.md5(b'x')\n", encoding="utf-8")
    ruff = str(Path(sys.executable).parent / "ruff")
    command = [ruff, "check", "--isolated", "--no-cache", "--select", "F,S", "--output-format", "sarif", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    read_log = read(done.stdout, workspace_root=str(tmp_path.resolve()))

    found = {finding.rule: finding for finding in read_log.findings}
    assert set(found) == {"ruff/F401", "ruff/S324"}
    unused = found["ruff/F401"]  # type: ignore[index]  # a NewType over str
    assert unused.location.path == "bad module.py"
    assert (unused.location.line, unused.location.column) == (1, 8)
    assert unused.help_url.startswith("https://docs.astral.sh/")
    assert unused.fixable
    assert "os" in unused.message
    assert read_log.tools == ("ruff",)
    assert not read_log.undecided


def test_a_result_becomes_a_finding() -> None:
    (finding,) = read(log_of(result())).findings

    assert finding.rule == "my-scanner/B2"
    assert finding.message == "Bad thing"
    assert finding.severity is Severity.MEDIUM
    assert finding.location.path == "a b/c.py"
    assert (finding.location.line, finding.location.end_column) == (3, 8)
    assert read(log_of(result()), tool="scan").findings[0].rule == "scan/B2"


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"level": "error"}, Severity.HIGH),
        ({"level": "warning"}, Severity.MEDIUM),
        ({"level": "note"}, Severity.LOW),
        ({"level": "none"}, Severity.INFO),
        ({"level": "unheard-of"}, Severity.MEDIUM),
        ({"level": 7}, Severity.MEDIUM),
        ({"ruleId": "A1", "ruleIndex": 0, "level": "note"}, Severity.CRITICAL),
        ({"properties": {"security-severity": "7.0"}}, Severity.HIGH),
        ({"properties": {"security-severity": 5}}, Severity.MEDIUM),
        ({"properties": {"security-severity": "0.5"}}, Severity.LOW),
        ({"properties": {"security-severity": "0.0"}}, Severity.INFO),
        ({"properties": {"security-severity": "NaN"}, "level": "error"}, Severity.HIGH),
    ],
)
def test_severities(changes: dict[str, Any], severity: Severity) -> None:
    assert read(log_of(result(**changes))).findings[0].severity is severity


def test_a_rule_is_found_by_its_index_alone() -> None:
    given = result(ruleIndex=0)
    del given["ruleId"]

    (finding,) = read(log_of(given)).findings

    assert finding.rule == "my-scanner/A1"
    assert finding.severity is Severity.CRITICAL


def test_a_message_is_made_from_the_rules_template() -> None:
    log = log_of(result(message={"id": "default", "arguments": ["x", "{0}"]}))
    log["runs"][0]["tool"]["driver"]["rules"][1]["messageStrings"] = {"default": {"text": "got {0} and {1}, {9}."}}

    assert read(log).findings[0].message == "got x and {0}, {9}"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///work/space/src/a.py", "src/a.py"),
        ("src/./a.py", "src/a.py"),
        ("file:///etc/passwd", ""),
        ("/etc/passwd", ""),
        ("../../etc/passwd", ""),
        ("src/%2e%2e/%2e%2e/etc/passwd", ""),
        ("file:///work/spaceship/a.py", ""),
        ("https://example.test/a.py", ""),
        ("http://[bad", ""),
        ("a%00b", ""),
    ],
)
def test_a_path_never_leaves_the_workspace(uri: str, path: str) -> None:
    assert read(log_of(at(uri))).findings[0].location.path == path


def test_base_addresses_are_resolved() -> None:
    bases = {"SRC": {"uri": "file:///work/space/src/"}}

    assert read(log_of(at("a.py", uriBaseId="SRC"), originalUriBaseIds=bases)).findings[0].location.path == "src/a.py"


def test_results_that_are_no_faults_are_left_out() -> None:
    log = log_of(
        *(result(kind=kind) for kind in ("pass", "notApplicable", "informational")), result(baselineState="absent")
    )

    assert read(log).findings == ()


def test_an_open_result_is_undecided() -> None:
    read_log = read(log_of(result(kind="open")))

    assert read_log.findings == ()
    assert "could not tell" in read_log.undecided[0].reason


def test_the_tools_own_suppressions_do_not_hide_a_finding_unless_asked_to() -> None:
    log = log_of(result(suppressions=[{"kind": "inSource"}]), result(suppressions=[{"status": "rejected"}]))

    assert len(read(log).findings) == 2
    assert read(log).suppressed == 1
    assert len(read(log, include_suppressed=False).findings) == 1


def test_a_run_that_did_not_succeed_is_undecided() -> None:
    trouble = {"executionSuccessful": False, "toolExecutionNotifications": [{"message": {"text": "cannot parse a.py"}}]}

    (question,) = read(log_of(invocations=[trouble])).undecided

    assert "cannot parse a.py" in question.reason


def test_a_run_without_results_is_undecided() -> None:
    log = log_of()
    del log["runs"][0]["results"]

    assert read(log).undecided
    assert read({"version": "2.1.0", "runs": [{}]}).undecided
    assert read(log_of(None, 7)).undecided


def test_secrets_and_terminal_commands_do_not_pass() -> None:
    token = "ghp" + "_" + "a1B2" * 9
    (finding,) = read(log_of(result(message={"text": f"\x1b[31mfound {token}\u202e\nsecond"}))).findings

    assert token not in finding.message
    assert finding.message == "found [masked]\\u202e second"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe\x00",
        b'{"version":"2.1.0"}',
        b'{"version":"1.0.0","runs":[{}]}',
        b'{"version":"2.1.0","runs":[]}',
        b'{"version":"2.1.0","runs":[7]}',
        b"[" * 2_000_000,
        b'{"a":' * 500_000,
        b"panic: tool crashed",
    ],
    ids=lambda content: content[:32].decode("ascii", "replace"),
)
def test_what_is_no_log_is_an_error_with_a_next_step(content: bytes) -> None:
    with pytest.raises(EvidenceError) as caught:
        read(content)

    assert caught.value.next_step


def test_a_log_that_is_too_large_is_an_error() -> None:
    with pytest.raises(EvidenceError, match="MiB"):
        read(b" " * ((64 << 20) + 1))


def test_too_many_results_are_an_error() -> None:
    with pytest.raises(EvidenceError, match="results"):
        read(b'{"version":"2.1.0","runs":[{"results":[' + b"{}," * 100_000 + b"{}]}]}")


def test_a_byte_order_mark_and_older_drafts_are_read() -> None:
    log = log_of(result()) | {"version": "2.0.0-csd.2.beta.2019-01-24"}

    assert read(b"\xef\xbb\xbf" + json.dumps(log).encode()).findings


names = st.sampled_from(
    [
        "ruleId",
        "ruleIndex",
        "rule",
        "message",
        "text",
        "locations",
        "physicalLocation",
        "artifactLocation",
        "uri",
        "uriBaseId",
        "index",
        "region",
        "startLine",
        "level",
        "kind",
        "properties",
        "security-severity",
        "suppressions",
        "fixes",
        "description",
        "arguments",
        "id",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(names, values, max_size=8))
def test_any_result_is_read_as_one_finding_or_one_question(hostile: dict[str, Any]) -> None:
    hostile = {name: value for name, value in hostile.items() if name not in {"kind", "suppressions"}}

    read_log = read(log_of(hostile))

    assert len(read_log.findings) == 1
    assert ".." not in read_log.findings[0].location.path.split("/")
