"""Calls parts on several workers at a time and gives their results in the order of the parts."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from quilate.sandbox.model import Failure, FailureClass, Format, Limits, Outcome, Payload, Program
from quilate.sandbox.pool import SandboxPool, SandboxSession
from quilate.scripts.batch.answers import from_store, read_group_results, read_result, stored
from quilate.scripts.batch.groups import FUNCTION, grouped_program
from quilate.scripts.batch.model import BatchResultError, PartFailure
from quilate.scripts.batch.parts import Group, Part
from quilate.scripts.batch.store import PartStore

_LEAST_AHEAD: Final = 2
"""Parts for each worker that were read and whose results are not written, that under way included."""
_MOST_AHEAD: Final = 6
"""The same where they are small."""
_BYTES_AHEAD: Final = 8 << 20
"""All such parts together: beyond this they are not small."""
_SHORT: Final = 1 << 20
"""Bytes of an answer that are read sooner than a thread would be found for them."""
_PLACE: Final = re.compile(r"\$\[(\d+)\]")


@dataclass(slots=True, kw_only=True)
class PartResult:
    """What came of one part.

    Attributes:
        part: The part.
        values: Index of a first record and the result of its chunk or group, as ``answers.read_result`` gives it.
        failures: Of the chunk, or of some of its groups.
        outcomes: Of the calls.
        reused: Results that were in the store.
    """

    part: Part
    values: list[tuple[int, Any]] = field(default_factory=list)
    failures: list[PartFailure] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    reused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """How parts are called.

    Attributes:
        program: The script.
        limits: Of each call.
        answer: How results leave the sandbox.
        single: Results stay single values.
        workers: Calls at a time.
        store: Where results are kept.
        grouped: Parts hold groups.
    """

    program: Program
    limits: Limits
    answer: Format
    single: bool
    workers: int
    store: PartStore | None
    grouped: bool


class Caller:
    """Keeps a session for each worker. An async context manager."""

    def __init__(self, pool: SandboxPool, plan: CallPlan) -> None:
        self._pool = pool
        self._plan = plan
        self._store = plan.store
        listed = plan.answer is Format.ARROW
        self._program = grouped_program(plan.program, listed=listed) if plan.grouped else plan.program
        self._stack = AsyncExitStack()
        self._sessions: asyncio.Queue[SandboxSession] = asyncio.Queue()
        self._tasks: deque[asyncio.Task[PartResult]] = deque()
        self._reading: asyncio.Task[list[Part]] | None = None
        self._wanted = 0
        self._more = True
        self._waiting_bytes = 0

    async def __aenter__(self) -> Self:
        try:
            for _ in range(self._plan.workers):
                session = self._pool.session(self._program, limits=self._plan.limits)
                self._sessions.put_nowait(await self._stack.enter_async_context(session))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        # A thread cannot be stopped: it reads its parts to the end before their files go.
        reading = () if self._reading is None else (self._reading,)
        await asyncio.gather(*reading, *self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def results(self, parts: Iterator[Part]) -> AsyncIterator[PartResult]:
        """Call all parts; give their results in order.

        Raises:
            BatchInputError: The data turned out to be broken.
        """
        while self._more or self._tasks:
            self._read_ahead(parts)
            first = self._tasks[0] if self._tasks else None
            await asyncio.wait({task for task in (self._reading, first) if task}, return_when=asyncio.FIRST_COMPLETED)
            if self._reading is not None and self._reading.done():
                self._call_all(self._reading.result())
            if first is not None and first.done():
                result = first.result()
                yield result
                self._tasks.popleft()
                self._waiting_bytes -= len(result.part.payload.data)

    def _read_ahead(self, parts: Iterator[Part]) -> None:
        """Read the next parts in a thread; several at a time, as finding one costs as much as reading a small part."""
        wanted = self._room() if self._more and self._reading is None else 0
        if wanted:
            self._wanted = wanted
            self._reading = asyncio.create_task(asyncio.to_thread(lambda: list(islice(parts, wanted))))

    def _call_all(self, found: list[Part]) -> None:
        """Begin the calls of what was read; fewer parts than were wanted are the last ones."""
        self._reading = None
        self._more = len(found) == self._wanted
        for part in found:
            self._waiting_bytes += len(part.payload.data)
            self._tasks.append(asyncio.create_task(self._call(part)))

    def _room(self) -> int:
        """How many parts to read now: small ones far ahead of the calls, large ones not."""
        workers, waiting = self._plan.workers, len(self._tasks)
        if waiting < _LEAST_AHEAD * workers:
            return _LEAST_AHEAD * workers - waiting
        far = self._waiting_bytes < _BYTES_AHEAD and waiting <= (_MOST_AHEAD - 1) * workers
        return workers if far else 0

    async def _call(self, part: Part) -> PartResult:
        result = PartResult(part=part)
        if not part.groups:
            await self._call_chunk(part, result)
        elif not await self._call_groups(part, result):
            for index, group in enumerate(part.groups):
                await self._call_group(part, index, group, result)
        return result

    async def _ask(self, payload: Payload, function: str, result: PartResult) -> Outcome:
        session = await self._sessions.get()
        try:
            outcome = await session.call(payload, function=function, answer=self._plan.answer)
        finally:
            self._sessions.put_nowait(session)
        result.outcomes.append(outcome)
        await asyncio.sleep(0)  # The worker gets its next part before this one's answer is looked at.
        return outcome

    async def _call_chunk(self, part: Part, result: PartResult) -> None:
        output = await self._kept(part.name)
        failure: Failure | None = None
        if output is not None:
            result.reused = 1
        else:
            outcome = await self._ask(part.payload, "process", result)
            output, failure = outcome.output, outcome.failure
        values, failure = await self._read(output, failure)
        if failure is not None:
            records = range(part.first_record, part.first_record + part.records)
            named = placed(failure, records)
            result.failures.append(
                PartFailure(part=part.number, key=None, first_record=part.first_record, failure=named)
            )
            return
        if output is not None and not result.reused:
            await self._keep(part.name, output, part.records)
        result.values.append((part.first_record, values))

    async def _read(self, output: bytes | None, failure: Failure | None) -> tuple[Any, Failure | None]:
        """What an answer says, or why it says nothing."""
        if failure is not None or output is None:
            return None, failure or Failure(kind=FailureClass.RESULT, message="There is no result")
        plan = self._plan
        try:
            if len(output) <= _SHORT:
                return read_result(output, plan.answer, single=plan.single), None
            return await asyncio.to_thread(read_result, output, plan.answer, single=plan.single), None
        except BatchResultError as error:
            return None, Failure(kind=FailureClass.RESULT, message=str(error))

    async def _call_groups(self, part: Part, result: PartResult) -> bool:
        """All groups in one call; ``False`` where they have to be called one by one."""
        store = self._store
        if store is not None and any(store.has(group.key.encode()) for group in part.groups):
            return False
        outcome = await self._ask(part.payload, FUNCTION, result)
        if outcome.output is None:
            result.outcomes.clear()
            return False
        try:
            found = await asyncio.to_thread(
                read_group_results, outcome.output, self._plan.answer, len(part.groups), single=self._plan.single
            )
        except BatchResultError:
            result.outcomes.clear()
            return False
        if store is not None:
            await asyncio.to_thread(store.put_all, list(map(_stored_group, part.groups, found)))
        firsts = (group.records[0] for group in part.groups)
        result.values.extend(zip(firsts, found, strict=True))
        return True

    async def _call_group(self, part: Part, index: int, group: Group, result: PartResult) -> None:
        name = group.key.encode()
        output = await self._kept(name)
        if output is not None:
            result.values.append((group.records[0], from_store(output, self._plan.answer)))
            result.reused += 1
            return
        outcome = await self._ask(group.payload, "process", result)
        values, failure = await self._read(outcome.output, outcome.failure)
        if failure is not None:
            named = placed(failure, group.records)
            result.failures.append(
                PartFailure(part=part.number + index, key=group.key, first_record=group.records[0], failure=named)
            )
            return
        await self._keep(name, stored(values), len(group.records))
        result.values.append((group.records[0], values))

    async def _kept(self, name: bytes) -> bytes | None:
        if self._store is None:
            return None
        found = await asyncio.to_thread(self._store.get, name)
        return None if found is None else found[0]

    async def _keep(self, name: bytes, result: bytes, records: int) -> None:
        if self._store is not None:
            await asyncio.to_thread(self._store.put, name, result, records)


def _stored_group(group: Group, values: Any) -> tuple[bytes, bytes, int]:
    return group.key.encode(), stored(values), len(group.records)


def placed(failure: Failure, records: Sequence[int]) -> Failure:
    """A failure that names records by their index in the whole data."""
    record, message = failure.record, failure.message
    if record is not None and record < len(records):
        record = records[record]
    found = _PLACE.search(message)
    if failure.kind is FailureClass.INPUT and found and int(found[1]) < len(records):
        message = f"{message[: found.start()]}$[{records[int(found[1])]}]{message[found.end() :]}"
    return replace(failure, message=message, record=record)
