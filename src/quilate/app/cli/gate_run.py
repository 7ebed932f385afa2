"""A CI job's run at a service: submitted once, followed to its end or to the time-out, told to the CI."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from quilate.app.cli.ci_environment import CiJob, detect_job, exchanged_token
from quilate.app.cli.ci_output import code_quality, github_annotations, summary_markdown
from quilate.app.cli.packing import pack_workspace
from quilate.app.cli.run_remote import Server
from quilate.app.cli.terminal import Terminal
from quilate.blueprints.project_file import load_project
from quilate.client import Client
from quilate.client.model import RunDetail, RunFinding
from quilate.domain.errors import ConfigurationError, ExitCode
from quilate.domain.verdict import RunStatus, Verdict
from quilate.runs.files import list_workspace

_EXITS = {Verdict.PASS: ExitCode.APPROVED, Verdict.FAIL: ExitCode.REJECTED}
_REASONS = {
    ExitCode.APPROVED: "exit 0: approved",
    ExitCode.REJECTED: "exit 1: rejected by the gate",
    ExitCode.UNDECIDED: "exit 3: undecided",
}
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """The options of the command; see there."""

    path: Path
    url: str
    project: str = ""
    blueprint: str = ""
    upload: bool = False
    timeout_seconds: float = 1800
    summary: Path | None = None
    code_quality: Path | None = None
    token_file: str = ""


def judge_by_gate(options: GateOptions, terminal: Terminal) -> ExitCode:
    """Submit, wait, tell.

    Raises:
        ConfigurationError: Something is missing: the service, the project, a token.
        ClientError: The service refused something or could not be reached.
    """
    if not options.url:
        raise ConfigurationError("no service is named", next_step="give --server URL, or set QUILATE_SERVER")
    job = detect_job(os.environ)
    project = options.project or load_project(options.path).project
    token = Server(url=options.url, token_file=options.token_file).token()
    if not token:
        token = exchanged_token(options.url, project, os.environ)
    with Client(options.url, token=token) as client, _ended_by_signal():
        return _Gate(client, options, job, project, terminal).judge()


class _StoppedError(Exception):
    """The CI ends the job."""


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let SIGTERM, by which a CI cancels a job, end the run at the service too."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _StoppedError

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Gate:
    """One submission with all that follows from it."""

    def __init__(self, client: Client, options: GateOptions, job: CiJob, project: str, terminal: Terminal) -> None:
        self._client = client
        self._options = options
        self._job = job
        self._project = project
        self._terminal = terminal

    def judge(self) -> ExitCode:
        """Return how the job has to end."""
        run = address = ""
        try:
            run = str(self._client.runs.submit(self._project, **self._submission()).id)
            address = f"{self._options.url.rstrip('/')}/api/v1/projects/{self._project}/runs/{run}"
            self._terminal.line(f"run {run} of {self._project}: {address}")
            detail = self._ended(run)
        except (KeyboardInterrupt, _StoppedError):
            if run:
                self._client.runs.cancel(self._project, run, "the job that asked for it was cancelled")
            self._terminal.line("the job was cancelled, and the run with it" if run else "the job was cancelled")
            self._terminal.line(_REASONS[ExitCode.UNDECIDED])
            return ExitCode.UNDECIDED
        if detail is None:
            self._terminal.line(f"no verdict within {self._options.timeout_seconds:g} s; the run goes on: {address}")
            self._terminal.line(_REASONS[ExitCode.UNDECIDED])
            return ExitCode.UNDECIDED
        return self._told(detail, address)

    def _submission(self) -> dict[str, Any]:
        job = self._job
        more: dict[str, Any] = {}
        if job.key:
            more["idempotency_key"] = f"{job.key}:{self._project}"
        if job.pull_request is not None:
            more["parameters"] = {"pull_request": job.pull_request}
            more["governed"] = not self._options.upload
        common = {"blueprint": self._options.blueprint, "event": "ci", **more}
        if job.repository and job.commit and not self._options.upload:
            source = {"kind": "git", "repository": job.repository, "revision": job.commit, "branch": job.branch}
            return {"source": source, **common}
        project = load_project(self._options.path)
        workspace = list_workspace(Path(project.root), project.exclude, project.projects)
        with tempfile.TemporaryDirectory(prefix="quilate-gate-") as scratch:
            archive = Path(scratch) / "files.tar.gz"
            pack_workspace(workspace, archive)
            uploaded = self._client.archives.upload(self._project, archive)
        return {"source": {"kind": "archive", "digest": uploaded.digest}, **common}

    def _ended(self, run: str) -> RunDetail | None:
        """Return the run once it has ended, telling meanwhile what does; ``None`` when the time is up."""
        end = time.monotonic() + self._options.timeout_seconds
        told: set[str] = set()
        while True:
            detail = self._client.runs.get(self._project, run)
            for check in detail.checks:
                if check.result is not None and check.attempts and check.attempts[-1].final and check.id not in told:
                    told.add(check.id)
                    self._terminal.line(f"  {check.result.value:<14} {check.id}  {check.summary}".rstrip())
            if detail.ended:
                return detail
            if time.monotonic() >= end:
                return None
            time.sleep(max(min(_PAUSE_SECONDS, end - time.monotonic()), 0.05))

    def _told(self, detail: RunDetail, address: str) -> ExitCode:
        if detail.failure is not None:
            step = f"; {detail.failure.next_step}" if detail.failure.next_step else ""
            self._terminal.line(f"undecided: {detail.failure.error}{step}")
        if detail.status is RunStatus.CANCELLED:
            self._terminal.line("undecided: the run was cancelled at the service")
        code = _EXITS.get(detail.verdict, ExitCode.UNDECIDED) if detail.verdict else ExitCode.UNDECIDED
        explanation, findings = "", list[RunFinding]()
        if detail.decision_digest:
            explanation = self._client.runs.explanation(self._project, detail.id)
            findings = list(self._client.runs.findings(self._project, detail.id))
            for line in explanation.splitlines():
                self._terminal.line(line)
        elif detail.failure is not None:
            explanation = f"{detail.failure.error}\n{detail.failure.next_step}"
        self._write(detail, explanation, findings, address)
        self._terminal.line(_REASONS[code])
        return code

    def _write(self, detail: RunDetail, explanation: str, findings: list[RunFinding], address: str) -> None:
        if self._job.provider == "github":
            for line in github_annotations(findings):
                self._terminal.document(line)
        markdown = summary_markdown(detail, explanation, findings, address)
        for target in {self._options.summary, self._job.summary} - {None}:
            if target is not None:
                _append(target, markdown)
        if self._options.code_quality is not None:
            _write(self._options.code_quality, code_quality(findings))


def _append(target: Path, text: str) -> None:
    try:
        with target.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise _not_written(target, error) from error


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _not_written(target, error) from error


def _not_written(target: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{target} cannot be written: {error.strerror}", next_step="write to another place")
