"""Keeps the Unicode tables that Hypothesis, inside Schemathesis, would compute anew in every empty directory.

They depend on the Python version alone and take more than a second; they are kept in the user's cache directory, which
only the user may write. Where that cannot be had, everything works as before, only slower.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

_TABLES = Path(".hypothesis", "unicode_data")
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\Z")
_TABLE = re.compile(r"[a-z0-9-]{1,40}\.json\.gz\Z")
_MAX_TABLE_BYTES = 8 << 20


def fetch_tables(directory: Path) -> None:
    """Put the kept tables where a Hypothesis that starts in ``directory`` looks for them."""
    with contextlib.suppress(OSError, RuntimeError):
        _copy(_cache(), directory / _TABLES)


def keep_tables(directory: Path) -> None:
    """Keep the tables that a Hypothesis left in ``directory``, where there are none yet."""
    with contextlib.suppress(OSError, RuntimeError):
        _cache().mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy(directory / _TABLES, _cache())


def _cache() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if configured.startswith("/") else Path.home() / ".cache"
    return base / "quilate" / "unicode"


def _copy(source: Path, target: Path) -> None:
    for table in _tables(source):
        copy = target / table.relative_to(source)
        if copy.exists():
            continue
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copyfile(table, partial)
        partial.replace(copy)


def _tables(source: Path) -> Iterator[Path]:
    for table in source.glob("*/*"):
        named = _VERSION.match(table.parent.name) and _TABLE.match(table.name)
        if named and table.is_file() and not table.is_symlink() and table.stat().st_size <= _MAX_TABLE_BYTES:
            yield table
