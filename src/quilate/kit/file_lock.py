"""A lock on a file that the kernel gives up when its last holder ends."""

import fcntl
import os
from pathlib import Path


class FileLock:
    """A lock that goes with the last process that holds its open file, however that process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.descriptor = -1

    def acquire(self) -> bool:
        """Take the lock unless somebody else holds it; return whether it is ours."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self.descriptor = descriptor
        return True

    def write(self, text: str) -> None:
        """Say in the file who holds it."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)

    def read(self) -> str:
        """Return what the holder says."""
        return self._path.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """Close our file; the lock stays with processes that inherited it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
