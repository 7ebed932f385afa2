"""``quilate run --server``: the laptop's run, judged by a real service with a real worker (C03, C04, C06)."""

import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quilate.app.cli.packing import pack_workspace
from quilate.app.cli.run_remote import Server
from quilate.client import Client
from quilate.domain.errors import ConfigurationError
from quilate.domain.verdict import RunStatus
from quilate.runs.files import list_workspace
from tests.support.live_service import LiveService, live_service
from tests.support.projects import QUILATE, environment, lint_project, quilate, write_files

CLEAN = '"""A module."""\n'
BAD = "import os\n"


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    with live_service(database_url, tmp_path / "state", local=True) as opened:
        yield opened


@pytest.fixture
def working(service: LiveService) -> Iterator[LiveService]:
    with service.process("worker_main"):
        yield service


@pytest.mark.slow
def test_the_service_decides_as_the_laptop_does(working: LiveService, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", BAD)
    local = quilate(project, "run", "--no-cache")
    remote = quilate(project, "run", "--server", working.url)
    assert (local.code, remote.code) == (1, 1), remote.output + remote.errors
    for part in ("ruff/F401", "module.py:1:8", "FAIL  1 check: 0 passed", "rejected by policy approval"):
        assert part in local.output
        assert part in remote.output
    assert remote.lines[-1] == "exit 1: rejected by the gate"
    assert f"judged by {working.url} as run" in remote.lines[1]
    assert "sample" in remote.lines[0]
    write_files(project, {"module.py": CLEAN})
    passed = quilate(project, "run", "--server", working.url)
    assert passed.code == 0, passed.output + passed.errors
    assert passed.lines[-1] == "exit 0: approved"
    with Client(working.url) as client:
        runs = list(client.runs.list("sample"))
        assert [str(run.verdict) for run in runs] == ["PASS", "FAIL"]
        here = json.loads(quilate(project, "run", "--json").output)["decision"]
        there = json.loads(client.runs.decision("sample", runs[0].id))
        assert (there["subject"]["digest"], there["policies"]) == (here["subject"]["digest"], here["policies"])


@pytest.mark.slow
def test_what_a_baseline_accepts_is_told_as_the_laptop_tells_it(working: LiveService, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", BAD)
    assert quilate(project, "run", "--save-baseline").code == 0
    write_files(project, {"other.py": BAD})
    told = "  against adopted: 1 new, 0 fixed, 1 unchanged (debt)"
    local = quilate(project, "run", "--no-cache")
    remote = quilate(project, "run", "--server", working.url)
    assert (local.code, remote.code) == (1, 1), remote.output + remote.errors
    assert told in local.lines
    assert told in remote.lines


@pytest.mark.slow
def test_documents_and_partial_runs(working: LiveService, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", BAD)
    document = quilate(project, "run", "--server", working.url, "--json")
    shown = json.loads(document.output)
    assert (document.code, shown["verdict"], shown["checks"][0]["result"]) == (1, "FAIL", "fail")
    assert shown["explanation"][0].startswith("This run FAILED")
    sarif = json.loads(quilate(project, "run", "--server", working.url, "--sarif").output)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "ruff/F401"
    partial = quilate(project, "run", "--server", working.url, "--only", "code_lint", "--project", "other")
    assert partial.code == 1
    assert "PARTIAL, no verdict" in partial.output
    assert "ruff/F401" in partial.output


@pytest.mark.slow
def test_a_run_that_cannot_be_planned_says_why(working: LiveService, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    answer = quilate(project, "run", "--server", working.url, "--blueprint", "nobody-published-this")
    assert answer.code == 2
    assert "nobody-published-this" in answer.errors


@pytest.mark.slow
def test_ctrl_c_cancels_the_run_at_the_service(service: LiveService, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    with (
        subprocess.Popen(
            [QUILATE, "run", "--server", service.url],
            cwd=project,
            env=environment(tmp_path / "home"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
        Client(service.url) as client,
    ):
        end = time.monotonic() + 60
        while not any(project.slug == "sample" for project in client.projects.list()) or not list(
            client.runs.list("sample")
        ):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.05)
        # Not before it follows the run.
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        run = next(client.runs.list("sample"))
        assert run.status is RunStatus.CANCELLED


@pytest.mark.slow
def test_ctrl_c_while_the_service_is_away_says_that_the_run_goes_on(database_url: str, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    with live_service(database_url, tmp_path / "state", local=True) as service:
        process = subprocess.Popen(
            [QUILATE, "run", "--server", service.url],
            cwd=project,
            env=environment(tmp_path / "home"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with Client(service.url) as client:
            client.projects.create("sample", "Sample")
            end = time.monotonic() + 60
            while not list(client.runs.list("sample")):
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.05)
            time.sleep(0.5)
    with process:
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        assert b"cancelling run" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 3
        told = process.stderr.read()
    assert b"could not be cancelled" in told
    assert b"nothing is left running" not in told


def test_a_service_that_is_not_there_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    unknown = quilate(project, "run", "--server", "ftp://example.org")
    assert unknown.code == 2
    clear = quilate(project, "run", "--server", "http://quilate.example.org", QUILATE_TOKEN="ql_secret")  # noqa: S106 - of this test
    assert clear.code == 2
    assert "unencrypted" in clear.errors
    assert "ql_secret" not in clear.errors + clear.output


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--project", "x"), "--server"),
        (("--server", "http://127.0.0.1:1", "--baseline", "HEAD"), "baseline"),
        (("--server", "http://127.0.0.1:1", "--blueprint", "./own.yaml"), "published or built-in"),
        (("--server", "http://127.0.0.1:1", "--project", "Not A Slug"), "--project"),
        (("--server", "http://127.0.0.1:1", "--token-file", "none"), "cannot be read"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, arguments: tuple[str, ...], error: str) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    answer = quilate(project, "run", *arguments)
    assert answer.code == 2
    assert error in answer.errors


def test_the_help_names_the_options(tmp_path: Path) -> None:
    text = quilate(tmp_path, "run", "--help").output
    assert {"--server", "--project", "--token-file"} <= set(text.split())


def test_a_token_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_TOKEN", " ql_a \n")
    assert Server(url="http://x").token() == "ql_a"
    file = tmp_path / "token"
    file.write_text("ql_b\n")
    assert Server(url="http://x", token_file=str(file)).token() == "ql_b"
    for wrong in ("", "two words", "line\nbreak"):
        file.write_text(wrong)
        with pytest.raises(ConfigurationError):
            Server(url="http://x", token_file=str(file)).token()


def test_the_same_files_are_the_same_archive(tmp_path: Path) -> None:
    project = write_files(
        tmp_path / "p", {"a.py": "1\n", "b/c.sh": "echo\n", ".quilate/cache": "x", "node_modules/x": "y"}
    )
    (project / "b/c.sh").chmod(0o755)
    (project / "link").symlink_to("a.py")
    digests = set()
    for moment in (0, 10**9):
        os.utime(project / "a.py", (moment, moment))
        pack_workspace(list_workspace(project, ()), tmp_path / "x.tar.gz")
        digests.add((tmp_path / "x.tar.gz").read_bytes())
    assert len(digests) == 1
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        entries = {entry.name: entry for entry in archive}
        assert list(entries) == ["a.py", "b/c.sh", "link"]
        assert (entries["b/c.sh"].mode, entries["a.py"].mode) == (0o755, 0o644)
        assert entries["link"].isreg()
        assert {entry.uid for entry in entries.values()} == {0}
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError):
        pack_workspace(list_workspace(tmp_path / "empty", ()), tmp_path / "y.tar.gz")
