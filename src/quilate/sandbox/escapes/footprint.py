"""What this process and its descendants take from the host: processes and resident memory, read from ``/proc``."""

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Of one moment.

    Attributes:
        processes: Descendants of this process.
        memory_bytes: Resident, of them and of this process; what they share is counted once for each.
    """

    processes: int
    memory_bytes: int


def footprint() -> Footprint | None:
    """Return it; ``None`` where the system has no ``/proc``, as macOS and Windows."""
    if not (_PROC / "self" / "statm").exists():
        return None
    own = os.getpid()
    descendants = _descendants(own)
    return Footprint(processes=len(descendants), memory_bytes=sum(_resident(each) for each in (own, *descendants)))


def _descendants(process: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [process]
    while waiting:
        direct = children.get(waiting.pop(), [])
        found += direct
        waiting += direct
    return found


def _parent(entry: Path) -> int | None:
    try:
        fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None  # It has ended meanwhile.
    return int(fields[1])


def _resident(process: int) -> int:
    try:
        return int((_PROC / str(process) / "statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except OSError:
        return 0
