"""Run as a script of its own: becomes somebody else, then another program. Needs nothing but the standard library.

``python -I -S embedded_launcher.py IDENTITY OWNER exec PROGRAM ARGUMENTS...`` becomes the program; it gets SIGINT when
the process OWNER ends (0: never). ``... probe PATH...`` prints one line for each path: ``1`` where that identity can
use it (a directory: list, enter and write; a file: read and run), else ``0``.

Identities: ``self`` changes nothing; ``namespace`` is root of the host but ``nobody`` in a user namespace of its own,
which is what PostgreSQL looks at; ``nobody`` gives the rights of root away for good.
"""

import ctypes
import os
import signal
import sys
from typing import NoReturn

NOBODY = 65534
IMPOSSIBLE = 117
"""Exit status: this identity cannot be had here."""

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _enter_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    os.setgroups([])
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{NOBODY} {user} 1")
    _write("/proc/self/gid_map", f"{NOBODY} {group} 1")


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _end_with(owner: int) -> None:
    # After the change of identity: the kernel forgets the signal with every change of rights.
    if not owner or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
    if os.getppid() != owner:
        sys.exit(1)  # The owner ended before the kernel knew that it should tell us.


def _usable(path: str) -> bool:
    wanted = os.R_OK | os.X_OK | (os.W_OK if os.path.isdir(path) else 0)  # noqa: PTH112 - started without pathlib's cost
    return os.access(path, wanted)


def main(arguments: list[str]) -> NoReturn:
    """Do what the module says."""
    identity, owner, action, *rest = arguments
    try:
        if identity == "namespace":
            _enter_namespace()
        elif identity == "nobody":
            _become_nobody()
    except OSError as error:
        sys.stderr.write(f"{identity}: {error}\n")
        sys.exit(IMPOSSIBLE)
    if action == "probe":
        sys.stdout.write("".join(f"{int(_usable(path))}\n" for path in rest))
        sys.exit(0)
    _end_with(int(owner))
    os.execv(rest[0], rest)  # noqa: S606 - that is what it is for; no shell


if __name__ == "__main__":
    main(sys.argv[1:])
