"""What may be done with a project's hooks. A secret is shown when it is made, and never again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.secrets.opened import Secrets
from quilate.kit.web.problems import Problem
from quilate.runs.triggers import hook_store
from quilate.runs.triggers.model import Hook, HookWish
from quilate.runs.triggers.secrets import hook_context
from quilate.runs.triggers.signatures import new_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class HookWithSecret:
    """A hook and the secret that was made for it just now."""

    hook: Hook
    secret: str = field(repr=False)


class HookService:
    """Hooks as administrators see them."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self.database = database
        self._secrets = secrets

    async def create(self, access: ProjectAccess, wish: HookWish) -> HookWithSecret:
        """Make a hook.

        Raises:
            Problem: 409, the name is taken.
        """
        hook_id, secret = uuid7(), new_secret()
        sealed = self._secrets.seal(secret, hook_context(hook_id))

        async def work(connection: Connection) -> Hook:
            new = await hook_store.insert_hook(
                connection, access.project.id, hook_id, wish, secret=sealed, author=access.principal.person
            )
            hook = await hook_store.find_hook(connection, hook_id, access.project.id)
            if hook is None:
                raise _name_taken(wish.name)
            if new:
                await _audit(connection, access, hook, "hook.created")
            return hook

        return HookWithSecret(hook=await self.database.run(work), secret=secret)

    async def get(self, access: ProjectAccess, hook_id: UUID) -> Hook:
        """Return a hook.

        Raises:
            Problem: 404, the project has none of that id.
        """
        async with self.database.connection() as connection:
            return await _found(connection, access, hook_id)

    async def listed(self, access: ProjectAccess, *, before: UUID | None, limit: int) -> Sequence[Hook]:
        """Return up to ``limit`` hooks, the newest first, from before an id on."""
        async with self.database.connection() as connection:
            return await hook_store.list_hooks(connection, access.project.id, before=before, limit=limit)

    async def update(self, access: ProjectAccess, hook_id: UUID, wish: HookWish, tag: str | None) -> Hook:
        """Rename a hook, pause it, or bind it to other repositories.

        Raises:
            Problem: 404, 409, 412, or 422 for another provider.
        """

        async def work(connection: Connection) -> Hook:
            hook = await _matching(connection, access, hook_id, tag)
            if wish.provider is not hook.wish.provider:
                raise Problem(
                    status=422, type="invalid-request", detail="a hook's provider does not change",
                    next_step="make another hook",
                )  # fmt: skip
            if await hook_store.name_is_taken(connection, access.project.id, hook_id, wish.name):
                raise _name_taken(wish.name)
            await hook_store.update_hook(connection, hook_id, wish, author=access.principal.person)
            changed = await _found(connection, access, hook_id)
            await _audit(connection, access, changed, "hook.changed")
            return changed

        return await self.database.run(work)

    async def rotate(self, access: ProjectAccess, hook_id: UUID, overlap: timedelta) -> HookWithSecret:
        """Give a hook a new secret; the one before stays good for the overlap, an earlier one no longer.

        Raises:
            Problem: 404, the project has none of that id.
        """
        secret = new_secret()
        sealed = self._secrets.seal(secret, hook_context(hook_id))

        async def work(connection: Connection) -> Hook:
            hook = await _found(connection, access, hook_id, lock=True)
            if hook.secret != sealed:
                # Else a commit that nobody heard of counted, and the one before is kept already.
                await hook_store.rotate_hook(
                    connection,
                    hook_id,
                    secret=sealed,
                    overlap_seconds=overlap.total_seconds(),
                    author=access.principal.person,
                )
                hook = await _found(connection, access, hook_id)
                await _audit(connection, access, hook, "hook.rotated")
            return hook

        return HookWithSecret(hook=await self.database.run(work), secret=secret)

    async def delete(self, access: ProjectAccess, hook_id: UUID, tag: str | None) -> None:
        """Take a hook away; its events stay.

        Raises:
            Problem: 404 without one, 412 where it is another than ``tag`` says.
        """

        async def work(connection: Connection) -> None:
            hook = await _matching(connection, access, hook_id, tag)
            await hook_store.delete_hook(connection, hook_id)
            await _audit(connection, access, hook, "hook.deleted")

        await self.database.run(work)

    async def tidy(self) -> None:
        """Forget secrets whose overlap is over."""
        async with self.database.connection() as connection:
            await hook_store.forget_old_secrets(connection)


async def _found(connection: Connection, access: ProjectAccess, hook_id: UUID, *, lock: bool = False) -> Hook:
    hook = await hook_store.find_hook(connection, hook_id, access.project.id, lock=lock)
    if hook is None:
        raise Problem(status=404, type="not-found", detail=f"this project has no hook {hook_id}", next_step="list them")
    return hook


async def _matching(connection: Connection, access: ProjectAccess, hook_id: UUID, tag: str | None) -> Hook:
    hook = await _found(connection, access, hook_id, lock=True)
    if tag is not None and tag != hook.tag:
        raise Problem(
            status=412,
            type="precondition-failed",
            detail="the hook has changed since it was read",
            next_step="read it again and repeat the change with its ETag",
        )
    return hook


def _name_taken(name: str) -> Problem:
    return Problem(
        status=409,
        type="conflict",
        detail=f"there is a hook {name!r} already",
        next_step="change that one, or choose another name",
    )


async def _audit(connection: Connection, access: ProjectAccess, hook: Hook, action: str) -> None:
    entry = AuditEntry(
        action=action,
        actor=str(access.actor),
        subject=f"hook:{hook.id}",
        project_id=hook.project_id,
        details={"revision": hook.revision, "provider": hook.wish.provider.value, "paused": hook.wish.paused},
    )
    await append_entries(connection, [entry])
