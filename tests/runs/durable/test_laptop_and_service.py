"""A laptop and the service decide alike, byte for byte, over the same commit (C04, C06; design section 1)."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.policy.decision import replay
from quilate.runs.durable.rules import StoredRules
from quilate.runs.durable.worker import WorkerOptions
from quilate.runs.workspaces.limits import WorkspaceSettings
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.runs.workspaces.provider import WorkspaceProvider
from tests.support.durable import ended, rows, running_worker, submission, submit
from tests.support.projects import quilate
from tests.support.repositories import commit_all, git

pytestmark = pytest.mark.asyncio

_PROJECT = """project: same
type: library
blueprint: gate.yaml
exclude:
  - generated/**
bindings:
  profile: {dataset: data/train.csv}
  step: {argv: [sh, -c, "echo built > out.txt"]}
waivers:
  - rule: ruff/F841
    paths: [src/**]
    reason: kept for the example
    owner: ana
    until: 2999-12-31
"""
_GATE = """id: gate
version: 3
project_types: [library]
stages:
  - name: code
    checks:
      - {id: lint, type: CODE_LINT, required: true}
      - {id: complexity, type: COMPLEXITY}
      - {id: secrets, type: SECRETS}
      - {id: sast, type: SAST}
  - name: data
    checks:
      - {id: profile, type: DATA_PROFILING}
      - {id: step, type: COMMAND, when: "subject_kind == 'commit'", outputs: [out.txt]}
policies:
  approval:
    rule: all_required_checks_pass
  few_findings:
    rule: lint.findings_total <= 2
"""
_FILES = {
    "src/übung.py": 'def f(x):\n    unused = 1\n    if x == None:\n        return eval("1")\n    return {"a": 1}\n',
    "src/other.py": "import os  # quilate: waive ruff/F401 until=2999-12-31 reason=loaded for its effects\n",
    "generated/noise.py": "import sys\n",
    "data/train.csv": "id,price\n1,2.5\n2,\n3,x\n",
    "README.md": "A project.\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name, text in {"quilate.yaml": _PROJECT, "gate.yaml": _GATE, **_FILES}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "src" / "link.py").symlink_to("other.py")
    (root / "src" / "run.sh").write_text("#!/bin/sh\n")
    (root / "src" / "run.sh").chmod(0o755)
    commit_all(root, "first")
    return root


async def _by_laptop(root: Path) -> tuple[bytes, bytes]:
    done = await asyncio.to_thread(quilate, root, "run")
    assert done.code in {0, 1, 2}, done.output + done.errors
    newest = max((root / ".quilate" / "runs").iterdir(), key=lambda path: int(path.name))
    return (newest / "decision.json").read_bytes(), (newest / "decision-input.json").read_bytes()


async def _by_service(database: Database, url: str, directory: Path, root: Path) -> tuple[bytes, bytes]:
    provider = WorkspaceProvider(
        WorkspaceSettings(root=directory / "workspaces", allowed_local_roots=(str(directory),)),
        DirectoryArtifactStore(directory / "artifacts"),
    )
    commit = git(root, "rev-parse", "HEAD").decode().strip()
    source = Source(kind=SourceKind.GIT, location=str(root), revision=commit, branch="main")
    options = WorkerOptions(capacity=2)
    try:
        async with running_worker(url, directory, trees=provider, rules=StoredRules(), options=options):
            (run,) = await submit(database, submission(source=source, project_file="", project="same"))
            await ended(database, run.run_id, seconds=120)
    finally:
        provider.close()
    failure = await rows(database, "SELECT failure FROM run_submissions WHERE run_id = %s", run.run_id)
    kept = await rows(database, "SELECT decision, input FROM decisions WHERE run_id = %s", run.run_id)
    assert kept, failure
    return bytes(kept[0]["decision"]), bytes(kept[0]["input"])


async def _decided_alike(database: Database, url: str, directory: Path, root: Path) -> dict[str, object]:
    """Return the decision that both came to; both are asked again where midnight fell between them."""
    while True:
        day = datetime.now(UTC).date()
        by_service, input_of_service = await _by_service(database, url, directory, root)
        by_laptop, input_of_laptop = await _by_laptop(root)
        if datetime.now(UTC).date() == day:
            break
    assert json.loads(input_of_service) == json.loads(input_of_laptop)
    assert input_of_service == input_of_laptop
    assert by_service == by_laptop
    assert replay(input_of_laptop) == by_service
    document: dict[str, object] = json.loads(by_service)
    return document


async def test_both_come_to_the_same_bytes(
    database: Database, database_url: str, tmp_path: Path, repository: Path
) -> None:
    decision = await _decided_alike(database, database_url, tmp_path, repository)

    checks = {check["check_id"]: check["result"] for check in decision["checks"]}  # type: ignore[attr-defined]
    assert checks.keys() == {"lint", "complexity", "secrets", "sast", "profile", "step"}
    assert len(set(checks.values())) > 1, "a decision over nothing but passed checks shows little"
    assert len(decision["waivers"]) >= 2  # type: ignore[arg-type]


async def test_also_where_waivers_need_approval_and_debt_was_accepted(
    database: Database, database_url: str, tmp_path: Path, repository: Path
) -> None:
    gate = repository / "gate.yaml"
    gate.write_text(gate.read_text() + "waivers: {approval: required}\n")
    commit_all(repository, "approval")
    saved = await asyncio.to_thread(quilate, repository, "run", "--save-baseline")
    assert "quilate-baseline.json is written" in saved.output
    commit_all(repository, "debt is accepted")
    (repository / "src" / "new.py").write_text("import json\n")
    commit_all(repository, "a new finding")

    decision = await _decided_alike(database, database_url, tmp_path, repository)

    assert decision["verdict"] == "FAIL"
