"""Find and end every descendant of a process, those that left its session and process group included.

What makes the kill loop sure (Linux): a process that has been sent SIGSTOP starts no more children, since ``fork``
gives up when a signal waits; so parents are stopped before their children are listed. What loses its parent then falls
to the nearest subreaper and is found in the next pass. A pass that sees only ended processes can still have missed
one that was handed over while it looked; the second such pass cannot. RLIMIT_NPROC is no help against fork bombs: it
counts all processes of a user, and none of root's.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterable
from functools import cache
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_END_SECONDS = 10.0
"""Bound of the kill loop: only what hangs inside the kernel outlives it."""
_QUIET_PASSES = 2
_PAUSES = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005)
"""Seconds that a killed process is given to go before the next pass, growing."""


def become_subreaper() -> None:
    """Make orphans among this process's descendants its own children (Linux; elsewhere nothing)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def signal_when_parent_ends(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when the thread that forked it ends (Linux; elsewhere nothing)."""
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _libc().prctl(option, value, 0, 0, 0)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def spares_nobody(pid: int) -> bool:
    """Spare no process."""
    del pid
    return False


def children_of(pid: int) -> list[int]:
    """Return the direct children of a process; on Linux those that have ended and were not collected too."""
    if sys.platform != "linux":
        return _listed_children(pid)
    if not _has_children_files():
        return _scanned_children(pid)
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - read while processes end: strings, no stat
    except OSError:
        return found
    for task in tasks:
        with contextlib.suppress(OSError):
            found.extend(map(int, _content(f"/proc/{pid}/task/{task}/children").split()))
    return found


@cache
def _has_children_files() -> bool:
    """Tell whether the kernel lists children (CONFIG_PROC_CHILDREN)."""
    return Path("/proc/thread-self/children").exists()


def _content(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(descriptor, 1 << 16), b""))
    finally:
        os.close(descriptor)


def _status(pid: int | str) -> list[bytes]:
    """Return the fields of ``/proc/PID/stat`` from the state on; the name before them may hold anything."""
    return _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _scanned_children(pid: int) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - as above
        with contextlib.suppress(OSError, IndexError):
            if int(_status(name)[1]) == pid:
                found.append(int(name))
    return found


def _listed_children(pid: int) -> list[int]:
    """Return the living children by ``ps``: what macOS offers, which misses what process 1 has adopted."""
    argv = ["ps", "-axo", "pid=,ppid=,stat="]
    listing = subprocess.run(argv, capture_output=True, check=False).stdout  # noqa: S603 - fixed command of the system
    rows = (line.split() for line in listing.decode().splitlines())
    return [int(child) for child, parent, state in rows if int(parent) == pid and not state.startswith("Z")]


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or has ended and only waits to be collected."""
    if sys.platform != "linux":
        return False
    try:
        return _status(pid)[0] in {b"Z", b"X"}
    except (OSError, IndexError):
        return True


def descendants_of(pid: int, *, spares: Callable[[int], bool] = spares_nobody) -> list[int]:
    """Return all descendants of a process but the direct children that are spared, and those below them."""
    pending = [child for child in children_of(pid) if not spares(child)]
    found: list[int] = []
    while pending:
        each = pending.pop()
        found.append(each)
        pending += children_of(each)
    return found


def end_descendants(
    pid: int, *, spares: Callable[[int], bool] = spares_nobody, uncollected: Container[int] = ()
) -> frozenset[int]:
    """End every descendant of ``pid`` but the direct children that are spared, and those below them.

    Ended children of the calling process itself are collected, but for ``uncollected``, whose status their owner wants.

    Returns:
        The processes that were ended.
    """
    ended: set[int] = set()
    immune: set[int] = set()
    quiet = 0
    calls = 0
    deadline = time.monotonic() + _END_SECONDS
    while quiet < _QUIET_PASSES and time.monotonic() < deadline:
        living = _stop_all(pid, spares, uncollected, immune)
        quiet = 0 if living else quiet + 1
        if living:
            for each in living:
                _signal(each, signal.SIGKILL)
            calls = 0 if not ended.issuperset(living) else min(calls + 1, len(_PAUSES) - 1)
            ended.update(living)
            time.sleep(_PAUSES[calls])
    return frozenset(ended)


def _stop_all(pid: int, spares: Callable[[int], bool], uncollected: Container[int], immune: set[int]) -> list[int]:
    """Stop every living descendant, parents before their children, and return them."""
    direct = [child for child in children_of(pid) if not spares(child)]
    if pid == os.getpid():
        _collect(each for each in direct if each not in uncollected)
    living = []
    pending = direct
    while pending:
        each = pending.pop()
        if each in immune or has_ended(each):
            continue
        if _signal(each, signal.SIGSTOP):
            living.append(each)
        else:
            immune.add(each)
        pending += children_of(each)
    return living


def _signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return ``False`` where the process is another user's and cannot be ended from here."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _collect(candidates: Iterable[int]) -> None:
    for each in candidates:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(each, os.WNOHANG)


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of the given processes in bytes (Linux; elsewhere 0)."""
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages += int(_content(f"/proc/{pid}/statm").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
