"""Deliveries: judged by their signature first, then read, then kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Database
from quilate.kit.secrets.opened import Secrets
from quilate.kit.web.problems import Problem
from quilate.runs.triggers import hook_store
from quilate.runs.triggers.intake import EventIntake
from quilate.runs.triggers.model import Accepted, EventFacts, EventKind, Hook, NewEvent, Provider
from quilate.runs.triggers.providers import bitbucket, generic, gitea, github, gitlab, mlflow
from quilate.runs.triggers.providers.payload import PayloadError, Ping, Reading
from quilate.runs.triggers.secrets import hook_context
from quilate.runs.triggers.signatures import Unverified, Verified, verify

FRESH_SECONDS = 1.0
"""A hook is read from the database at most once in this time: so long a deleted or paused one may go on."""

_MOST_KNOWN = 1000
_READERS: Mapping[Provider, Callable[[Mapping[str, str], Mapping[str, Any]], Reading]] = {
    Provider.GITHUB: github.read,
    Provider.GITLAB: gitlab.read,
    Provider.BITBUCKET: bitbucket.read,
    Provider.GITEA: gitea.read,
    Provider.MLFLOW: mlflow.read,
    Provider.GENERIC: generic.read,
}
_FORGES = frozenset({Provider.GITHUB, Provider.GITLAB, Provider.BITBUCKET, Provider.GITEA})


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a delivery; a ping brings no events."""

    ping: bool = False
    events: Sequence[Accepted] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    hook: Hook
    secrets: tuple[tuple[str, datetime | None], ...] = field(repr=False)
    """Each with the moment at which it is no longer good, if there is one."""
    read_at: float


class Receiver:
    """Takes deliveries to hooks.

    Args:
        database: Where the hooks are.
        intake: Keeps the events.
        secrets: Opens the hooks' secrets.
        clock: Unix time in seconds.
    """

    def __init__(
        self, database: Database, intake: EventIntake, secrets: Secrets, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._intake = intake
        self._secrets = secrets
        self._clock = clock
        self._known: dict[UUID, _Known] = {}

    async def receive(self, hook_id: UUID, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Keep what a delivery says, and return once it is durable.

        Args:
            hook_id: Where it was sent to.
            headers: Names in lower case.
            body: As it arrived.

        Raises:
            Problem: 404, there is no such hook; 401, the signature is not right; 400 or 422, a signed body makes no
                sense.
        """
        known = await self._hook(hook_id, fresh_seconds=FRESH_SECONDS)
        verified = self._verified(known, headers, body)
        if isinstance(verified, Unverified):
            # The secret may have been replaced since the hook was read.
            known = await self._hook(hook_id, fresh_seconds=0)
            verified = self._verified(known, headers, body)
        hook = known.hook
        if isinstance(verified, Unverified):
            await self._intake.refuse(hook_id)
            raise _wrongly_signed(verified.reason)
        try:
            reading = _READERS[hook.wish.provider](headers, _document(headers, body))
        except PayloadError as error:
            raise Problem(
                status=422, type="invalid-request", detail=error.message, next_step=error.next_step
            ) from error
        if isinstance(reading, Ping):
            return Receipt(ping=True)
        return Receipt(events=await self._intake.accept(_new_events(hook, verified, reading, body)))

    def _verified(self, known: _Known, headers: Mapping[str, str], body: bytes) -> Verified | Unverified:
        now = self._clock()
        candidates = [secret for secret, until in known.secrets if until is None or until.timestamp() > now]
        return verify(known.hook.wish.provider, headers, body, candidates, now)

    async def _hook(self, hook_id: UUID, *, fresh_seconds: float) -> _Known:
        known = self._known.get(hook_id)
        now = time.monotonic()
        if known is not None and now - known.read_at < fresh_seconds:
            return known
        async with self._database.connection() as connection:
            hook = await hook_store.find_hook(connection, hook_id)
        if hook is None:
            self._known.pop(hook_id, None)
            raise Problem(
                status=404, type="not-found", detail="there is no such hook", next_step="see the project's hooks"
            )
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        known = _Known(hook=hook, secrets=self._candidates(hook), read_at=now)
        self._known[hook_id] = known
        return known

    def _candidates(self, hook: Hook) -> tuple[tuple[str, datetime | None], ...]:
        context = hook_context(hook.id)
        current = (self._secrets.open(hook.secret, context), None)
        if hook.previous_secret is None:
            return (current,)
        return current, (self._secrets.open(hook.previous_secret, context), hook.previous_until)


def _document(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """Return the object that a body holds: JSON, or JSON in the field ``payload`` of a form (GitHub, Gitea)."""
    content = body
    if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        try:
            fields = parse_qs(body.decode("ascii"), max_num_fields=16)
        except ValueError as error:
            raise _malformed() from error
        content = fields.get("payload", [""])[0].encode("utf-8", "replace")
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed() from error
    if not isinstance(document, dict):
        raise _malformed()
    return document


def _new_events(hook: Hook, verified: Verified, facts: Sequence[EventFacts], body: bytes) -> list[NewEvent]:
    digest = sha256_of(body)
    return [
        NewEvent(
            project_id=hook.project_id,
            actor=f"hook:{hook.id}",
            source=hook_source(hook.id),
            id=_event_id(each, verified, digest, place),
            # Where the id is not signed, whoever saw a delivery could send it again under another.
            replay_digest=None if verified.signed_id else f"{digest}#{place}",
            facts=each,
            payload_digest=digest,
            payload_bytes=len(body),
            hook_id=hook.id,
            refusal=_refusal(hook, each),
        )
        for place, each in enumerate(facts)
    ]


def hook_source(hook_id: UUID) -> str:
    """Return the source of a hook's events."""
    return f"hook:{hook_id}"


def _event_id(facts: EventFacts, verified: Verified, digest: str, place: int) -> str:
    if facts.kind is EventKind.MODEL_VERSION and facts.provider == Provider.MLFLOW.value:
        return mlflow.version_identity(facts.subject, facts.version)
    delivery = verified.delivery.replace("\0", "") or digest
    return f"{delivery}#{place}" if place else delivery


def _refusal(hook: Hook, facts: EventFacts) -> str:
    if hook.wish.paused:
        return "the hook is paused"
    wanted = {each.casefold() for each in hook.wish.repositories}
    if not wanted or hook.wish.provider not in _FORGES:
        return ""
    if facts.repository.casefold() in wanted or facts.repository_id.casefold() in wanted - {""}:
        return ""
    return f"the hook takes no events of {facts.repository or 'no repository'}"[:500]


def _wrongly_signed(reason: str) -> Problem:
    return Problem(
        status=401,
        type="unauthenticated",
        detail=f"the delivery is not signed with this hook's secret: {reason}",
        next_step="give the provider the hook's secret, or rotate it and give it the new one",
    )


def _malformed() -> Problem:
    return Problem(
        status=400, type="malformed", detail="the body is no JSON object", next_step="send the provider's JSON payload"
    )
