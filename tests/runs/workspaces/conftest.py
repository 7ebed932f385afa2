"""A provider over a fresh cache and a fresh artifact store, with repositories below one allowed directory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.runs.workspaces.limits import (
    CredentialLookup,
    TransferLimits,
    TreeLimits,
    WorkspaceSettings,
    no_credentials,
)
from quilate.runs.workspaces.provider import WorkspaceProvider
from tests.support.repositories import commit_all

MakeProvider = Callable[..., WorkspaceProvider]


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def make_provider(tmp_path: Path, artifacts: DirectoryArtifactStore) -> Iterator[MakeProvider]:
    made: list[WorkspaceProvider] = []

    def make(
        *,
        credentials: CredentialLookup = no_credentials,
        tree: TreeLimits | None = None,
        transfer: TransferLimits | None = None,
        **given: object,
    ) -> WorkspaceProvider:
        settings = WorkspaceSettings(
            root=tmp_path / "cache",
            allowed_local_roots=(str(tmp_path / "git"),),
            tree=tree or TreeLimits(),
            transfer=transfer or TransferLimits(),
            **given,  # type: ignore[arg-type]  # keywords of the class
        )
        made.append(WorkspaceProvider(settings, artifacts, credentials))
        return made[-1]

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def provider(make_provider: MakeProvider) -> WorkspaceProvider:
    return make_provider()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "git" / "shop"
    (path / "src").mkdir(parents=True)
    (path / "src" / "main.py").write_text("print('one')\n")
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    commit_all(path, "one")
    return path
