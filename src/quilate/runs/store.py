"""``.quilate/``: what a project's runs leave on this machine. Bounded, locked, ignored by git."""

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
        try:
            if self.path.is_symlink():
                raise ConfigurationError(f"{self.path} is a symbolic link", next_step="remove it")
            for directory in (self.runs, self.results, self.artifacts, self.baselines):
                directory.mkdir(parents=True, exist_ok=True)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {self.path}: {error.strerror}", next_step="make the project's directory writable"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory against a second run.

        Raises:
            ConfigurationError: Another run holds it; names its process.
        """
        self.prepare()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
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
        counter = self.path / "last_run"
        try:
            last = int(counter.read_text(encoding="ascii"))
        except (OSError, ValueError):
            last = 0
        number = max([last, *self.numbers()]) + 1
        counter.write_text(str(number), encoding="ascii")
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
                    status = entry.stat()
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
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
