"""What may be done with a project's scripts and their versions."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.web.problems import Problem
from quilate.scripts.model import Script, ScriptVersion, VersionState
from quilate.scripts.versions import lifecycle, store
from quilate.scripts.versions.checking import CheckedWish, checked
from quilate.scripts.versions.differences import VersionDiff, compare_versions
from quilate.scripts.versions.executable import Executables
from quilate.scripts.versions.lookups import (
    found_script,
    found_version,
    name_taken,
    pushed_before,
    require_sound,
    require_state,
)
from quilate.scripts.versions.model import PushWish, ScriptRecord, Validator, VersionRecord
from quilate.scripts.versions.pushing import PushedVersion, push_version
from quilate.scripts.versions.recording import tell_of_script
from quilate.scripts.versions.renaming import changed_script
from quilate.scripts.versions.states import EXECUTABLE, VersionAction
from quilate.scripts.versions.trial import Trial, TrialRequest, Trials

Result = TypeVar("Result")
_Work = Callable[[Connection, ScriptRecord, VersionRecord], Awaitable[VersionRecord]]


class VersionService:
    """Scripts from their first version to their end.

    Args:
        database: Where they are kept.
        validator: Reads a script before it is stored.
        trials: Tests scripts; without it there are no tests.
        combine_validator: As ``validator``, for scripts that have to define ``combine`` as well.
    """

    def __init__(
        self,
        database: Database,
        validator: Validator,
        trials: Trials | None = None,
        *,
        combine_validator: Validator | None = None,
    ) -> None:
        self.database = database
        self._validator = validator
        self._combine_validator = combine_validator or validator
        self._trials = trials
        self._executables = Executables(database)

    # For executions -------------------------------------------------------------------------------------------------

    async def executable(self, project_id: UUID, script_id: UUID, version: UUID | str | None) -> ScriptVersion:
        """Return the version that a new execution uses; see ``Executables.executable``."""
        return await self._executables.executable(project_id, script_id, version)

    async def pinned(self, project_id: UUID, version_id: UUID) -> ScriptVersion:
        """Return the version of an execution that was taken before; see ``Executables.pinned``."""
        return await self._executables.pinned(project_id, version_id)

    async def record_crash(self, connection: Connection, version_id: UUID) -> bool:
        """Count a crash of a worker in the caller's transaction; tell whether the version is quarantined now."""
        return await lifecycle.record_crash(connection, version_id)

    async def find(self, project_id: UUID, script_id: UUID) -> Script:
        """Return a script.

        Raises:
            ScriptUnknownError: 404, there is none, or it was deleted.
        """
        async with self.database.connection() as connection:
            return (await found_script(connection, project_id, script_id)).script

    # Scripts --------------------------------------------------------------------------------------------------------

    async def create(
        self, access: ProjectAccess, *, name: str, description: str = "", first: PushWish | None = None
    ) -> tuple[ScriptRecord, PushedVersion | None]:
        """Make a script, with its first version where one is given.

        Raises:
            Problem: 409, the name is taken; 422, the version cannot be stored.
        """
        wish = None if first is None else await self._checked(first)
        script_id, version_id = uuid7(), uuid7()
        actor, person, project = str(access.actor), access.principal.person, access.project.id

        async def work(connection: Connection) -> tuple[ScriptRecord, PushedVersion | None]:
            new = await store.insert_script(
                connection, project, script_id, name=name, description=description, author=person
            )
            if not new and await store.find_script(connection, project, script_id) is None:
                raise name_taken(name)
            record = await found_script(connection, project, script_id, lock=True)
            if not new:
                # A commit that nobody heard of: it counted.
                return record, await pushed_before(connection, version_id)
            await tell_of_script(connection, actor, record.script, "created")
            if wish is None:
                return record, None
            pushed = await push_version(connection, actor, person, record.script, version_id, wish)
            return await found_script(connection, project, script_id), pushed

        return await self.database.run(work)

    async def get(self, access: ProjectAccess, script_id: UUID) -> ScriptRecord:
        """Return a script.

        Raises:
            ScriptUnknownError: 404.
        """
        async with self.database.connection() as connection:
            return await found_script(connection, access.project.id, script_id)

    async def listed(
        self, access: ProjectAccess, *, name: str | None, before: UUID | None, limit: int
    ) -> Sequence[ScriptRecord]:
        """Return up to ``limit`` scripts, the newest first, from before an id on."""
        async with self.database.connection() as connection:
            return await store.list_scripts(connection, access.project.id, name=name, before=before, limit=limit)

    async def update(
        self,
        access: ProjectAccess,
        script_id: UUID,
        tag: str | None,
        *,
        name: str | None = None,
        description: str | None = None,
    ) -> ScriptRecord:
        """Change name or description; ``None`` leaves it.

        Raises:
            Problem: 404, 409 where the name is taken, 412 where it is another state than ``tag`` says.
        """

        async def work(connection: Connection) -> ScriptRecord:
            return await changed_script(connection, access, script_id, tag=tag, name=name, description=description)

        return await self.database.run(work)

    async def delete(self, access: ProjectAccess, script_id: UUID, tag: str | None) -> None:
        """Delete a script: nothing executes it any more, its executions keep their versions, its name is free.

        Raises:
            Problem: 404 without one, 412 where it is another state than ``tag`` says.
        """

        async def work(connection: Connection) -> None:
            record = await found_script(connection, access.project.id, script_id, lock=True)
            require_state(record, tag)
            await store.delete_script(connection, script_id)
            await tell_of_script(connection, str(access.actor), record.script, "deleted")

        await self.database.run(work)

    # Versions -------------------------------------------------------------------------------------------------------

    async def push(
        self,
        access: ProjectAccess,
        script_id: UUID,
        wish: PushWish,
        *,
        name: str | None = None,
        description: str | None = None,
    ) -> PushedVersion:
        """Add a version; with another name or description for its script, both or neither happen.

        Raises:
            Problem: 404 without the script, 409 where its number is taken or promises too much, or the name is taken,
                422 where the script is refused.
        """
        await self.find(access.project.id, script_id)
        looked_at = await self._checked(wish)
        version_id = uuid7()

        async def work(connection: Connection) -> PushedVersion:
            record = await changed_script(connection, access, script_id, name=name, description=description)
            before = await pushed_before(connection, version_id)
            if before is not None:
                return before
            actor, person = str(access.actor), access.principal.person
            return await push_version(connection, actor, person, record.script, version_id, looked_at)

        return await self.database.run(work)

    async def version(self, access: ProjectAccess, script_id: UUID, name: str) -> VersionRecord:
        """Return a version by its id, number or semantic version.

        Raises:
            Problem: 404, the script or the version is not there.
        """
        async with self.database.connection() as connection:
            await found_script(connection, access.project.id, script_id)
            return await found_version(connection, access.project.id, script_id, name)

    async def versions(
        self, access: ProjectAccess, script_id: UUID, *, state: VersionState | None, before: int | None, limit: int
    ) -> Sequence[VersionRecord]:
        """Return up to ``limit`` versions without their sources, the newest first, from before a number on.

        Raises:
            ScriptUnknownError: 404.
        """
        async with self.database.connection() as connection:
            await found_script(connection, access.project.id, script_id)
            return await store.list_versions(connection, script_id, state=state, before=before, limit=limit)

    async def compare(
        self, access: ProjectAccess, script_id: UUID, before: str, after: str
    ) -> tuple[VersionRecord, VersionRecord, VersionDiff]:
        """Return two versions and what differs.

        Raises:
            Problem: 404, the script or one of them is not there.
        """
        old = await self.version(access, script_id, before)
        new = await self.version(access, script_id, after)
        return old, new, await asyncio.to_thread(compare_versions, old.version, new.version)

    # States ---------------------------------------------------------------------------------------------------------

    async def submit(self, access: ProjectAccess, script_id: UUID, name: str) -> VersionRecord:
        """Ask for the review of a privileged version.

        Raises:
            Problem: 404; 409 where it is no draft or needs no review.
        """
        actor, person = str(access.actor), access.principal.person

        async def work(connection: Connection, record: ScriptRecord, found: VersionRecord) -> VersionRecord:
            if found.version.state is VersionState.IN_REVIEW and found.submitted_by == person:
                return found
            return await lifecycle.submit(connection, actor, person, record.script, found.version)

        return await self._with_version(access, script_id, name, work)

    async def approve(self, access: ProjectAccess, script_id: UUID, name: str, reason: str) -> VersionRecord:
        """Approve a version under review; its author cannot.

        Raises:
            Problem: 403 for its author, 404, 409 where it is not under review.
        """
        return await self._reviewed(access, script_id, name, VersionAction.APPROVE, reason)

    async def refuse(self, access: ProjectAccess, script_id: UUID, name: str, reason: str) -> VersionRecord:
        """Refuse a version under review: it is a draft again, and the reason stays with it.

        Raises:
            Problem: 403 for its author, 404, 409 where it is not under review.
        """
        return await self._reviewed(access, script_id, name, VersionAction.REFUSE, reason)

    async def _reviewed(
        self, access: ProjectAccess, script_id: UUID, name: str, action: VersionAction, reason: str
    ) -> VersionRecord:
        person = access.principal.person
        decided = VersionState.APPROVED if action is VersionAction.APPROVE else VersionState.DRAFT

        async def work(connection: Connection, record: ScriptRecord, found: VersionRecord) -> VersionRecord:
            if found.version.state is decided and found.reviewed_by == person and found.review_reason == reason:
                return found  # The same answer given twice counts once.
            return await lifecycle.review(connection, access, record, found.version, action, reason)

        return await self._with_version(access, script_id, name, work)

    async def activate(
        self, access: ProjectAccess, script_id: UUID, name: str, tag: str | None = None
    ) -> VersionRecord:
        """Make a version the one that executions use.

        Raises:
            Problem: 404; 409 where its state does not allow it; 412 where the script is another than ``tag`` says.
        """

        async def work(connection: Connection, record: ScriptRecord, found: VersionRecord) -> VersionRecord:
            if record.script.active == found.version.id and not found.version.quarantined:
                return found
            require_state(record, tag)
            return await lifecycle.activate(connection, str(access.actor), record.script, found.version)

        return await self._with_version(access, script_id, name, work)

    async def rollback(self, access: ProjectAccess, script_id: UUID, tag: str | None = None) -> VersionRecord:
        """Make the version active again that was so before.

        Raises:
            Problem: 404; 409 where there is none; 412 where the script is another than ``tag`` says.
        """
        # A rollback that is repeated would go one further back: one state is named, by the caller or here.
        seen = tag or (await self.get(access, script_id)).tag

        async def work(connection: Connection) -> VersionRecord:
            record = await found_script(connection, access.project.id, script_id, lock=True)
            require_state(record, seen)
            return await lifecycle.roll_back(connection, str(access.actor), record.script)

        return await self.database.run(work)

    async def retire(self, access: ProjectAccess, script_id: UUID, name: str) -> VersionRecord:
        """Take a version out of use for good.

        Raises:
            Problem: 404.
        """

        async def work(connection: Connection, record: ScriptRecord, found: VersionRecord) -> VersionRecord:
            if found.version.state is VersionState.RETIRED:
                return found
            return await lifecycle.retire(connection, str(access.actor), record.script, found.version)

        return await self._with_version(access, script_id, name, work)

    async def release(self, access: ProjectAccess, script_id: UUID, name: str) -> VersionRecord:
        """Let a version out of the quarantine, its crashes forgotten.

        Raises:
            Problem: 404; 409 where it is not in it.
        """

        async def work(connection: Connection, record: ScriptRecord, found: VersionRecord) -> VersionRecord:
            return await lifecycle.release(connection, str(access.actor), record.script, found.version.id)

        return await self._with_version(access, script_id, name, work)

    async def _with_version(self, access: ProjectAccess, script_id: UUID, name: str, work: _Work) -> VersionRecord:
        async def locked(connection: Connection) -> VersionRecord:
            record = await found_script(connection, access.project.id, script_id, lock=True)
            found = await found_version(connection, access.project.id, script_id, name)
            return await work(connection, record, found)

        return await self.database.run(locked)

    # Tests ----------------------------------------------------------------------------------------------------------

    async def test_version(self, access: ProjectAccess, script_id: UUID, name: str, data: bytes) -> Trial:
        """Run a version on JSON; nothing is stored.

        Raises:
            Problem: 404; 409, it is quarantined; else as ``Trials.try_out``; 503 where nothing is tested.
        """
        found = await self.version(access, script_id, name)
        version = found.version
        require_sound(version)
        request = TrialRequest(
            project_id=access.project.id,
            program=version.program,
            limits=version.limits,
            shape=version.shape,
            reviewed=version.state in EXECUTABLE,
            schemas=(version.input_schema, version.output_schema),
            remarks=found.remarks,
        )
        return await self._required_trials().try_out(request, data)

    async def test_source(self, access: ProjectAccess, wish: PushWish, data: bytes) -> Trial:
        """Run a source on JSON; nothing is stored.

        Raises:
            Problem: 422, it could not be pushed; else as ``Trials.try_out``; 503 where nothing is tested.
        """
        looked_at = await self._checked(wish)
        request = TrialRequest(
            project_id=access.project.id,
            program=wish.program,
            limits=wish.limits,
            shape=wish.shape,
            reviewed=False,
            schemas=looked_at.schemas,
            remarks=looked_at.remarks,
        )
        return await self._required_trials().try_out(request, data)

    async def _checked(self, wish: PushWish) -> CheckedWish:
        return await checked(wish, self._combine_validator if wish.shape.combine else self._validator)

    def _required_trials(self) -> Trials:
        if self._trials is None:
            raise Problem(
                status=503,
                type="unavailable",
                detail="this process runs no scripts",
                next_step="execute an active version instead",
            )
        return self._trials
