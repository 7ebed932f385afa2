"""Takes backups into the state directory and forgets old ones; each leaves its audit entry."""

import asyncio
import os
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.backup import back_up
from quilate.kit.database.database import Database
from quilate.kit.database.inspection import inspect_server
from quilate.kit.web.problems import Problem

_OURS = re.compile(r"quilate-(?:schema-\d{4}|logs)-\d{8}T\d{12}Z\.(?:dump|tar\.gz)")
"""Files of other names in the directory are somebody else's and stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlaces:
    """Where things lie.

    Attributes:
        database_url: The database to back up.
        logs: What ``quilate up`` keeps of its processes' words.
        backups: Where backups go.
        days: After how many days a backup may go.
    """

    database_url: str
    logs: Path
    backups: Path
    days: int


class BackupService:
    """Makes one backup at a time.

    Args:
        database: Open; for the audit entries.
        places: Where things lie.
        now: The time, aware.
    """

    def __init__(
        self, database: Database, places: BackupPlaces, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._places = places
        self._now = now
        self._one = asyncio.Lock()

    async def database_backup(self, actor: str) -> Path:
        """Write the whole database into a file and return it.

        Raises:
            Problem: 409, another backup is being made.
            ConfigurationError: ``pg_dump`` is missing, too old or failed.
        """
        self._refuse_second()
        url = self._places.database_url
        async with self._one:
            found = await inspect_server(url)
            file = await back_up(url, self._places.backups, schema_version=found.schema_version, now=self._now())
        await self._note("backup.database", actor, file.name)
        return file

    async def log_backup(self, actor: str) -> Path:
        """Write the processes' logs into one compressed file and return it; an empty one where they have none.

        Raises:
            Problem: 409, another backup is being made.
        """
        self._refuse_second()
        file = self._places.backups / f"quilate-logs-{self._now():%Y%m%dT%H%M%S%fZ}.tar.gz"
        async with self._one:
            await asyncio.to_thread(_pack, self._places.logs, file)
        await self._note("backup.logs", actor, file.name)
        return file

    async def clean_up(self, actor: str) -> list[str]:
        """Delete our own backups that are older than they are kept, and return their names.

        The newest backup of the database stays however old it is.
        """
        before = self._now() - timedelta(days=self._places.days)
        names = await asyncio.to_thread(_delete_old, self._places.backups, before)
        await self._note("backup.cleanup", actor, *names)
        return names

    def _refuse_second(self) -> None:
        """Refuse a second backup while one is being made, instead of letting requests queue up behind it."""
        if self._one.locked():
            raise Problem(
                status=409,
                type="conflict",
                detail="another backup is being made",
                next_step="ask again when it is done",
            )

    async def _note(self, action: str, actor: str, *names: str) -> None:
        entry = AuditEntry(action=action, actor=actor, subject="instance", details={"files": list(names)})
        async with self._database.transaction() as connection:
            await append_entries(connection, [entry])


def _pack(logs: Path, file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for path in sorted(logs.glob("*.log*")):
                if path.is_file() and not path.is_symlink():
                    archive.add(path, arcname=path.name, recursive=False)
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)


def _delete_old(backups: Path, before: datetime) -> list[str]:
    ours = sorted(path for path in backups.glob("quilate-*") if _OURS.fullmatch(path.name)) if backups.is_dir() else []
    newest = max((path for path in ours if path.suffix == ".dump"), key=_taken_at, default=None)
    old = [path for path in ours if path != newest and _taken_at(path) < before]
    for path in old:
        path.unlink(missing_ok=True)
    return [path.name for path in old]


def _taken_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
