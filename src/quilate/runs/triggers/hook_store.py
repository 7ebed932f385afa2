"""Hooks as rows."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from quilate.kit.database.database import Connection
from quilate.runs.triggers.model import Hook, HookWish, Provider
from quilate.runs.triggers.store import QUERIES


async def insert_hook(  # noqa: PLR0913 - the columns of a new row
    connection: Connection, project_id: UUID, hook_id: UUID, wish: HookWish, *, secret: bytes, author: str
) -> bool:
    """Insert a hook unless id or name are there; tell whether it was new."""
    cursor = await connection.execute(
        QUERIES["insert_hook"],
        {
            "id": hook_id,
            "project": project_id,
            "name": wish.name,
            "provider": wish.provider.value,
            "repositories": list(wish.repositories),
            "paused": wish.paused,
            "secret": secret,
            "author": author,
        },
    )
    return cursor.rowcount == 1


async def find_hook(
    connection: Connection, hook_id: UUID, project_id: UUID | None = None, *, lock: bool = False
) -> Hook | None:
    """Return a hook, of one project or of any, its row locked until the transaction ends where ``lock`` says so."""
    cursor = await connection.execute(
        QUERIES["locked_hook" if lock else "hook"], {"id": hook_id, "project": project_id}
    )
    row = await cursor.fetchone()
    return None if row is None else _hook(row)


async def list_hooks(connection: Connection, project_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Hook]:
    """Return hooks, the newest first, from before an id on."""
    cursor = await connection.execute(QUERIES["hooks"], {"project": project_id, "before": before, "limit": limit})
    return [_hook(row) for row in await cursor.fetchall()]


async def name_is_taken(connection: Connection, project_id: UUID, hook_id: UUID, name: str) -> bool:
    """Tell whether another hook of the project has a name."""
    cursor = await connection.execute(QUERIES["same_hook_name"], {"project": project_id, "id": hook_id, "name": name})
    return await cursor.fetchone() is not None


async def update_hook(connection: Connection, hook_id: UUID, wish: HookWish, *, author: str) -> None:
    """Write a hook whose row the caller has locked; its provider stays."""
    given = {
        "id": hook_id,
        "name": wish.name,
        "repositories": list(wish.repositories),
        "paused": wish.paused,
        "author": author,
    }
    await connection.execute(QUERIES["update_hook"], given)


async def rotate_hook(
    connection: Connection, hook_id: UUID, *, secret: bytes, overlap_seconds: float, author: str
) -> None:
    """Give a hook a new secret; the one before stays good for a while."""
    given = {"id": hook_id, "secret": secret, "overlap": overlap_seconds, "author": author}
    await connection.execute(QUERIES["rotate_hook"], given)


async def delete_hook(connection: Connection, hook_id: UUID) -> None:
    """Take a hook away; its events stay."""
    await connection.execute(QUERIES["delete_hook"], {"id": hook_id})


async def forget_old_secrets(connection: Connection) -> None:
    """Delete secrets whose overlap is over."""
    await connection.execute(QUERIES["forget_old_secrets"])


def _hook(row: Mapping[str, Any]) -> Hook:
    return Hook(
        id=row["id"],
        project_id=row["project_id"],
        project=row["slug"],
        wish=HookWish(
            name=row["name"],
            provider=Provider(row["provider"]),
            repositories=tuple(row["repositories"]),
            paused=row["paused"],
        ),
        revision=row["revision"],
        author=row["author"],
        secret=bytes(row["secret"]),
        previous_secret=bytes(row["previous_secret"]) if row["previous_secret"] is not None else None,
        previous_until=row["previous_until"],
        refused=row["refused"],
        refused_at=row["refused_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
