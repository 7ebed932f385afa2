"""``quilate gate``: a CI job judged by a real service, told in the forms that the CI shows (C03, C06)."""

import http.server
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from quilate.app.cli.ci_environment import detect_job, identity_token
from quilate.app.cli.ci_output import code_quality, github_annotations, summary_markdown
from quilate.client import Client
from quilate.client.model import RunDetail, RunFinding
from quilate.domain.errors import ConfigurationError
from quilate.domain.verdict import RunStatus, Verdict
from tests.support.live_service import LiveService, live_service
from tests.support.projects import QUILATE, environment, lint_project, quilate, write_files
from tests.support.repositories import commit_all, git

BAD = "import os\n"
HOSTILE = RunFinding(
    check="code_lint",
    attempt=1,
    rule="ruff/F401",
    severity="high",
    message="x\n::error::forged @everyone <img src=x> | `cell` [a](b)",
    fingerprint="f",
    path="a,b:c.py",
    line=3,
)


@pytest.fixture
def working(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    with live_service(database_url, tmp_path / "state", local=True) as service, service.process("worker_main"):
        yield service


@pytest.mark.slow
def test_a_job_of_github_ends_as_the_gate_decides(working: LiveService, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", BAD)
    summary = tmp_path / "summary.md"
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_RUN_ID": "7",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_JOB": "gate",
        "QUILATE_SERVER": working.url,
    }
    rejected = quilate(project, "gate", "--upload", timeout=120, **job)
    repeated = quilate(project, "gate", "--upload", timeout=120, **job)

    assert rejected.code == 1, rejected.output + rejected.errors
    assert rejected.lines[-1] == "exit 1: rejected by the gate"
    assert "::warning file=module.py,line=1,title=ruff/F401::" in rejected.output
    assert "## Quilate: ❌ rejected" in summary.read_text(encoding="utf-8")
    assert repeated.lines[0] == rejected.lines[0], "a repeated job asks for the same run"

    write_files(project, {"module.py": '"""A module."""\n'})
    approved = quilate(project, "gate", "--upload", timeout=120, **{**job, "GITHUB_RUN_ID": "8"})
    assert (approved.code, approved.lines[-1]) == (0, "exit 0: approved")


@pytest.mark.slow
def test_the_service_clones_the_commit_of_the_job(working: LiveService, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", BAD)
    commit_all(project, "a commit")
    commit = git(project, "rev-parse", "HEAD").decode().strip()
    report = tmp_path / "quality.json"
    job = {
        "BITBUCKET_BUILD_NUMBER": "1",
        "BITBUCKET_GIT_HTTP_ORIGIN": str(project),
        "BITBUCKET_COMMIT": commit,
        "BITBUCKET_BRANCH": "main",
    }
    done = quilate(project, "gate", "--server", working.url, "--code-quality", str(report), timeout=120, **job)

    assert done.code == 1, done.output + done.errors
    [entry] = json.loads(report.read_text(encoding="utf-8"))
    assert (entry["check_name"], entry["location"]) == ("ruff/F401", {"path": "module.py", "lines": {"begin": 1}})
    with Client(working.url) as client:
        [run] = client.runs.list("sample")
        assert run.subject is not None
        assert run.subject.revision == commit


@pytest.mark.slow
def test_a_verdict_that_is_late_is_undecided_and_a_cancelled_job_cancels_its_run(
    database_url: str, tmp_path: Path
) -> None:
    project = lint_project(tmp_path / "project", BAD)
    with live_service(database_url, tmp_path / "state", local=True) as service:
        late = quilate(project, "gate", "--server", service.url, "--upload", "--timeout", "1")
        assert (late.code, late.lines[-1]) == (3, "exit 3: undecided")
        process = subprocess.Popen(
            [QUILATE, "gate", "--server", service.url, "--upload"],
            cwd=project,
            env=environment(tmp_path / "home"),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline().startswith("run ")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 3, output
        with Client(service.url) as client:
            newest = next(iter(client.runs.list("sample")))
            assert newest.status is RunStatus.CANCELLED


def test_what_jobs_of_each_ci_are_about(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 5, "head": {"sha": "h" * 40}}}))
    github = detect_job(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_SHA": "m" * 40,
            "GITHUB_HEAD_REF": "change",
            "GITHUB_EVENT_PATH": str(event),
        }
    )
    assert (github.repository, github.commit, github.branch, github.pull_request) == (
        "https://github.com/o/r.git",
        "h" * 40,
        "change",
        5,
    )
    gitlab = detect_job(
        {
            "GITLAB_CI": "true",
            "CI_PROJECT_URL": "https://gitlab.com/o/r",
            "CI_COMMIT_SHA": "c" * 40,
            "CI_COMMIT_REF_NAME": "main",
            "CI_PIPELINE_ID": "1",
            "CI_JOB_ID": "2",
        }
    )
    assert (gitlab.repository, gitlab.key, gitlab.pull_request) == ("https://gitlab.com/o/r.git", "gitlab:1:2", None)
    assert not detect_job({}).provider


def test_findings_cannot_give_commands_or_markup() -> None:
    [line] = github_annotations([HOSTILE])
    assert "\n" not in line
    assert line.startswith("::error file=a%2Cb%3Ac.py,line=3,title=ruff/F401::x%0A::error")
    assert json.loads(code_quality([HOSTILE]))[0]["severity"] == "critical"


def test_the_summary_shows_hostile_text_as_text() -> None:
    detail = RunDetail(
        id=uuid4(),
        status=RunStatus.FAILED,
        verdict=Verdict.FAIL,
        event="ci",
        actor="local:local",
        source={},
        version=1,
        submitted_at=datetime.now(UTC),
    )
    text = summary_markdown(detail, "because ```of``` this", [HOSTILE], "http://x/run")
    row = next(line for line in text.splitlines() if "ruff/F401" in line)
    assert "<img" not in row
    assert "@everyone" not in row
    assert "\\[a\\]\\(b\\)" in row
    assert text.count("```") == 2


class _Issuer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        right = self.headers["Authorization"] == "Bearer request-secret"
        body = json.dumps({"value": f"statement for {asked['audience'][0]}"}).encode()
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(body if right else b"{}")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_github_is_asked_for_a_statement_for_this_service() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Issuer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/token?api-version=2"
    variables = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret"}
    try:
        assert identity_token(variables, "https://q.example") == "statement for https://q.example"
        with pytest.raises(ConfigurationError, match="gave no identity token"):
            identity_token({**variables, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "other"}, "x")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert identity_token({"QUILATE_ID_TOKEN": "given"}, "x") == "given"
    assert not identity_token({}, "x")


def test_without_a_service_the_command_says_what_to_do(tmp_path: Path) -> None:
    done = quilate(lint_project(tmp_path / "project", BAD), "gate", QUILATE_SERVER="")

    assert done.code == 2
    assert "set QUILATE_SERVER" in done.errors
