"""Calls parts on several workers at a time and gives their results in the order of the parts."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Self

from quilate.sandbox.model import Failure, FailureClass, Format, Limits, Outcome, Payload, Program
from quilate.sandbox.pool import SandboxPool, SandboxSession
from quilate.scripts.batch.answers import from_store, read_group_results, read_result, stored
from quilate.scripts.batch.groups import FUNCTION, grouped_program
from quilate.scripts.batch.model import BatchResultError, PartFailure
from quilate.scripts.batch.parts import Group, Part
from quilate.scripts.batch.store import PartStore

_AHEAD: Final = 2
"""Parts that are ready for each worker, beside the one it works on."""
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


class Caller:
    """Keeps a session for each worker. An async context manager.

    Args:
        pool: Of the workers.
        program: The script.
        limits: Of each call.
        answer: How results leave the sandbox.
        single: Results stay single values.
        workers: Calls at a time.
        store: Where results are kept.
        grouped: Parts hold groups.
    """

    def __init__(
        self,
        pool: SandboxPool,
        program: Program,
        *,
        limits: Limits,
        answer: Format,
        single: bool,
        workers: int,
        store: PartStore | None,
        grouped: bool,
    ) -> None:
        self._pool = pool
        self._program = grouped_program(program, listed=answer is Format.ARROW) if grouped else program
        self._limits = limits
        self._answer = answer
        self._single = single
        self._workers = workers
        self._store = store
        self._stack = AsyncExitStack()
        self._sessions: asyncio.Queue[SandboxSession] = asyncio.Queue()
        self._tasks: deque[asyncio.Task[PartResult]] = deque()

    async def __aenter__(self) -> Self:
        try:
            for _ in range(self._workers):
                session = self._pool.session(self._program, limits=self._limits)
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
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def results(self, parts: Iterator[Part]) -> AsyncIterator[PartResult]:
        """Call all parts; give their results in order.

        Raises:
            BatchInputError: The data turned out to be broken.
        """
        more = True
        while more or self._tasks:
            while more and len(self._tasks) < self._workers * (_AHEAD + 1):
                part = await asyncio.to_thread(next, parts, None)
                if part is None:
                    more = False
                else:
                    self._tasks.append(asyncio.create_task(self._call(part)))
            if self._tasks:
                yield await self._tasks[0]
                self._tasks.popleft()

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
            outcome = await session.call(payload, function=function, answer=self._answer)
        finally:
            self._sessions.put_nowait(session)
        result.outcomes.append(replace(outcome, output=None))
        return outcome

    async def _call_chunk(self, part: Part, result: PartResult) -> None:
        output = await self._kept(part.name)
        if output is not None:
            result.reused = 1
        else:
            outcome = await self._ask(part.payload, "process", result)
            output = outcome.output
            if outcome.failure is not None or output is None:
                failure = _placed(outcome.failure, range(part.first_record, part.first_record + part.records))
                failed = PartFailure(part=part.number, key=None, first_record=part.first_record, failure=failure)
                result.failures.append(failed)
                return
        try:
            values = await asyncio.to_thread(read_result, output, self._answer, single=self._single)
        except BatchResultError as error:
            failure = Failure(kind=FailureClass.RESULT, message=str(error))
            failed = PartFailure(part=part.number, key=None, first_record=part.first_record, failure=failure)
            result.failures.append(failed)
            return
        if not result.reused:
            await self._keep(part.name, output, part.records)
        result.values.append((part.first_record, values))

    async def _call_groups(self, part: Part, result: PartResult) -> bool:
        """All groups in one call; ``False`` where they have to be called one by one."""
        if self._store is not None:
            return False
        outcome = await self._ask(part.payload, FUNCTION, result)
        if outcome.output is None:
            result.outcomes.clear()
            return False
        try:
            found = await asyncio.to_thread(
                read_group_results, outcome.output, self._answer, len(part.groups), single=self._single
            )
        except BatchResultError:
            result.outcomes.clear()
            return False
        firsts = (group.records[0] for group in part.groups)
        result.values.extend(zip(firsts, found, strict=True))
        return True

    async def _call_group(self, part: Part, index: int, group: Group, result: PartResult) -> None:
        name = group.key.encode()
        output = await self._kept(name)
        if output is not None:
            result.values.append((group.records[0], from_store(output, self._answer)))
            result.reused += 1
            return
        outcome = await self._ask(group.payload, "process", result)
        failure = outcome.failure
        values: Any = None
        if outcome.output is not None and failure is None:
            try:
                values = await asyncio.to_thread(read_result, outcome.output, self._answer, single=self._single)
            except BatchResultError as error:
                failure = Failure(kind=FailureClass.RESULT, message=str(error))
        if values is None:
            failed = PartFailure(
                part=part.number + index,
                key=group.key,
                first_record=group.records[0],
                failure=_placed(failure, group.records),
            )
            result.failures.append(failed)
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


def _placed(failure: Failure | None, records: range | list[int]) -> Failure:
    """A failure that names records by their index in the whole data."""
    if failure is None:
        return Failure(kind=FailureClass.RESULT, message="There is no result")
    record, message = failure.record, failure.message
    if record is not None and record < len(records):
        record = records[record]
    found = _PLACE.search(message)
    if failure.kind is FailureClass.INPUT and found and int(found[1]) < len(records):
        message = f"{message[: found.start()]}$[{records[int(found[1])]}]{message[found.end() :]}"
    return replace(failure, message=message, record=record)
