"""Find and end every descendant of a process, those that left its session and process group included."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_ROUNDS = 4000
"""Bound of the kill loop; each round stops all that it sees, so that even a fork bomb runs out of runners."""


def become_subreaper() -> None:
    """Make orphans among this process's descendants its own children (Linux; elsewhere nothing)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that forked it ends (Linux; elsewhere nothing)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def children_of(pid: int) -> list[int]:
    """Return the direct children of a process, zombies included."""
    if sys.platform != "linux":
        return _listed_children(pid)
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - read while processes end: strings, no stat
    except OSError:
        return found
    for task in tasks:
        with contextlib.suppress(OSError):
            found.extend(map(int, Path(f"/proc/{pid}/task/{task}/children").read_bytes().split()))
    return found


def _listed_children(pid: int) -> list[int]:
    """Return the children by ``ps``: what macOS offers, which misses what has been adopted by process 1."""
    listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, check=False).stdout  # noqa: S607 - PATH
    pairs = (line.split() for line in listing.decode().splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]


def descendants_of(pid: int, *, spare: frozenset[int] = frozenset()) -> list[int]:
    """Return all descendants of a process but those below (and including) the spared ones."""
    found: list[int] = []
    pending = [pid]
    while pending:
        for child in children_of(pending.pop()):
            if child not in spare:
                found.append(child)
                pending.append(child)
    return found


def is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and only waits to be collected, or is gone."""
    if sys.platform != "linux":
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return status[status.rfind(b")") + 2 : status.rfind(b")") + 3] in {b"Z", b"X"}


def end_descendants(pid: int, *, spare: frozenset[int] = frozenset(), uncollected: int = 0) -> int:
    """Kill every descendant of ``pid`` but the spared ones, and return how many there were.

    What is killed cannot fork any more because it was stopped first; what it had forked is found in the next round.
    Zombies that are this process's own children are collected, but for ``uncollected``, whose status its owner wants.
    """
    ended: set[int] = set()
    own = pid == os.getpid()
    for number in range(_ROUNDS):
        found = descendants_of(pid, spare=spare)
        living = [each for each in found if not is_zombie(each)]
        if own:
            _collect([each for each in found if each != uncollected])
        if not living:
            break
        for sign in (signal.SIGSTOP, signal.SIGKILL):
            for each in living:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(each, sign)
        ended.update(living)
        if number:
            time.sleep(0.001)
    return len(ended)


def _collect(candidates: list[int]) -> None:
    for each in candidates:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(each, os.WNOHANG)


def resident_bytes(pids: list[int]) -> int:
    """Return the resident memory of the given processes in bytes (Linux; elsewhere 0)."""
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
