"""A backup before the schema changes (A14)."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from quilate.domain.errors import ConfigurationError
from quilate.kit.database.backup import back_up, restore
from quilate.kit.database.migrations import Migration, migrate
from tests.support.postgres import made_database

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FIRST = Migration(version=1, name="first", sql="CREATE TABLE things (name text)")
SECOND = Migration(version=2, name="second", sql="DROP TABLE things")


def names(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


@pytest.mark.asyncio
async def test_a_backup_can_be_restored_and_only_its_owner_may_read_it(postgres: str, tmp_path: Path) -> None:
    source, target = made_database(postgres), made_database(postgres)
    await migrate(source, (FIRST,))
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute("INSERT INTO things VALUES ('kept')")

    file = await back_up(source, tmp_path / "backups", schema_version=1, now=NOON)

    assert file.name == "quilate-schema-0001-20261121T120000000000Z.dump"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert names(file.parent) == [file.name]
    await restore(target, file)
    with psycopg.connect(target) as connection:
        assert connection.execute("SELECT name FROM things").fetchall() == [("kept",)]


@pytest.mark.asyncio
async def test_an_upgrade_is_not_made_when_its_backup_fails(postgres: str, tmp_path: Path) -> None:
    url = made_database(postgres)
    await migrate(url, (FIRST,))
    blocked = tmp_path / "backups"
    blocked.write_text("a file where the directory should be")

    async def before_change(version: int) -> None:
        await back_up(url, blocked, schema_version=version, now=NOON)

    with pytest.raises(ConfigurationError, match=r"backup of .* failed") as caught:
        await migrate(url, (FIRST, SECOND), before_change=before_change)

    assert "postgresql://quilate@" in caught.value.message  # Without the password.
    assert ":" not in caught.value.message.partition("//")[2].partition("@")[0]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchall() == [(0,)]
        assert connection.execute("SELECT max(version) FROM quilate_migrations").fetchall() == [(1,)]


@pytest.mark.asyncio
async def test_a_backup_of_a_locked_table_fails_and_leaves_no_file(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = made_database(postgres)
    await migrate(url, (FIRST,))
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE things IN ACCESS EXCLUSIVE MODE")
        monkeypatch.setattr("quilate.kit.database.backup.LOCK_WAIT", "100ms")
        with pytest.raises(ConfigurationError, match="things"):
            await back_up(url, tmp_path, schema_version=1, now=NOON)
    assert names(tmp_path) == []


@pytest.mark.asyncio
async def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be reached") as caught:
        await back_up("postgresql://me:secret@127.0.0.1:1/none", tmp_path, schema_version=1, now=NOON)
    assert "secret" not in str(caught.value)


@pytest.mark.asyncio
async def test_a_restore_never_overwrites_and_takes_backups_only(postgres: str, tmp_path: Path) -> None:
    used, empty = made_database(postgres), made_database(postgres)
    await migrate(used, (FIRST,))
    file = await back_up(used, tmp_path / "backups", schema_version=1, now=NOON)
    with pytest.raises(ConfigurationError, match="is not empty"):
        await restore(used, file)
    other = tmp_path / "other.dump"
    other.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ConfigurationError, match=r"other.dump cannot be restored"):
        await restore(empty, other)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regclass('things')").fetchall() == [(None,)]
