"""A ``quilate up`` of its own for each test that asks for one."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.up import Up


@pytest.fixture
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="quilate-up-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def up(place: Path) -> Iterator[Up]:
    started = Up(place / "state")
    yield started.ready()
    if started.process.poll() is None:
        started.signal(signal.SIGINT)
        started.end()
