"""What blueprints and project files ask of git, and the same answers where there is no git."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

MAX_LISTED = 100_000
"""Files looked at when a project is detected; more are a data lake, not a repository."""

_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})


def git_output(directory: Path, *arguments: str) -> bytes | None:
    """Return the output of a read-only git command, or ``None`` where it fails or git is missing.

    The repository is not trusted: its hooks and monitors are switched off, and so is the user's environment.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    options = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    try:
        done = subprocess.run(  # noqa: S603 - git with fixed options, never a shell
            ["git", *options, *arguments],  # noqa: S607 - git is looked up on PATH as everywhere
            cwd=directory,
            env=environment,
            capture_output=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def listed_files(root: Path) -> tuple[str, ...]:
    """Return the files below ``root``, relative with ``/``, sorted: git's list, else all outside hidden folders.

    Folders of installed packages are left out; symbolic links to folders are not followed.
    """
    output = git_output(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if output is None:
        return tuple(sorted(_walk(root)))
    names = (name.decode("utf-8", "surrogateescape") for name in output.split(b"\0") if name)
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
