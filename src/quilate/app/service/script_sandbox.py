"""The sandbox of an API process: it reads scripts before they are stored, and runs tests of them.

Executions run in the script workers. This sandbox is started by the first request that needs it, so that an API that
nobody pushes scripts to has none.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from quilate.kit.web.problems import Problem
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import FailureClass, Limits, Outcome, Payload, Program

if TYPE_CHECKING:
    from quilate.sandbox.pool import PoolSettings, SandboxPool
    from quilate.sandbox.validation.validate import Validator
    from quilate.sandbox.validation.violations import Violation

MOST_WAITING_TESTS = 8
"""Tests that may wait for a free worker; more are refused for now."""
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

    async def run(self, program: Program, limits: Limits, data: bytes) -> Outcome:
        """Run a script once on JSON.

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
                outcome = await pool.execute(program, Payload(data=data), limits=limits)
        finally:
            self._tests -= 1
        if outcome.failure is not None and outcome.failure.kind is FailureClass.UNAVAILABLE:
            raise _unavailable(SandboxUnavailableError(outcome.failure.message))
        return outcome

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


def _unavailable(error: SandboxUnavailableError) -> Problem:
    return Problem(
        status=503,
        type="sandbox-unavailable",
        detail=error.message,
        next_step=error.next_step or "ask the operators to look at the log of the service",
        headers={"Retry-After": str(round(_REFUSAL_SECONDS))},
    )
