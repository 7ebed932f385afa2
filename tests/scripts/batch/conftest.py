"""A pool of real workers for a module's tests."""

from collections.abc import AsyncIterator

import pytest_asyncio

from quilate.sandbox.model import Level
from quilate.sandbox.pool import PoolSettings, SandboxPool


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pool() -> AsyncIterator[SandboxPool]:
    """Two workers, locked where this machine can."""
    async with SandboxPool(PoolSettings(workers=2, min_level=Level.PROCESS)) as made:
        yield made
