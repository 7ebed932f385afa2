"""The API forgets what has expired (C08)."""

from pathlib import Path
from uuid import uuid4

import pytest

from quilate.app.service import http
from quilate.kit.database.database import Database
from tests.support.durable import rows, until
from tests.support.web_apps import service_client


@pytest.mark.asyncio
async def test_an_archive_whose_time_is_over_is_forgotten(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_TIDY_SECONDS", 0.02)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO source_archives (project_id, digest, size_bytes, uploaded_by, expires_at)"
            " SELECT %s, name, 1, 'user:1', now() + hours * interval '1 h'"
            " FROM (VALUES ('old', -1), ('new', 1)) AS given (name, hours)",
            (uuid4(),),
        )

    async def forgotten() -> bool:
        return await rows(database, "SELECT digest FROM source_archives") == [{"digest": "new"}]

    async with service_client(database.url, tmp_path):
        await until(forgotten)
