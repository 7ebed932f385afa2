"""Entry points of installed distributions, found without reading the metadata of those that have none of ours.

``importlib.metadata.entry_points`` reads every distribution there is, which takes tens of milliseconds. Here the files
``entry_points.txt`` are looked through for a group's prefix, and only distributions that have it are read with
``importlib.metadata``.

Source: https://packaging.python.org/en/latest/specifications/entry-points/
"""

import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_FOLDER = re.compile(r"(?P<name>.+?)(?:-(?P<version>[^-]+))?(?:-py[\d.]+)?\.(?:dist|egg)-info")
_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One entry point.

    Attributes:
        group: Its group.
        name: What it is called in there.
        value: Where it is: ``module:attribute`` or ``module``.
        distribution: Name and version of what brings it, such as ``quilate-books 1.0.0``.
        fault: Why nothing of the distribution can be read, or empty.
    """

    group: str
    name: str
    value: str
    distribution: str
    fault: str = ""


def offered(prefix: str) -> tuple[Offered, ...]:
    """Return the entry points of all groups that begin with ``prefix``, in the order of names; nothing is imported.

    A distribution that is installed in two places counts once, as the first on the path. The working directory is
    left out where it is on the path: a project that is judged brings no plugins. What is installed while this process
    runs is found by the next one.
    """
    return _offered(prefix, tuple(sys.path), _working_directory())


def _working_directory() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""


@lru_cache(maxsize=8)
def _offered(prefix: str, places: tuple[str, ...], left_out: str) -> tuple[Offered, ...]:
    found: dict[str, tuple[Offered, ...]] = {}
    for place in places:
        if place in {"", left_out}:
            continue
        for folder in _folders(place):
            name = _normalised(os.path.basename(folder))  # noqa: PTH119 - strings, hot path
            if name not in found:
                found[name] = _of(folder, prefix)
    return tuple(
        sorted((each for listed in found.values() for each in listed), key=lambda each: (each.name, each.distribution))
    )


def _folders(place: str) -> list[str]:
    try:
        names = os.listdir(place)  # noqa: PTH208 - strings, hot path
    except OSError:
        return []
    return [f"{place}/{name}" for name in sorted(names) if name.endswith((".dist-info", ".egg-info"))]


def _of(folder: str, prefix: str) -> tuple[Offered, ...]:
    try:
        with open(f"{folder}/entry_points.txt", "rb") as stream:  # noqa: PTH123 - strings, hot path
            content = stream.read(_LARGEST_BYTES)
    except OSError:
        return ()
    return _read(folder, prefix) if f"[{prefix}".encode() in content.replace(b" ", b"") else ()


def _read(folder: str, prefix: str) -> tuple[Offered, ...]:
    from importlib.metadata import Distribution  # noqa: PLC0415 - 15 ms that only installations with plugins need

    label = _label(folder)
    try:
        points = [each for each in Distribution.at(folder).entry_points if each.group.startswith(prefix)]
        return tuple(Offered(group=each.group, name=each.name, value=each.value, distribution=label) for each in points)
    except Exception as error:  # noqa: BLE001 - one distribution that is broken hides none of the others
        fault = f"its entry points cannot be read: {type(error).__name__}: {error}"
        return (Offered(group=prefix, name="", value="", distribution=label, fault=fault),)


def _label(folder: str) -> str:
    match = _FOLDER.fullmatch(os.path.basename(folder))  # noqa: PTH119 - a string
    if match is None:
        return folder
    return f"{re.sub(r'[-_.]+', '-', match['name']).lower()} {match['version'] or ''}".rstrip()


def _normalised(folder_name: str) -> str:
    # In names of such folders a hyphen ends the distribution's name; one of egg-info may have no version.
    return folder_name.partition("-")[0].removesuffix(".egg-info").replace(".", "_").lower()
