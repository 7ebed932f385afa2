"""Pools for the tests of the sandbox: real worker processes, whatever level this machine allows."""

from collections.abc import AsyncIterator

import pytest_asyncio

from quilate.sandbox.model import Level
from quilate.sandbox.pool import PoolSettings, SandboxPool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[SandboxPool]:
    async with SandboxPool(PoolSettings(min_level=Level.PROCESS)) as started:
        yield started
