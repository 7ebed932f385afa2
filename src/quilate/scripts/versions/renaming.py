"""Changing what a script is called, within a transaction of the caller's."""

from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.kit.database.database import Connection
from quilate.scripts.versions import store
from quilate.scripts.versions.lookups import found_script, name_taken, require_state
from quilate.scripts.versions.model import ScriptRecord
from quilate.scripts.versions.recording import tell_of_script


async def changed_script(  # noqa: PLR0913 - what is changed, where, and under which condition
    connection: Connection,
    access: ProjectAccess,
    script_id: UUID,
    *,
    tag: str | None = None,
    name: str | None = None,
    description: str | None = None,
) -> ScriptRecord:
    """Change name or description; ``None`` leaves it.

    Raises:
        Problem: 404, 409 where the name is taken, 412 where it is another state than ``tag`` says.
    """
    record = await found_script(connection, access.project.id, script_id, lock=True)
    script = record.script
    wanted = (script.name if name is None else name, script.description if description is None else description)
    same = wanted == (script.name, script.description)
    if same and tag in {None, record.tag, f"{script.id.hex}-{script.revision - 1}"}:
        return record  # Also a commit that nobody heard of.
    require_state(record, tag)
    if await store.name_is_taken(connection, script, wanted[0]):
        raise name_taken(wanted[0])
    await store.update_script(connection, script.id, name=wanted[0], description=wanted[1])
    changed = await found_script(connection, access.project.id, script_id)
    await tell_of_script(connection, str(access.actor), changed.script, "changed")
    return changed
