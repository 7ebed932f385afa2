"""Asking a model registry for new versions, for where it sends no webhooks; each version is an event once.

Source: MLflow REST API, "Search RegisteredModels" and "Search ModelVersions". A registered model's
``last_updated_timestamp`` moves with each new version, so that only models that moved are asked for theirs.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
import structlog

from quilate.accounts.model import SYSTEM
from quilate.domain.errors import QuilateError
from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Connection, Database
from quilate.kit.outgoing.http import OutgoingError, OutgoingHttp
from quilate.kit.secrets.opened import Secrets
from quilate.runs.triggers.intake import keep_events
from quilate.runs.triggers.model import EventFacts, EventKind, NewEvent, Provider
from quilate.runs.triggers.providers.mlflow import version_identity
from quilate.runs.triggers.receiving import hook_source
from quilate.runs.triggers.repeating import repeated
from quilate.runs.triggers.secrets import poll_context
from quilate.runs.triggers.store import QUERIES

POLL_SECONDS = 2.0
LEASE_SECONDS = 300.0

_PAGE = 100
_MOST_PAGES = 200
_OVERLAP_MILLISECONDS = 60_000
"""Versions this much older than the newest one seen are looked at again: registries may run on several clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryPoll:
    """A registry that is asked; ``position`` is the newest version's time by the registry's clock, in milliseconds."""

    id: UUID
    project_id: UUID
    name: str
    url: str
    token: bytes | None = field(default=None, repr=False)
    hook_id: UUID | None = None
    interval_seconds: int
    position: int
    failures: int = 0
    error: str = ""
    polled_at: datetime | None = None
    author: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    name: str
    version: str
    created: int
    document: Mapping[str, Any]


class RegistryPoller:
    """Asks the registries that are due; any number may run.

    Args:
        database: Where the registries are.
        http: Sends the requests.
        secrets: Opens tokens.
    """

    def __init__(self, database: Database, http: OutgoingHttp, secrets: Secrets) -> None:
        self._database = database
        self._http = http
        self._secrets = secrets

    async def poll_once(self) -> bool:
        """Ask one registry that is due; tell whether there was one."""
        poll = await self._database.run(_claimed)
        if poll is None:
            return False
        try:
            versions = [version async for version in self._new_versions(poll)]
        except QuilateError as error:
            await self._failed(poll, error.message)
            return True
        position = max((version.created for version in versions), default=poll.position)

        async def work(connection: Connection) -> None:
            await keep_events(connection, [_event(poll, version) for version in versions])
            await connection.execute(QUERIES["polled"], {"id": poll.id, "position": position})

        await self._database.run(work)
        return True

    async def _failed(self, poll: RegistryPoll, message: str) -> None:
        structlog.get_logger("quilate.triggers").warning("registry not read", poll=str(poll.id), reason=message)
        given = {"id": poll.id, "error": message.replace("\0", "")[:500]}

        async def work(connection: Connection) -> None:
            await connection.execute(QUERIES["poll_failed"], given)

        await self._database.run(work)

    async def _new_versions(self, poll: RegistryPoll) -> AsyncIterator[_Version]:
        since = poll.position - _OVERLAP_MILLISECONDS
        query = {"order_by": "last_updated_timestamp DESC"}
        async for model in self._listed(poll, "registered-models/search", "registered_models", query):
            if _number(model.get("last_updated_timestamp")) < since:
                return
            name = model.get("name")
            if isinstance(name, str) and name:
                for version in await self._versions_of(poll, name, since):
                    yield version

    async def _versions_of(self, poll: RegistryPoll, name: str, since: int) -> list[_Version]:
        quoted = name.replace("'", "\\'") if '"' in name else name
        quote = "'" if '"' in name else '"'
        query = {"filter": f"name = {quote}{quoted}{quote}", "order_by": "creation_timestamp DESC"}
        found = []
        async for each in self._listed(poll, "model-versions/search", "model_versions", query):
            created = _number(each.get("creation_timestamp"))
            if created <= since:
                break
            found.append(_Version(name=name, version=str(each.get("version", ""))[:64], created=created, document=each))
        return found[::-1]

    async def _listed(
        self, poll: RegistryPoll, path: str, member: str, query: Mapping[str, str]
    ) -> AsyncIterator[Mapping[str, Any]]:
        headers = {}
        if poll.token is not None:
            headers["Authorization"] = f"Bearer {self._secrets.open(poll.token, poll_context(poll.id))}"
        token = ""
        for _ in range(_MOST_PAGES):
            words = {**query, "max_results": str(_PAGE), **({"page_token": token} if token else {})}
            address = f"{poll.url.rstrip('/')}/api/2.0/mlflow/{path}?{urlencode(words)}"
            answer = await self._http.request("GET", address, headers=headers)
            if answer.status != 200:  # noqa: PLR2004 - anything else brings no list
                raise OutgoingError(f"the registry answered {answer.status}", next_step="see its address and token")
            page = answer.json()
            if not isinstance(page, dict):
                raise OutgoingError("the registry answered with no list", next_step="see that it is an MLflow server")
            for each in _objects(page.get(member)):
                yield each
            token = page.get("next_page_token") or ""
            if not isinstance(token, str) or not token:
                return


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: Any) -> int:
    """Return a time in milliseconds; protocol buffers write 64-bit numbers as texts too."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:  # noqa: PLR2004 - digits
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


async def _claimed(connection: Connection) -> RegistryPoll | None:
    row = await (await connection.execute(QUERIES["claim_poll"], {"lease": LEASE_SECONDS})).fetchone()
    return None if row is None else poll_of(row)


def poll_of(row: Mapping[str, Any]) -> RegistryPoll:
    """Return the registry of a row."""
    return RegistryPoll(
        id=row["id"],
        project_id=row["project_id"],
        name=row["name"],
        url=row["url"],
        token=bytes(row["token"]) if row["token"] is not None else None,
        hook_id=row["hook_id"],
        interval_seconds=row["interval_seconds"],
        position=row["position"],
        failures=row["failures"],
        error=row["error"],
        polled_at=row["polled_at"],
        author=row["author"],
        created_at=row["created_at"],
    )


def _event(poll: RegistryPoll, version: _Version) -> NewEvent:
    body = msgspec.json.encode(version.document)
    name = version.name.replace("\0", "")
    identity = version_identity(name, version.version)
    return NewEvent(
        project_id=poll.project_id,
        actor=str(SYSTEM),
        # With a hook the identity is that of its deliveries, which tell no time of creation.
        source=hook_source(poll.hook_id) if poll.hook_id else f"registry:{poll.id}",
        id=identity if poll.hook_id else f"{identity}:{version.created}",
        facts=EventFacts(
            provider=Provider.MLFLOW.value,
            kind=EventKind.MODEL_VERSION,
            type="model_version.created",
            action="registered",
            subject=name,
            version=version.version,
            order_key=f"mlflow:{name}",
            occurred_at=datetime.fromtimestamp(min(version.created / 1000, 253402300799), UTC),
        ),
        payload_digest=sha256_of(body),
        payload_bytes=len(body),
        hook_id=poll.hook_id,
    )


async def run_registry_polls(
    database: Database,
    stop: asyncio.Event,
    *,
    secrets: Secrets,
    http: OutgoingHttp,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Ask registries that are due until ``stop``; closes ``http``. Any number may run at once.

    Args:
        database: Where the registries are.
        stop: Ends it after the registry that is being asked.
        secrets: Opens tokens.
        http: Sends the requests.
        poll_seconds: Pause between two looks at what is due.
    """
    poller = RegistryPoller(database, http, secrets)
    try:
        await repeated(poller.poll_once, stop, poll_seconds)
    finally:
        await http.close()
