"""How a worker shuts itself in, after its engine has loaded and before it reads its first script.

In this order: an unprivileged user where it is root, no new privileges, no capabilities, limits, Landlock, the
system-call filter. What a kernel lacks is reported, never passed over: ``levels`` proves by attempts what holds.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import Final

from quilate.sandbox import landlock, seccomp

NOBODY: Final = 65534
DESCRIPTORS: Final = 32
_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE, _DROP_BOUNDING, _SET_NO_NEW_PRIVILEGES = 1, 4, 24, 38
_CAPABILITIES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReport:
    """What was done.

    Attributes:
        filtered: The system-call filter is on.
        missing: What could not be done, in words.
    """

    filtered: bool
    missing: tuple[str, ...] = ()


def lock(
    *, data_bytes: int, data_ceiling_bytes: int, parent: int, executable_memory: bool, further: frozenset[str]
) -> LockReport:
    """Shut this process in.

    Args:
        data_bytes: RLIMIT_DATA to begin with; the parent moves it up to the ceiling for single executions.
        data_ceiling_bytes: Its upper end.
        parent: Process id that has to be alive: with it this process ends.
        executable_memory: The engine compiles.
        further: System calls the engine needs beside the usual ones.
    """
    if sys.platform != "linux":
        return LockReport(filtered=False, missing=(f"{sys.platform} has no system-call filter of Linux",))
    missing: list[str] = []
    library = ctypes.CDLL(None, use_errno=True)
    _drop_user(library, missing)
    if library.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        missing.append("no_new_privs is refused")
    library.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    # After the change of user, which clears it. The parent may have ended before: then there is nobody to work for.
    library.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if parent and os.getppid() != parent:
        os._exit(0)
    _limit(data_bytes, data_ceiling_bytes)
    try:
        landlock.deny_all()
    except OSError as error:
        missing.append(f"Landlock: {error.strerror}; files are refused by the system-call filter alone")
    try:
        seccomp.install(executable_memory=executable_memory, further=further)
    except OSError as error:
        missing.append(f"seccomp: {error.strerror}")
        return LockReport(filtered=False, missing=tuple(missing))
    return LockReport(filtered=True, missing=tuple(missing))


def _drop_user(library: ctypes.CDLL, missing: list[str]) -> None:
    if os.geteuid() != 0:
        return
    for capability in range(_CAPABILITIES):
        library.prctl(_DROP_BOUNDING, capability, 0, 0, 0)
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        missing.append(f"the worker stays root: {error.strerror}")


def _limit(data_bytes: int, data_ceiling_bytes: int) -> None:
    """RLIMIT_AS is not among them: V8 reserves terabytes of addresses that it never touches."""
    limits = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_NOFILE: (DESCRIPTORS, DESCRIPTORS),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_DATA: (data_bytes, data_ceiling_bytes),
    }
    for name, values in limits.items():
        with contextlib.suppress(ValueError, OSError):  # A container may have set less already.
            resource.setrlimit(name, values)
