"""What a worker prepares again is the run's own, whatever it prepared before (C04)."""

from datetime import date
from pathlib import Path

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.runs.durable.plan_request import PlanText, Request
from quilate.runs.durable.preparation import Preparer
from quilate.runs.workspaces.limits import WorkspaceSettings
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.runs.workspaces.provider import WorkspaceProvider
from tests.support.durable import PROJECT_FILE, blueprint
from tests.support.repositories import commit_all, git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "quilate.yaml").write_text(PROJECT_FILE)
    commit_all(root, "one")
    git(root, "branch", "feature")
    return root


def test_a_commit_of_several_branches_is_judged_as_that_of_the_branch_that_was_asked_for(
    tmp_path: Path, repository: Path
) -> None:
    provider = WorkspaceProvider(
        WorkspaceSettings(root=tmp_path / "workspaces", allowed_local_roots=(str(tmp_path),)),
        DirectoryArtifactStore(tmp_path / "artifacts"),
    )
    text = PlanText(blueprint="fake", blueprint_text=blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}"))
    preparer = Preparer(provider, tmp_path)

    def branch_of(branch: str) -> str:
        source = Source(kind=SourceKind.GIT, location=str(repository), branch=branch)
        prepared = preparer.prepare(
            Request(
                project="shop",
                source=source,
                event="manual",
                text=text,
                approved_waivers=(),
                evaluated_on=date(2026, 11, 22),
            )
        )
        preparer.release(prepared)
        return prepared.subject.branch

    try:
        assert [branch_of("feature"), branch_of("main"), branch_of(""), branch_of("feature")] == [
            "feature",
            "main",
            "main",
            "feature",
        ]
    finally:
        provider.close()
