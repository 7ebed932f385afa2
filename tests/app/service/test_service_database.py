"""Which database, and whether its schema and server will do."""

from pathlib import Path

import psycopg
import pytest

from quilate.app.service.schema import MIGRATIONS
from quilate.app.service.service_database import (
    UP_FILE,
    database_address,
    links_base,
    refuse_other_schema,
    some_database,
    upgrade,
)
from quilate.app.service.settings import load_settings
from quilate.domain.errors import ConfigurationError
from quilate.kit.database import inspection
from quilate.kit.database.inspection import inspect_server
from tests.support.postgres import made_database


@pytest.mark.asyncio
async def test_this_programs_schema_is_taken_and_needs_no_backup(database_url: str, tmp_path: Path) -> None:
    await refuse_other_schema(database_url)
    report, backup = await upgrade(database_url, tmp_path / "backups")
    assert report.applied == ()
    assert backup is None
    assert not (tmp_path / "backups").exists()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM quilate_migrations WHERE version > 1", "schema version 1, this program needs"),
        ("DROP TABLE quilate_migrations", "schema version 0, this program needs"),
        ("UPDATE quilate_migrations SET version = version + 100", "this program knows"),
    ],
)
async def test_another_schema_is_refused(database_url: str, statement: str, message: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement.encode())
    with pytest.raises(ConfigurationError, match=message):
        await refuse_other_schema(database_url)


def _altered(url: str, statement: str, *, options: str = "") -> str:
    """Do something as the owner of a database, and return its address with options of a session."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
    return f"{url}{'&' if '?' in url else '?'}options={options}" if options else url


@pytest.mark.asyncio
@pytest.mark.parametrize("options", ["-crole%3Dpg_read_all_data", "-cdefault_transaction_read_only%3Don"])
async def test_who_may_only_read_sees_the_schema(database_url: str, options: str) -> None:
    url = _altered(database_url, "SELECT 1", options=options)
    assert (await inspect_server(url)).schema_version == len(MIGRATIONS)
    await refuse_other_schema(url)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("made", "why", "next_step"),
    [
        (("SELECT 1", "-crole%3Dpg_read_all_data"), "permission denied for schema public", "make tables"),
        (("CREATE TABLE projects (id int)", ""), 'relation "projects" already exists', "a database of its own"),
        (("SELECT 1", "-cdefault_transaction_read_only%3Don"), "takes no writes", "target_session_attrs=read-write"),
    ],
)
async def test_a_schema_that_the_database_does_not_let_be_made_is_told(
    postgres: str, tmp_path: Path, made: tuple[str, str], why: str, next_step: str
) -> None:
    url = _altered(made_database(postgres), made[0], options=made[1])
    with pytest.raises(ConfigurationError, match=why) as refused:
        await upgrade(url, tmp_path / "backups")
    assert next_step in refused.value.next_step


@pytest.mark.asyncio
async def test_a_server_too_old_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "LEAST_SERVER", 99)
    with pytest.raises(ConfigurationError, match="is PostgreSQL 18, the service needs 99 or newer"):
        await refuse_other_schema(database_url)


@pytest.mark.asyncio
async def test_a_server_tells_its_clock_version_and_connections(database_url: str) -> None:
    found = await inspect_server(database_url)
    assert found.major_version == 18
    assert found.schema_version == len(MIGRATIONS)
    assert abs(found.clock_ahead_seconds) <= found.clock_error_seconds + 0.1
    assert 1 <= found.connections <= found.most_connections


def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    settings = load_settings({}, state=tmp_path)
    with pytest.raises(ConfigurationError, match="no `quilate up` runs over") as caught:
        database_address(settings)
    assert "quilate up" in caught.value.next_step
    with pytest.raises(ConfigurationError, match="there is no database in"), some_database(settings):
        pass
    assert list(tmp_path.iterdir()) == []


def test_links_lead_to_the_public_address_else_to_the_service_that_runs(tmp_path: Path) -> None:
    settings = load_settings({}, state=tmp_path)
    assert links_base(settings) == "http://127.0.0.1:8080"
    (tmp_path / UP_FILE).write_text("process 7, http://127.0.0.1:9999")
    assert links_base(settings) == "http://127.0.0.1:9999"
    (tmp_path / UP_FILE).write_text("")
    assert links_base(settings) == "http://127.0.0.1:8080"
    public = load_settings({"QUILATE_PUBLIC_URL": "https://quilate.example"}, state=tmp_path)
    assert links_base(public) == "https://quilate.example"
