"""Runs of the service."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from quilate.client.errors import WaitTimeoutError
from quilate.client.events import follow
from quilate.client.model import Run, RunDetail, RunEvent, RunFinding, Seal, SubmittedRun
from quilate.client.pages import items_of
from quilate.client.transport import Transport, path_of
from quilate.domain.verdict import RunStatus, Verdict

_ENDED = frozenset({RunStatus.SUCCEEDED.value, RunStatus.FAILED.value, RunStatus.CANCELLED.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    id: UUID
    status: RunStatus


class Runs:
    """Submits, reads, follows, cancels and repeats runs; every method names the project by its slug."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def submit(
        self,
        project: str,
        *,
        source: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> SubmittedRun:
        """Submit a run; it is durable when this returns.

        Args:
            project: The project's slug.
            source: Where the files come from, for example ``{"kind": "git", "branch": "main"}``; the project's own
                repository by default.
            idempotency_key: Names the request for good; a fresh one by default, so that only this call's own
                repetitions are one run.
            options: ``blueprint``, ``project_file``, ``only``, ``from_stage``, ``event``, ``parameters``,
                ``priority``, ``concurrency_key``, ``supersede``, ``use_cache`` as the API documents them.

        Raises:
            ServiceError: The service refused it.
        """
        body = {**options, **({"source": dict(source)} if source is not None else {})}
        answer = self._transport.request("POST", _path(project), json=body, idempotency_key=idempotency_key)
        return self._transport.convert(answer, SubmittedRun)

    def get(self, project: str, run: UUID | str) -> RunDetail:
        """Return a run with its checks.

        Raises:
            NotFoundError: The project has no such run.
        """
        return self._transport.convert(self._transport.request("GET", _path(project, run)), RunDetail)

    def list(  # noqa: PLR0913 - one argument per filter
        self,
        project: str,
        *,
        status: RunStatus | None = None,
        verdict: Verdict | None = None,
        branch: str | None = None,
        event: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Run]:
        """Yield runs, newest first, page by page as they are asked for."""
        query = {
            "status": status,
            "verdict": verdict,
            "branch": branch,
            "event": event,
            "subject": subject,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        }
        return items_of(self._transport, _path(project), Run, query)

    def events(self, project: str, run: UUID | str, last_event_id: str = "") -> Iterator[RunEvent]:
        """Yield what happens to a run until it has ended; a broken stream is resumed by itself.

        Raises:
            NotFoundError: The project has no such run.
            ConnectionFailedError: The stream could not be resumed within the patience.
        """
        for event in follow(self._transport, _path(project, run, "events"), last_event_id):
            yield event
            if event.name == "run" and event.data.get("status") in _ENDED:
                return

    def wait(self, project: str, run: UUID | str, timeout_seconds: float | None = None) -> RunDetail:
        """Return a run once it has ended.

        Raises:
            WaitTimeoutError: It did not end in time.
        """
        end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pause = 0.1
        while True:
            found = self.get(project, run)
            if found.ended:
                return found
            if end is not None and time.monotonic() >= end:
                raise WaitTimeoutError(f"run {run} has not ended", next_step="it goes on; wait again")
            time.sleep(pause if end is None else max(min(pause, end - time.monotonic()), 0.0))
            pause = min(pause * 1.5, 2.0)

    def cancel(self, project: str, run: UUID | str, reason: str = "cancelled") -> RunStatus:
        """Cancel a run and return where it stands; one that had ended stays as it is."""
        answer = self._transport.request("POST", _path(project, run, "cancel"), json={"reason": reason})
        return self._transport.convert(answer, _State).status

    def rerun(
        self, project: str, run: UUID | str, *, failed_only: bool = False, idempotency_key: str | None = None
    ) -> SubmittedRun:
        """Submit a run again, whole or taking over what passed."""
        answer = self._transport.request(
            "POST",
            _path(project, run, "rerun"),
            json={"failed_only": failed_only},
            idempotency_key=idempotency_key,
        )
        return self._transport.convert(answer, SubmittedRun)

    def findings(self, project: str, run: UUID | str, **filters: Any) -> Iterator[RunFinding]:
        """Yield findings; ``filters`` are those of the API, for example ``check``, ``rule`` and ``severity``."""
        return items_of(self._transport, _path(project, run, "findings"), RunFinding, filters)

    def evidence(self, project: str, run: UUID | str, check: str, attempt: int | None = None) -> bytes:
        """Return the evidence of a check, byte for byte as it was digested."""
        return self._document(_path(project, run, "checks", check, "evidence"), {"attempt": attempt})

    def decision(self, project: str, run: UUID | str) -> bytes:
        """Return the decision, byte for byte as it was sealed."""
        return self._document(_path(project, run, "decision"))

    def decision_input(self, project: str, run: UUID | str) -> bytes:
        """Return what the decision was made from; replayed, it gives the same decision."""
        return self._document(_path(project, run, "decision", "input"))

    def seal(self, project: str, run: UUID | str) -> bytes:
        """Return the seal: a DSSE envelope."""
        return self._document(_path(project, run, "seal"))

    def artifact(self, project: str, run: UUID | str, digest: str) -> bytes:
        """Return a file that a check of the run left."""
        return self._document(_path(project, run, "artifacts", digest))

    def explanation(self, project: str, run: UUID | str) -> str:
        """Return why the run was decided as it was, as lines for a person."""
        answer = self._transport.request("GET", _path(project, run, "explanation"), headers={"Accept": "text/plain"})
        return answer.text

    def log(self, project: str, run: UUID | str, check: str, tail: int = 1000) -> str:
        """Return the last lines of a check's log."""
        answer = self._transport.request(
            "GET",
            _path(project, run, "checks", check, "logs"),
            headers={"Accept": "text/plain"},
            query={"tail": tail},
        )
        return answer.text

    def seals(self, project: str, subject: str) -> Iterator[Seal]:
        """Yield the seals of a subject by its digest, newest first."""
        return items_of(self._transport, path_of("projects", project, "seals"), Seal, {"subject": subject})

    def _document(self, path: str, query: Mapping[str, Any] | None = None) -> bytes:
        return self._transport.request("GET", path, query=query).content


def _path(project: str, run: UUID | str | None = None, *more: str) -> str:
    return path_of("projects", project, "runs", *(() if run is None else (str(run), *more)))
