"""Events as rows."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from quilate.kit.database.arrays import bytes_array, number_array, text_array, uuid_array
from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries
from quilate.kit.ids import uuid7s
from quilate.runs.triggers.model import Accepted, EventFacts, EventState, NewEvent, StoredEvent

QUERIES = load_queries("quilate.runs.triggers")

_FACTS = tuple(field.name for field in fields(EventFacts))
_LONGEST_KEY = 512
"""Bytes of an ordering key; longer ones are known by their digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a subject is: its commit, when that came, and the commits before it, the newest first."""

    commit: str
    occurred_at: datetime | None = None
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventProject:
    """What deciding on an event needs of its project; ``rules`` are those of its own as JSON, if it has any."""

    id: UUID
    slug: str
    repository_url: str
    protected_branch: str
    archived: bool
    rules: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What an event's row is to say; a pending one is looked at again after ``pause`` seconds."""

    id: UUID
    state: EventState
    rule: str = ""
    run_id: UUID | None = None
    reason: str = ""
    next_step: str = ""
    pause: float = 0.0


Subject = tuple[UUID, str]
"""A project and an ordering key."""


async def insert_events(connection: Connection, events: Sequence[NewEvent]) -> list[Accepted]:
    """Insert events within the caller's transaction; one that is known gives the one that is there."""
    ids = uuid7s(len(events))
    identities = [_digest(event.source, event.id) for event in events]
    replays = [_digest(event.source, event.replay_digest) if event.replay_digest else None for event in events]
    facts = [_with_bounded_key(event.facts) for event in events]
    cursor = await connection.execute(
        QUERIES["insert_events"],
        {
            "ids": uuid_array(ids),
            "projects": uuid_array(event.project_id for event in events),
            "hooks": uuid_array(event.hook_id for event in events),
            "sources": text_array(event.source for event in events),
            "names": text_array(event.id for event in events),
            "identities": bytes_array(identities),
            "replays": bytes_array(replays),
            "providers": text_array(each.provider for each in facts),
            "kinds": text_array(each.kind.value for each in facts),
            "keys": text_array(each.order_key for each in facts),
            "facts": text_array(_document(each) for each in facts),
            "digests": text_array(event.payload_digest for event in events),
            "lengths": number_array(event.payload_bytes for event in events),
            "refusals": text_array(event.refusal for event in events),
        },
    )
    inserted = {row["id"] for row in await cursor.fetchall()}
    places = [place for place, event_id in enumerate(ids) if event_id not in inserted]
    known = await _known(connection, [(events[i].project_id, identities[i], replays[i]) for i in places])
    return [
        Accepted(id=event_id)
        if event_id in inserted
        else Accepted(id=known[event.project_id, replays[place] or b"", identities[place]], duplicate=True)
        for place, (event_id, event) in enumerate(zip(ids, events, strict=True))
    ]


async def _known(
    connection: Connection, wanted: Sequence[tuple[UUID, bytes, bytes | None]]
) -> dict[tuple[UUID, bytes, bytes], UUID]:
    if not wanted:
        return {}
    cursor = await connection.execute(
        QUERIES["known_events"],
        {
            "projects": uuid_array(project for project, _, _ in wanted),
            "identities": bytes_array(identity for _, identity, _ in wanted),
            "replays": bytes_array(replay for _, _, replay in wanted),
        },
    )
    rows = await cursor.fetchall()
    by_identity = {(row["project_id"], bytes(row["identity"])): row["id"] for row in rows}
    by_replay = {(row["project_id"], bytes(row["replay_identity"] or b"")): row["id"] for row in rows}
    return {
        (project, replay or b"", identity): by_identity.get((project, identity)) or by_replay[project, replay or b""]
        for project, identity, replay in wanted
    }


def _digest(source: str, name: str) -> bytes:
    return hashlib.sha256(f"{source}\0{name}".encode("utf-8", "replace")).digest()


def _with_bounded_key(facts: EventFacts) -> EventFacts:
    key = bounded_key(facts.order_key)
    return facts if key == facts.order_key else replace(facts, order_key=key)


def bounded_key(key: str) -> str:
    """Return an ordering key that fits into an index."""
    encoded = key.encode("utf-8", "replace")
    return key if len(encoded) <= _LONGEST_KEY else "sha256:" + hashlib.sha256(encoded).hexdigest()


def _document(facts: EventFacts) -> str:
    """Return what an event says as JSON, without what it does not say: most members are empty."""
    told = {name: value for name in _FACTS if (value := getattr(facts, name)) not in {None, "", False}}
    return msgspec.json.encode(told).decode()


async def find_event(connection: Connection, project_id: UUID, event_id: UUID) -> StoredEvent | None:
    """Return a project's event."""
    cursor = await connection.execute(QUERIES["event"], {"project": project_id, "id": event_id})
    row = await cursor.fetchone()
    return None if row is None else stored_event(row)


async def list_events(  # noqa: PLR0913 - the filters of the list
    connection: Connection,
    project_id: UUID,
    *,
    before: UUID | None,
    state: str | None,
    kind: str | None,
    limit: int,
) -> Sequence[StoredEvent]:
    """Return events, the newest first, from before an id on."""
    asked = {"project": project_id, "before": before, "state": state, "kind": kind, "limit": limit}
    cursor = await connection.execute(QUERIES["events"], asked)
    return [stored_event(row) for row in await cursor.fetchall()]


async def replay_event(connection: Connection, project_id: UUID, event_id: UUID) -> StoredEvent | None:
    """Let an event be worked off again; ``None`` where it is pending already, or is not there."""
    cursor = await connection.execute(QUERIES["replay_event"], {"project": project_id, "id": event_id})
    row = await cursor.fetchone()
    return None if row is None else stored_event(row)


async def claim_subjects(connection: Connection, most: int) -> list[Subject]:
    """Lock subjects with pending events until the transaction ends, those of others passed over."""
    cursor = await connection.execute(QUERIES["claim_subjects"], {"subjects": most})
    return [(row["project_id"], row["order_key"]) for row in await cursor.fetchall()]


async def pending_events(connection: Connection, subjects: Sequence[Subject], limit: int) -> list[StoredEvent]:
    """Return the oldest pending events of subjects that the caller has locked, in the order of their arrival."""
    cursor = await connection.execute(QUERIES["pending_events"], {**_subjects(subjects), "limit": limit})
    return [stored_event(row) for row in await cursor.fetchall()]


async def event_projects(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, EventProject]:
    """Return the projects of events, with their rules."""
    cursor = await connection.execute(QUERIES["projects_of_events"], {"projects": list(ids)})
    return {
        row["id"]: EventProject(
            id=row["id"],
            slug=row["slug"],
            repository_url=row["repository_url"] or "",
            protected_branch=row["protected_branch"],
            archived=row["archived"],
            rules=row["rules"],
        )
        for row in await cursor.fetchall()
    }


async def read_heads(connection: Connection, subjects: Sequence[Subject]) -> dict[Subject, Head]:
    """Return where subjects are."""
    cursor = await connection.execute(QUERIES["heads"], _subjects(subjects))
    return {
        (row["project_id"], row["order_key"]): Head(
            commit=row["commit_id"], occurred_at=row["occurred_at"], earlier=tuple(row["earlier"])
        )
        for row in await cursor.fetchall()
    }


async def keep_heads(connection: Connection, heads: Mapping[Subject, Head | None]) -> None:
    """Write where subjects are now; ``None`` for those that are gone."""
    kept = [(subject, head) for subject, head in heads.items() if head is not None]
    if kept:
        moments = [head.occurred_at for _, head in kept]
        await connection.execute(
            QUERIES["keep_heads"],
            {
                **_subjects([subject for subject, _ in kept]),
                "commits": text_array(head.commit for _, head in kept),
                "moments": moments,
                "earlier": text_array(" ".join(head.earlier) for _, head in kept),
            },
        )
    gone = [subject for subject, head in heads.items() if head is None]
    if gone:
        await connection.execute(QUERIES["drop_heads"], _subjects(gone))


async def active_runs(connection: Connection, subject: Subject) -> list[UUID]:
    """Lock and return the runs that a subject's events began and that have not ended."""
    cursor = await connection.execute(QUERIES["active_runs_of_subject"], {"project": subject[0], "key": subject[1]})
    return [row["id"] for row in await cursor.fetchall()]


async def settle(connection: Connection, settled: Sequence[Settled]) -> None:
    """Write what became of events."""
    await connection.execute(
        QUERIES["settle_events"],
        {
            "ids": uuid_array(each.id for each in settled),
            "states": text_array(each.state.value for each in settled),
            "rules": text_array(each.rule for each in settled),
            "runs": uuid_array(each.run_id for each in settled),
            "reasons": text_array(each.reason for each in settled),
            "next_steps": text_array(each.next_step for each in settled),
            "pauses": number_array(each.pause for each in settled),
        },
    )


async def forget_events(connection: Connection, days: int, most: int = 10_000) -> int:
    """Delete events that are older than these days and not pending; return how many."""
    await connection.execute(QUERIES["forget_heads"], {"days": max(days, 1)})
    # Numbers begin with the time, so that no index of times has to be kept.
    oldest = UUID(int=int((time.time() - days * 86400) * 1000) << 80)
    cursor = await connection.execute(QUERIES["forget_events"], {"oldest": oldest, "most": most})
    return cursor.rowcount


def _subjects(subjects: Sequence[Subject]) -> dict[str, Any]:
    return {
        "projects": uuid_array(project for project, _ in subjects),
        "keys": text_array(key for _, key in subjects),
    }


def stored_event(row: Mapping[str, Any]) -> StoredEvent:
    """Return the event of a row."""
    return StoredEvent(
        id=row["id"],
        project_id=row["project_id"],
        sequence=row["sequence"],
        source=row["source"],
        event_id=row["event_id"],
        hook_id=row["hook_id"],
        facts=msgspec.convert(row["facts"], EventFacts),
        state=EventState(row["state"]),
        payload_digest=row["payload_digest"],
        payload_bytes=row["payload_bytes"],
        received_at=row["received_at"],
        rule=row["rule"],
        run_id=row["run_id"],
        reason=row["reason"],
        next_step=row["next_step"],
        attempts=row["attempts"],
        replays=row["replays"],
        settled_at=row["settled_at"],
    )
