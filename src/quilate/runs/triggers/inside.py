"""Events from inside: versions of datasets and models that were registered in the catalogue.

They are read from the service's own outgoing events, written with the registration in one transaction, so that nothing
below this floor knows of triggers. A row is read again until it is older than any transaction may be, since rows appear
in the order of their commits and not of their numbers; known ones count once.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from quilate.accounts.model import SYSTEM
from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Connection, Database
from quilate.runs.triggers.intake import keep_events
from quilate.runs.triggers.model import INSIDE, EventFacts, EventKind, NewEvent
from quilate.runs.triggers.store import QUERIES

READER = "triggers"
PATIENCE_SECONDS = 45
_AT_ONCE = 20_000

_KINDS: Mapping[str, EventKind] = {
    "dev.quilate.dataset.version.registered": EventKind.DATASET_VERSION,
    "dev.quilate.model.version.registered": EventKind.MODEL_VERSION,
}


async def take_inside_events(database: Database) -> int:
    """Take in what is new; return how many events that was, 0 also while another process does it."""

    async def work(connection: Connection) -> int:
        cursor = await connection.execute(QUERIES["lock_reader"], {"reader": READER})
        row = await cursor.fetchone()
        if row is None or not row["mine"]:
            return 0
        return await _take(connection)

    return await database.run(work)


async def _take(connection: Connection) -> int:
    cursor = await connection.execute(QUERIES["position"], {"reader": READER})
    known = await cursor.fetchone()
    position: int = known["sequence"] if known is not None else 0
    arguments = {"position": position, "limit": _AT_ONCE, "types": list(_KINDS)}
    rows = await (await connection.execute(QUERIES["outgoing_since"], arguments)).fetchall()
    taken = await keep_events(connection, [_event(row) for row in rows]) if rows else []
    arguments = {"position": position, "limit": _AT_ONCE, "patience": PATIENCE_SECONDS}
    following = await (await connection.execute(QUERIES["next_position"], arguments)).fetchone()
    passed = following["sequence"] if following is not None else None
    if passed is not None and passed > position:
        await connection.execute(QUERIES["keep_position"], {"reader": READER, "sequence": passed})
    return sum(not each.duplicate for each in taken)


def _event(row: Mapping[str, Any]) -> NewEvent:
    body = str(row["data"]).encode()
    data = msgspec.json.decode(body)
    name, version = str(data.get("name", "")), str(data.get("version", ""))
    kind = _KINDS[row["type"]]
    return NewEvent(
        project_id=row["project_id"],
        actor=str(SYSTEM),
        source=INSIDE,
        id=str(row["id"]),
        facts=EventFacts(
            provider=INSIDE,
            kind=kind,
            type=row["type"],
            action="registered",
            subject=name,
            version=version,
            order_key=f"{kind.value}:{name}",
            occurred_at=row["created_at"],
        ),
        payload_digest=sha256_of(body),
        payload_bytes=len(body),
    )
