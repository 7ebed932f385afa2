"""A submitted source is judged before a run uses it: a digest or a path is no permission (C03, C08)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quilate.accounts.model import ProjectReference
from quilate.datasets.model import EntryKind
from quilate.datasets.service import CatalogueService, Registration
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.runs.workspaces.errors import SourceRefusedError
from quilate.runs.workspaces.limits import WorkspaceSettings
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.runs.workspaces.provider import WorkspaceProvider
from quilate.runs.workspaces.resolver import SourceResolver
from tests.support.archives import tar_files
from tests.support.projects_access import access_to, project

SHOP, BANK = project("shop"), project("bank")


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


@pytest.fixture
def catalogue(database: Database, artifacts: DirectoryArtifactStore) -> CatalogueService:
    return CatalogueService(database, artifacts)


@pytest.fixture
def resolver(catalogue: CatalogueService, provider: WorkspaceProvider) -> SourceResolver:
    return SourceResolver(provider.settings, catalogue, catalogue.archives)


async def refused(resolver: SourceResolver, reference: ProjectReference, source: Source) -> None:
    with pytest.raises(SourceRefusedError):
        await resolver.resolve(reference, source)


@pytest.mark.asyncio
async def test_a_dataset_is_bound_to_its_version_and_becomes_files(
    resolver: SourceResolver, catalogue: CatalogueService, provider: WorkspaceProvider
) -> None:
    await catalogue.create(access_to(SHOP), EntryKind.DATASET, "sales", "")
    for content in (b"a\n1\n", b"a\n2\n"):
        file = await catalogue.receive("train.csv", pieces(content), room=100)
        await catalogue.register(access_to(SHOP), EntryKind.DATASET, "sales", Registration(files=[file]))
    asked = Source(kind=SourceKind.DATASET, location="sales", digest="sha256:" + "0" * 64)
    newest = await resolver.resolve(SHOP, asked)
    first = await resolver.resolve(SHOP, Source(kind=SourceKind.DATASET, location="sales", revision="1"))
    assert (newest.revision, first.revision) == ("2", "1")
    assert (provider.materialise(newest, project="shop").root / "train.csv").read_bytes() == b"a\n2\n"
    assert (provider.materialise(first, project="shop").root / "train.csv").read_bytes() == b"a\n1\n"
    for wrong in (
        Source(kind=SourceKind.DATASET, location="sales", revision="3"),
        Source(kind=SourceKind.DATASET, location="sales", revision="99999999999999999999"),
        Source(kind=SourceKind.DATASET, location="sales", revision="x"),
        Source(kind=SourceKind.DATASET, location="sales", revision="٣"),
        Source(kind=SourceKind.DATASET, location="no\0ne"),
        Source(kind=SourceKind.MODEL, location="sales"),
    ):
        await refused(resolver, SHOP, wrong)
    await refused(resolver, BANK, newest)


@pytest.mark.asyncio
async def test_an_archive_belongs_to_the_project_that_uploaded_it(
    resolver: SourceResolver, catalogue: CatalogueService, provider: WorkspaceProvider
) -> None:
    kept = await catalogue.archives.keep(access_to(SHOP), pieces(tar_files({"a": b"a"})))
    source = await resolver.resolve(SHOP, Source(kind=SourceKind.ARCHIVE, digest=kept.digest, branch="main"))
    assert source.branch == "", "an archive is of no branch"
    assert (provider.materialise(source, project="shop").root / "a").read_bytes() == b"a"
    await refused(resolver, BANK, source)
    await refused(resolver, SHOP, Source(kind=SourceKind.ARCHIVE, digest=""))


@pytest.mark.asyncio
async def test_a_repository_is_judged_without_asking_it(
    resolver: SourceResolver, repository: Path, provider: WorkspaceProvider
) -> None:
    commit = "1" * 40
    claimed = Source(
        kind=SourceKind.GIT, location=str(repository), revision=commit, branch="main", digest=f"git:{commit}"
    )
    assert (await resolver.resolve(SHOP, claimed)).digest == "", "nobody's word that a commit is of a branch"
    for location in ("/etc", "ext::sh", "https://user:x@example.org/x", "https://10.0.0.1/x"):
        await refused(resolver, SHOP, Source(kind=SourceKind.GIT, location=location))
    for name in ("--upload-pack=x", "a b", "refs/../x"):
        await refused(resolver, SHOP, Source(kind=SourceKind.GIT, location=str(repository), branch=name))
        await refused(resolver, SHOP, Source(kind=SourceKind.GIT, location=str(repository), revision=name))


@pytest.mark.asyncio
async def test_a_run_without_files_keeps_nothing_else(resolver: SourceResolver) -> None:
    none = await resolver.resolve(SHOP, Source(kind=SourceKind.NONE, location="/etc", digest="x"))
    assert none == Source(kind=SourceKind.NONE)


def test_settings_allow_no_path_unless_told(tmp_path: Path) -> None:
    assert WorkspaceSettings(root=tmp_path).allowed_local_roots == ()
