"""``.quilate/``: what a project's runs leave on this machine. Bounded, locked, ignored by git."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quilate.domain.errors import ConfigurationError

KEPT_RUNS = 50
"""Older runs are removed; what must last is sealed and archived elsewhere."""

MAX_CACHE_BYTES = 256 << 20
"""Results and artifacts beyond this are removed, those used longest ago first."""


_NOT_WRITABLE = frozenset({errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The layout of ``.quilate`` below a project's root."""

    root: Path

    @property
    def path(self) -> Path:
        """The directory itself."""
        return self.root / ".quilate"

    @property
    def runs(self) -> Path:
        """One directory per run, named by its number."""
        return self.path / "runs"

    @property
    def results(self) -> Path:
        """The result cache: one file per fingerprint."""
        return self.path / "cache" / "results"

    @property
    def artifacts(self) -> Path:
        """Reports and logs by their digest."""
        return self.path / "cache" / "artifacts"

    @property
    def baselines(self) -> Path:
        """Findings of git revisions that runs were compared with."""
        return self.path / "cache" / "baselines"

    @property
    def index_file(self) -> Path:
        """The digests of files."""
        return self.path / "cache" / "files.msgpack"

    def prepare(self) -> None:
        """Make the directory with its own ``.gitignore``.

        Raises:
            ConfigurationError: It cannot be written.
        """
        ignore = self.path / ".gitignore"
        folders = (self.path, self.runs, self.results.parent, self.results, self.artifacts, self.baselines)
        files = (ignore, self._lock, self._counter, self.index_file)
        try:
            # A repository may hold a `.quilate` of its own: through a link in it a run would write elsewhere.
            for entry in (*folders, *files):
                if entry.is_symlink():
                    raise ConfigurationError(f"{entry} is a symbolic link", next_step="remove it")
            for directory in folders:
                directory.mkdir(parents=True, exist_ok=True)
                if not os.access(directory, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(directory))
            for entry in files:
                if entry.exists() and not entry.is_file():
                    raise ConfigurationError(f"{entry} is not a file", next_step=f"remove it, or all of {self.path}")
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {error.filename or self.path}: {error.strerror}",
                next_step=f"make the project's directory writable, or remove {self.path} if it is damaged",
            ) from error

    @property
    def _lock(self) -> Path:
        return self.path / "lock"

    @property
    def _counter(self) -> Path:
        return self.path / "last_run"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory against a second run.

        Raises:
            ConfigurationError: Another run holds it (names its process), or the disk is full or read-only.
        """
        self.prepare()
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {self._lock}: {error.strerror}", next_step="make the project's directory writable"
            ) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                raise ConfigurationError(
                    f"another run is under way here (process {holder or 'unknown'})",
                    next_step="wait for it, or stop it with Ctrl+C where it runs",
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            raise ConfigurationError(
                f"{error.filename or self.path} cannot be written or read: {error.strerror}",
                next_step="make room, or make it accessible to the user who runs this",
            ) from error
        finally:
            os.close(descriptor)

    def numbers(self) -> list[int]:
        """Return the numbers of the kept runs, oldest first."""
        try:
            names = [entry.name for entry in self.runs.iterdir()]
        except OSError:
            return []
        return sorted(int(name) for name in names if re.fullmatch(r"[1-9][0-9]{0,8}", name))

    def next_number(self) -> int:
        """Return the number of a new run; numbers are never used again."""
        try:
            text = self._counter.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            text = ""
        # A damaged counter must not give a number that `numbers` does not take for one.
        last = int(text) if re.fullmatch(r"[1-9][0-9]{0,7}", text) else 0
        number = max([last, *self.numbers()]) + 1
        write_atomically(self._counter, str(number).encode("ascii"))
        return number

    def run_path(self, reference: str) -> Path:
        """Return the directory of a run by its number or ``last``.

        Raises:
            ConfigurationError: There is no such run; says which there are.
        """
        numbers = self.numbers()
        if reference == "last" and numbers:
            return self.runs / str(numbers[-1])
        if reference.isdecimal() and int(reference) in numbers:
            return self.runs / reference
        kept = f"runs {numbers[0]} to {numbers[-1]} are kept" if numbers else "no run is kept here"
        raise ConfigurationError(f"no run {reference!r} in {self.runs}", next_step=f"{kept}; `quilate run` makes one")

    def prune(self) -> None:
        """Remove what is beyond the bounds."""
        for number in self.numbers()[:-KEPT_RUNS]:
            shutil.rmtree(self.runs / str(number), ignore_errors=True)
        _prune_bytes([self.results, self.artifacts, self.baselines], MAX_CACHE_BYTES)


def _prune_bytes(directories: list[Path], limit: int) -> None:
    entries = []
    for directory in directories:
        try:
            with os.scandir(directory) as listing:
                for entry in listing:
                    if entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        entries.append((status.st_mtime, status.st_size, entry.path))
        except OSError:
            continue
    excess = sum(size for _, size, _ in entries) - limit
    for _, size, path in sorted(entries):
        if excess <= 0:
            return
        Path(path).unlink(missing_ok=True)
        excess -= size


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    # A run writes one file for each check, and file objects and paths would take twice as long as strings.
    folder, name = os.path.split(path)
    partial = os.path.join(folder, f".{name}.{os.getpid()}")  # noqa: PTH118 - as above
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
    os.replace(partial, path)  # noqa: PTH105 - as above
