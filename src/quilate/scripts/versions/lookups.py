"""Finding scripts and versions, or saying that they are not there."""

from uuid import UUID

from quilate.kit.database.database import Connection
from quilate.kit.web.problems import Problem
from quilate.scripts.model import ScriptVersion
from quilate.scripts.versions import store
from quilate.scripts.versions.errors import (
    ScriptUnknownError,
    VersionQuarantinedError,
    VersionUnknownError,
    changed_since,
)
from quilate.scripts.versions.model import ScriptRecord, VersionRecord
from quilate.scripts.versions.names import version_name
from quilate.scripts.versions.pushing import PushedVersion


async def found_script(
    connection: Connection, project_id: UUID, script_id: UUID, *, lock: bool = False
) -> ScriptRecord:
    """Return a project's script.

    Raises:
        ScriptUnknownError: 404.
    """
    record = await store.find_script(connection, project_id, script_id, lock=lock)
    if record is None:
        raise ScriptUnknownError(script_id)
    return record


async def found_version(connection: Connection, project_id: UUID, script_id: UUID, name: str) -> VersionRecord:
    """Return a version of a script by any of its names.

    Raises:
        VersionUnknownError: 404.
    """
    record = await store.find_version(connection, project_id, script_id, version_name(name))
    if record is None:
        raise VersionUnknownError(name)
    return record


async def pushed_before(connection: Connection, version_id: UUID) -> PushedVersion | None:
    """Return a version that this very request pushed, in a commit that nobody heard of."""
    record = await store.version_by_id(connection, version_id)
    return None if record is None else PushedVersion(record=record)


def require_state(record: ScriptRecord, tag: str | None) -> None:
    """Let a change through that names the script's state, or none.

    Raises:
        Problem: 412.
    """
    if tag is not None and tag != record.tag:
        raise changed_since()


def name_taken(name: str) -> Problem:
    """Return 409."""
    return Problem(
        status=409,
        type="already-exists",
        detail=f"there is a script {name!r} already",
        next_step="push a version to that one, or choose another name",
    )


def require_sound(version: ScriptVersion) -> None:
    """Let a version through that is not quarantined.

    Raises:
        VersionQuarantinedError: 409.
    """
    if version.quarantined:
        raise VersionQuarantinedError(version.semver)
