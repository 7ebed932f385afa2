"""``quilate run --server``: the same run, judged by a service, followed from here."""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from quilate.app.cli.live import ProgressPrinter
from quilate.app.cli.logins import kept_token
from quilate.app.cli.packing import pack_workspace
from quilate.app.cli.remote_report import (
    check_run,
    plan_of_run,
    report_of_run,
    shown_decision,
    subject_of_run,
)
from quilate.app.cli.run_output import closing_lines, details, header
from quilate.app.cli.run_projects import code_frames, finish_projects
from quilate.app.cli.terminal import Terminal
from quilate.blueprints.model import Plan, PlannedCheck, ProjectFile
from quilate.blueprints.project_file import find_projects, load_project
from quilate.client import Client, ClientError
from quilate.client.model import RunDetail, RunEvent
from quilate.domain.errors import ConfigurationError, EvidenceError, ExitCode
from quilate.domain.ids import CheckId
from quilate.domain.verdict import CheckResult, Completion, RunStatus
from quilate.evidence.model import Evidence
from quilate.runs.files import list_workspace
from quilate.runs.report import RunReport
from quilate.runs.session import RunOptions
from quilate.runs.state import Attempt
from quilate.runs.subject import git_state

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_BLUEPRINT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}(?:@[0-9.]{1,60})?")
_LONGEST_TOKEN = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Which service judges, and in whose name.

    Attributes:
        url: Its address.
        token_file: File that holds an API token; without one, ``QUILATE_TOKEN`` does, or ``quilate login`` kept one.
        project: The project's slug there; empty for the project file's ``project``.
    """

    url: str
    token_file: str = ""
    project: str = ""

    def token(self) -> str:
        """Return the token; empty where there is none, as in the single-user mode.

        Raises:
            ConfigurationError: The file cannot be read, or holds none; what was kept has ended or is not safe.
        """
        if not self.token_file:
            return os.environ.get("QUILATE_TOKEN", "").strip() or kept_token(self.url)
        try:
            with Path(self.token_file).open(encoding="ascii") as stream:
                token = stream.read(_LONGEST_TOKEN).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{self.token_file} cannot be read", next_step="give a file with a token"
            ) from error
        if not token or not token.isprintable() or " " in token:
            raise ConfigurationError(f"{self.token_file} holds no token", next_step="write the token into it, alone")
        return token


def judge_remotely(  # noqa: PLR0913, PLR0917 - as judge_projects, and the server
    path: Path, options: RunOptions, server: Server, terminal: Terminal, output_format: str | None, target: Path | None
) -> ExitCode:
    """Let a service judge every project at or below ``path``; return the worst exit code.

    Raises:
        ConfigurationError: ``path`` is no directory, or an option means nothing to a service.
        ClientError: The service refused something or could not be reached.
    """
    _check(path, options)
    projects = [load_project(root) for root in find_projects(path)]
    if server.project and len(projects) > 1:
        raise ConfigurationError("--project names one project, and there are several here", next_step="give one's path")
    slugs = [_slug(server.project or project.project) for project in projects]
    silent = output_format is not None and target is None
    with Client(server.url, token=server.token()) as client:
        reports = [
            _RemoteRun(client, server, slug, project, terminal, silent=silent).judge(options)
            for slug, project in zip(slugs, projects, strict=True)
        ]
    return finish_projects(reports, terminal, output_format, target)


def _check(path: Path, options: RunOptions) -> None:
    if not path.is_dir():
        raise ConfigurationError(f"{path} is not a directory", next_step="give the directory of a project")
    if options.baseline or options.save_baseline:
        raise ConfigurationError(
            "a service compares with the baseline that the repository holds",
            next_step="leave out --baseline and --save-baseline",
        )
    if options.blueprint and not _BLUEPRINT.fullmatch(options.blueprint):
        raise ConfigurationError(
            "a service judges by published or built-in blueprints only",
            next_step="give a name, or name@version, as --blueprint",
        )


def _slug(name: str) -> str:
    if not _SLUG.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no project's name at a service",
            next_step="name the project with --project: lower-case letters, digits and -",
        )
    return name


@dataclass(slots=True)
class _Seen:
    """What the stream has told so far."""

    attempts: dict[CheckId, dict[int, Attempt]] = field(default_factory=dict)
    ended: set[CheckId] = field(default_factory=set)


class _RemoteRun:
    """One project's run at a service."""

    def __init__(  # noqa: PLR0913 - what the run is made of
        self, client: Client, server: Server, slug: str, project: ProjectFile, terminal: Terminal, *, silent: bool
    ) -> None:
        self._client = client
        self._url = server.url.rstrip("/")
        self._slug = slug
        self._project = project
        self._terminal = terminal
        self._silent = silent

    def judge(self, options: RunOptions) -> RunReport:
        """Submit, follow to the end, print what came of it.

        Raises:
            KeyboardInterrupt: Ctrl+C; the run was cancelled at the service too.
            EvidenceError: Ctrl+C, and the service could not be told.
        """
        run = self._submit(options)
        try:
            detail, plan = self._follow(run)
        except KeyboardInterrupt:
            self._cancel(run)
            raise
        self._require_end(detail)
        address = f"{self._url}/api/v1/projects/{self._slug}/runs/{run}"
        report = report_of_run(self._client, self._slug, detail, plan, address)
        if not self._silent:
            reasons = f"{address}/explanation"
            closing = closing_lines(self._terminal, report, name=run, reasons=reasons)
            for line in (*details(self._terminal, report, code_frames(report)), *closing):
                self._terminal.line(line)
        return report

    def _cancel(self, run: str) -> None:
        """Cancel the run at the service; where that is away, say that the run goes on there."""
        try:
            click.echo(f"cancelling run {run} at the service; Ctrl+C again leaves it running there", err=True)
            self._client.runs.cancel(self._slug, run, "interrupted by the one who submitted it")
        except (ClientError, KeyboardInterrupt) as error:
            raise EvidenceError(
                f"run {run} could not be cancelled at {self._url} and goes on there",
                next_step=f"cancel it once the service answers: POST /api/v1/projects/{self._slug}/runs/{run}/cancel",
            ) from error

    def _submit(self, options: RunOptions) -> str:
        root = Path(self._project.root)
        workspace = list_workspace(root, self._project.exclude, self._project.projects)
        with tempfile.TemporaryDirectory(prefix="quilate-submit-") as scratch:
            archive = Path(scratch) / "files.tar.gz"
            pack_workspace(workspace, archive)
            uploaded = self._client.archives.upload(self._slug, archive)
        revision, branch, dirty = git_state(workspace.root)
        submitted = self._client.runs.submit(
            self._slug,
            source={"kind": "archive", "digest": uploaded.digest},
            parameters={"revision": revision, "branch": branch, "dirty": dirty} if revision else {},
            blueprint=options.blueprint,
            only=list(options.only),
            from_stage=options.from_stage,
            use_cache=options.use_cache,
        )
        return str(submitted.id)

    def _follow(self, run: str) -> tuple[RunDetail, Plan]:
        """Print what happens until the run has ended."""
        seen = _Seen()
        plan: Plan | None = None
        printer: ProgressPrinter | None = None
        try:
            for event in self._client.runs.events(self._slug, run):
                if plan is None:
                    plan = self._announced(run)
                    printer = ProgressPrinter(self._terminal, plan) if plan is not None and not self._silent else None
                if plan is not None:
                    _tell(event, plan, printer, seen)
        finally:
            if printer is not None:
                printer.__exit__()
        detail = self._client.runs.get(self._slug, run)
        return detail, plan or plan_of_run(detail, self._project)

    def _announced(self, run: str) -> Plan | None:
        """Return the plan once there is one, its header printed."""
        detail = self._client.runs.get(self._slug, run)
        if not detail.stages:
            return None
        plan = plan_of_run(detail, self._project)
        if not self._silent:
            self._terminal.line(header(plan, subject_of_run(detail)))
            self._terminal.line(f"  judged by {self._url} as run {run} of {self._slug}")
        return plan

    def _require_end(self, detail: RunDetail) -> None:
        if detail.failure is not None:
            raise ConfigurationError(detail.failure.error, next_step=detail.failure.next_step)
        if detail.status is RunStatus.CANCELLED:
            raise EvidenceError(f"run {detail.id} was cancelled at the service", next_step="submit it again")
        if not detail.ended:
            raise ClientError(f"run {detail.id} has not ended", next_step="see it at the service")


def _tell(event: RunEvent, plan: Plan, printer: ProgressPrinter | None, seen: _Seen) -> None:
    """Pass an event of a check on to the printer; an event that comes twice is told once."""
    check = _check_of(event, plan)
    if check is None or check.id in seen.ended:
        return
    attempts = seen.attempts.setdefault(check.id, {})
    if event.data.get("state") == "ended":
        attempts[int(event.data["attempt"])] = _attempt(event.data)
        if event.data.get("final"):
            seen.ended.add(check.id)
    if printer is None:
        return
    if check.id in seen.ended:
        printer(check, check_run(check.id, attempts), shown_decision(check, CheckResult(event.data["result"])))
    elif event.data.get("state") == "running":
        printer(check, check_run(check.id, attempts), None)


def _check_of(event: RunEvent, plan: Plan) -> PlannedCheck | None:
    if event.name != "check":
        return None
    return next((check for check in plan.checks if check.id == event.data.get("check")), None)


def _attempt(data: Mapping[str, Any]) -> Attempt:
    summary = str(data.get("summary", ""))
    return Attempt(
        completion=Completion.COMPLETED,
        evidence=Evidence(summary=summary) if summary else None,
        reason=str(data.get("reason", "")),
        next_step=str(data.get("next_step", "")),
        duration_seconds=float(data.get("duration_seconds", 0.0)),
        cached_age_seconds=data.get("cached_age_seconds"),
    )
