"""What a CI shows of a run: a Markdown summary, annotations in the log, a code quality report."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from quilate.client.model import RunCheck, RunDetail, RunFinding
from quilate.domain.verdict import CheckResult, Verdict

MOST_ANNOTATIONS = 50
"""GitHub shows ten of a kind in each step and fifty in each job; further ones are in the summary."""
MOST_LISTED = 50
_SIGNS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.UNKNOWN: "❔"}
_WORDS = {Verdict.PASS: "approved", Verdict.FAIL: "rejected", Verdict.UNKNOWN: "undecided"}
_RESULT_SIGNS = {CheckResult.PASS: "✓", CheckResult.WARN: "!", CheckResult.NOT_APPLICABLE: "·"}
_ERRORS = frozenset({"critical", "high"})
_GITLAB_SEVERITIES = {"critical": "blocker", "high": "critical", "medium": "major", "low": "minor", "info": "info"}


def summary_markdown(detail: RunDetail, explanation: str, findings: Sequence[RunFinding], address: str) -> str:
    """Return the summary of a run; text that comes from what was judged cannot become markup."""
    verdict = detail.verdict
    title = f"{_SIGNS[verdict]} {_WORDS[verdict]}" if verdict is not None else "partial run, no verdict"
    lines = [f"## Quilate: {title}", "", f"Run [`{detail.id}`]({address}) under `{_code(detail.blueprint)}`.", ""]
    if explanation.strip():
        lines += ["```text", explanation.strip().replace("```", "'''"), "```", ""]
    lines += ["| | check | result | what it says |", "| --- | --- | --- | --- |", *map(_check_row, detail.checks)]
    if findings:
        lines += ["", *_finding_rows(findings)]
    return "\n".join(lines) + "\n"


def _check_row(check: RunCheck) -> str:
    sign = _RESULT_SIGNS.get(check.result, "✗") if check.result is not None else "…"
    result = check.result.value if check.result is not None else check.state
    last = check.attempts[-1] if check.attempts else None
    told = check.summary or (last.reason if last else "")
    return f"| {sign} | `{_code(check.id)}` | {result} | {_cell(told)} |"


def _finding_rows(findings: Sequence[RunFinding]) -> list[str]:
    lines = [
        f"### Findings ({len(findings)})",
        "",
        "| severity | rule | place | message |",
        "| --- | --- | --- | --- |",
    ]
    for found in findings[:MOST_LISTED]:
        place = f"{found.path}:{found.line}" if found.line else found.path
        lines.append(f"| {found.severity} | `{_code(found.rule)}` | `{_code(place)}` | {_cell(found.message)} |")
    if len(findings) > MOST_LISTED:
        lines += ["", f"{len(findings) - MOST_LISTED} more: see the run."]
    return lines


def _code(text: str) -> str:
    """Return text for a code span within a table."""
    return _one_line(text).replace("`", "'").replace("|", "\\|")[:300]


def _cell(text: str) -> str:
    """Return text for a table's cell: no markup, no mention of people, no HTML."""
    shown = _one_line(text)[:500]
    for sign in "\\`*_{}[]()#+!|~@":
        shown = shown.replace(sign, f"\\{sign}" if sign != "@" else "@\u200b")
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def github_annotations(findings: Iterable[RunFinding]) -> list[str]:
    """Return workflow commands that mark findings in the changed files.

    Source: docs.github.com, "Workflow commands for GitHub Actions": ``%``, line ends, and in properties ``:`` and ``,``
    are escaped, so that no finding can give a command of its own.
    """
    lines = []
    for found in list(findings)[:MOST_ANNOTATIONS]:
        kind = "error" if found.severity in _ERRORS else "warning"
        properties = {"file": found.path, "line": str(found.line or ""), "title": found.rule}
        given = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
        lines.append(f"::{kind} {given}::{_data(found.message)}")
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def code_quality(findings: Iterable[RunFinding]) -> str:
    """Return a report as GitLab shows it in merge requests.

    Source: docs.gitlab.com, "Code Quality report format": description, check_name, fingerprint, severity, location.
    """
    entries: list[dict[str, Any]] = [
        {
            "description": found.message,
            "check_name": found.rule,
            "fingerprint": found.fingerprint,
            "severity": _GITLAB_SEVERITIES.get(found.severity, "info"),
            "location": {"path": found.path or ".", "lines": {"begin": found.line or 1}},
        }
        for found in findings
    ]
    return json.dumps(entries, indent=1) + "\n"
