"""The level of a worker, by what it gets when it tries to get out."""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from quilate.sandbox.lockdown import LockReport
from quilate.sandbox.model import LEVELS, Attempt, Level, LevelReport


def _open() -> str:
    with open("/etc/passwd", "rb") as file:  # noqa: PTH123 - the plainest way there is to open a file
        return f"read {len(file.read(1))} byte"


def _write() -> str:
    descriptor = os.open("/tmp/quilate-sandbox-attempt", os.O_CREAT | os.O_WRONLY, 0o600)  # noqa: S108 - an attempt to get out
    os.close(descriptor)
    with suppress(OSError):
        os.unlink("/tmp/quilate-sandbox-attempt")  # noqa: S108, PTH108 - removes what the attempt made
    return "made a file"


def _socket() -> str:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    return "got a socket"


def _fork() -> str:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "made a process"


def _execute() -> str:
    # A program that does not exist: where the call itself is allowed, the answer is "no such file".
    with suppress(FileNotFoundError):
        os.execve("/nonexistent/quilate", ["quilate"], {})  # noqa: S606 - an attempt to get out
    return "may start programs"


def _signal() -> str:
    os.kill(os.getppid(), 0)
    return "may signal its parent"


ATTEMPTS: dict[str, Callable[[], str]] = {
    "open": _open,
    "write": _write,
    "socket": _socket,
    "fork": _fork,
    "exec": _execute,
    "signal": _signal,
}


def attempt_all() -> tuple[Attempt, ...]:
    """Try each way out; called once, after the lock."""
    return tuple(_attempt(name, way) for name, way in ATTEMPTS.items())


def _attempt(name: str, way: Callable[[], str]) -> Attempt:
    try:
        detail = way()
    except OSError as error:
        return Attempt(name=name, refused=True, detail=error.strerror or type(error).__name__)
    return Attempt(name=name, refused=False, detail=detail)


def judge(attempts: tuple[Attempt, ...], report: LockReport, *, jailed: bool) -> LevelReport:
    """The strongest level that the attempts bear out.

    Args:
        attempts: Of this worker, after its lock.
        report: What the lock did.
        jailed: The worker found itself in namespaces of its own (``in_a_jail``).
    """
    missing = list(report.missing)
    open_ways = [attempt.name for attempt in attempts if not attempt.refused]
    if open_ways:
        missing.append(f"a worker could still: {', '.join(open_ways)}")
    held = report.filtered and not open_ways
    if not held:
        return LevelReport(level=Level.PROCESS, attempts=attempts, missing=tuple(missing))
    if not jailed:
        missing.append("bubblewrap is not installed or not allowed to make namespaces here")
    return LevelReport(level=Level.JAILED if jailed else Level.LOCKED, attempts=attempts, missing=tuple(missing))


def in_a_jail() -> bool:
    """Whether this process has process ids and a network of its own; read before the lock.

    In a process namespace of its own a worker sees no process of the host, so its parent's id is 0 or 1; in a network
    namespace of its own there is nothing but the loopback device.
    """
    if sys.platform != "linux":
        return False
    try:
        with open("/proc/net/dev", "rb") as file:  # noqa: PTH123 - the worker starts faster without pathlib
            devices = [line.split(b":")[0].strip() for line in file.readlines()[2:]]
    except OSError:
        return False
    return os.getppid() in {0, 1} and os.getpid() <= 2 and devices in ([], [b"lo"])  # noqa: PLR2004 - bwrap is 1, we are 2


def strong_enough(level: Level, least: Level) -> bool:
    """Whether ``level`` is at least ``least``."""
    return LEVELS.index(level) >= LEVELS.index(least)
