"""What may be done with a project's events and trigger rules."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from quilate.accounts.model import ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.blueprints.references import builtin_names
from quilate.blueprints.registry.documents import BlueprintReference
from quilate.blueprints.registry.store import published_blueprint
from quilate.domain.errors import ConfigurationError
from quilate.kit.canonical import digest_of, sha256_of, to_document
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.problems import Problem
from quilate.runs.triggers import store
from quilate.runs.triggers.cloudevents import CloudEvent
from quilate.runs.triggers.intake import EventIntake
from quilate.runs.triggers.model import Accepted, NewEvent, RuleList, StoredEvent, TriggerRule
from quilate.runs.triggers.providers.generic import facts_of
from quilate.runs.triggers.rules import BUILT_IN, require_sound
from quilate.runs.triggers.store import QUERIES


class EventService:
    """CloudEvents in, events to look at and to replay."""

    def __init__(self, database: Database, intake: EventIntake) -> None:
        self.database = database
        self._intake = intake

    async def accept(self, events: Sequence[tuple[ProjectAccess, CloudEvent]], body: bytes) -> list[Accepted]:
        """Keep CloudEvents and return once they are durable; all of a request or none.

        Args:
            events: With the project of each, its permission checked.
            body: What brought them.
        """
        digest = sha256_of(body)
        return await self._intake.accept(
            [
                NewEvent(
                    project_id=access.project.id,
                    actor=str(access.actor),
                    source=event.source,
                    id=event.id,
                    facts=facts_of(event),
                    payload_digest=digest,
                    payload_bytes=len(body),
                )
                for access, event in events
            ]
        )

    async def get(self, access: ProjectAccess, event_id: UUID) -> StoredEvent:
        """Return an event.

        Raises:
            Problem: 404, the project has none of that id.
        """
        async with self.database.connection() as connection:
            return await _found(connection, access, event_id)

    async def listed(
        self, access: ProjectAccess, *, before: UUID | None, state: str | None, kind: str | None, limit: int
    ) -> Sequence[StoredEvent]:
        """Return up to ``limit`` events, the newest first, from before an id on."""
        async with self.database.connection() as connection:
            return await store.list_events(
                connection, access.project.id, before=before, state=state, kind=kind, limit=limit
            )

    async def replay(self, access: ProjectAccess, event_id: UUID) -> StoredEvent:
        """Let an event be worked off again; what it then begins is another run.

        Raises:
            Problem: 404, or 409 while it waits to be worked off.
        """

        async def work(connection: Connection) -> StoredEvent:
            event = await store.replay_event(connection, access.project.id, event_id)
            if event is None:
                await _found(connection, access, event_id)
                raise Problem(
                    status=409, type="conflict", detail="the event is waiting to be worked off",
                    next_step="read it again a little later",
                )  # fmt: skip
            entry = AuditEntry(
                action="event.replayed",
                actor=str(access.actor),
                subject=f"event:{event.id}",
                project_id=event.project_id,
                details={"replays": event.replays},
            )
            await append_entries(connection, [entry])
            return event

        return await self.database.run(work)


async def _found(connection: Connection, access: ProjectAccess, event_id: UUID) -> StoredEvent:
    event = await store.find_event(connection, access.project.id, event_id)
    if event is None:
        raise Problem(
            status=404, type="not-found", detail=f"this project has no event {event_id}", next_step="list them"
        )
    return event


class RuleService:
    """A project's trigger rules, as one ordered list."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def get(self, access: ProjectAccess) -> RuleList:
        """Return the rules that count: the project's own, or the built-in ones."""
        async with self.database.connection() as connection:
            return await _rules(connection, access.project.id)

    async def put(self, access: ProjectAccess, rules: tuple[TriggerRule, ...], tag: str | None) -> RuleList:
        """Replace the rules; an empty list lets no event begin a run.

        Args:
            access: Who writes.
            rules: All of them, in their order.
            tag: The state that is replaced; ``None`` for any.

        Raises:
            Problem: 412, or 422 where a rule makes no sense.
        """
        _require_sound(rules)

        async def work(connection: Connection) -> RuleList:
            # The project's row stands for rules that are not there yet.
            await connection.execute(QUERIES["lock_rules"], {"project": access.project.id})
            known = await _rules(connection, access.project.id)
            if tag is not None and tag != known.tag:
                if tag == f"rules-{known.revision - 1}" and known.rules == rules:
                    return known  # A commit that nobody heard of: it counted.
                raise Problem(
                    status=412,
                    type="precondition-failed",
                    detail="the rules have changed since they were read",
                    next_step="read them again and repeat the change with their ETag",
                )
            for place, rule in enumerate(rules):
                await _require_blueprint(connection, access, rule, place)
            given = {
                "project": access.project.id,
                "rules": msgspec.json.encode(rules).decode(),
                "author": access.principal.person,
            }
            cursor = await connection.execute(QUERIES["keep_rules"], given)
            changed = _of_row(await cursor.fetchone())
            entry = AuditEntry(
                action="trigger-rules.changed",
                actor=str(access.actor),
                subject=f"project:{access.project.id}",
                project_id=access.project.id,
                details={"revision": changed.revision, "rules": str(digest_of(to_document(rules)))},
            )
            await append_entries(connection, [entry])
            return changed

        return await self.database.run(work)


async def _rules(connection: Connection, project_id: UUID) -> RuleList:
    cursor = await connection.execute(QUERIES["rules"], {"project": project_id})
    row = await cursor.fetchone()
    return BUILT_IN if row is None else _of_row(row)


def _of_row(row: Any) -> RuleList:
    return RuleList(
        rules=msgspec.json.decode(row["rules"], type=tuple[TriggerRule, ...]),
        revision=row["revision"],
        author=row["author"],
        updated_at=row["updated_at"],
    )


def _require_sound(rules: Sequence[TriggerRule]) -> None:
    faults = []
    seen: set[str] = set()
    for place, rule in enumerate(rules):
        if rule.name in seen:
            faults.append((place, "name", f"there is a rule {rule.name!r} already"))
        seen.add(rule.name)
        try:
            require_sound(replace(rule, enabled=True))
        except ConfigurationError as error:
            faults.append((place, "when", f"{error}: {error.next_step}" if error.next_step else str(error)))
    if faults:
        raise _invalid(faults)


async def _require_blueprint(connection: Connection, access: ProjectAccess, rule: TriggerRule, place: int) -> None:
    if not rule.blueprint:
        return
    try:
        reference = BlueprintReference.parse(rule.blueprint)
    except ConfigurationError as error:
        raise _invalid([(place, "blueprint", error.message)]) from error
    if reference.version is None and reference.name in builtin_names():
        return
    if await published_blueprint(connection, access.project.id, reference.name, reference.version) is None:
        raise _invalid([(place, "blueprint", f"there is no published blueprint {rule.blueprint!r}")])


def _invalid(faults: Sequence[tuple[int, str, str]]) -> Problem:
    errors = [
        {"pointer": f"#/rules/{place}/{name}", "in": "body", "detail": detail[:500]} for place, name, detail in faults
    ]
    return Problem(
        status=422,
        type="invalid-request",
        detail=f"rule {faults[0][0]}: {faults[0][2]}"[:500],
        next_step="correct what errors names",
        extensions={"errors": errors},
    )
