"""From a comment to what it asked for: kept with its event, its writer's role asked at the forge, done, answered."""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from quilate.accounts.model import (
    PERMISSIONS_OF_ROLE,
    Actor,
    ActorKind,
    Permission,
    Principal,
    ProjectAccess,
    ProjectReference,
    Role,
)
from quilate.deliveries.connector import DeliveryContext, DeliveryError
from quilate.deliveries.sending import SendingParts, open_context
from quilate.domain.errors import ConfigurationError, QuilateError
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.queries import load_queries
from quilate.kit.log import logger
from quilate.kit.secrets.opened import Secrets
from quilate.kit.waiting import happened
from quilate.kit.web.problems import Problem
from quilate.ops.comments.parsing import Command, Verb, find_line, parse_line
from quilate.runs.triggers.model import EventState, StoredEvent
from quilate.runs.triggers.store import Settled
from quilate.runs.triggers.working import tell_failures
from quilate.waivers.requests.model import WaiverRequest, WaiverWish
from quilate.waivers.requests.service import WaiverService

_QUERIES = load_queries("quilate.ops.comments")
_LOG = logger(__name__)
_MOST_ATTEMPTS = 8
_PAUSE_SECONDS = 30.0
_POLL_SECONDS = 1.0
_GIVEN_UP = "a command in a comment could not be carried out"
_NEEDED = {Verb.WAIVE: Permission.WAIVER_REQUEST, Verb.REVOKE: Permission.WAIVER_REQUEST}


class ForgePeople(Protocol):
    """What has to be known of a forge; ``connectors.forges.people.Forge`` implements it."""

    async def role_of(self, login: str) -> Role | None:
        """Return what somebody's role in the repository amounts to here."""
        ...

    async def reply(self, number: int, text: str) -> None:
        """Write a comment into a request."""
        ...


class OpenForge(Protocol):
    """Opens a forge for a connection."""

    def __call__(self, provider: str, context: DeliveryContext, repository: str, repository_id: str) -> ForgePeople:
        """Return the forge; the repository is named as the comment's event did, by name and id."""
        ...


async def keep_command(connection: Connection, event: StoredEvent) -> str:
    """Keep a comment's command within the transaction that settles its event; tell that there was one.

    An event that is replayed takes up again what was given up; what was done or answered before is not done again.
    """
    facts = event.facts
    line = find_line(facts.text)
    if not line or facts.pull_request is None or not facts.sender or facts.action not in {"created", ""}:
        return ""
    await connection.execute(
        _QUERIES["keep"],
        {
            "event": event.id,
            "project": event.project_id,
            "provider": facts.provider,
            "repository": facts.repository,
            "pull_request": facts.pull_request,
            "sender": facts.sender,
            "line": line,
        },
    )
    return "a command in a comment"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentParts:
    """What commands are carried out with; ``secrets`` makes names of people unreadable in what is never erased."""

    sending: SendingParts
    open_forge: OpenForge
    secrets: Secrets


async def run_comments(parts: CommentParts, stop: asyncio.Event, *, poll_seconds: float = _POLL_SECONDS) -> None:
    """Carry commands out until ``stop``; any number of processes may."""
    worker = CommentWorker(parts)
    while not stop.is_set():
        if not await worker.work_once():
            await happened(stop, poll_seconds)


class CommentWorker:
    """Carries commands out, one at a time."""

    def __init__(self, parts: CommentParts) -> None:
        self._parts = parts
        self._database: Database = parts.sending.database
        self._waivers = WaiverService(self._database)

    async def work_once(self) -> bool:
        """Carry out the next command that is due; tell whether there was one."""
        row = await self._one("claim")
        if row is None:
            return False
        try:
            await self._answered(row)
        except QuilateError as error:
            permanent = bool(getattr(error, "permanent", False))
            await self._failed(row, error.message, error.next_step, permanent=permanent)
        except Exception as error:  # noqa: BLE001 - a forge that answers anything ends no command but its own
            kind = type(error).__name__
            _LOG.error("a command in a comment broke", event_id=str(row["event_id"]), error=kind)
            await self._failed(row, f"carrying it out failed: {kind}", "", permanent=False)
        return True

    async def _failed(self, row: Mapping[str, Any], error: str, next_step: str, *, permanent: bool) -> None:
        if not permanent and row["attempts"] < _MOST_ATTEMPTS:
            await self._one("later", event=row["event_id"], error=error[:500], pause=_PAUSE_SECONDS)
            return
        following = f"{next_step}, then replay the event" if next_step else "replay the event once its cause is gone"
        # What the forge said stays with the event; the audit log keeps nothing that may name a person.
        told = Settled(id=row["event_id"], state=EventState.FAILED, reason=_GIVEN_UP, next_step=following)

        async def work(connection: Connection) -> None:
            given = {"event": row["event_id"], "error": error[:500], "next_step": following[:500]}
            await connection.execute(_QUERIES["done"], given)
            await connection.execute(_QUERIES["fail_event"], {**given, "reason": f"{_GIVEN_UP}: {error}"[:500]})
            await tell_failures(connection, [(row["project_id"], told)])

        await self._database.run(work)

    async def _answered(self, row: Mapping[str, Any]) -> None:
        found = await self._one(
            "connection", project=row["project_id"], provider=row["provider"], repository=row["repository"]
        )
        if found is None:
            text = f"the project has no connection to {row['provider']}"
            raise DeliveryError(text, next_step="make one with a token that may read members", permanent=True)
        context, _, _ = await open_context(self._parts.sending, found["id"])
        try:
            forge = self._parts.open_forge(row["provider"], context, row["repository"], row["repository_id"] or "")
            answer = row["answer"]
            if answer is None:
                answer = context.without_secrets(await self._judged(row, forge))
                await self._one("answer", event=row["event_id"], answer=answer)
            await forge.reply(row["pull_request"], f"{answer}\n\n<!-- quilate:answer:{row['event_id']} -->")
        finally:
            await context.http.close()
        await self._one("done", event=row["event_id"], error="")

    async def _judged(self, row: Mapping[str, Any], forge: ForgePeople) -> str:
        """Do what the writer's role allows and return the answer; who cannot be judged is told why."""
        try:
            role = await forge.role_of(row["sender"])
        except DeliveryError as error:
            if not error.permanent:
                raise
            return _sentences(error.message, error.next_step)
        return await self._outcome(row, role)

    async def _outcome(self, row: Mapping[str, Any], role: Role | None) -> str:
        """Do what was asked for and return the answer."""
        try:
            command = parse_line(row["line"])
        except ConfigurationError as error:
            return _sentences(error.message, f"known commands: {error.next_step}")
        needed = _NEEDED.get(command.verb, Permission.WAIVER_APPROVE)
        if role is None or needed not in PERMISSIONS_OF_ROLE[role]:
            return f"`{command.verb.value}` needs {_rights(needed)} in this repository."
        try:
            return _told(command.verb, await self._done(command, await self._access(row, role), row["event_id"]))
        except Problem as problem:
            return _sentences(problem.detail, problem.next_step)
        except QuilateError as error:
            return _sentences(error.message, error.next_step)

    async def _done(self, command: Command, access: ProjectAccess, event_id: UUID) -> WaiverRequest:
        if command.verb is Verb.WAIVE and command.until is not None:
            wish = WaiverWish(
                rule=command.rule, paths=command.paths, check_id="", reason=command.reason, until=command.until
            )
            return await self._waivers.request(access, wish, request_id=event_id)
        waiver = command.waiver or UUID(int=0)
        if command.verb is Verb.APPROVE:
            return await self._waivers.approve(access, waiver, command.reason)
        if command.verb is Verb.REJECT:
            return await self._waivers.reject(access, waiver, command.reason)
        return await self._waivers.revoke(access, waiver, command.reason)

    async def _access(self, row: Mapping[str, Any], role: Role) -> ProjectAccess:
        name = f"{row['provider']}\0{row['sender']}".encode()
        actor = hmac.new(self._parts.secrets.derived("forge-actors"), name, hashlib.sha256).hexdigest()[:24]
        await self._one("know_actor", id=actor, provider=row["provider"], login=row["sender"])
        project = ProjectReference(id=row["project_id"], slug=row["slug"], name=row["name"])
        principal = Principal(actor=Actor(kind=ActorKind.FORGE, id=actor), user_id=None, roles={project.id: role})
        return ProjectAccess(principal=principal, project=project)

    async def _one(self, name: str, **arguments: Any) -> Mapping[str, Any] | None:
        async def work(connection: Connection) -> Mapping[str, Any] | None:
            cursor = await connection.execute(_QUERIES[name], arguments)
            return await cursor.fetchone() if cursor.description else None

        return await self._database.run(work)


def _sentences(*parts: str) -> str:
    """Return what an error says as people write it into a comment."""
    return " ".join(f"{part[:1].upper()}{part[1:].rstrip('.')}." for part in parts if part)


def _rights(needed: Permission) -> str:
    return "the right to maintain" if needed is Permission.WAIVER_APPROVE else "the right to write"


def _told(verb: Verb, waiver: WaiverRequest) -> str:
    where = f" in {', '.join(f'`{path}`' for path in waiver.paths)}" if waiver.paths else ""
    about = f"`{waiver.rule}`{where} until {waiver.until.isoformat()}"
    if verb is Verb.WAIVE:
        return (
            f"The waiver of {about} waits for approval by another person who may maintain this repository: "
            f"`/quilate approve {waiver.id}`"
        )
    state = waiver.current_state.value
    more = " It counts from the next run on." if verb is Verb.APPROVE else ""
    return f"The waiver of {about} is {state}.{more}"
