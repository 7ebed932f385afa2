"""A small disk that a test fills: a tmpfs in a mount namespace of its own, seen only by processes that enter it."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PIECE = 1 << 20
_AS_ROOT = os.geteuid() == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallDisk:
    """A disk.

    Attributes:
        prefix: Runs a command where the disk is mounted.
        seen: The directory as this process reaches it.
    """

    prefix: tuple[str, ...]
    seen: Path

    def fill(self) -> None:
        """Take all the room that is left."""
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        size = _PIECE
        try:
            while size:
                try:
                    os.write(descriptor, bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    @property
    def _filler(self) -> Path:
        return self.seen / "filler"


@contextmanager
def small_disk(directory: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """Mount a disk of a size on an empty directory, for processes run with its prefix; needs Linux and util-linux."""
    directory.mkdir(mode=0o700, parents=True)
    script = f'mount -t tmpfs -o size={mebibytes}m,mode=0700 tmpfs "$1" && echo mounted && exec sleep infinity'
    alone = ["unshare", "--mount"] if _AS_ROOT else ["unshare", "--user", "--map-root-user", "--mount"]
    holder = subprocess.Popen([*alone, "sh", "-c", script, "sh", str(directory)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mounted\n", "this machine lets nobody mount a tmpfs in a namespace"
        enter = ["nsenter", "--target", str(holder.pid), "--mount"]
        prefix = enter if _AS_ROOT else [*enter, "--user", "--preserve-credentials"]
        yield SmallDisk(prefix=tuple(prefix), seen=Path(f"/proc/{holder.pid}/root{directory}"))
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()
