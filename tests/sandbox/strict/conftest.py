"""A booted strict engine, one for all tests of a process: nothing of a session stays in it."""

import pytest

from quilate.sandbox.model import Limits
from quilate.sandbox.strict import module
from quilate.sandbox.strict.engine import StrictEngine


@pytest.fixture(scope="session")
def engine() -> StrictEngine:
    made = StrictEngine(module.compiled_code_file())
    limits = Limits()
    attempts = made.boot(heap_bytes=limits.heap_bytes, stack_kibibytes=limits.stack_kibibytes)
    assert [attempt for attempt in attempts if not attempt.refused] == []
    return made
