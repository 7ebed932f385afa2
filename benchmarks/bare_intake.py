"""What ``POST /pipelines/run`` is held against: a bare FastAPI route with a group-committed insert.

No login, no limits, no audit log, no idempotency, no logs and no metrics; the same body, the same answer, the same
number of rows in as many tables, the same driver and pool, one transaction for all requests that arrive together.

    python bare_intake.py DATABASE_URL DESCRIPTOR
"""

import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from quilate.kit.database.database import Connection, Database
from quilate.kit.database.group_commit import GroupCommit
from quilate.kit.ids import uuid7

TABLES = ("bare_runs", "bare_requests", "bare_log", "bare_events")
SCHEMA = "".join(f"CREATE TABLE {name} (id uuid PRIMARY KEY, document text NOT NULL);" for name in TABLES)
_INSERTS = (
    "INSERT INTO bare_runs SELECT * FROM unnest(%(ids)s::uuid[], %(documents)s::text[])",
    "INSERT INTO bare_requests SELECT * FROM unnest(%(ids)s::uuid[], %(documents)s::text[])",
    "INSERT INTO bare_log SELECT * FROM unnest(%(ids)s::uuid[], %(documents)s::text[])",
    "INSERT INTO bare_events SELECT * FROM unnest(%(ids)s::uuid[], %(documents)s::text[])",
)


class Body(BaseModel):
    """The source document's body."""

    project_id: str
    event_type: str
    parameters: dict[str, Any]


async def insert(connection: Connection, items: Sequence[tuple[UUID, str]]) -> Sequence[None]:
    """Insert the rows of all requests of a transaction."""
    arguments = {"ids": [item[0] for item in items], "documents": [item[1] for item in items]}
    for statement in _INSERTS:
        await connection.execute(statement, arguments)
    return [None] * len(items)


def bare_app(url: str) -> FastAPI:
    """Return the application."""
    committing: list[GroupCommit[tuple[UUID, str], None]] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with Database.open(url, max_size=16) as database:
            committing.append(GroupCommit(database, insert))
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.post("/pipelines/run", status_code=202)
    async def run_pipeline(body: Body) -> dict[str, str]:
        run = uuid7()
        document = json.dumps({"event": body.event_type, "parameters": body.parameters})
        await committing[0].submit((run, document))
        return {"pipeline_run_id": f"prun-{run.hex}", "status": "QUEUED"}

    return app


def main() -> None:
    """Serve on an inherited socket."""
    opened = socket.socket(fileno=int(sys.argv[2]))
    config = uvicorn.Config(
        bare_app(sys.argv[1]), http="httptools", loop="uvloop", ws="none", log_config=None, access_log=False
    )
    uvicorn.Server(config).run(sockets=[opened])


if __name__ == "__main__":
    main()
