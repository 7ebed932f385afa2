"""Git repositories for tests, independent of the developer's own settings."""

import os
import subprocess
from pathlib import Path

_IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


def git(root: Path, *arguments: str) -> bytes:
    """Run a git command that has to succeed, in a repository whose first branch is ``main``; returns its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", *_IDENTITY, "-c", "init.defaultBranch=main", *arguments],
        cwd=root,
        env=environment,
        check=True,
        capture_output=True,
    ).stdout


def commit_all(root: Path, message: str) -> None:
    """Commit everything below ``root``; the repository is made where there is none."""
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
