"""Versions for executions: what never changes is kept in memory, what may change is read each time.

Source, limits and schemas of a version are immutable, so that they are remembered. Whether its script still exists,
which version is active, and whether a version is retired or quarantined is read for every execution: requests that
come together share one statement over primary keys. So a change that was committed by any process is seen at once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from quilate.kit.database.arrays import uuid_array
from quilate.kit.database.database import Database
from quilate.scripts.model import ScriptVersion, VersionState
from quilate.scripts.versions import store
from quilate.scripts.versions.errors import (
    ScriptUnknownError,
    VersionNotExecutableError,
    VersionQuarantinedError,
    VersionUnknownError,
)
from quilate.scripts.versions.names import version_name
from quilate.scripts.versions.states import EXECUTABLE

MOST_REMEMBERED_BYTES = 32 << 20
MOST_REMEMBERED_NAMES = 20_000
MOST_AT_ONCE = 256


_Answer = asyncio.Future[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    project_id: UUID
    script_id: UUID
    version_id: UUID | None


class Executables:
    """Looks up versions for executions; one for each process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bodies: OrderedDict[UUID, ScriptVersion] = OrderedDict()
        self._bytes = 0
        self._names: OrderedDict[tuple[UUID, UUID, str], UUID] = OrderedDict()
        self._waiting: list[tuple[_Asked, _Answer]] = []
        self._reader: asyncio.Task[None] | None = None

    async def executable(self, project_id: UUID, script_id: UUID, version: UUID | str | None) -> ScriptVersion:
        """Return the version that an execution uses.

        Args:
            project_id: Whose it is.
            script_id: Of which script.
            version: Its id, its semantic version or its number; ``None`` for the active one.

        Raises:
            ScriptUnknownError: 404, there is no such script, or it was deleted.
            VersionUnknownError: 404, the script has no such version.
            VersionQuarantinedError: 409, it has crashed workers.
            VersionNotExecutableError: 409, it is a draft, under review or retired, or no version is active.
        """
        version_id = await self._named(project_id, script_id, version)
        standing = await self._standing(_Asked(project_id=project_id, script_id=script_id, version_id=version_id))
        if not standing["known"]:
            raise ScriptUnknownError(script_id)
        if standing["id"] is None:
            if version is not None:
                raise VersionUnknownError(version)
            raise VersionNotExecutableError("the script has no active version", "activate one, or name a version")
        found = await self._current(standing)
        if found.quarantined:
            raise VersionQuarantinedError(found.semver)
        if found.state not in EXECUTABLE:
            raise _not_executable(found)
        return found

    async def pinned(self, project_id: UUID, version_id: UUID) -> ScriptVersion:
        """Return the version of an execution that was taken before, whatever became of version and script since.

        Raises:
            VersionUnknownError: 404, the project has none of that id.
            VersionQuarantinedError: 409, it has crashed workers since.
        """
        body = await self._body(version_id)
        if body is None or body.project_id != project_id:
            raise VersionUnknownError(version_id)
        asked = _Asked(project_id=project_id, script_id=body.script_id, version_id=version_id)
        standing = await self._standing(asked)
        if standing["id"] is not None:
            found = await self._current(standing)
        else:
            # A deleted script's: the statement for living ones does not see it.
            async with self._database.connection() as connection:
                record = await store.version_by_id(connection, version_id)
            found = body if record is None else record.version
        if found.quarantined:
            raise VersionQuarantinedError(found.semver)
        return found

    async def body(self, version_id: UUID) -> ScriptVersion | None:
        """Return a version of which only what never changes can be relied upon; ``None`` where there is none."""
        return await self._body(version_id)

    async def _named(self, project_id: UUID, script_id: UUID, version: UUID | str | None) -> UUID | None:
        if version is None or isinstance(version, UUID):
            return version
        key = (project_id, script_id, version)
        known = self._names.get(key)
        if known is not None:
            self._names.move_to_end(key)
            return known
        name = version_name(version)
        if isinstance(name, UUID):
            return name
        async with self._database.connection() as connection:
            if await store.find_script(connection, project_id, script_id) is None:
                raise ScriptUnknownError(script_id)
            record = await store.find_version(connection, project_id, script_id, name)
        if record is None:
            raise VersionUnknownError(version)
        self._remember(record.version)
        self._names[key] = record.version.id
        if len(self._names) > MOST_REMEMBERED_NAMES:
            self._names.popitem(last=False)
        return record.version.id

    async def _standing(self, asked: _Asked) -> Mapping[str, Any]:
        future: _Answer = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        return await future

    async def _read(self) -> None:
        try:
            while self._waiting:
                # One turn of the loop lets requests that are being read at this moment come along.
                await asyncio.sleep(0)
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._answer(batch)
        finally:
            self._reader = None
            if self._waiting:
                self._reader = asyncio.create_task(self._read())

    async def _answer(self, batch: Sequence[tuple[_Asked, _Answer]]) -> None:
        given = {
            "projects": uuid_array(asked.project_id for asked, _ in batch),
            "scripts": uuid_array(asked.script_id for asked, _ in batch),
            "versions": uuid_array(asked.version_id for asked, _ in batch),
        }
        try:
            async with self._database.connection() as connection:
                rows = await (await connection.execute(store.QUERIES["standing"], given)).fetchall()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who asked hear it
            for future in _open(batch):
                future.set_exception(error)
            return
        except asyncio.CancelledError:
            for future in _open(batch):
                future.cancel()
            raise
        for (_, future), row in zip(batch, rows, strict=True):
            if not future.done():
                future.set_result(row)

    async def _current(self, standing: Mapping[str, Any]) -> ScriptVersion:
        """Return a version with its state as it was read just now."""
        body = await self._body(standing["id"])
        if body is None:
            raise VersionUnknownError(standing["id"])
        state, crashes, quarantined = VersionState(standing["state"]), standing["crashes"], standing["quarantined"]
        if (body.state, body.crashes, body.quarantined) == (state, crashes, quarantined):
            return body
        current = replace(body, state=state, crashes=crashes, quarantined=quarantined)
        self._bodies[body.id] = current
        return current

    async def _body(self, version_id: UUID) -> ScriptVersion | None:
        known = self._bodies.get(version_id)
        if known is not None:
            self._bodies.move_to_end(version_id)
            return known
        async with self._database.connection() as connection:
            record = await store.version_by_id(connection, version_id)
        if record is None:
            return None
        self._remember(record.version)
        return record.version

    def _remember(self, version: ScriptVersion) -> None:
        if version.id in self._bodies:
            return
        self._bodies[version.id] = version
        self._bytes += _size(version)
        while self._bytes > MOST_REMEMBERED_BYTES and len(self._bodies) > 1:
            _, forgotten = self._bodies.popitem(last=False)
            self._bytes -= _size(forgotten)


def _open(batch: Sequence[tuple[_Asked, _Answer]]) -> list[_Answer]:
    """Return what somebody still waits for."""
    return [future for _, future in batch if not future.done()]


def _size(version: ScriptVersion) -> int:
    return 1024 + len(version.source) + len(version.input_schema or b"") + len(version.output_schema or b"")


def _not_executable(version: ScriptVersion) -> VersionNotExecutableError:
    detail = f"the version {version.semver} is {version.state.value.replace('_', ' ')}"
    if version.state is VersionState.RETIRED:
        return VersionNotExecutableError(detail, "name a version that is active or approved")
    return VersionNotExecutableError(detail, "activate it, or test it on sample data")
