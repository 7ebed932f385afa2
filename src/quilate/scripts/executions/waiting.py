"""Those who wait for the end of an execution: woken by a notice, and looking by themselves once a second."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

import structlog

from quilate.kit.database.database import Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.database.notices import notices
from quilate.kit.waiting import end_tasks, happened
from quilate.scripts.executions.end_notices import read_ends
from quilate.scripts.executions.model import Execution
from quilate.scripts.executions.reading import with_exports
from quilate.scripts.executions.rows import execution_from
from quilate.scripts.executions.sql import QUERIES
from quilate.scripts.executions.wakeups import DONE_CHANNEL

_LOG = structlog.get_logger("quilate.scripts")
_LOOK_SECONDS = 1.0


class Waiting:
    """Gives the ends of executions to whoever waits in this process; listens from the first of them on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._futures: dict[UUID, list[asyncio.Future[Execution | None]]] = defaultdict(list)
        self._pending: dict[UUID, Execution] = {}
        self._news: set[UUID] = set()
        self._look_at_all = False
        self._look = asyncio.Event()
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def expected(self, execution_id: UUID) -> Iterator[asyncio.Future[Execution | None]]:
        """Give a future for the end of an execution, which may not even be submitted yet.

        It has ``None`` where nobody waits any more, for this process stops.
        """
        if not self._tasks or any(task.done() for task in self._tasks):
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._give())]
        future: asyncio.Future[Execution | None] = asyncio.get_running_loop().create_future()
        if self._stopped:
            future.set_result(None)
        self._futures[execution_id].append(future)
        try:
            yield future
        finally:
            waiting = self._futures[execution_id]
            waiting.remove(future)
            if not waiting:
                del self._futures[execution_id]
                self._pending.pop(execution_id, None)

    def know(self, execution: Execution) -> None:
        """Remember an expected execution as it was taken in: where a notice holds all of its end, nothing is read."""
        if execution.id in self._futures:
            self._pending[execution.id] = execution

    def look_at(self, execution_id: UUID) -> None:
        """Look now whether an execution has ended: it was not submitted just now."""
        self._news.add(execution_id)
        self._look.set()

    def stop(self) -> None:
        """Let nobody wait any longer: this process stops."""
        self._stopped = True
        for execution_id in self._futures:
            self._settle(execution_id, None)

    async def close(self) -> None:
        """Stop listening."""
        await end_tasks(self._tasks)

    async def _listen(self) -> None:
        async for notice in notices(self._database.url, DONE_CHANNEL):
            if not notice:
                self._look_at_all = True
            self._hear(notice)
            if self._news or self._look_at_all:
                self._look.set()

    def _hear(self, notice: str) -> None:
        for each in _ids(notice):
            if each in self._futures:
                self._news.add(each)
                # Its end is more than a later notice may say: it may be replayed.
                self._pending.pop(each, None)
        for end in read_ends(notice):
            pending = self._pending.get(end.id)
            if pending is not None:
                self._settle(end.id, end.of(pending))
            elif end.id in self._futures:
                self._news.add(end.id)

    async def _give(self) -> None:
        while True:
            if not await happened(self._look, _LOOK_SECONDS):
                self._look_at_all = True
            self._look.clear()
            wanted, self._news = self._news & self._futures.keys(), set()
            if self._look_at_all:
                wanted, self._look_at_all = set(self._futures), False
            if not wanted:
                continue
            try:
                await self._give_ended(wanted)
            except (DATABASE_ERROR, OSError) as error:
                _LOG.warning("the ends of executions could not be read", error=type(error).__name__)

    async def _give_ended(self, wanted: set[UUID]) -> None:
        async with self._database.connection() as connection:
            cursor = await connection.execute(QUERIES["executions_by_id"], {"ids": list(wanted)})
            ended = [each for each in map(execution_from, await cursor.fetchall()) if each.status.ended]
            found = await with_exports(connection, ended)
        for execution in found:
            self._settle(execution.id, execution)

    def _settle(self, execution_id: UUID, execution: Execution | None) -> None:
        for future in self._futures.get(execution_id, ()):
            if not future.done():
                future.set_result(execution)


def _ids(notice: str) -> list[UUID]:
    ids = []
    for text in notice.split(",") if not notice.startswith("[") else ():
        with contextlib.suppress(ValueError):
            ids.append(UUID(text))
    return ids
