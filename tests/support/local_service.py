"""A whole ``quilate up --local`` of real processes, for tests from the outside."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

QUILATE = (sys.executable, "-c", "from quilate.app.cli import main; main()")
_DEADLINE_SECONDS = 120.0
_TICK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalService:
    """One service.

    Attributes:
        url: Where it answers.
        state: What it keeps.
    """

    url: str
    state: Path


@contextmanager
def local_service(*arguments: str, **environment: str) -> Iterator[LocalService]:
    """Start ``quilate up --local`` on a free port and a fresh state; stop it as Ctrl+C does."""
    # Unprivileged users must be able to reach it: PostgreSQL refuses to run as root.
    place = Path(tempfile.mkdtemp(prefix="quilate-local-"))
    place.chmod(0o755)
    output = place / "up.out"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("QUILATE_")} | environment
    command = [*QUILATE, "up", "--local", "--state", str(place / "state"), "--port", "0", "--workers", "1", *arguments]
    with output.open("wb") as writing:
        process = subprocess.Popen(
            command, stdout=writing, stderr=subprocess.STDOUT, env=variables, start_new_session=True
        )
    try:
        yield LocalService(url=_address(process, output), state=place / "state")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        process.wait(timeout=_DEADLINE_SECONDS)
        shutil.rmtree(place, ignore_errors=True)


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    end = time.monotonic() + _DEADLINE_SECONDS
    while "Ctrl+C stops it" not in (text := output.read_text(encoding="utf-8")):
        assert process.poll() is None, text
        assert time.monotonic() < end, text
        time.sleep(_TICK_SECONDS)
    found = re.search(r"Quilate is at (http://127\.0\.0\.1:\d+)", text)
    assert found, text
    return found.group(1)
