"""Which waivers bind: where a blueprint asks for approval, only those that the protected branch holds already.

A waiver that a change brings along is a request. It is shown, and it does not count until somebody who may write to
the protected branch has merged it.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from quilate.domain.errors import ConfigurationError, SourcePosition
from quilate.kit.git import git_output
from quilate.policy.model import Waiver
from quilate.waivers.inline import find_inline_waivers
from quilate.waivers.project import parse_waiver

ProtectedText = Callable[[str], str | None]
"""Path of a file to its text on the protected branch, or ``None`` where there is none."""

MAX_FILE_BYTES = 16 << 20
_MOST_LINKS = 8
_LINK_MODE = b"120000 "
_UNSAFE_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]$|\.lock$")


def binding_waivers(
    waivers: tuple[Waiver, ...], *, need_approval: bool, protected: ProtectedText | None, branch: str = ""
) -> tuple[Waiver, ...]:
    """Return the waivers, those that do not bind marked as requests.

    A waiver of the project file binds where the protected branch's project file holds one that says the same: rule,
    paths, reason, owner, approver and expiry. An inline waiver binds where the same file holds the same comment over
    the same line of code; each comment there approves one here.

    Args:
        waivers: As found in the working tree.
        need_approval: The blueprint asks for approval; without it every waiver binds.
        protected: Reads the protected branch; ``None`` where there is none, and then nothing is approved.
        branch: The protected branch's name, for the message.
    """
    if not need_approval:
        return waivers
    reason = "request: not on the protected branch" + (f" {branch}" if branch else "")
    approved: dict[str, Counter[tuple[Any, ...]]] = {}
    decided = []
    for waiver in waivers:
        path = _file_of(waiver)
        if path not in approved:
            text = protected(path) if protected is not None else None
            approved[path] = Counter() if text is None else _approved_in(path, text, inline=waiver.line is not None)
        key = _key(waiver)
        if approved[path][key] > 0:
            approved[path][key] -= 1
            decided.append(waiver)
        else:
            decided.append(replace(waiver, binding=False, not_binding_reason=reason))
    return tuple(decided)


def protected_text(root: Path, branch: str, path: str, *, follow_links: bool = False) -> str | None:
    """Return a file's text on a branch, or ``None`` where branch or file is missing or cannot be read.

    The branch as the remote has it counts before the local one, which anybody can write to. Nothing of the repository
    is executed: no hooks, filters, monitors, or fetching of missing objects.

    Args:
        root: The project's directory within the repository.
        branch: The branch's name, as a person wrote it.
        path: The file, relative to ``root``, or absolute below it.
        follow_links: Where the branch holds a symbolic link there, return the text of the file that it leads to on
            the branch, as a check of the working tree sees it; a link that leads out of ``root`` has none.
    """
    relative = _relative(root, path)
    if relative is None or not branch or _UNSAFE_BRANCH.search(branch):
        return None
    for reference in (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}"):
        if git_output(root, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}") is None:
            continue
        place = _without_links(root, reference, relative) if follow_links else relative
        content = None if place is None else git_output(root, "cat-file", "blob", f"{reference}:./{place}")
        if content is None or len(content) > MAX_FILE_BYTES:
            return None
        return content.decode("utf-8", "replace")
    return None


def _without_links(root: Path, reference: str, path: str) -> str | None:
    """Return where a path leads on a branch, link after link; ``None`` where it leads out or in a circle."""
    place = path
    for _ in range(_MOST_LINKS):
        if not (git_output(root, "ls-tree", reference, "--", f"./{place}") or b"").startswith(_LINK_MODE):
            return place
        target = git_output(root, "cat-file", "blob", f"{reference}:./{place}") or b""
        place = posixpath.normpath(posixpath.join(posixpath.dirname(place), target.decode("utf-8", "surrogateescape")))
        if place.startswith(("/", "../")) or place == ".." or "\0" in place:
            return None
    return None


def _file_of(waiver: Waiver) -> str:
    if waiver.line is not None:
        return waiver.paths[0]
    return waiver.source.rpartition(":")[0] or waiver.source


def _key(waiver: Waiver) -> tuple[Any, ...]:
    """Return what has to be the same on the protected branch; line numbers and ids may differ."""
    paths = () if waiver.line is not None else waiver.paths
    return (waiver.rule, paths, waiver.reason, waiver.owner, waiver.approver, waiver.until, waiver.covered)


def _approved_in(path: str, text: str, *, inline: bool) -> Counter[tuple[Any, ...]]:
    if inline:
        return Counter(_key(waiver) for waiver in find_inline_waivers(path, text)[0])
    return Counter(_key(waiver) for waiver in _project_waivers(path, text))


def _project_waivers(path: str, text: str) -> list[Waiver]:
    """Return the waivers of another version of the project file; what cannot be read there approves nothing."""
    import yaml  # noqa: PLC0415 - only blueprints that ask for approval need it

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
    entries = document.get("waivers") if isinstance(document, dict) else None
    found = []
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        try:
            found.append(parse_waiver(entry, index=index, position=SourcePosition(path=path)))
        except (ConfigurationError, TypeError, AttributeError):
            continue
    return found


def _relative(root: Path, path: str) -> str | None:
    given = PurePosixPath(path)
    if given.is_absolute():
        try:
            given = given.relative_to(root.as_posix())
        except ValueError:
            return None
    unsafe = ".." in given.parts or "\0" in path or not given.parts
    return None if unsafe else given.as_posix()
