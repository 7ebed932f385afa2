"""The sandbox processes below another process, and which of them computes."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

from quilate.kit.process.tree import descendants_of

_COMPUTED_TICKS: Final = 10
"""What a sandbox that waits for calls never uses after it was shut in; 100 ms on every Linux."""
_FILTERED: Final = "Seccomp:\t2\n"
_DEADLINE_SECONDS: Final = 20.0


def sandboxes_of(pid: int) -> list[int]:
    """Return the sandbox processes below a process, those that start included."""
    return [each for each in descendants_of(pid) if b"sandbox" in _read(each, "cmdline")]


async def computing_sandbox(pid: int) -> int:
    """Return the sandbox below a process that runs a script.

    A sandbox that starts uses the processor too, and more of it than a script that has just begun: only what is used
    behind the lockdown, which is the last step of a start, counts.

    Raises:
        AssertionError: None did within the deadline.
    """
    first: dict[int, int] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while True:
                for sandbox in sandboxes_of(pid):
                    if _FILTERED not in _read(sandbox, "status").decode():
                        continue
                    used = _ticks(sandbox)
                    if used - first.setdefault(sandbox, used) >= _COMPUTED_TICKS:
                        return sandbox
                await asyncio.sleep(0.02)
    raise AssertionError(f"no sandbox below {pid} computes; there are {sandboxes_of(os.getpid())}")


def _ticks(pid: int) -> int:
    """Processor time of a process that may have ended."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12]) if fields else 0


def _read(pid: int, name: str) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""
