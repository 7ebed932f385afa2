"""A bare copy of what was fetched from one repository; nothing is ever checked out of it."""

import re
from collections.abc import Sequence
from pathlib import Path

from quilate.kit.process.model import ProcessResult
from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.git_commands import Git, RemoteAccess, output_lines, remote_error

COMMIT = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_ABBREVIATED = re.compile(r"\A[0-9a-f]{4,63}\Z")
_LONGEST_NAME = 255
_BAD_NAME = re.compile(r"\A[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\Z|\.lock(?:/|\Z)|/\.|\.\Z|\A@\Z")
"""What ``git check-ref-format`` refuses, and names that begin with a dash."""


class Mirror:
    """One repository's copy in one directory; its user holds the directory's lock."""

    def __init__(self, git: Git, directory: Path, access: RemoteAccess) -> None:
        self._git = git
        self.directory = directory
        self._access = access

    def holds(self, commit: str) -> bool:
        """Tell whether a commit is here with all that belongs to it."""
        if not (self.directory / "HEAD").is_file():
            return False
        # A reference is made after everything that it needs has arrived; an object alone may lack its tree.
        found = self._local("for-each-ref", "--format=%(objecttype) %(objectname)", f"refs/quilate/commits/{commit}")
        return found.strip() == b"commit " + commit.encode()

    def fetch(self, commit: str, name: str = "") -> None:
        """Fetch one commit without its history: by its id, or by the branch or tag that leads to it.

        Raises:
            SourceRefusedError: The repository has no such commit.
            SourceUnavailableError: The repository cannot be reached.
        """
        self._make(commit)
        target = f"refs/quilate/commits/{commit}"
        # By its id first: the branch may have moved on since.
        result = self._fetch("--depth=1", f"+{commit}:{target}")
        if result is not None and name:
            result = self._fetch("--depth=1", f"+{name}:{target}")
        if result is not None:
            # A server that gives only what its branches and tags name: all of them, and then see.
            result = self._fetch("+refs/heads/*:refs/quilate/heads/*", "+refs/tags/*:refs/quilate/tags/*")
            if result is not None:
                raise result
            self._local("update-ref", "--no-deref", target, commit)
        if not self.holds(commit):
            raise no_such_revision(commit)

    def holds_on_branch(self, commit: str, branch: str) -> bool:
        """Fetch a branch with its history; tell whether the commit is part of it.

        Raises:
            SourceRefusedError: The repository has no such branch.
            SourceUnavailableError: The repository cannot be reached.
        """
        self._make(commit)
        target = f"refs/quilate/history/{branch}"
        error = self._fetch(f"+refs/heads/{branch}:{target}")
        if error is not None:
            raise error
        found = self._git.run(f"--git-dir={self.directory}", "merge-base", "--is-ancestor", commit, target)
        if found.returncode != 0:
            return False
        self._local("update-ref", "--no-deref", f"refs/quilate/commits/{commit}", commit)
        return True

    def _make(self, commit: str) -> None:
        if (self.directory / "HEAD").is_file():
            return
        form = "sha256" if len(commit) == _SHA256_LENGTH else "sha1"
        made = self._git.run(
            *("-c", "init.defaultBranch=main", "init", "--quiet", "--bare", "--template="),
            *(f"--object-format={form}", "--", str(self.directory)),
        )
        if made.returncode != 0:
            raise SourceUnavailableError("the mirror cannot be made", next_step="see the disk of the worker")

    def _fetch(self, *arguments: str) -> SourceRefusedError | SourceUnavailableError | None:
        options = [argument for argument in arguments if argument.startswith("--")]
        references = [argument for argument in arguments if not argument.startswith("--")]
        try:
            result = self._run_fetch(options, references)
        finally:
            for left in self.directory.glob("objects/pack/tmp_*"):
                left.unlink(missing_ok=True)
        return remote_error(result) if result.returncode != 0 else None

    def _run_fetch(self, options: Sequence[str], references: Sequence[str]) -> ProcessResult:
        return self._git.run(
            *(f"--git-dir={self.directory}", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"),
            *("--no-recurse-submodules", "--no-auto-maintenance", "--no-write-commit-graph", *options),
            *("--", self._access.repository.address, *references),
            access=self._access,
        )

    def _local(self, *arguments: str) -> bytes:
        return self._git.run(f"--git-dir={self.directory}", *arguments).stdout


_SHA256_LENGTH = 64


def resolve_revision(git: Git, access: RemoteAccess, revision: str, branch: str) -> tuple[str, str, str]:
    """Return the commit id that a name stands for now, the branch it was, and the full name of the reference.

    A full commit id is returned as it is, without a question to the repository. Without a revision it is the newest
    commit of ``branch``, and without that one of the repository's own default branch.

    Raises:
        SourceRefusedError: There is no such name, or it is not one.
        SourceUnavailableError: The repository cannot be reached.
    """
    if COMMIT.match(revision):
        return revision, branch, ""
    for name in (revision, branch):
        if name:
            require_name(name)
    named = revision or branch
    patterns = [f"refs/heads/{named}", f"refs/tags/{named}", f"refs/tags/{named}^{{}}"] if named else ["HEAD"]
    result = git.run("ls-remote", "--quiet", "--symref", "--", access.repository.address, *patterns, access=access)
    if result.returncode != 0:
        raise remote_error(result)
    references, default = _references(output_lines(result.stdout))
    if not named:
        if "HEAD" not in references:
            raise SourceRefusedError(
                "the repository's default branch has no commit", next_step="push one, or name another branch"
            )
        return references["HEAD"], default.removeprefix("refs/heads/"), default or "HEAD"
    if f"refs/heads/{named}" in references:
        return references[f"refs/heads/{named}"], named, f"refs/heads/{named}"
    if revision and f"refs/tags/{named}" in references:
        commit = references.get(f"refs/tags/{named}^{{}}") or references[f"refs/tags/{named}"]
        return commit, branch, f"refs/tags/{named}"
    raise no_such_revision(named)


def _references(lines: Sequence[str]) -> tuple[dict[str, str], str]:
    references: dict[str, str] = {}
    default = ""
    for line in lines:
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            default = value.removeprefix("ref: ")
        elif COMMIT.match(value):
            references[name] = value
    return references, default if default.startswith("refs/heads/") else ""


def require_name(name: str) -> None:
    """Refuse what is not the name of a branch or tag.

    Raises:
        SourceRefusedError: It is not.
    """
    if len(name) > _LONGEST_NAME or _BAD_NAME.search(name):
        raise SourceRefusedError(
            "that is not the name of a branch or tag", next_step="give a branch, a tag or a full commit id"
        )


def no_such_revision(name: str) -> SourceRefusedError:
    """Return the error for a name or id that the repository does not have."""
    hint = "give the full commit id" if _ABBREVIATED.match(name) and not COMMIT.match(name) else "correct it"
    return SourceRefusedError(f"the repository has no commit, branch or tag {name!r}", next_step=hint)
