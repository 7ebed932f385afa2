"""Changes of a version's state within a transaction whose caller has locked the script's row."""

from uuid import UUID

from quilate.accounts.four_eyes import refusal
from quilate.accounts.model import SYSTEM, ActorKind, Permission, ProjectAccess
from quilate.kit.database.database import Connection
from quilate.scripts.model import Script, ScriptVersion, VersionState
from quilate.scripts.versions import store
from quilate.scripts.versions.errors import (
    VersionUnknownError,
    conflict,
    nobody_else,
    not_possible,
    not_reviewed_before,
)
from quilate.scripts.versions.model import CRASHES_TO_QUARANTINE, ScriptRecord, VersionRecord
from quilate.scripts.versions.recording import tell_of_version
from quilate.scripts.versions.states import TransitionError, VersionAction, next_state, way_of_released


def state_after(version: ScriptVersion, action: VersionAction) -> VersionState:
    """Return the state that an action leads to.

    Raises:
        Problem: 409, it is not possible.
    """
    try:
        return next_state(version.state, action, privileged=version.privileged, quarantined=version.quarantined)
    except TransitionError as error:
        raise not_possible(error) from error


async def activate(connection: Connection, actor: str, script: Script, version: ScriptVersion) -> VersionRecord:
    """Make a version the active one; the one before is approved again.

    Raises:
        Problem: 409, it cannot be activated.
    """
    _require_somebody(actor, version)
    activated = await _take_place(connection, script, version)
    await store.push_activation(connection, script.id, version.id, actor)
    before = None if script.active is None else str(script.active)
    await tell_of_version(connection, actor, script, activated.version, "activated", {"before": before})
    return activated


async def activate_pushed(connection: Connection, actor: str, script: Script, version: ScriptVersion) -> VersionRecord:
    """Make a version the active one in the transaction that pushes it.

    Raises:
        Problem: 409, it needs a review first.
    """
    _require_somebody(actor, version)
    if version.privileged:
        raise not_reviewed_before()
    return await activate(connection, actor, script, version)


async def roll_back(connection: Connection, actor: str, script: Script) -> VersionRecord:
    """Make the version active that was so before the present one; those that cannot be are passed over.

    Raises:
        Problem: 409, there is none.
    """
    earlier = next(
        (
            row
            for row in await store.standing_activations(connection, script.id)
            if row["id"] != script.active and row["state"] == VersionState.APPROVED.value and not row["quarantined"]
        ),
        None,
    )
    found = None if earlier is None else await store.version_by_id(connection, earlier["id"])
    if earlier is None or found is None:
        raise conflict("no version was active before that still may be", "activate one by its number")
    await store.undo_activations(connection, script.id, earlier["sequence"])
    restored = await _take_place(connection, script, found.version)
    before = None if script.active is None else str(script.active)
    await tell_of_version(connection, actor, script, restored.version, "rolled_back", {"before": before})
    return restored


async def retire(connection: Connection, actor: str, script: Script, version: ScriptVersion) -> VersionRecord:
    """Take a version out of use for good; a script whose active version retires has none.

    Raises:
        Problem: 409, it has been retired.
    """
    retired = await store.set_state(connection, version.id, state_after(version, VersionAction.RETIRE))
    if script.active == version.id:
        await store.set_active(connection, script.id, None)
    await tell_of_version(connection, actor, script, retired.version, "version.retired")
    return retired


async def submit(
    connection: Connection, actor: str, person: str, script: Script, version: ScriptVersion
) -> VersionRecord:
    """Ask for a review.

    Raises:
        Problem: 409, it is no draft, needs none, or there is nobody for it.
    """
    _require_somebody(actor, version)
    state = state_after(version, VersionAction.SUBMIT)
    await store.set_submitted(connection, version.id, person)
    submitted = await store.set_state(connection, version.id, state)
    await tell_of_version(connection, actor, script, submitted.version, "version.submitted")
    return submitted


async def review(  # noqa: PLR0913, PLR0917 - who decides what on which
    connection: Connection,
    access: ProjectAccess,
    record: ScriptRecord,
    version: ScriptVersion,
    action: VersionAction,
    reason: str,
) -> VersionRecord:
    """Approve a version or refuse it.

    Raises:
        Problem: 403 for its author, or where a machine or its maker would be the second person, 409 where it is not
            under review.
    """
    actor = str(access.actor)
    _require_somebody(actor, version)
    refused = refusal(
        access,
        version.created_by,
        Permission.SCRIPT_APPROVE,
        own="who wrote a version cannot review it",
        grants=action is VersionAction.APPROVE,
    )
    if refused is not None:
        raise refused
    state = state_after(version, action)
    await store.set_reviewed(connection, version.id, access.principal.person, reason)
    reviewed = await store.set_state(connection, version.id, state)
    what = "version.approved" if action is VersionAction.APPROVE else "version.refused"
    await tell_of_version(connection, actor, record.script, reviewed.version, what)
    return reviewed


async def record_crash(connection: Connection, version_id: UUID) -> bool:
    """Count a crash of a worker by a version, in the caller's transaction; the third quarantines it.

    Returns:
        Whether it is quarantined now. An unknown version is not.
    """
    counted = await store.count_crash(connection, version_id)
    if counted is None:
        return False
    version = counted.version
    if version.quarantined and version.crashes == CRASHES_TO_QUARANTINE:
        script = await store.script_of_version(connection, version.script_id)
        facts = {"crashes": version.crashes}
        await tell_of_version(connection, str(SYSTEM), script, version, "quarantined", facts)
    return version.quarantined


async def release(connection: Connection, actor: str, script: Script, version_id: UUID) -> VersionRecord:
    """Let a version out of the quarantine.

    Raises:
        Problem: 409, it is not in it; 404, it is gone.
    """
    locked = await store.version_by_id(connection, version_id, lock=True)
    if locked is None:
        raise VersionUnknownError(version_id)
    if not locked.version.quarantined:
        raise conflict("the version is not quarantined", way_of_released(locked.version.state))
    released = await store.release(connection, version_id)
    await tell_of_version(connection, actor, script, released.version, "released")
    return released


def _require_somebody(actor: str, version: ScriptVersion) -> None:
    """Say at once that a review cannot come about where there is one person only.

    Raises:
        Problem: 409, the version needs a review, and this is the single-user mode.
    """
    alone = actor.startswith(f"{ActorKind.LOCAL.value}:")
    if alone and version.privileged and version.state in {VersionState.DRAFT, VersionState.IN_REVIEW}:
        raise nobody_else()


async def _take_place(connection: Connection, script: Script, version: ScriptVersion) -> VersionRecord:
    state = state_after(version, VersionAction.ACTIVATE)
    if script.active is not None:
        before = await store.version_by_id(connection, script.active)
        if before is not None:
            await store.set_state(connection, before.version.id, state_after(before.version, VersionAction.SUPERSEDE))
    taken = await store.set_state(connection, version.id, state)
    await store.set_active(connection, script.id, version.id)
    return taken
