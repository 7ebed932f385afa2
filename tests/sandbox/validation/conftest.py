"""A kept session of the validator."""

from collections.abc import AsyncIterator

import pytest_asyncio

from quilate.sandbox.pool import SandboxPool
from quilate.sandbox.validation.validate import Validator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def validator(pool: SandboxPool) -> AsyncIterator[Validator]:
    async with Validator(pool) as opened:
        yield opened
