"""Fixtures of all connectors' tests: none of them reaches beyond loopback.

A connector gets its context from ``tests.support.connectors.open_context``; its servers listen on 127.0.0.1.
"""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.support.servers import QuietServer, serving


@pytest.fixture
def serve() -> Iterator[Callable[[QuietServer], str]]:
    """Return a function that starts a bound server until the test ends and returns its base URL."""
    with contextlib.ExitStack() as stack:
        yield lambda server: f"http://127.0.0.1:{stack.enter_context(serving(server))}"
