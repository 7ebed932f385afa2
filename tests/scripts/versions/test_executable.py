"""Which version an execution uses, seen by every process at once (A09, A15)."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from quilate.kit.database.database import Database
from quilate.kit.web.problems import Problem
from quilate.scripts.versions.errors import (
    ScriptUnknownError,
    VersionNotExecutableError,
    VersionQuarantinedError,
    VersionUnknownError,
)
from quilate.scripts.versions.executable import Executables
from tests.scripts.versions.conftest import BASE, SOURCE, ScriptsApi


@pytest_asyncio.fixture
async def elsewhere(database_url: str) -> AsyncIterator[Executables]:
    """Another process's look-ups."""
    async with Database.open(database_url, name="other") as opened:
        yield Executables(opened)


async def _script(api: ScriptsApi) -> UUID:
    script = await api.create(source=SOURCE, activate=True)
    await api.push(script["id"], source="function process(d) { return 2; }")
    return UUID(script["id"])


@pytest.mark.asyncio
async def test_the_active_version_or_the_named_one(api: ScriptsApi, elsewhere: Executables) -> None:
    script, project = await _script(api), api.project.id
    active = await elsewhere.executable(project, script, None)
    assert (active.semver, active.source, active.program.source) == ("1.0.0", SOURCE, SOURCE)
    with pytest.raises(VersionNotExecutableError, match=r"1\.0\.1 is draft"):
        await elsewhere.executable(project, script, "1.0.1")
    await api.activate(str(script), "1.0.1")
    assert (await elsewhere.executable(project, script, None)).semver == "1.0.1"
    for name in (active.id, str(active.id), "1.0.0", "1"):
        found = await elsewhere.executable(project, script, name)
        assert (found.semver, found.state) == ("1.0.0", "approved")
    for name in ("9.9.9", "x", UUID(int=4)):
        with pytest.raises(VersionUnknownError):
            await elsewhere.executable(project, script, name)


@pytest.mark.asyncio
async def test_what_changed_elsewhere_is_seen_at_once(api: ScriptsApi, elsewhere: Executables) -> None:
    script, project = await _script(api), api.project.id
    version = await elsewhere.executable(project, script, None)
    for _ in range(3):
        async with api.database.transaction() as connection:
            await api.service.record_crash(connection, version.id)
    for name in (None, "1.0.0", version.id):
        with pytest.raises(VersionQuarantinedError) as caught:
            await elsewhere.executable(project, script, name)
        assert caught.value.status == 409
    with pytest.raises(VersionQuarantinedError):
        await elsewhere.pinned(project, version.id)
    await api.as_caller("ann").post(f"{BASE}/{script}/versions/1.0.0/release")
    assert (await elsewhere.executable(project, script, None)).id == version.id
    await api.as_caller("dev").post(f"{BASE}/{script}/versions/1.0.0/retire")
    with pytest.raises(VersionNotExecutableError, match="no active version"):
        await elsewhere.executable(project, script, None)
    with pytest.raises(VersionNotExecutableError, match="retired"):
        await elsewhere.executable(project, script, "1.0.0")
    assert (await elsewhere.pinned(project, version.id)).state == "retired"


@pytest.mark.asyncio
async def test_a_deleted_script_takes_no_execution_and_those_taken_keep_their_version(
    api: ScriptsApi, elsewhere: Executables
) -> None:
    script, project = await _script(api), api.project.id
    version = await elsewhere.executable(project, script, None)
    await api.as_caller("dev").delete(f"{BASE}/{script}")
    for name in (None, "1.0.0", version.id):
        with pytest.raises(ScriptUnknownError) as caught:
            await elsewhere.executable(project, script, name)
        assert caught.value.status == 404
    with pytest.raises(ScriptUnknownError):
        await api.service.find(project, script)
    assert (await elsewhere.pinned(project, version.id)).source == SOURCE


@pytest.mark.asyncio
async def test_another_projects_script_is_unknown(api: ScriptsApi, elsewhere: Executables) -> None:
    script, project = await _script(api), api.callers.projects["other"].id
    version = await elsewhere.executable(api.project.id, script, None)
    for name in (None, "1.0.0", version.id):
        with pytest.raises(ScriptUnknownError):
            await elsewhere.executable(project, script, name)
    with pytest.raises(VersionUnknownError):
        await elsewhere.pinned(project, version.id)
    other = await api.create(name="second", source=SOURCE, activate=True)
    with pytest.raises(VersionUnknownError):
        await elsewhere.executable(api.project.id, UUID(other["id"]), version.id)


@pytest.mark.asyncio
async def test_many_at_once_share_statements_and_each_hears_its_own(api: ScriptsApi, elsewhere: Executables) -> None:
    script, project = await _script(api), api.project.id
    asked: list[tuple[UUID, str | None]] = [(script, None), (UUID(int=1), None), (script, "1.0.1")] * 200
    found = await asyncio.gather(
        *(elsewhere.executable(project, which, name) for which, name in asked), return_exceptions=True
    )
    kinds = [type(each) for each in found[:3]]
    assert [each.__name__ for each in kinds] == ["ScriptVersion", "ScriptUnknownError", "VersionNotExecutableError"]
    assert [type(each) for each in found] == kinds * 200


@pytest.mark.asyncio
async def test_a_caller_that_gives_up_takes_no_other_along(api: ScriptsApi, elsewhere: Executables) -> None:
    script, project = await _script(api), api.project.id
    first = asyncio.create_task(elsewhere.executable(project, script, None))
    second = asyncio.create_task(elsewhere.executable(project, script, None))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).semver == "1.0.0"
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(Problem):
        await elsewhere.executable(project, UUID(int=9), None)
