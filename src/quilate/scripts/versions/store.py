"""Scripts, versions and activations as rows."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries
from quilate.sandbox.model import Engine, Limits
from quilate.scripts.model import Mode, Script, ScriptVersion, Shape, VersionState
from quilate.scripts.versions.model import (
    CRASHES_TO_QUARANTINE,
    PushWish,
    Remark,
    ScriptRecord,
    VersionRecord,
    is_privileged,
)

QUERIES = load_queries("quilate.scripts.versions")

VersionName = UUID | int | str
"""A version by its id, its number (1, 2, ...) or its semantic version."""


async def _one(connection: Connection, query: str, **values: Any) -> dict[str, Any] | None:
    return await (await connection.execute(QUERIES[query], values)).fetchone()


async def insert_script(  # noqa: PLR0913 - the columns of a new row
    connection: Connection, project_id: UUID, script_id: UUID, *, name: str, description: str, author: str
) -> bool:
    """Insert a script unless its id or name is there; tell whether it was new."""
    given = {"id": script_id, "project": project_id, "name": name, "description": description, "author": author}
    return (await connection.execute(QUERIES["insert_script"], given)).rowcount == 1


async def find_script(
    connection: Connection, project_id: UUID, script_id: UUID, *, lock: bool = False
) -> ScriptRecord | None:
    """Return a project's script that is not deleted; its row is locked where ``lock`` says so."""
    if lock and await _one(connection, "lock_script", id=script_id, project=project_id) is None:
        return None
    row = await _one(connection, "script", id=script_id, project=project_id)
    return None if row is None else _script(row)


async def script_of_version(connection: Connection, script_id: UUID) -> Script:
    """Return the script of a version that exists, deleted or not."""
    row = await _one(connection, "script_by_id", id=script_id)
    assert row is not None  # noqa: S101 - a foreign key
    return _script(row).script


async def list_scripts(
    connection: Connection, project_id: UUID, *, name: str | None, before: UUID | None, limit: int
) -> Sequence[ScriptRecord]:
    """Return scripts whose name holds a text in any case, the newest first, from before an id on."""
    given = {"project": project_id, "name": name, "before": before, "limit": limit}
    return [_script(row) for row in await (await connection.execute(QUERIES["scripts"], given)).fetchall()]


async def name_is_taken(connection: Connection, script: Script, name: str) -> bool:
    """Tell whether another script of the project has a name."""
    return await _one(connection, "name_is_taken", id=script.id, project=script.project_id, name=name) is not None


async def update_script(connection: Connection, script_id: UUID, *, name: str, description: str) -> None:
    """Write name and description of a script whose row the caller has locked."""
    given = {"id": script_id, "name": name, "description": description}
    await connection.execute(QUERIES["update_script"], given)


async def delete_script(connection: Connection, script_id: UUID) -> None:
    """Mark a script as deleted; its name is free again."""
    await connection.execute(QUERIES["delete_script"], {"id": script_id})


async def set_active(connection: Connection, script_id: UUID, version_id: UUID | None) -> None:
    """Say which version of a script is the active one."""
    await connection.execute(QUERIES["set_active"], {"script": script_id, "version": version_id})


async def insert_version(  # noqa: PLR0913 - the columns of a new row
    connection: Connection,
    script: Script,
    version_id: UUID,
    wish: PushWish,
    *,
    semver: str,
    schemas: tuple[bytes | None, bytes | None],
    remarks: Sequence[Remark],
    author: str,
) -> None:
    """Insert a version as the script's newest; the caller has locked the script's row."""
    number = script.latest + 1
    given = {
        "id": version_id,
        "script": script.id,
        "project": script.project_id,
        "number": number,
        "semver": semver,
        "source": wish.source,
        "digest": sha256_of(wish.source.encode()),
        "mode": wish.shape.mode.value,
        "size": wish.shape.size,
        "key": list(wish.shape.key),
        "combine": wish.shape.combine,
        "engine": wish.engine.value,
        "deterministic": wish.deterministic,
        "reuse": wish.reuse,
        "limits": msgspec.json.encode(_all_limits(wish.limits)).decode(),
        "input_schema": schemas[0],
        "output_schema": schemas[1],
        "privileged": is_privileged(wish),
        "warnings": msgspec.json.encode(list(remarks)).decode(),
        "author": author,
    }
    await connection.execute(QUERIES["insert_version"], given)
    await connection.execute(QUERIES["set_latest"], {"script": script.id, "number": number})


async def numbers_of(connection: Connection, script_id: UUID) -> Mapping[str, UUID]:
    """Return the semantic versions of a script with their ids."""
    rows = await (await connection.execute(QUERIES["numbers"], {"script": script_id})).fetchall()
    return {row["semver"]: row["id"] for row in rows}


async def find_version(
    connection: Connection, project_id: UUID, script_id: UUID, name: VersionName
) -> VersionRecord | None:
    """Return a version of a script by any of its names."""
    row = await _one(
        connection,
        "version",
        script=script_id,
        project=project_id,
        id=name if isinstance(name, UUID) else None,
        semver=name if isinstance(name, str) else None,
        number=name if isinstance(name, int) else None,
    )
    return None if row is None else version_record(row)


async def version_by_id(connection: Connection, version_id: UUID, *, lock: bool = False) -> VersionRecord | None:
    """Return a version of any script."""
    row = await _one(connection, "lock_version" if lock else "version_by_id", id=version_id)
    return None if row is None else version_record(row)


async def list_versions(
    connection: Connection, script_id: UUID, *, state: VersionState | None, before: int | None, limit: int
) -> Sequence[VersionRecord]:
    """Return versions without source and schemas, the newest first, from before a number on."""
    given = {"script": script_id, "state": state and state.value, "before": before, "limit": limit}
    return [version_record(row) for row in await (await connection.execute(QUERIES["versions"], given)).fetchall()]


async def set_state(connection: Connection, version_id: UUID, state: VersionState) -> VersionRecord:
    """Write a version's state; the caller holds the lock of its script's row."""
    row = await _one(connection, "set_state", id=version_id, state=state.value)
    assert row is not None  # noqa: S101 - the caller holds the script's lock
    return version_record(row)


async def set_submitted(connection: Connection, version_id: UUID, person: str) -> None:
    """Write down who asked for a review; what was decided before is forgotten here, not in the audit log."""
    await connection.execute(QUERIES["set_submitted"], {"id": version_id, "person": person})


async def set_reviewed(connection: Connection, version_id: UUID, person: str, reason: str) -> None:
    """Write down who reviewed a version, and why it was decided so."""
    await connection.execute(QUERIES["set_reviewed"], {"id": version_id, "person": person, "reason": reason})


async def push_activation(connection: Connection, script_id: UUID, version_id: UUID, actor: str) -> None:
    """Put an activation on the script's stack."""
    await connection.execute(QUERIES["push_activation"], {"script": script_id, "version": version_id, "actor": actor})


async def standing_activations(connection: Connection, script_id: UUID) -> Sequence[Mapping[str, Any]]:
    """Return the activations that no rollback undid, the newest first: sequence, id, state, quarantined."""
    return await (await connection.execute(QUERIES["activations_standing"], {"script": script_id})).fetchall()


async def undo_activations(connection: Connection, script_id: UUID, after: int) -> None:
    """Take the activations above a place off the stack."""
    await connection.execute(QUERIES["undo_activations"], {"script": script_id, "sequence": after})


async def count_crash(connection: Connection, version_id: UUID) -> VersionRecord | None:
    """Count a crash of a worker; from the third on the version is quarantined."""
    row = await _one(connection, "record_crash", id=version_id, most=CRASHES_TO_QUARANTINE)
    return None if row is None else version_record(row)


async def release(connection: Connection, version_id: UUID) -> VersionRecord:
    """Let a version out of the quarantine, its crashes forgotten."""
    row = await _one(connection, "release", id=version_id)
    assert row is not None  # noqa: S101 - the caller holds the row's lock
    return version_record(row)


def _script(row: Mapping[str, Any]) -> ScriptRecord:
    script = Script(**{name: row[name] for name in Script.__dataclass_fields__})
    return ScriptRecord(script=script, active_semver=row["active_semver"])


def version_record(row: Mapping[str, Any]) -> VersionRecord:
    """Return a version from its row."""
    return VersionRecord(
        version=_version(row),
        remarks=tuple(msgspec.convert(row["warnings"], list[Remark])),
        submitted_by=row["submitted_by"],
        reviewed_by=row["reviewed_by"],
        reviewed_at=row["reviewed_at"],
        review_reason=row["review_reason"],
        changed_at=row["changed_at"],
    )


def _version(row: Mapping[str, Any]) -> ScriptVersion:
    size, key, combine = row["chunk_size"], tuple(row["group_key"]), row["combine"]
    return ScriptVersion(
        id=row["id"],
        script_id=row["script_id"],
        project_id=row["project_id"],
        number=row["number"],
        semver=row["semver"],
        source=row["source"],
        digest=row["digest"],
        state=VersionState(row["state"]),
        shape=Shape(mode=Mode(row["mode"]), size=size, key=key, combine=combine),
        engine=Engine(row["engine"]),
        deterministic=row["deterministic"],
        reuse=row["reuse"],
        limits=Limits(**row["limits"]),
        input_schema=None if row["input_schema"] is None else bytes(row["input_schema"]),
        output_schema=None if row["output_schema"] is None else bytes(row["output_schema"]),
        privileged=row["privileged"],
        crashes=row["crashes"],
        quarantined=row["quarantined"],
        created_at=row["created_at"],
        created_by=row["created_by"],
    )


def _all_limits(limits: Limits) -> dict[str, float | int]:
    """Return all limits, so that a version's stay what they were when the defaults change."""
    return {name: getattr(limits, name) for name in Limits.__dataclass_fields__}
