"""What a forge is told about a run: which commit and request, in which state, in how many words."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from quilate.deliveries.connector import ReportedFinding, RunReport

_FORGES = frozenset({"github", "gitlab", "bitbucket", "gitea"})
_COMMIT = re.compile(r"\A[0-9a-f]{7,64}\Z")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LONGEST_PATH = 1_000


class State(StrEnum):
    """What a commit's status says; only ``PASSED`` is ever shown as a success."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        """The run has ended."""
        return self is not State.PENDING


_OF_VERDICTS = {"PASS": State.PASSED, "FAIL": State.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run as a forge sees it.

    Attributes:
        report: The run.
        commit: The commit that was judged, as full as it is known.
        state: What its status says.
        pull_request: Number of the pull or merge request, if it was one.
        context: Name of the status or check.
    """

    report: RunReport
    commit: str
    state: State
    pull_request: int | None
    context: str

    @property
    def from_fork(self) -> bool:
        """The commit lies in another repository."""
        return self.report.trigger is not None and self.report.trigger.from_fork

    @property
    def order(self) -> str:
        """Later runs have greater ones."""
        submitted = self.report.submitted_at
        return f"{submitted.timestamp() if submitted else 0.0:020.6f} {self.report.id}"

    def described(self, limit: int) -> str:
        """Return one line of at most so many characters that says how it stands."""
        words = {
            State.PENDING: "waits to be judged",
            State.PASSED: f"PASS: {self.report.headline}",
            State.FAILED: f"FAIL: {self.report.headline}",
            State.UNKNOWN: f"UNKNOWN: {self.report.headline}",
            State.CANCELLED: "cancelled",
            State.SUPERSEDED: "superseded by a newer run",
        }
        return plain(words[self.state], limit)


def state_of(report: RunReport) -> State:
    """Return what a run's status is now, whichever event it is told for: late events tell nothing old."""
    if report.superseded:
        return State.SUPERSEDED
    if report.status in {"queued", "running"}:
        return State.PENDING
    if report.status == "cancelled":
        return State.CANCELLED
    return _OF_VERDICTS.get(report.verdict, State.UNKNOWN)


def judged_commit(report: RunReport) -> str:
    """Return the commit that a run judged; empty where it judged none, as for a dirty tree or a dataset."""
    if report.subject_kind not in {"", "commit"}:
        return ""
    told = report.trigger.commit.lower() if report.trigger else ""
    found = report.revision.lower()
    commit = found if found.startswith(told) else told
    return commit if _COMMIT.match(commit) else ""


def judged(report: RunReport, context: str) -> Judged | None:
    """Return a run as a forge sees it; nothing where it judged no commit."""
    commit = judged_commit(report)
    if not commit:
        return None
    return Judged(
        report=report,
        commit=commit,
        state=state_of(report),
        pull_request=report.trigger.pull_request if report.trigger else None,
        context=context or "quilate",
    )


def is_elsewhere(report: RunReport, forge: str) -> bool:
    """Return whether a run came from another forge than this one."""
    return report.trigger is not None and report.trigger.provider in _FORGES - {forge}


def plain(text: str, limit: int) -> str:
    """Return text as one line of at most so many characters, without what is not seen or turns its direction."""
    seen = "".join(" " if character in "\t\r\n" else character for character in text)
    seen = "".join(character for character in seen if unicodedata.category(character) not in _INVISIBLE)
    line = " ".join(seen.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def located(finding: ReportedFinding) -> tuple[str, int] | None:
    """Return the file in the repository that a finding is about, and the line from one; nothing without one."""
    path = PurePosixPath(finding.path)
    clean = finding.path and plain(finding.path, _LONGEST_PATH) == finding.path
    if not clean or path.is_absolute() or ".." in path.parts or "\\" in finding.path:
        return None
    return str(path), max(finding.line or 1, 1)
