"""Decisions about connections and deliveries: who may make them, what they may say, what is tried and replayed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.deliveries import store
from quilate.deliveries.catalog import settings_of
from quilate.deliveries.connector import ALL_EVENTS, Connector, DeliveredEvent, DeliveryError
from quilate.deliveries.context import StoredContext, secret_context
from quilate.deliveries.model import ConnectionWish, DeliveryFilter, StoredConnection, StoredDelivery
from quilate.deliveries.sending import SendingParts, bounded, open_context
from quilate.domain.errors import ConfigurationError, QuilateError
from quilate.kit.database.database import Connection
from quilate.kit.ids import uuid7
from quilate.kit.log import logger
from quilate.kit.outgoing.http import SentRequest
from quilate.kit.web.problems import Problem
from quilate.outbox.events import OutgoingEvent, append_events

LONGEST_SECRET = 16_384
TRIAL_SECONDS = 25.0
"""A test or a dry run takes no longer: somebody waits for its answer."""

_LOG = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a test delivery or a dry run did."""

    succeeded: bool
    summary: str
    next_step: str = ""
    requests: Sequence[SentRequest] = ()


class ConnectionService:
    """Makes, changes and tries connections; shows and replays deliveries."""

    def __init__(self, parts: SendingParts, *, trial_seconds: float = TRIAL_SECONDS) -> None:
        self._parts = parts
        self._trial_seconds = trial_seconds
        self._database = parts.database

    def connectors(self) -> Sequence[Connector]:
        """Return every connector that is known and can be used: one that is broken hides none of the others."""
        found = []
        for name in self._parts.catalog.names():
            try:
                found.append(self._parts.catalog.load(name))
            except ConfigurationError as error:
                _LOG.warning("a connector cannot be used", connector=name, reason=error.message)
        return found

    async def create(self, access: ProjectAccess, wish: ConnectionWish) -> StoredConnection:
        """Make a connection; it is told of events from now on.

        Raises:
            Problem: 409 the name is taken, 422 the connector does not know a setting or a secret.
        """
        connector = self._checked(wish)
        _require_secrets(connector, {name for name, value in wish.secrets.items() if value})
        wish = _with_events(wish, connector)
        connection_id = uuid7()

        async def work(connection: Connection) -> StoredConnection:
            await store.execute(
                connection,
                "insert_connection",
                id=connection_id,
                project=access.project.id,
                type=wish.type,
                actor=str(access.actor),
                **store.columns_of(wish),
            )
            if await store.find_connection(connection, access.project.id, connection_id) is None:
                raise _taken(wish.name)
            await self._set_secrets(connection, connection_id, wish.secrets)
            return await self._recorded(connection, access, connection_id, "connection.created")

        return await self._database.run(work)

    async def listed(self, access: ProjectAccess, *, before: UUID | None, limit: int) -> Sequence[StoredConnection]:
        """Return connections, newest first."""
        async with self._database.connection() as connection:
            rows = await store.many(connection, "connections", project=access.project.id, before=before, limit=limit)
        return [store.connection_from(row) for row in rows]

    async def get(self, access: ProjectAccess, connection_id: UUID) -> StoredConnection:
        """Return a connection.

        Raises:
            Problem: 404, the project has none of that id.
        """
        async with self._database.connection() as connection:
            return await _found(connection, access, connection_id)

    async def update(
        self, access: ProjectAccess, connection_id: UUID, wish: ConnectionWish, tag: str | None
    ) -> StoredConnection:
        """Write a connection anew; secrets that are not named stay, empty ones are forgotten.

        Raises:
            Problem: 404, 409, 412 or 422.
        """
        connector = self._checked(wish)
        wish = _with_events(wish, connector)

        async def work(connection: Connection) -> StoredConnection:
            await store.one(connection, "locked_connection", project=access.project.id, id=connection_id)
            present = await _found(connection, access, connection_id)
            if tag is not None and tag != present.tag:
                raise _changed()
            if present.type != wish.type:
                raise _invalid("a connection keeps its type", "make another one")
            taken = await store.one(
                connection, "name_is_taken", project=access.project.id, name=wish.name, id=connection_id
            )
            if taken is not None and taken["taken"]:
                raise _taken(wish.name)
            held = {*present.secrets, *wish.secrets} - {name for name, value in wish.secrets.items() if not value}
            _require_secrets(connector, held)
            await store.execute(connection, "update_connection", id=connection_id, **store.columns_of(wish))
            await self._set_secrets(connection, connection_id, wish.secrets)
            return await self._recorded(connection, access, connection_id, "connection.changed")

        return await self._database.run(work)

    async def delete(self, access: ProjectAccess, connection_id: UUID, tag: str | None) -> None:
        """Take a connection away with its secrets; what was not delivered becomes a dead letter.

        Raises:
            Problem: 404 or 412.
        """

        async def work(connection: Connection) -> None:
            await store.one(connection, "locked_connection", project=access.project.id, id=connection_id)
            present = await _found(connection, access, connection_id)
            if tag is not None and tag != present.tag:
                raise _changed()
            await self._record(connection, access, present, "connection.deleted")
            await store.execute(connection, "delete_connection", id=connection_id)

        await self._database.run(work)

    async def probe(self, access: ProjectAccess, connection_id: UUID) -> Trial:
        """Try address and credentials, changing nothing.

        Raises:
            Problem: 404.
        """
        return await self._tried(access, connection_id, None)

    async def dry_run(self, access: ProjectAccess, connection_id: UUID, event: DeliveredEvent) -> Trial:
        """Return the requests that an event would cause; none of them is sent.

        Raises:
            Problem: 404.
        """
        return await self._tried(access, connection_id, event)

    async def _tried(self, access: ProjectAccess, connection_id: UUID, event: DeliveredEvent | None) -> Trial:
        await self.get(access, connection_id)
        try:
            context, connector, _ = await open_context(self._parts, connection_id, dry_run=event is not None)
        except QuilateError as error:
            return Trial(succeeded=False, summary=error.message, next_step=error.next_step)
        try:
            call = connector.probe(context) if event is None else connector.deliver(event, context)
            outcome = await bounded(call, context, self._trial_seconds)
        except DeliveryError as error:
            return Trial(succeeded=False, summary=error.message, next_step=error.next_step, requests=_recorded(context))
        finally:
            await context.http.close()
        return Trial(succeeded=True, summary=outcome.summary, requests=_recorded(context))

    async def deliveries(
        self, access: ProjectAccess, wanted: DeliveryFilter, *, before: UUID | None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """Return deliveries, newest first."""
        async with self._database.connection() as connection:
            return await store.list_deliveries(connection, access.project.id, wanted, before=before, limit=limit)

    async def delivery(self, access: ProjectAccess, delivery_id: UUID) -> StoredDelivery:
        """Return a delivery with its attempts.

        Raises:
            Problem: 404, the project has none of that id.
        """
        async with self._database.connection() as connection:
            found = await store.find_delivery(connection, access.project.id, delivery_id)
        if found is None:
            raise Problem(status=404, type="not-found", detail=f"this project has no delivery {delivery_id}")
        return found

    async def replay(self, access: ProjectAccess, delivery_id: UUID) -> StoredDelivery:
        """Let a dead letter be tried again, with the id that it always had.

        Raises:
            Problem: 404, or 409 where it is not dead.
        """

        async def work(connection: Connection) -> bool:
            row = await store.one(connection, "replay", project=access.project.id, id=delivery_id)
            if row is None:
                return False
            await append_entries(connection, [_entry(access, "delivery.replayed", f"delivery:{delivery_id}", {})])
            return True

        done = await self._database.run(work)
        found = await self.delivery(access, delivery_id)
        if not done:
            raise Problem(
                status=409,
                type="conflict",
                detail=f"delivery {delivery_id} is {found.row['state']}, not dead",
                next_step="only dead letters are replayed",
            )
        return found

    def _checked(self, wish: ConnectionWish) -> Connector:
        try:
            connector = self._parts.catalog.load(wish.type)
            settings_of(connector, wish.settings)
        except ConfigurationError as error:
            raise _invalid(error.message, error.next_step) from error
        known = {each.name for each in connector.secrets}
        unknown = sorted(set(wish.secrets) - known)
        if unknown:
            raise _invalid(f"{connector.type} knows no secret {unknown[0]!r}", f"it knows: {', '.join(sorted(known))}")
        return connector

    async def _set_secrets(self, connection: Connection, connection_id: UUID, secrets: Mapping[str, str]) -> None:
        for name, value in secrets.items():
            if not value:
                await store.execute(connection, "forget_secret", id=connection_id, name=name)
                continue
            sealed = self._parts.box.seal(value, secret_context(connection_id, name))
            await store.execute(connection, "set_secret", id=connection_id, name=name, sealed=sealed)

    async def _recorded(
        self, connection: Connection, access: ProjectAccess, connection_id: UUID, action: str
    ) -> StoredConnection:
        made = await _found(connection, access, connection_id)
        await self._record(connection, access, made, action)
        return made

    async def _record(self, connection: Connection, access: ProjectAccess, made: StoredConnection, action: str) -> None:
        details = {"type": made.type, "enabled": made.enabled, "secrets": list(made.secrets)}
        await append_entries(connection, [_entry(access, action, f"connection:{made.id}", details)])
        event = OutgoingEvent(
            type=f"dev.quilate.{action}",
            project_id=access.project.id,
            subject=f"connection:{made.id}",
            data={"connection": str(made.id), "type": made.type},
        )
        await append_events(connection, [event])


def _require_secrets(connector: Connector, held: set[str]) -> None:
    missing = [each.name for each in connector.secrets if each.required and each.name not in held]
    if missing:
        raise _invalid(f"{connector.type} needs the secret {missing[0]!r}", "give it under `secrets`")


def _recorded(context: StoredContext) -> tuple[SentRequest, ...]:
    """Return what a dry run would have sent, without the connection's secrets."""
    clean = context.without_secrets
    return tuple(
        SentRequest(
            method=sent.method,
            url=clean(sent.url),
            headers={name: clean(value) for name, value in sent.headers.items()},
            body=clean(sent.body.decode("utf-8", "replace")).encode(),
        )
        for sent in context.http.recorded
    )


def _with_events(wish: ConnectionWish, connector: Connector) -> ConnectionWish:
    if wish.events:
        return wish
    known = sorted(connector.events)
    return ConnectionWish(
        name=wish.name,
        type=wish.type,
        settings=wish.settings,
        events=tuple(known) if known != sorted(ALL_EVENTS) else ("*",),
        enabled=wish.enabled,
        secrets=wish.secrets,
    )


async def _found(connection: Connection, access: ProjectAccess, connection_id: UUID) -> StoredConnection:
    found = await store.find_connection(connection, access.project.id, connection_id)
    if found is None:
        raise Problem(status=404, type="not-found", detail=f"this project has no connection {connection_id}")
    return found


def _entry(access: ProjectAccess, action: str, subject: str, details: dict[str, Any]) -> AuditEntry:
    return AuditEntry(
        action=action, actor=str(access.actor), subject=subject, project_id=access.project.id, details=details
    )


def _invalid(detail: str, next_step: str) -> Problem:
    return Problem(status=422, type="invalid-request", detail=detail, next_step=next_step)


def _taken(name: str) -> Problem:
    return Problem(
        status=409, type="conflict", detail=f"the project has a connection {name!r}", next_step="choose another name"
    )


def _changed() -> Problem:
    return Problem(
        status=412, type="precondition-failed", detail="it was changed since you read it", next_step="read it again"
    )
