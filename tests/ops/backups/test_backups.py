"""Backups over the API: the database comes back from one, logs are packed, old ones go (A17)."""

import asyncio
import os
import stat
import tarfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from quilate.kit.database.backup import restore
from quilate.kit.database.database import Database
from quilate.kit.web.problems import Problem
from quilate.ops.backups.service import BackupPlaces, BackupService
from tests.support.durable import rows
from tests.support.postgres import with_database

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def service_on(database: Database, url: str, directory: Path) -> BackupService:
    places = BackupPlaces(database_url=url, logs=directory / "logs", backups=directory / "backups", days=30)
    return BackupService(database, places, now=lambda: NOW)


async def test_a_backup_of_the_database_gives_everything_back(
    database: Database, database_url: str, postgres: str, tmp_path: Path
) -> None:
    service = service_on(database, database_url, tmp_path)
    await service.clean_up("user:1")
    file = await service.database_backup("user:1")
    name = f"restored_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    await restore(with_database(postgres, name), file)
    with psycopg.connect(with_database(postgres, name)) as restored:
        assert restored.execute("SELECT action FROM audit_pending").fetchall() == [("backup.cleanup",)]
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}")


async def test_logs_are_packed_for_their_owner_alone_and_links_are_not_followed(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "api-0.log").write_text("said\n")
    (tmp_path / "logs" / "stolen.log").symlink_to("/etc/hostname")
    file = await service_on(database, database_url, tmp_path).log_backup("user:1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["api-0.log"]
    (entry,) = await rows(database, "SELECT action, actor FROM audit_pending")
    assert (entry["action"], entry["actor"]) == ("backup.logs", "user:1")


async def test_a_clean_up_takes_our_old_files_and_leaves_the_newest_of_the_database(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    names = {
        "quilate-schema-0001-20260101T000000000000Z.dump": 300,
        "quilate-schema-0001-20260901T000000000000Z.dump": 80,
        "quilate-logs-20260101T000000000000Z.tar.gz": 300,
        "quilate-logs-20261120T000000000000Z.tar.gz": 1,
        "quilate-notes.txt": 300,
    }
    for name, days in names.items():
        (backups / name).write_text("x")
        taken = (NOW - timedelta(days=days)).timestamp()
        os.utime(backups / name, (taken, taken))
    gone = await service_on(database, database_url, tmp_path).clean_up("user:1")
    assert gone == ["quilate-logs-20260101T000000000000Z.tar.gz", "quilate-schema-0001-20260101T000000000000Z.dump"]
    assert {path.name for path in backups.iterdir()} == set(names) - set(gone)


async def test_a_second_backup_at_the_same_time_is_refused(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    service = service_on(database, database_url, tmp_path)
    both = await asyncio.gather(
        service.database_backup("user:1"), service.database_backup("user:1"), return_exceptions=True
    )
    (file,) = [each for each in both if isinstance(each, Path)]
    (refused,) = [each for each in both if isinstance(each, Problem)]
    assert (file.exists(), refused.status) == (True, 409)
