"""A pull request is judged by what the protected branch says; its own wishes are a what-if beside it (C03, C09)."""

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.domain.verdict import Verdict
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Connection, Database
from quilate.runs.durable.planning import ProjectRules
from quilate.runs.triggers.model import Trigger
from quilate.runs.workspaces.limits import WorkspaceSettings
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.runs.workspaces.provider import WorkspaceProvider
from tests.support.durable import ended, rows, running_worker, submission, submit
from tests.support.repositories import commit_all, git

_STRICT = """id: own
version: 1
project_types: [library]
stages:
  - name: work
    checks:
      - {id: one, type: TEST_TRIVIAL, required: true}
      - {id: two, type: COMMAND, required: true}
policies:
  approval:
    rule: all_required_checks_pass
"""
_LOOSE = _STRICT.replace("required: true}\npolicies", "required: false}\npolicies").replace("version: 1", "version: 2")
_PROJECT = """project: test
type: library
blueprint: own.yaml
bindings:
  two: {argv: ["sh", "-c", "test -f allowed"]}
secrets:
  token: QUILATE_TEST_TOKEN
"""
_BINDING = '  two: {argv: ["sh", "-c", "test -f allowed"]}\n'


class _RepositoryRules:
    async def read(self, connection: Connection, project_id: UUID, blueprint: str, on: date) -> ProjectRules:
        del connection, project_id, blueprint, on
        return ProjectRules()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "own.yaml").write_text(_STRICT)
    (root / "quilate.yaml").write_text(_PROJECT)
    commit_all(root, "the gate")
    return root


def _proposed(root: Path, files: dict[str, str]) -> str:
    git(root, "checkout", "--quiet", "-b", "change")
    for name, text in files.items():
        (root / name).write_text(text)
    commit_all(root, "a change")
    commit = git(root, "rev-parse", "HEAD").decode().strip()
    git(root, "checkout", "--quiet", "main")
    return commit


async def _judged(
    database: Database, url: str, directory: Path, root: Path, commit: str, **more: Any
) -> dict[str, Any]:
    provider = WorkspaceProvider(
        WorkspaceSettings(root=directory / "workspaces", allowed_local_roots=(str(directory),)),
        DirectoryArtifactStore(directory / "artifacts"),
    )
    trigger = Trigger(provider="github", pull_request=7, commit=commit, branch="change", base_branch="main")
    source = Source(kind=SourceKind.GIT, location=str(root), revision=commit, branch="change")
    given = submission(source=source, project_file="", trigger=trigger, event="pull_request", **more)
    try:
        async with running_worker(url, directory, trees=provider, rules=_RepositoryRules()):
            [submitted] = await submit(database, given)
            run = await ended(database, submitted.run_id)
    finally:
        provider.close()
    found = await rows(database, "SELECT verdict, what_if, blueprint_id FROM decisions WHERE run_id = %s", run["id"])
    failure = await rows(database, "SELECT failure FROM run_submissions WHERE run_id = %s", run["id"])
    assert found, failure
    return {**found[0], "run_id": run["id"]}


@pytest.mark.asyncio
async def test_a_request_cannot_loosen_its_own_gate(
    database: Database, database_url: str, tmp_path: Path, repository: Path
) -> None:
    commit = _proposed(repository, {"own.yaml": _LOOSE})

    judged = await _judged(database, database_url, tmp_path, repository, commit)

    assert judged["verdict"] == Verdict.FAIL
    assert judged["what_if"]["verdict"] == "PASS"
    assert "looser" in {change["direction"] for change in judged["what_if"]["changes"]}
    assert "would be PASS" in judged["what_if"]["summary"]


@pytest.mark.asyncio
async def test_a_request_cannot_bring_another_project_file(
    database: Database, database_url: str, tmp_path: Path, repository: Path
) -> None:
    commit = _proposed(repository, {"quilate.yaml": _PROJECT.replace("test -f allowed", "true")})

    judged = await _judged(database, database_url, tmp_path, repository, commit)

    assert judged["verdict"] == Verdict.FAIL
    assert judged["what_if"]["settings"] == ["bindings"]


@pytest.mark.asyncio
async def test_a_request_that_breaks_the_project_file_is_still_judged_and_told_so(
    database: Database, database_url: str, tmp_path: Path, repository: Path
) -> None:
    commit = _proposed(repository, {"quilate.yaml": "project: [", "allowed": ""})

    judged = await _judged(database, database_url, tmp_path, repository, commit)

    assert judged["verdict"] == Verdict.PASS
    assert judged["what_if"]["error"].startswith("quilate.yaml:")


@pytest.mark.asyncio
async def test_a_request_that_leaves_the_gate_alone_has_no_what_if(
    database: Database, database_url: str, tmp_path: Path, repository: Path
) -> None:
    commit = _proposed(repository, {"allowed": ""})

    judged = await _judged(database, database_url, tmp_path, repository, commit)

    assert judged["verdict"] == Verdict.PASS
    assert judged["what_if"] is None


@pytest.mark.asyncio
async def test_a_first_request_is_judged_by_its_own_project_file_and_says_so(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    root = tmp_path / "young"
    root.mkdir()
    (root / "README").write_text("nothing yet\n")
    commit_all(root, "begun")
    commit = _proposed(root, {"quilate.yaml": "project: test\ntype: library\nblueprint: crypto-lib\n"})

    judged = await _judged(database, database_url, tmp_path, root, commit)

    documents = await rows(database, "SELECT document FROM run_preparations WHERE run_id = %s", judged["run_id"])
    assert b"main holds no quilate.yaml yet" in bytes(documents[0]["document"])


@pytest.mark.asyncio
async def test_checks_of_a_fork_get_no_secrets(
    database: Database, database_url: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_TEST_TOKEN", "t0ken-of-the-runner")
    asking = _STRICT.replace("type: COMMAND", "type: TEST_PROGRAM")
    (repository / "own.yaml").write_text(asking)
    (repository / "quilate.yaml").write_text(_PROJECT.replace(_BINDING, "  {}\n"))
    commit_all(repository, "a check that asks for a secret")
    commit = _proposed(repository, {"x": "y"})

    own = await _judged(database, database_url, tmp_path, repository, commit)
    fork = await _judged(database, database_url, tmp_path, repository, commit, without_secrets=True)

    assert own["verdict"] == Verdict.PASS
    assert fork["verdict"] == Verdict.UNKNOWN
    reasons = await rows(
        database, "SELECT reason FROM check_attempts WHERE run_id = %s AND check_id = 'two'", fork["run_id"]
    )
    assert "not given to a change from a fork" in reasons[0]["reason"]
