"""Look for processes by a marker in their command line."""

import time
from pathlib import Path


def unique_marker(name: str) -> str:
    """Return a text that no other process has in its command line."""
    return f"{name}-{time.time_ns()}"


def processes_with(marker: str) -> list[str]:
    """Return the living processes whose command line holds the marker."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if marker in line and state not in {"Z", "X"}:
            found.append(f"{entry.name}: {line}")
    return found


def wait_until_running(marker: str, *, count: int = 1, seconds: float = 20) -> list[str]:
    """Return the processes with the marker once there are at least ``count`` and no more come or go.

    A daemon is started through processes that end at once: two looks in a row must see the same.
    """
    before: list[str] = []
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = processes_with(marker)
        if len(found) >= count and found == before:
            return found
        before = found
        time.sleep(0.05)
    return before


def wait_until_gone(marker: str, *, seconds: float = 20) -> list[str]:
    """Return the processes with the marker that are left after ``seconds``: none, as soon as there is none."""
    limit = time.monotonic() + seconds
    while (found := processes_with(marker)) and time.monotonic() < limit:
        time.sleep(0.01)
    return found
