"""Dead letters: listed, inspected, replayed once (C07)."""

from uuid import UUID, uuid4

import pytest

from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from tests.support.run_rows import submitted_run
from tests.support.runs_api import RunsApi

pytestmark = pytest.mark.asyncio

LETTERS = "/api/v1/projects/fraud/dead-letters"


async def letter(api: RunsApi, database: Database) -> tuple[UUID, UUID]:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    identity = uuid7()
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO dead_letters (id, project_id, run_id, check_id, reason, details)"
            """ VALUES (%s, %s, %s, 'a', 'worker lost', '{"losses": 3}')""",
            (identity, project.id, run),
        )
    return identity, run


async def test_a_dead_letter_is_replayed_once(api: RunsApi, database: Database) -> None:
    identity, run = await letter(api, database)
    listed = (await api.client.get(LETTERS, params={"replayed": False})).json()["items"]
    assert [(item["id"], item["run"], item["reason"]) for item in listed] == [(str(identity), str(run), "worker lost")]
    shown = (await api.client.get(f"{LETTERS}/{identity}")).json()
    assert shown["details"] == {"losses": 3}
    assert shown["submission"]["source"]["branch"] == "main"
    first = await api.client.post(f"{LETTERS}/{identity}/replay")
    replayed = (await api.client.get(f"{LETTERS}/{identity}")).json()
    await api.client.post(f"/api/v1/projects/fraud/runs/{first.json()['id']}/cancel")
    again = await api.client.post(f"{LETTERS}/{identity}/replay")
    assert first.status_code == 202
    assert (first.json()["status"], first.json()["created"]) == ("queued", True)
    assert (again.json()["status"], again.json()["created"]) == ("cancelled", False)
    assert (await api.client.get(f"{LETTERS}/{identity}")).json() == replayed, "the first replay is the one on record"
    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT 1 FROM audit_pending WHERE convert_from(leaf, 'UTF8') LIKE '%dead-letter.replayed%'"
        )
        assert len(await cursor.fetchall()) == 1
    assert first.json()["id"] == again.json()["id"] != str(run)
    assert (await api.client.get(first.headers["location"])).json()["rerun_of"] == str(run)
    assert (await api.client.get(LETTERS, params={"replayed": False})).json()["items"] == []


async def test_dead_letters_are_paged(api: RunsApi, database: Database) -> None:
    made = [str((await letter(api, database))[0]) for _ in range(3)]
    page = await api.client.get(LETTERS, params={"limit": 2})
    rest = await api.client.get(page.links["next"]["url"])
    assert [item["id"] for item in page.json()["items"] + rest.json()["items"]] == made[::-1]


async def test_others_do_not_see_or_replay_it(api: RunsApi, database: Database) -> None:
    identity, _ = await letter(api, database)
    stranger = {"Authorization": "Bearer stranger"}
    mine = f"/api/v1/projects/other/dead-letters/{identity}"
    assert (await api.client.get(mine, headers=stranger)).status_code == 404
    assert (await api.client.post(f"{mine}/replay", headers=stranger)).status_code == 404
    viewer = {"Authorization": "Bearer viewer"}
    assert (await api.client.post(f"{LETTERS}/{identity}/replay", headers=viewer)).status_code == 403
    assert (await api.client.get(f"{LETTERS}/{uuid4()}")).status_code == 404
