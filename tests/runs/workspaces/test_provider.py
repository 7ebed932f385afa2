"""Archives, datasets and models as files of a run; leases and damage (C03, C08)."""

import hashlib
from pathlib import Path

import pytest

from quilate.datasets.manifest import manifest_of
from quilate.datasets.model import VersionFile
from quilate.domain.errors import InternalError
from quilate.domain.ids import Digest
from quilate.domain.subject import SubjectKind
from quilate.evidence.artifacts import ArtifactCorruptError, ArtifactMissingError, DirectoryArtifactStore
from quilate.runs.workspaces.errors import SourceRefusedError
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.runs.workspaces.provider import WorkspaceProvider
from tests.runs.workspaces.conftest import MakeProvider
from tests.support.archives import tar_files

FILES = {"train.csv": b"a,b\n1,2\n", "more/test.csv": b"a,b\n3,4\n"}


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def archive(artifacts: DirectoryArtifactStore, files: dict[str, bytes], **given: str) -> Source:
    return Source(kind=SourceKind.ARCHIVE, digest=artifacts.put_bytes(tar_files(files)), **given)


def version(artifacts: DirectoryArtifactStore, kind: SourceKind) -> Source:
    files = [
        VersionFile(path=path, digest=artifacts.put_bytes(content), size_bytes=len(content))
        for path, content in FILES.items()
    ]
    return Source(kind=kind, location="sales", revision="1", digest=artifacts.put_bytes(manifest_of(files)))


def test_an_archive_becomes_a_tree_without_git(provider: WorkspaceProvider, artifacts: DirectoryArtifactStore) -> None:
    tree = provider.materialise(archive(artifacts, {**FILES, ".git/HEAD": b"x"}), project="shop")
    assert contents(tree.root) == FILES
    assert (tree.subject_kind, tree.revision, tree.repositories) == (SubjectKind.TREE, "", (".git",))
    again = provider.materialise(archive(artifacts, {**FILES, ".git/HEAD": b"x"}, subdirectory="more"), project="shop")
    assert again.root == tree.root / "more"


@pytest.mark.parametrize(
    ("kind", "subject"),
    [(SourceKind.DATASET, SubjectKind.DATASET_VERSION), (SourceKind.MODEL, SubjectKind.MODEL_VERSION)],
)
def test_a_version_becomes_its_files(
    provider: WorkspaceProvider, artifacts: DirectoryArtifactStore, kind: SourceKind, subject: SubjectKind
) -> None:
    tree = provider.materialise(version(artifacts, kind), project="shop")
    assert contents(tree.root) == FILES
    assert (tree.subject_kind, tree.revision) == (subject, "1")


def test_a_run_without_files_has_an_empty_tree(provider: WorkspaceProvider) -> None:
    with provider.use(Source(kind=SourceKind.NONE), project="shop") as tree:
        assert list(tree.root.iterdir()) == []


def test_a_changed_artifact_is_never_judged(provider: WorkspaceProvider, artifacts: DirectoryArtifactStore) -> None:
    source = version(artifacts, SourceKind.DATASET)
    name = hashlib.sha256(FILES["train.csv"]).hexdigest()
    path = artifacts.root / name[:2] / name[2:4] / name
    path.chmod(0o600)
    path.write_bytes(b"a,b\n9,9\n")
    with pytest.raises(ArtifactCorruptError):
        provider.materialise(source, project="shop")
    path.unlink()
    with pytest.raises(ArtifactMissingError):
        provider.materialise(source, project="shop")


def test_a_source_that_nobody_judged_is_a_fault_of_ours(provider: WorkspaceProvider) -> None:
    with pytest.raises(InternalError):
        provider.materialise(Source(kind=SourceKind.DATASET, location="sales"), project="shop")


def test_an_artifact_that_is_no_manifest_is_refused(
    provider: WorkspaceProvider, artifacts: DirectoryArtifactStore
) -> None:
    for content in (b"\x00", b"{}", b'{"format":"x","files":[]}'):
        source = Source(kind=SourceKind.DATASET, location="x", revision="1", digest=artifacts.put_bytes(content))
        with pytest.raises(Exception, match="manifest"):
            provider.materialise(source, project="shop")


def test_a_manifest_that_leads_out_is_refused(
    provider: WorkspaceProvider, artifacts: DirectoryArtifactStore, tmp_path: Path
) -> None:
    for path in ("../x", "/x", "a/../../x", ".hidden", "a//b"):
        content = artifacts.put_bytes(b"x")
        file = VersionFile(path=path, digest=Digest(content), size_bytes=1)
        source = Source(kind=SourceKind.DATASET, location="x", digest=artifacts.put_bytes(manifest_of([file])))
        with pytest.raises(Exception, match="path"):
            provider.materialise(source, project="shop")
    assert not (tmp_path / "x").exists()


def test_a_tree_stays_until_it_was_released_as_often_as_asked_for(
    make_provider: MakeProvider, artifacts: DirectoryArtifactStore
) -> None:
    provider = make_provider(cache_bytes=1)
    source = archive(artifacts, FILES)
    first, second = provider.materialise(source, project="shop"), provider.materialise(source, project="shop")
    provider.release(first)
    assert provider.prune() == 0
    assert contents(second.root) == FILES
    provider.release(second)
    provider.release(second)
    assert provider.prune() == 1
    assert not second.root.exists()
    with provider.use(source, project="shop") as tree:
        assert contents(tree.root) == FILES


def test_a_wrong_subdirectory_holds_no_lease(make_provider: MakeProvider, artifacts: DirectoryArtifactStore) -> None:
    provider = make_provider(cache_bytes=1)
    with pytest.raises(SourceRefusedError):
        provider.materialise(archive(artifacts, FILES, subdirectory="none"), project="shop")
    assert provider.prune() == 1
