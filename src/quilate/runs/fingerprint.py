"""The key of a check's result: everything that its answer depends on. What did not change is not run again."""

import os
import platform
import re
import sys
from functools import cache
from pathlib import Path, PurePosixPath

from quilate import __version__
from quilate.blueprints.model import PlannedCheck
from quilate.checks.api import Tool
from quilate.checks.context import PASSED_ON, find_interpreter
from quilate.checks.registry import CHECK_TYPES, load_check
from quilate.checks.tools import find_tool
from quilate.checks.workspace import Workspace
from quilate.domain.errors import EvidenceError
from quilate.domain.ids import Digest
from quilate.kit.canonical import digest_of, sha256_of
from quilate.runs.files import FileIndex
from quilate.runs.subject import tree_digest


class Fingerprints:
    """Computes the keys of one run's checks; shared parts are computed once."""

    def __init__(self, workspace: Workspace, index: FileIndex, interpreter: str) -> None:
        self._workspace = workspace
        self._index = index
        self._interpreter = interpreter
        self._environment: str | None = None

    def key(self, check: PlannedCheck) -> Digest | None:
        """Return the key, or ``None`` for a check whose result must not be kept."""
        inputs = check.inputs
        if not inputs.cacheable or check.effects or (inputs.endpoint and check.fresh_for_seconds is None):
            return None
        try:
            tools = {tool.name: tool_version(tool) for tool in inputs.tools}
            environment = self._environment_digest() if inputs.interpreter else ""
        except EvidenceError:
            return None
        return Digest(
            digest_of(
                {
                    "quilate": __version__,
                    "code": [installation_digest(), plugin_digest(check.type)],
                    "check": [check.id, check.type, check.version],
                    "parameters": check.parameters,
                    "binding": check.binding,
                    "severity_threshold": check.severity_threshold,
                    "files": self._files_digest(inputs.files, inputs.also),
                    "configuration": self._configuration_digest(inputs.configuration),
                    "tools": tools,
                    "libraries": installed_distributions(),
                    "environment": environment,
                    "platform": [platform.system(), platform.machine(), platform.python_version()],
                }
            )
        )

    def _files_digest(self, names: tuple[str, ...] | None, also: tuple[str, ...]) -> str:
        chosen = self._workspace.paths if names is None else self._workspace.below(names)
        # A bound file may be excluded from the judged tree (a large dataset, for example) and still be an input.
        missing = [name for name in names or () if not self._workspace.below([name])]
        return tree_digest({path: self._index.record(path).digest for path in (*chosen, *missing, *also)})

    def _configuration_digest(self, names: tuple[str, ...]) -> str:
        if not names:
            return ""
        root = self._workspace.root
        folders = {parent for path in self._workspace.paths for parent in PurePosixPath(path).parents}
        places = [*(f"{folder}/" for folder in folders), *(f"{folder}/" for folder in root.parents)]
        candidates = [place.removeprefix("./") + name for place in places for name in names]
        # There are three names for every directory of the project.
        full = ((path, os.path.join(root, path)) for path in candidates)  # noqa: PTH118 - strings are ten times as fast
        found = [path for path, place in full if os.path.exists(place)]  # noqa: PTH110 - as above
        return tree_digest({path: self._index.record(path).digest for path in found})

    def _environment_digest(self) -> str:
        if self._environment is None:
            self._environment = environment_digest(find_interpreter(self._workspace.root, self._interpreter))
        return self._environment


def tool_version(tool: Tool) -> str:
    """Return what identifies an installed tool: its program file and its distribution's version.

    Raises:
        ToolMissingError: It is not installed.
    """
    path = find_tool(tool)
    status = os.stat(path)  # noqa: PTH116 - a string path
    version = installed_distributions().get(_normalised(tool.distribution), "") if tool.distribution else ""
    return f"{path} {status.st_size} {status.st_mtime_ns} {version}"


@cache
def installed_distributions() -> dict[str, str]:
    """Return the versions of the packages beside the running interpreter, read from their directory names.

    ``importlib.metadata`` would say the same at 70 ms; names of ``.dist-info`` directories are specified (PEP 376).
    """
    found = {}
    for folder in sys.path:
        if not folder.endswith("site-packages"):
            continue
        for name in os.listdir(folder) if os.path.isdir(folder) else ():  # noqa: PTH112, PTH208 - strings, hot path
            match = re.fullmatch(r"(.+?)-([^-]+)\.dist-info", name)
            if match:
                found[_normalised(match[1])] = match[2]
    return found


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def environment_digest(interpreter: str) -> str:
    """Return a digest over every file (path, size, modification time) that an interpreter's packages consist of.

    The variables that programs of a check get from the environment are in it as well.
    """
    prefix = Path(interpreter).parent.parent
    lines: list[str] = [f"{interpreter} {_stamp(os.path.realpath(interpreter))}"]
    lines += [f"{name}={os.environ[name]}" for name in ("PATH", *PASSED_ON) if name in os.environ]
    # Debian has its packages in `dist-packages`, others in `lib64`, and what is installed by hand in `local`.
    patterns = [f"{base}lib*/python3*/{kind}-packages" for base in ("", "local/") for kind in ("site", "dist")]
    folders = sorted({os.path.realpath(folder) for pattern in patterns for folder in prefix.glob(pattern)})
    for folder in folders:
        _append_tree(folder, lines)
    return sha256_of("\n".join(lines).encode("utf-8", "surrogateescape"))


def _append_tree(folder: str, lines: list[str]) -> None:
    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            with os.scandir(current) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    pending.append(entry.path)
            else:
                status = entry.stat(follow_symlinks=False)
                lines.append(f"{entry.path} {status.st_size} {status.st_mtime_ns}")


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - a string path
    except OSError:
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns}"


@cache
def plugin_digest(check_type: str) -> str:
    """Return a digest over the files of the plugin that brings a check type, or an empty text for Quilate's own."""
    place = "" if check_type in CHECK_TYPES else getattr(load_check(check_type), "place", "")
    if not place:
        return ""
    lines = [f"{place} {_stamp(place)}"]
    _append_tree(place, lines)
    return sha256_of("\n".join(lines).encode("utf-8", "surrogateescape"))


@cache
def installation_digest() -> str:
    """Return a digest over Quilate's own files, so that an edited check never answers from the cache."""
    lines: list[str] = []
    _append_tree(str(Path(__file__).resolve().parent.parent), lines)
    return sha256_of("\n".join(lines).encode("utf-8", "surrogateescape"))
