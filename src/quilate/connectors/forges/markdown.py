"""The Markdown of comments and summaries: every text of a repository is shown as it is and does nothing else.

Source: CommonMark 0.31, section 2.5: a character reference never makes structure. Forges look for mentions, references
and addresses after that, in the text that is shown, so a zero-width space goes behind the signs that begin one.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from quilate.connectors.forges.report import Judged, State, plain
from quilate.deliveries.connector import RunReport
from quilate.kit.words import counted

_LONGEST_TEXT = 300
_STRUCTURE = re.compile(r"[&<>`*_\[\]|~\\#$]")
_REFERENCES = re.compile(r"([@#!~%$&]|://|\bwww\.|\bGH-)(?=[\w\"'\[{*])", re.IGNORECASE)
# Begins of lists, headings and quick actions (GitLab carries out `/close` of whoever owns the token).
_BEGINNINGS = re.compile(r"\A[-+=/:0-9]")
_HOLD = "\u200b"
_TITLES = {
    State.PENDING: "⏳ Quilate: not judged yet",
    State.PASSED: "✅ Quilate: PASS",
    State.FAILED: "❌ Quilate: FAIL",
    State.UNKNOWN: "❓ Quilate: UNKNOWN",
    State.CANCELLED: "⏹️ Quilate: cancelled",
    State.SUPERSEDED: "⏹️ Quilate: superseded",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """How much of each list is shown."""

    checks: int
    findings: int
    lines: int


_ROOMS = (
    _Room(checks=200, findings=50, lines=20),
    _Room(checks=80, findings=20, lines=10),
    _Room(checks=25, findings=10, lines=5),
    _Room(checks=8, findings=3, lines=3),
    _Room(checks=0, findings=0, lines=1),
)


def marker(project: str) -> str:
    """Return the line by which a project's comment is known."""
    return f"<!-- quilate:comment:{project} -->"


def proof(secret: str, project: str, repository: str, number: int) -> str:
    """Return what only the holder of a connection's secret can have written first into a request.

    Whoever may comment could write the marker beforehand, and so have the connection fill a comment that is theirs.
    """
    place = "\0".join(("quilate comment", project, repository.lower(), str(number)))
    return hmac.new(secret.encode(), place.encode(), hashlib.sha256).hexdigest()[:32]


def safe(text: str, limit: int = _LONGEST_TEXT) -> str:
    """Return text for any place within a line of Markdown: no markup, mention, link, HTML or command comes of it."""
    line = _REFERENCES.sub(rf"\1{_HOLD}", plain(text, limit))
    line = _STRUCTURE.sub(lambda found: f"&#{ord(found.group())};", line)
    return f"{_HOLD}{line}" if _BEGINNINGS.match(line) else line


def link(text: str, address: str) -> str:
    """Return a link; the text alone where the address is none."""
    if not re.fullmatch(r"https?://[^\s<>\"'()`|\\]+", address):
        return safe(text)
    return f"[{safe(text)}]({address})"


def summary(run: Judged, limit: int) -> str:
    """Return what there is to say about a run as Markdown of at most so many bytes."""
    for room in _ROOMS:
        rendered = "\n\n".join(part for part in _parts(run, room) if part)
        if len(rendered.encode()) <= limit:
            return rendered
    return f"### {_TITLES[run.state]}\n\n{link('Open the run', run.report.url)}"


def render_comment(run: Judged, key: str, limit: int, *, head: str = "") -> str:
    """Return the body of the request's comment; ``head`` in place of the marker where HTML comments are shown."""
    first = head or f"{marker(run.report.project)}\n<!-- quilate:key:{key} -->"
    return f"{first}\n\n{summary(run, limit - len(first.encode()) - 2)}"


def _parts(run: Judged, room: _Room) -> Sequence[str]:
    report = run.report
    return (
        f"### {_TITLES[run.state]}",
        f"> {safe(report.headline)}" if report.headline else "",
        _listed("Why", report.reasons, room.lines),
        _listed("What to do", report.next_steps, room.lines),
        _what_if(report),
        _checks(report, room.checks),
        _findings(report, room.findings),
        _listed("Waivers used", report.waivers, room.lines),
        _footer(run),
    )


def _what_if(report: RunReport) -> str:
    if not report.what_if:
        return ""
    return f"**What if this change's own blueprint counted** (it does not): {safe(report.what_if, 500)}"


def _listed(title: str, lines: Sequence[str], most: int) -> str:
    shown = [f"- {safe(line)}" for line in lines if line.strip()][:most]
    if not shown:
        return ""
    if len(lines) > most:
        shown.append(f"- … and {len(lines) - most} more")
    return "\n".join((f"**{title}**", "", *shown))


def _checks(report: RunReport, most: int) -> str:
    if not report.checks:
        return ""
    if not most:
        return counted(len(report.checks), "check")
    # What went wrong is seen first where not everything is seen.
    ordered = sorted(report.checks, key=lambda check: check.result == "pass") if len(report.checks) > most else None
    rows = [
        f"| {link(check.id, check.url)} | {safe(check.stage)} | {'yes' if check.required else 'no'} "
        f"| {safe(check.result)} | {safe(check.reason) or ' '} |"
        for check in (ordered or report.checks)[:most]
    ]
    table = "\n".join(("| Check | Stage | Required | Result | Reason |", "| --- | --- | --- | --- | --- |", *rows))
    hidden = len(report.checks) - len(rows)
    return f"{table}\n\n… and {counted(hidden, 'more check', 'more checks')}" if hidden > 0 else table


def _findings(report: RunReport, most: int) -> str:
    if not report.findings_total:
        return ""
    title = f"**{counted(report.findings_total, 'finding')}**"
    lines = [
        f"- {safe(found.severity, 20)} {safe(found.rule, 100)}{_place(found.path, found.line)}: {safe(found.message)}"
        f"{f' — {safe(found.fix)}' if found.fix else ''}"
        for found in report.findings[:most]
    ]
    if not lines:
        return title
    hidden = report.findings_total - len(lines)
    return "\n".join((title, "", *lines, *([f"- … and {hidden} more"] if hidden > 0 else [])))


def _place(path: str, line: int | None) -> str:
    if not path:
        return ""
    return f" in {safe(path, 200)}{f' line {line}' if line else ''}"


def _footer(run: Judged) -> str:
    report = run.report
    said = [f"Commit {run.commit[:12]}"]
    if report.blueprint:
        said.append(f"blueprint {safe(report.blueprint, 200)}")
    if report.decision_digest:
        said.append(f"decision {safe(report.decision_digest, 80)}")
    said.append(link("open the run", report.url))
    return " · ".join(said)
