"""``quilate up`` as a user has it: real processes, real signals."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from quilate.kit.process.tree import children_of, has_ended

DEADLINE_SECONDS = 90
QUILATE = (sys.executable, "-c", "from quilate.app.cli import main; main()")


def wait_until(true: Callable[[], bool], what: Callable[[], str] = str) -> None:
    """Wait for what another process does; fail with ``what`` after a while."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < end, f"it did not happen in time: {what()}"
        time.sleep(0.02)


class Up:
    """One ``quilate up``."""

    def __init__(self, state: Path, *arguments: str, **environment: str) -> None:
        self.state = state
        self.output = state.parent / f"{state.name}.out"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*QUILATE, "up", "--state", str(state), "--port", "0", "--workers", "2", *arguments],
                stdout=output, stderr=subprocess.STDOUT, env={**clean_environment(), **environment},
                start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        """Return what it has printed."""
        return self.output.read_text(encoding="utf-8")

    def ready(self) -> "Up":
        """Wait until it has told its address."""
        wait_until(lambda: "Ctrl+C stops it" in self.text() or self.process.poll() is not None, self.text)
        assert self.process.poll() is None, self.text()
        return self

    @property
    def port(self) -> int:
        """Where it listens."""
        found = re.search(r"Quilate is at http://127\.0\.0\.1:(\d+)", self.text())
        assert found, self.text()
        return int(found.group(1))

    def alive(self) -> int:
        """Return the status of GET /health/live, 0 without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def pid_of(self, word: str) -> int:
        """Return the living child whose command line holds a word, 0 for none."""
        for pid in children_of(self.process.pid):
            if word in command_line(pid) and not has_ended(pid):
                return pid
        return 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        os.kill(self.process.pid, number)

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(timeout=DEADLINE_SECONDS)


def command_line(pid: int) -> str:
    """Return a process's command line, empty once it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
    except OSError:
        return ""


def clean_environment() -> dict[str, str]:
    """Return our variables without settings of Quilate."""
    return {name: value for name, value in os.environ.items() if not name.startswith("QUILATE_")}


def quilate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*QUILATE, *arguments], env={**clean_environment(), **environment}, capture_output=True, text=True,
        check=False, timeout=DEADLINE_SECONDS,
    )  # fmt: skip


def left_over(seen: list[int]) -> list[str]:
    """Return the command lines of those that still live."""
    return [command_line(pid) for pid in seen if not has_ended(pid)]
