"""Whose child it is: tells what one program left behind from everything else that this process has started.

Orphans of a program fall to the process that started it, where they stand beside the children of other threads. A
child in this process's own session was started here, since a program gets a session of its own and nobody can return
into an old one. With one program under way every other new child is its orphan; with several at a time the session
and a mark in the environment tell whose it is. An orphan that has shed both, while several are under way, is ended when
the last of them ends.
"""

import itertools
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from quilate.kit.process.tree import children_of

MARK = "QUILATE_PROCESS"
"""Environment variable whose value tells which program a process belongs to."""

_numbers = itertools.count()


class _Register:
    """What this process has under way."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start empty: a fork has none of its parent's children, and nobody in it to open a lock that was held."""
        self.lock = threading.Lock()
        self.roots: set[int] = set()
        self.reserved: set[int] = set()


_register = _Register()
os.register_at_fork(after_in_child=_register.forget)


def reserve(start: Callable[[], int]) -> int:
    """Start a long-lived child that is nobody's orphan, and return its process id."""
    with _register.lock:
        pid = start()
        _register.reserved.add(pid)
    return pid


def release_reserved(pid: int) -> None:
    """Forget a reserved child that has ended."""
    with _register.lock:
        _register.reserved.discard(pid)


class Claim:
    """One program under way and all that descends from it."""

    def __init__(self) -> None:
        self.mark = f"{os.getpid()}-{next(_numbers)}-{os.urandom(8).hex()}"
        self._root = 0
        self._before: frozenset[int] = frozenset()

    def start(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Start the program; no other is started, nor any child judged, in between."""
        with _register.lock:
            self._before = frozenset(children_of(os.getpid()))
            process = start()
            self._root = process.pid
            _register.roots.add(process.pid)
        return process

    def release(self) -> None:
        """Say that the program has ended with all its descendants."""
        with _register.lock:
            _register.roots.discard(self._root)

    def spares(self, pid: int) -> bool:
        """Tell whether a child of this process is none of this program's."""
        if pid == self._root:
            return False
        with _register.lock:
            if pid in self._before or pid in _register.reserved or pid in _register.roots:
                return True
            alone = len(_register.roots) == 1
        try:
            session = os.getsid(pid)
        except OSError:
            return True
        if session in {self._root, os.getsid(0)}:
            return session != self._root
        return not alone and not self._is_marked(pid)

    def _is_marked(self, pid: int) -> bool:
        try:
            return f"{MARK}={self.mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
