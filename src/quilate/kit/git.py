"""Ask git about a repository that nobody vouches for."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_SWITCHED_OFF = (
    *("--no-pager", "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null"),
    *("-c", "safe.bareRepository=explicit"),
)
"""An empty monitor is off in every version of git; older ones take ``false`` for the name of a program. A directory
that came with the content may look like a bare repository, with a configuration of its own: it is not taken for one.
"""


def git_output(
    directory: Path,
    *arguments: str,
    timeout_seconds: float = 60,
    may_read_repositories: bool = False,
    settings: Mapping[str, str] | None = None,
) -> bytes | None:
    """Return the output of a git command, or ``None`` where it fails or git is missing.

    The repository is not trusted: its hooks, monitors and pagers are switched off, missing objects are not fetched,
    no lock is taken for what is only read, and the caller's ``GIT_*`` variables do not lead elsewhere.

    Args:
        directory: Where git runs.
        arguments: The command and its arguments; names from outside need a check or ``--`` before them.
        timeout_seconds: How long git may take.
        may_read_repositories: Let git read other repositories on this machine, as ``clone`` of a path has to; no
            other transport is ever allowed.
        settings: Configuration that outweighs all other.
    """
    if not (may_read_repositories or in_repository(directory)):
        return None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {
        "GIT_ALLOW_PROTOCOL": "file" if may_read_repositories else "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    # Not by `-c`, which would take a name for another one where it holds a `=`.
    environment["GIT_CONFIG_COUNT"] = str(len(settings or {}))
    for number, (name, value) in enumerate((settings or {}).items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    try:
        done = subprocess.run(  # noqa: S603 - git with fixed options, never a shell
            ["git", *_SWITCHED_OFF, *arguments],  # noqa: S607 - git as PATH has it
            cwd=directory,
            env=environment,
            capture_output=True,
            check=False,
            timeout=timeout_seconds,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def git_files(directory: Path) -> list[str] | None:
    """Return the tracked and the untracked, not ignored files below ``directory``, relative to it with ``/``.

    ``None`` outside a repository. Names that are not UTF-8 come with surrogate escapes, a nested repository as its
    folder with a ``/`` at the end.
    """
    listed = git_output(directory, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        return None
    return [name.decode("utf-8", "surrogateescape") for name in listed.split(b"\0") if name]


def in_repository(directory: Path) -> bool:
    """Tell whether git could find a repository from here up; where it cannot, no process need be started to ask."""
    resolved = os.path.realpath(directory)
    while not os.path.lexists(os.path.join(resolved, ".git")):  # noqa: PTH118 - `Path` has no lexists before 3.12
        parent = os.path.dirname(resolved)  # noqa: PTH120 - as above
        if parent == resolved:
            return False
        resolved = parent
    return True


def without_filters(directory: Path) -> dict[str, str]:
    """Return the settings that switch off every filter program which a repository itself configures.

    ``git status`` runs them on changed files. The user's own filters (Git LFS, for example) are left alone.
    """
    listed = git_output(directory, "config", "-z", "--show-scope", "--name-only", "--get-regexp", r"^filter\..*\.")
    fields = (listed or b"").decode("utf-8", "surrogateescape").split("\0")
    drivers = {
        name.rpartition(".")[0]
        for scope, name in zip(fields[::2], fields[1::2], strict=False)
        if scope in {"local", "worktree"}
    }
    switched_off = (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))
    return {f"{driver}.{key}": value for driver in sorted(drivers) for key, value in switched_off}
