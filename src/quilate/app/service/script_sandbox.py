"""The sandbox of an API process: it reads scripts before they are stored, and runs tests of them.

Executions run in the script workers. This sandbox is started by the first request that needs it, so that an API that
nobody pushes scripts to has none.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from quilate.kit.web.problems import Problem
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import FailureClass, Limits, Outcome, Payload, Program
from quilate.scripts.model import FileFormat, Mode, Shape
from quilate.scripts.versions.model import Ran

if TYPE_CHECKING:
    from quilate.sandbox.pool import PoolSettings, SandboxPool
    from quilate.sandbox.validation.validate import Validator
    from quilate.sandbox.validation.violations import Violation

MOST_WAITING_TESTS = 8
"""Tests that may wait for a free worker; more are refused for now."""
_WHOLE = Shape()
_REFUSAL_SECONDS = 10.0
"""So long a sandbox that could not be had is not tried again."""


class ScriptSandbox:
    """A pool that is started when it is first needed; belongs to one event loop.

    Args:
        settings: Of the pool.
    """

    def __init__(self, settings: "PoolSettings") -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._starting = asyncio.Lock()
        self._analysing = asyncio.Lock()
        self._started: tuple[SandboxPool, Validator] | None = None
        self._refusal: tuple[float, SandboxUnavailableError] | None = None
        self._tests = 0

    async def validate(self, source: str, limits: Limits) -> "tuple[Violation, ...]":
        """Return what the static validation says of a script.

        Raises:
            Problem: 503, there is no sandbox to analyse it in.
        """
        return await self._validated(source, limits, combine=False)

    async def validate_combining(self, source: str, limits: Limits) -> "tuple[Violation, ...]":
        """As ``validate``, for a script that has to define ``combine`` as well."""
        return await self._validated(source, limits, combine=True)

    async def run(self, program: Program, limits: Limits, data: bytes, shape: Shape = _WHOLE) -> Ran:
        """Run a script on JSON: once, or once for each chunk or group.

        Raises:
            Problem: 429, too many tests are waiting; 503, there is no sandbox.
        """
        if self._tests >= self._settings.workers + MOST_WAITING_TESTS:
            raise Problem(
                status=429,
                type="too-many-requests",
                detail="too many tests of scripts are waiting",
                next_step="send it again in a second",
                headers={"Retry-After": "1"},
            )
        self._tests += 1
        try:
            async with self._available() as (pool, _):
                if shape.mode is Mode.WHOLE:
                    ran = Ran(outcome=await pool.execute(program, Payload(data=data), limits=limits))
                else:
                    ran = await _in_parts(pool, program, limits, data, shape)
        finally:
            self._tests -= 1
        failure = ran.outcome.failure
        if failure is not None and failure.kind is FailureClass.UNAVAILABLE:
            raise _unavailable(SandboxUnavailableError(failure.message))
        return ran

    async def close(self) -> None:
        """End all workers."""
        async with self._starting:
            self._started = None
            await self._stack.aclose()

    async def _validated(self, source: str, limits: Limits, *, combine: bool) -> "tuple[Violation, ...]":
        async with self._available() as (_, validator), self._analysing:
            return await validator.validate(source, limits=limits, shape_needs_combine=combine)

    @asynccontextmanager
    async def _available(self) -> "AsyncIterator[tuple[SandboxPool, Validator]]":
        try:
            yield await self._start()
        except SandboxUnavailableError as error:
            raise _unavailable(error) from error

    async def _start(self) -> "tuple[SandboxPool, Validator]":
        async with self._starting:
            if self._started is not None:
                return self._started
            if self._refusal is not None and time.monotonic() < self._refusal[0]:
                raise self._refusal[1]
            try:
                self._started = await self._begun()
            except SandboxUnavailableError as error:
                self._refusal = (time.monotonic() + _REFUSAL_SECONDS, error)
                raise
            return self._started

    async def _begun(self) -> "tuple[SandboxPool, Validator]":
        # What starts no sandbox loads none of its libraries.
        from quilate.sandbox.pool import SandboxPool  # noqa: PLC0415 - as said above
        from quilate.sandbox.validation.validate import Validator  # noqa: PLC0415 - as said above

        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(SandboxPool(self._settings))
            validator = await stack.enter_async_context(Validator(pool))
            self._stack = stack.pop_all()
        return pool, validator


async def _in_parts(pool: "SandboxPool", program: Program, limits: Limits, data: bytes, shape: Shape) -> Ran:
    """Run a script as the batch runner of executions does; the data lies in a file of its own meanwhile."""
    from quilate.scripts.batch import BatchInput, run_batch  # noqa: PLC0415 - loaded by the first test that needs it
    from quilate.scripts.executions.batches import failure_of, parts_of  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory(prefix="quilate-test-") as directory:
        source = Path(directory, "data.json")
        await asyncio.to_thread(source.write_bytes, data)
        found = await run_batch(
            pool, program, shape, BatchInput(path=source, format=FileFormat.JSON), None, limits=limits, workers=1
        )
    outcome = Outcome(
        output=found.output if isinstance(found.output, bytes) else None,
        failure=failure_of(found),
        console=found.console,
        console_truncated=found.console_truncated,
        wall_milliseconds=found.wall_milliseconds,
        cpu_milliseconds=found.cpu_milliseconds,
        peak_memory_bytes=found.peak_memory_bytes,
        engine=program.engine,
        level=pool.report.level,
    )
    return Ran(outcome=outcome, parts=parts_of(found))


def _unavailable(error: SandboxUnavailableError) -> Problem:
    return Problem(
        status=503,
        type="sandbox-unavailable",
        detail=error.message,
        next_step=error.next_step or "ask the operators to look at the log of the service",
        headers={"Retry-After": str(round(_REFUSAL_SECONDS))},
    )
