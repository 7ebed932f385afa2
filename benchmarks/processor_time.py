"""How much processor time each kind of process takes, from ``/proc``."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process: its own time, and that of the children whose end it has seen, in seconds."""

    pid: int
    parent: int
    own: float
    reaped: float
    command: str


def processes() -> dict[int, Process]:
    """Return every process of the machine that can be read."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        ticks = [int(number) for number in fields[11:15]]
        pid = int(entry.name)
        found[pid] = Process(
            pid=pid,
            parent=int(fields[1]),
            own=(ticks[0] + ticks[1]) / _TICKS,
            reaped=(ticks[2] + ticks[3]) / _TICKS,
            command=command,
        )
    return found


def busy_seconds() -> float:
    """Return the processor time that the whole machine has spent on anything."""
    user, nice, system, _, _, interrupts, soft = map(int, Path("/proc/stat").read_text().split(maxsplit=8)[1:8])
    return (user + nice + system + interrupts + soft) / _TICKS


def tree(root: int, every: Mapping[int, Process]) -> list[Process]:
    """Return a process and all that come from it."""
    children: dict[int, list[int]] = {}
    for process in every.values():
        children.setdefault(process.parent, []).append(process.pid)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid in every:
            found.append(every[pid])
            waiting.extend(children.get(pid, ()))
    return found


_KINDS = {
    "warm_process": "warm",
    "worker_main": "main",
    "app.service.background": "background",
    "app.service.api": "api",
}
"""What a process of the service is, by a part of its command."""


def kind_of_ours(process: Process) -> str:
    """Return what a process of the service is."""
    return next((kind for part, kind in _KINDS.items() if part in process.command), "others")


def kind_of_postgres(process: Process) -> str:
    """Return ``backends`` for what serves a connection, ``postgres_helpers`` for writers and the like."""
    return "backends" if "[local]" in process.command else "postgres_helpers"


def kind_of_peer(process: Process) -> str:
    """Return one kind for all that a peer runs."""
    del process
    return "peer"


Kind = Callable[[Process], str]


@dataclass(slots=True, kw_only=True)
class ProcessorTime:
    """Processor time by kind of process, from the start of a measurement to its end.

    Attributes:
        roots: The processes whose trees are watched, with what tells the kind of each one in the tree.
    """

    roots: Mapping[int, Kind]
    _begin: dict[str, float] = field(default_factory=dict)
    _began: float = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._begin = self._read()
        self._began = time.perf_counter()

    def cores(self) -> dict[str, float]:
        """Return how many cores each kind kept busy since the start, and ``machine`` for all that ran on it."""
        passed = time.perf_counter() - self._began
        now = self._read()
        return {kind: round((now[kind] - self._begin.get(kind, 0.0)) / passed, 3) for kind in sorted(now)}

    def _read(self) -> dict[str, float]:
        every = processes()
        seconds: dict[str, float] = {"machine": busy_seconds()}
        for root, kind in self.roots.items():
            for process in tree(root, every):
                name = kind(process)
                seconds[name] = seconds.get(name, 0.0) + process.own
                if process.reaped:
                    # Backends that have ended count with the server that started them.
                    ended = "backends" if kind is kind_of_postgres else name
                    seconds[ended] = seconds.get(ended, 0.0) + process.reaped
        return seconds
