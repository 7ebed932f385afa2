"""Group commit: requests that arrive together share one transaction, and each hears its own outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from quilate.kit.database.database import Connection, Database
from quilate.kit.database.notices import Notice

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class GroupCommit(Generic[Item, Outcome]):
    """Collects items while a transaction is under way and writes them all with the next one.

    ``write`` gets the items in the order of their arrival and returns one outcome for each. It protects items from
    each other itself (``ON CONFLICT``, checks beforehand): when it raises, every item of the batch hears the error
    after each was tried again alone, so that a bad one does not take the others along. ``announce`` as for
    ``Database.run_pipelined``.
    """

    def __init__(
        self,
        database: Database,
        write: Callable[[Connection, Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        largest_batch: int = 256,
        observe: Callable[[int], None] | None = None,
        announce: Callable[[Sequence[Outcome]], Notice | None] | None = None,
    ) -> None:
        self._database = database
        self._write = write
        self._largest = largest_batch
        self._observe = observe
        self._announce = announce
        self._waiting: list[tuple[Item, asyncio.Future[Outcome]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Outcome:
        """Return the item's outcome once the transaction that holds it has been committed."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                # One turn of the loop lets requests that are being read at this moment come along.
                await asyncio.sleep(0)
                batch, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                await self._commit(batch)
        finally:
            self._writer = None
            if self._waiting:
                self._writer = asyncio.create_task(self._work())

    async def _commit(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        if self._observe is not None:
            self._observe(len(batch))
        try:
            outcomes = await self._in_one_transaction([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller whose item it was hears it
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            for entry in batch:
                await self._commit([entry])
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _in_one_transaction(self, items: Sequence[Item]) -> Sequence[Outcome]:
        async def work(connection: Connection) -> Sequence[Outcome]:
            return await self._write(connection, items)

        return await self._database.run_pipelined(work, announce=self._announce)


def _fail(future: asyncio.Future[Outcome], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
