"""A read-only view of the tree that is judged."""

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from quilate.domain.errors import EvidenceError

MAX_FILE_BYTES = 64 << 20
"""Files beyond 64 MiB are not read whole by checks that look at text."""


@dataclass(frozen=True)
class Workspace:
    """The files of one project, as listed once by the planner.

    Attributes:
        root: Absolute, resolved path of the project.
        paths: Every judged file, relative to ``root`` with ``/``, sorted; excluded files and symbolic links that
            lead out of the root are not in it.
        escaping_links: The links that were left out for leading out of the root.
        repositories: Directories left out for being git repositories of their own, submodules for example.
    """

    root: Path
    paths: tuple[str, ...]
    escaping_links: tuple[str, ...] = field(default=())
    repositories: tuple[str, ...] = field(default=())

    def files(self, *patterns: str) -> Iterator[str]:
        """Yield the paths that match any glob pattern (``*.py`` matches in every directory), or all of them."""
        if not patterns:
            yield from self.paths
            return
        matcher = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
        for path in self.paths:
            if matcher.match(path) or matcher.match(path.rpartition("/")[2]):
                yield path

    def below(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the judged files that are, or lie below, one of the given workspace paths."""
        prefixes = tuple(name.strip("/").removeprefix("./") for name in names)
        if any(prefix in {"", "."} for prefix in prefixes):
            return self.paths
        return tuple(
            path for path in self.paths if any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)
        )

    def resolve(self, path: str) -> Path:
        """Return the absolute path of a file or directory inside the workspace.

        Raises:
            EvidenceError: It does not exist, or leads out of the workspace.
        """
        if "\0" in path:
            raise EvidenceError(f"{path!r} is no path", next_step="mend the binding in quilate.yaml")
        candidate = Path(os.path.realpath(self.root / path))
        if not candidate.is_relative_to(self.root):
            raise EvidenceError(
                f"{path!r} leads out of the workspace", next_step="bind a path inside the project's directory"
            )
        if not candidate.exists():
            raise EvidenceError(f"{path!r} does not exist", next_step="mend the binding in quilate.yaml")
        return candidate

    def read_bytes(self, path: str, *, limit: int = MAX_FILE_BYTES) -> bytes:
        """Return a file's content.

        Raises:
            EvidenceError: It leads out, does not exist, is no regular file, or is larger than ``limit`` bytes.
        """
        resolved = self.resolve(path)
        if not resolved.is_file():
            # Reading a pipe would wait for ever, and a device has no end.
            raise EvidenceError(f"{path!r} is not a file", next_step="mend the binding in quilate.yaml")
        size = resolved.stat().st_size
        if size > limit:
            raise EvidenceError(f"{path!r} has {size} bytes, more than the limit of {limit}")
        return resolved.read_bytes()

    def source_line(self, path: str, line: int) -> str:
        """Return one line of a file (from one), or an empty string where there is none."""
        lines = self._lines_of(path)
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def _lines_of(self, path: str) -> list[str]:
        if path not in self._line_cache:
            try:
                text = self.read_bytes(path).decode("utf-8", "replace")
            except (EvidenceError, OSError):
                text = ""
            self._line_cache[path] = text.splitlines()
        return self._line_cache[path]

    @cached_property
    def _line_cache(self) -> dict[str, list[str]]:
        return {}
