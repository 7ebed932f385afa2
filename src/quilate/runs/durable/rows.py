"""Between the rows of the database and the objects of the runner."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from quilate.domain.ids import CheckId
from quilate.domain.verdict import Completion
from quilate.evidence.model import Evidence
from quilate.kit.database.arrays import boolean_array, bytes_array, number_array, text_array
from quilate.runs.durable.live import EndedAttempt, RecordedAttempt, Transition
from quilate.runs.durable.model import Step
from quilate.runs.state import Attempt

LONGEST_INLINE_BYTES = 64 << 10
"""A document up to this length is a column; a longer one is an artifact."""

_EVIDENCE = msgspec.json.Decoder(Evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedStep:
    """A step of a run that a worker has claimed; ``attempt`` is its fencing token."""

    run_id: UUID
    project_id: UUID
    priority: int
    version: int
    attempt: int
    losses: int
    step: Step
    concurrency_key: str
    event: str
    actor: str
    document: str
    rerun_of: UUID | None
    traceparent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedCheck:
    """A check that a worker has claimed; ``attempt`` is its fencing token, ``version`` that of its run."""

    run_id: UUID
    check_id: CheckId
    attempt: int
    losses: int
    project_id: UUID
    version: int


def claimed_step(row: Mapping[str, Any]) -> ClaimedStep:
    """Return a claimed step."""
    return ClaimedStep(
        run_id=row["id"],
        project_id=row["project_id"],
        priority=row["priority"],
        version=row["version"],
        attempt=row["attempt"],
        losses=row["losses"],
        step=Step(row["step"]),
        concurrency_key=row["concurrency_key"] or "",
        event=row["event"],
        actor=row["actor"],
        document=row["document"],
        rerun_of=row["rerun_of"],
        traceparent=row["traceparent"],
    )


def claimed_check(row: Mapping[str, Any]) -> ClaimedCheck:
    """Return a claimed check."""
    return ClaimedCheck(
        run_id=row["run_id"],
        check_id=CheckId(row["check_id"]),
        attempt=row["attempt"],
        losses=row["losses"],
        project_id=row["project_id"],
        version=row["version"],
    )


def recorded_attempt(row: Mapping[str, Any], evidence: bytes | None) -> RecordedAttempt:
    """Return an attempt as it was recorded; ``evidence`` is the column's content or the artifact's."""
    age = row["cached_age_seconds"]
    attempt = Attempt(
        completion=Completion(row["completion"]),
        evidence=None if evidence is None else _EVIDENCE.decode(evidence),
        reason=row["reason"],
        next_step=row["next_step"],
        duration_seconds=row["duration_ms"] / 1000,
        cached_age_seconds=age,
        report=row["report"],
    )
    return RecordedAttempt(number=row["attempt"], attempt=attempt, final=row["final"])


def _plain(text: str) -> str:
    r"""Return text as PostgreSQL takes it: NUL and lone surrogates are spelt out."""
    if "\0" in text:
        text = text.replace("\0", "\\0")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class StepColumns:
    """The columns of ``write_steps`` for a batch of transitions."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in _KINDS}

    def add(self, transition: Transition, *, mine: frozenset[CheckId], decides: bool) -> None:
        """Add a transition; ``mine`` are the ready checks that this worker goes on with itself."""
        run, columns = transition.run, self.columns
        # A UUID spells itself out anew each time: once for each transition is enough, and without hyphens it needs no
        # quotes in an array.
        run_id, project_id = run.id.hex, run.project_id.hex
        for ended in transition.ended:
            columns["a_runs"].append(run_id)
            columns["a_projects"].append(project_id)
            columns["a_versions"].append(transition.version)
            self._attempt(ended)
        for ready in transition.ready:
            columns["r_runs"].append(run_id)
            columns["r_checks"].append(ready.check.id)
            columns["r_projects"].append(project_id)
            columns["r_queues"].append(ready.check.queue.value)
            columns["r_statuses"].append("running" if ready.check.id in mine else "queued")
            columns["r_priorities"].append(run.priority)
            columns["r_numbers"].append(ready.number)
            columns["r_pauses"].append(ready.pause_seconds)
        columns["s_runs"].append(run_id)
        columns["s_versions"].append(transition.version)
        columns["s_steps"].append(Step.DECIDE.value if transition.finished else Step.CHECKS.value)
        columns["s_claims"].append(1 if transition.finished and decides else 0)

    def _attempt(self, ended: EndedAttempt) -> None:
        columns, attempt, content = self.columns, ended.attempt, ended.content
        inline = content if content is not None and len(content) <= LONGEST_INLINE_BYTES else None
        columns["a_checks"].append(ended.check_id)
        columns["a_numbers"].append(ended.number)
        columns["a_completions"].append(attempt.completion.value)
        columns["a_results"].append(ended.result.value)
        columns["a_reasons"].append(_plain(attempt.reason))
        columns["a_next_steps"].append(_plain(attempt.next_step))
        columns["a_durations"].append(attempt.duration_seconds * 1000)
        columns["a_ages"].append(attempt.cached_age_seconds)
        columns["a_finals"].append(ended.final)
        columns["a_digests"].append(ended.evidence_digest or None)
        columns["a_evidence"].append(inline)
        columns["a_reports"].append(_plain(attempt.report))

    def arguments(self) -> dict[str, str]:
        """Return the columns as the statement takes them."""
        return {name: _LITERALS[_KINDS[name]](values) for name, values in self.columns.items()}


_LITERALS: Mapping[str, Callable[[list[Any]], str]] = MappingProxyType(
    {"text": text_array, "number": number_array, "boolean": boolean_array, "bytes": bytes_array}
)
_KINDS = {
    name: kind
    for kind, names in (
        ("text", "a_runs a_projects r_runs r_projects s_runs"),
        ("text", "a_checks a_completions a_results a_reasons a_next_steps a_digests a_reports"),
        ("text", "r_checks r_queues r_statuses s_steps"),
        ("number", "a_numbers a_versions a_durations a_ages r_priorities r_numbers r_pauses s_versions s_claims"),
        ("boolean", "a_finals"),
        ("bytes", "a_evidence"),
    )
    for name in names.split()
}


def finding_columns(transitions: Sequence[Transition]) -> dict[str, list[Any]]:
    """Return the columns of ``insert_findings``."""
    names = "runs projects checks attempts places fingerprints rules severities messages paths lines".split()  # noqa: SIM905 - as above
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for transition in transitions:
        for ended in transition.ended:
            for place, finding in enumerate(ended.attempt.evidence.findings if ended.attempt.evidence else ()):
                location = finding.location
                row = (
                    transition.run.id,
                    transition.run.project_id,
                    ended.check_id,
                    ended.number,
                    place,
                    _plain(finding.fingerprint),
                    _plain(str(finding.rule)),
                    finding.severity.value,
                    _plain(finding.message),
                    _plain(location.path or location.url),
                    location.line,
                )
                for name, value in zip(names, row, strict=True):
                    columns[name].append(value)
    return columns
