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
