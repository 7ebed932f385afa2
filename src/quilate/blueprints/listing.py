"""Which files a project has: git's answer, and much the same where there is no git."""

import os
from collections.abc import Iterator
from pathlib import Path

from quilate.kit.git import git_files

MAX_LISTED = 100_000
"""Files looked at when a project is detected; more are a data lake, not a repository."""

_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})


def listed_files(root: Path) -> tuple[str, ...]:
    """Return the files below ``root``, relative with ``/``, sorted: git's list, else all outside hidden folders.

    Folders of installed packages are left out; symbolic links to folders are not followed.
    """
    names = git_files(root)
    if names is None:
        return tuple(sorted(_walk(root)))
    return tuple(sorted({name for name in names if not _skipped(name)}))[:MAX_LISTED]


def _skipped(name: str) -> bool:
    return any(part.startswith(".") or part in _SKIPPED for part in name.split("/")[:-1])


def _walk(root: Path) -> Iterator[str]:
    count = 0
    for parent, directories, names in os.walk(root):
        directories[:] = sorted(name for name in directories if not _skipped(f"{name}/"))
        prefix = "" if Path(parent) == root else f"{Path(parent).relative_to(root).as_posix()}/"
        for name in names:
            count += 1
            if count > MAX_LISTED:
                return
            yield prefix + name
