"""One commit, judged on a laptop and by the service: from the same facts the same decision (C01, C02, C04)."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from quilate.blueprints.project_file import load_project
from quilate.domain.verdict import Verdict
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Connection, Database
from quilate.policy.decision import decision_bytes, input_bytes
from quilate.runs.durable.planning import ProjectRules
from quilate.runs.durable.worker import WorkerOptions
from quilate.runs.session import RunOptions, plan_of, run_session
from quilate.runs.workspaces.limits import WorkspaceSettings
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.runs.workspaces.provider import WorkspaceProvider
from tests.support.durable import ended, rows, running_worker, submission, submit
from tests.support.projects import quilate, write_files
from tests.support.repositories import commit_all, git

pytestmark = pytest.mark.asyncio

BLUEPRINT = """id: own
version: 3
project_types: [library]
stages:
  - name: build
    checks:
      - {id: lint, type: CODE_LINT, required: true, select: [F, S324]}
      - {id: shape, type: COMPLEXITY, required: false, max_complexity: 1}
  - name: test
    checks:
      - {id: crypto, type: CRYPTO_ANALYSIS, required: true}
      - {id: works, type: COMMAND, required: true, argv: [sh, -c, "test -f module.py && echo fine"]}
      - {id: breaks, type: COMMAND, required: false, argv: [sh, -c, "echo no >&2; exit 3"]}
      - {id: unbound, type: DATA_SCHEMA, required: false}
policies:
  approval:
    rule: all_required_checks_pass
"""
PROJECT = """project: test
type: library
blueprint: own.yaml
exclude: [skipped/**]
waivers:
  - rule: ruff/S324
    paths: [module.py]
    reason: the checksum finds broken downloads and guards no secret
    owner: a.silva
    approver: r.lima
    until: 2099-01-31
"""
CLEAN = {
    "own.yaml": BLUEPRINT,
    "quilate.yaml": PROJECT,
    "module.py": '"""Sums."""\n\nimport hashlib\n\nSUM = hashlib.sha256(b"a").hexdigest()\n',
    "skipped/broken.py": "import os\n",
    "nested/naïve name.py": "def f(a):\n    if a:\n        if a > 1:\n            return 2\n    return 1\n",
}
BAD = {**CLEAN, "module.py": 'import os\nimport hashlib\n\nSUM = hashlib.md5(b"a").hexdigest()\n'}


class _RepositoryRules:
    async def read(self, connection: Connection, project_id: UUID, blueprint: str, on: date) -> ProjectRules:
        del connection, project_id, blueprint, on
        return ProjectRules()


def _on_a_laptop(root: Path) -> tuple[bytes, bytes]:
    options = RunOptions(use_cache=False)
    report = run_session(plan_of(load_project(root), options), options)
    assert report.decision is not None
    return decision_bytes(report.decision), input_bytes(report.decision_input)


async def _in_the_service(database: Database, url: str, directory: Path, root: Path) -> tuple[bytes, bytes]:
    commit = git(root, "rev-parse", "HEAD").decode().strip()
    store = DirectoryArtifactStore(directory / "artifacts")
    provider = WorkspaceProvider(
        WorkspaceSettings(root=directory / "workspaces", allowed_local_roots=(str(directory),)), store
    )
    source = Source(kind=SourceKind.GIT, location=str(root), revision=commit, branch="main")
    options = WorkerOptions(capacity=2)
    try:
        async with running_worker(url, directory, trees=provider, rules=_RepositoryRules(), options=options):
            [submitted] = await submit(database, submission(source=source, project_file=""))
            run = await ended(database, submitted.run_id, seconds=120)
    finally:
        provider.close()
    [found] = await rows(
        database, "SELECT decision, input, decision_digest, input_digest FROM decisions WHERE run_id = %s", run["id"]
    )
    decision = found["decision"] or store.read(found["decision_digest"], 1 << 24)
    return bytes(decision), bytes(found["input"] or store.read(found["input_digest"], 1 << 24))


async def _judged_twice(
    database: Database, url: str, directory: Path, root: Path
) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """Judge in both ways on one day: the day is part of a decision."""
    while True:
        day = datetime.now(UTC).date()
        here = await asyncio.to_thread(_on_a_laptop, root)
        there = await _in_the_service(database, url, directory, root)
        if datetime.now(UTC).date() == day:
            return here, there


@pytest.mark.parametrize(("files", "verdict"), [(CLEAN, Verdict.PASS), (BAD, Verdict.FAIL)], ids=["pass", "fail"])
async def test_the_decision_has_the_same_bytes(  # noqa: PLR0913, PLR0917 - a database, a place, and the two cases
    database: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: Mapping[str, str],
    verdict: Verdict,
) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    root = write_files(tmp_path / "repository", files)
    commit_all(root, "to be judged")

    here, there = await _judged_twice(database, database_url, tmp_path, root)

    assert json.loads(here[0])["verdict"] == verdict
    assert json.loads(there[1]) == json.loads(here[1])
    assert there == here


async def test_a_committed_baseline_counts_the_same(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    root = write_files(tmp_path / "repository", BAD)
    commit_all(root, "debt")
    saved = await asyncio.to_thread(quilate, root, "run", "--save-baseline")
    assert (root / "quilate-baseline.json").exists(), saved.output + saved.errors
    write_files(root, {"other.py": "import re\n"})
    commit_all(root, "debt is accepted, and more of it")

    here, there = await _judged_twice(database, database_url, tmp_path, root)

    decision = json.loads(here[0])
    assert [check["known"] > 0 for check in decision["checks"] if check["check_id"] == "lint"] == [True]
    assert there == here


async def test_waivers_that_need_approval_bind_the_same_in_files_that_are_linked(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    waived = "import os  # quilate: waive ruff/F401 until=2099-01-31 reason=loaded for its effects\n"
    root = write_files(
        tmp_path / "repository",
        {**CLEAN, "own.yaml": BLUEPRINT + "waivers: {approval: required}\n", "nested/loaded.py": waived},
    )
    (root / "linked.py").symlink_to("nested/loaded.py")
    commit_all(root, "approved with the branch")

    here, there = await _judged_twice(database, database_url, tmp_path, root)

    decision = json.loads(here[0])
    assert decision["verdict"] == Verdict.PASS
    assert len(decision["waivers"]) > 1
    assert there == here
