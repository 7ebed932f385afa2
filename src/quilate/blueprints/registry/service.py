"""What may be done with a project's blueprints, by whom."""

import asyncio
from uuid import UUID

from quilate.accounts.four_eyes import refusal
from quilate.accounts.model import Permission, ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.blueprints.diff import compare_blueprints
from quilate.blueprints.references import builtin_names
from quilate.blueprints.registry import errors, store
from quilate.blueprints.registry.documents import (
    LABEL,
    BlueprintReference,
    Layer,
    ReadBlueprint,
    builtin_layer,
    extended_reference,
    listed_builtins,
    read_blueprint,
    read_builtin,
    version_key,
)
from quilate.blueprints.registry.model import (
    MOST_REPLAYED,
    Comparison,
    Draft,
    ListedBlueprint,
    PublishedBlueprint,
    ReplayedDecision,
    StoredDecisions,
)
from quilate.blueprints.registry.what_if import replayed
from quilate.blueprints.yaml_positions import shown
from quilate.domain.errors import ConfigurationError
from quilate.domain.nearest import nearest_hint
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.outbox.events import OutgoingEvent, append_events


class BlueprintService:
    """Drafts, publication and comparison.

    Args:
        database: Where they are.
        decisions: The decisions of earlier runs, for what-if.
    """

    def __init__(self, database: Database, decisions: StoredDecisions) -> None:
        self.database = database
        self._decisions = decisions

    async def create_draft(self, access: ProjectAccess, text: str) -> Draft:
        """Begin a draft; its name is the document's ``id``.

        Raises:
            Problem: 422 where the text is no valid blueprint, 409 where the name has a draft or is a built-in one's.
        """
        read = await self._read(access, text)
        name = read.blueprint.document.id
        if name in builtin_names():
            raise errors.conflict(
                f"{name!r} is the name of a built-in blueprint", "give it an id of its own; it may extend the built-in"
            )
        draft_id = uuid7()

        async def work(connection: Connection) -> Draft:
            known = await store.find_draft(connection, access.project.id, name)
            if known is not None and known.id == draft_id:
                return known  # A commit that nobody heard of: it counted.
            content = _content(read, text, access.principal.person)
            await store.insert_draft(
                connection, {"id": draft_id, "project": access.project.id, "name": name, **content}
            )
            draft = await store.find_draft(connection, access.project.id, name)
            if draft is None or draft.id != draft_id:
                raise errors.conflict(f"there is a draft of {name!r} already", "change that one, or discard it")
            await _audit_draft(connection, access, draft, "blueprint.draft-created")
            return draft

        return await self.database.run(work)

    async def draft(self, access: ProjectAccess, name: str) -> Draft:
        """Return a draft.

        Raises:
            Problem: 404, there is none of that name.
        """
        async with self.database.connection() as connection:
            draft = await store.find_draft(connection, access.project.id, name)
        if draft is None:
            raise errors.no_draft(name)
        return draft

    async def update_draft(self, access: ProjectAccess, name: str, text: str, tag: str | None) -> Draft:
        """Write a new text to the draft that ``tag`` names, ``None`` for any; the same text written twice counts once.

        Raises:
            Problem: 404 without a draft, 412 where it is another than ``tag`` says, 422 for an invalid text.
        """
        read = await self._read(access, text)
        if read.blueprint.document.id != name:
            raise errors.invalid_blueprint(
                ConfigurationError(
                    f"the id {read.blueprint.document.id!r} is not {name!r}", next_step="create a draft of that name"
                )
            )
        person = access.principal.person

        async def work(connection: Connection) -> Draft:
            draft = await _locked(connection, access, name)
            if tag is not None and draft.tag != tag:
                if draft.text == text and draft.authors[-1] == person and tag == f"{draft.id.hex}-{draft.revision - 1}":
                    return draft
                raise errors.draft_changed()
            changed = await store.update_draft(connection, {"id": draft.id, **_content(read, text, person)})
            await _audit_draft(connection, access, changed, "blueprint.draft-changed")
            return changed

        return await self.database.run(work)

    async def discard_draft(self, access: ProjectAccess, name: str, tag: str | None) -> None:
        """Take a draft away that ``tag`` names, ``None`` for any.

        Raises:
            Problem: 404 without a draft, 412 where it is another than ``tag`` says.
        """

        async def work(connection: Connection) -> None:
            draft = await _locked(connection, access, name)
            if tag is not None and draft.tag != tag:
                raise errors.draft_changed()
            await store.delete_draft(connection, draft)
            await _audit_draft(connection, access, draft, "blueprint.draft-discarded")

        await self.database.run(work)

    async def publish(self, access: ProjectAccess, name: str, tag: str) -> PublishedBlueprint:
        """Publish the draft that ``tag`` names: what was reviewed, and nothing that was changed since.

        Raises:
            Problem: 404 without a draft, 412 where it has changed, 403 for one of its authors, 409 where its version
                is not above the last one, 422 where it is no longer valid.
        """
        draft = await self.draft(access, name)
        _require_publishable(access, draft, tag)
        read = await self._read(access, draft.text)
        version_id = uuid7()

        async def work(connection: Connection) -> PublishedBlueprint:
            last = await store.highest_version(connection, access.project.id, name)
            if last is not None and last[0] == version_id:
                known = await store.find_version(connection, access.project.id, name, draft.version)
                assert known is not None  # noqa: S101 - the row was just seen, and versions never go
                return known
            _require_publishable(access, await _locked(connection, access, name), tag)
            # Again under the lock: another publication may have come between.
            last = await store.highest_version(connection, access.project.id, name)
            if last is not None and version_key(draft.version) <= version_key(last[1]):
                raise errors.conflict(
                    f"version {draft.version} is not above {last[1]}, which was published last",
                    "raise `version` in the draft",
                )
            published = await self._insert_version(connection, access, version_id, draft, read)
            await store.delete_draft(connection, draft)
            return published

        return await self.database.run(work)

    async def _insert_version(
        self, connection: Connection, access: ProjectAccess, version_id: UUID, draft: Draft, read: ReadBlueprint
    ) -> PublishedBlueprint:
        published = await store.insert_version(
            connection,
            {
                "id": version_id,
                "project": access.project.id,
                "name": draft.name,
                "version": draft.version,
                "description": draft.description,
                "text": draft.text,
                "standalone": read.standalone,
                "digest": read.blueprint.document.digest,
                "authors": list(draft.authors),
                "publisher": access.principal.person,
            },
        )
        await _tell(connection, access, published, "published", {"authors": list(draft.authors)})
        return published

    async def withdraw(self, access: ProjectAccess, name: str, version: str, reason: str) -> PublishedBlueprint:
        """Take a version out of use: no new run is judged by it; what was decided by it stays readable.

        Raises:
            Problem: 404 where it was never published.
        """

        async def work(connection: Connection) -> PublishedBlueprint:
            published = await store.find_version(connection, access.project.id, name, version, lock=True)
            if published is None:
                raise errors.no_version(name, version)
            if published.withdrawn_at is not None:
                return published
            withdrawn = await store.withdraw_version(connection, published, access.principal.person, reason)
            await _tell(connection, access, withdrawn, "withdrawn", {})
            return withdrawn

        return await self.database.run(work)

    async def listed(self, access: ProjectAccess, *, after: str, limit: int) -> list[ListedBlueprint]:
        """Return up to ``limit`` blueprints, built-in and own, whose names come after ``after``."""
        async with self.database.connection() as connection:
            own = await store.list_names(connection, access.project.id, after=after, limit=limit)
        built_in = (await asyncio.to_thread(listed_builtins, after))[:limit]
        return sorted([*own, *built_in], key=lambda each: each.name)[:limit]

    async def versions(
        self, access: ProjectAccess, name: str, *, before: int | None, limit: int
    ) -> list[PublishedBlueprint]:
        """Return up to ``limit`` versions of a name, the newest first, from before a sequence number on."""
        async with self.database.connection() as connection:
            found = await store.list_versions(connection, access.project.id, name, before=before, limit=limit)
        if not found and before is None:
            raise errors.no_blueprint(name)
        return list(found)

    async def version(self, access: ProjectAccess, name: str, version: str) -> PublishedBlueprint:
        """Return a version, withdrawn or not.

        Raises:
            Problem: 404, it was never published.
        """
        async with self.database.connection() as connection:
            found = await store.find_version(connection, access.project.id, name, version)
        if found is None:
            raise errors.no_version(name, version)
        return found

    async def compare_draft(self, access: ProjectAccess, name: str, against: str | None) -> Comparison:
        """Compare a draft with the newest version of its name, or with ``NAME`` or ``NAME@VERSION``.

        Raises:
            Problem: 404 where one of them is not there.
        """
        draft = await self.draft(access, name)
        if against is None:
            async with self.database.connection() as connection:
                if await store.published_blueprint(connection, access.project.id, name, None) is None:
                    raise errors.nothing_published(name)
        before = await self._referenced(access, against or name)
        after = await self._read(access, draft.text)
        return await _compared(before, f"{name} (draft)", after)

    async def compare_versions(self, access: ProjectAccess, before: str, after: str) -> Comparison:
        """Compare two blueprints, each ``NAME`` or ``NAME@VERSION``.

        Raises:
            Problem: 404 where one of them is not there.
        """
        label, read = await self._referenced(access, after)
        return await _compared(await self._referenced(access, before), label, read)

    async def what_if(self, access: ProjectAccess, name: str, runs: int) -> tuple[ReplayedDecision, ...]:
        """Decide the project's last runs again under a draft.

        Raises:
            Problem: 404 without a draft, 422 where it is no longer valid.
        """
        draft = await self.draft(access, name)
        read = await self._read(access, draft.text)
        async with self.database.connection() as connection:
            stored = await self._decisions.last_decisions(connection, access.project.id, min(runs, MOST_REPLAYED))
        return await asyncio.to_thread(replayed, stored, read.plan)

    async def _read(self, access: ProjectAccess, text: str) -> ReadBlueprint:
        """Read a text with what it extends, in another thread: a large one takes its time."""
        try:
            extended = await asyncio.to_thread(extended_reference, text)
            parent = None
            if extended is not None:
                reference, position = extended
                try:
                    parent = await self._layer(access, reference)
                except ConfigurationError as error:
                    error.position = error.position or position
                    raise
            return await asyncio.to_thread(read_blueprint, text, LABEL, parent)
        except ConfigurationError as error:
            raise errors.invalid_blueprint(error) from error

    async def _layer(self, access: ProjectAccess, reference: BlueprintReference) -> Layer:
        if reference.name in builtin_names() and reference.version is None:
            return builtin_layer(reference.name)
        async with self.database.connection() as connection:
            found = await store.published_blueprint(connection, access.project.id, reference.name, reference.version)
            if found is None:
                own = await store.list_names(connection, access.project.id, after="", limit=200)
                names = [*builtin_names(), *(each.name for each in own if each.version is not None)]
                raise ConfigurationError(
                    f"there is no published blueprint {shown(reference.name)!r}{nearest_hint(reference.name, names)}",
                    next_step="publish it first, or name a built-in one",
                )
        return Layer(label=f"{found.name}@{found.version}", text=found.text)

    async def _referenced(self, access: ProjectAccess, text: str) -> tuple[str, ReadBlueprint]:
        """Return a built-in or published blueprint with its label; a version that was withdrawn can be compared."""
        try:
            reference = BlueprintReference.parse(text)
        except ConfigurationError as error:
            raise errors.no_blueprint(text) from error
        if reference.name in builtin_names() and reference.version is None:
            return f"{reference.name} (built-in)", await asyncio.to_thread(read_builtin, reference.name)
        async with self.database.connection() as connection:
            if reference.version is None:
                found = await store.published_blueprint(connection, access.project.id, reference.name, None)
            else:
                found = await store.find_version(connection, access.project.id, reference.name, reference.version)
        if found is None:
            raise errors.no_blueprint(text)
        label = f"{found.name}@{found.version}"
        try:
            return label, await asyncio.to_thread(read_blueprint, found.text, label)
        except ConfigurationError as error:
            # A newer version of the service may know more about checks than the one that published it.
            raise errors.invalid_blueprint(error) from error


async def _compared(before: tuple[str, ReadBlueprint], label: str, after: ReadBlueprint) -> Comparison:
    changes = await asyncio.to_thread(compare_blueprints, before[1].blueprint, after.blueprint)
    return Comparison(before=before[0], after=label, changes=changes)


def _content(read: ReadBlueprint, text: str, person: str) -> dict[str, str]:
    document = read.blueprint.document
    return {
        "version": document.version,
        "description": read.blueprint.description,
        "text": text,
        "digest": document.digest,
        "author": person,
    }


def _require_publishable(access: ProjectAccess, draft: Draft, tag: str) -> None:
    if draft.tag != tag:
        raise errors.draft_changed()
    own = f"who wrote at the draft of {draft.name!r} cannot publish it"
    for author in draft.authors:
        if (refused := refusal(access, author, Permission.BLUEPRINT_PUBLISH, own=own)) is not None:
            raise refused


async def _locked(connection: Connection, access: ProjectAccess, name: str) -> Draft:
    draft = await store.find_draft(connection, access.project.id, name, lock=True)
    if draft is None:
        raise errors.no_draft(name)
    return draft


async def _audit_draft(connection: Connection, access: ProjectAccess, draft: Draft, action: str) -> None:
    entry = AuditEntry(
        action=action,
        actor=str(access.actor),
        subject=f"blueprint:{draft.name}",
        project_id=access.project.id,
        details={"version": draft.version, "digest": draft.digest, "revision": draft.revision},
    )
    await append_entries(connection, [entry])


async def _tell(
    connection: Connection, access: ProjectAccess, published: PublishedBlueprint, what: str, details: dict[str, object]
) -> None:
    subject = f"blueprint:{published.name}@{published.version}"
    facts = {"name": published.name, "version": published.version, "digest": published.digest}
    entry = AuditEntry(
        action=f"blueprint.{what}",
        actor=str(access.actor),
        subject=subject,
        project_id=access.project.id,
        details={"digest": published.digest, **details},
    )
    await append_entries(connection, [entry])
    event = OutgoingEvent(
        type=f"dev.quilate.blueprint.{what}", project_id=access.project.id, subject=subject, data=facts
    )
    await append_events(connection, [event])
