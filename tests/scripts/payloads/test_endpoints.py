"""Routes of retention, erasure and lineage: who may, what is answered, what is repeated (A18)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from quilate.accounts.model import ProjectReference
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import open_box
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.vault import DataVault
from tests.support.accounts import AccountsSite, Person
from tests.support.payloads import PayloadSite, execution_of, payload_site
from tests.support.projects_access import access_to
from tests.support.web_apps import whole_site

BASE = "/projects/shop"
RETENTION, ERASURES = f"{BASE}/script-retention", f"{BASE}/script-erasures"
SEARCHES = f"{BASE}/script-subject-searches"
WISH = {"subject": "ana-7391", "reason": "request 17"}


@pytest_asyncio.fixture
async def whole(database: Database, tmp_path: Path) -> AsyncIterator[AccountsSite]:
    async with whole_site(database, tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def admin(whole: AccountsSite) -> Person:
    admin = await whole.first_admin()
    await whole.project(admin, "shop")
    return admin


async def payloads_of(whole: AccountsSite, root: Path) -> PayloadSite:
    """Return the application's own stores, as its project's."""
    (row,) = await whole.sql("SELECT id FROM projects WHERE slug = 'shop'")
    access = access_to(ProjectReference(id=row["id"], slug="shop", name="shop"))
    made = payload_site(whole.database, root / "artifacts")
    vault = DataVault(whole.database, open_box(root / "keys" / "secrets.key"))
    made.store.vault = vault
    return replace(made, access=access, vault=vault)


@pytest.mark.asyncio
async def test_retention_is_read_and_changed_by_administrators(whole: AccountsSite, admin: Person) -> None:
    first = await whole.call("GET", RETENTION, by=admin)
    assert (first.status_code, first.json()["days"], first.json()["own"], first.headers["etag"]) == (
        200, 30, False, '"0"',
    )  # fmt: skip
    assert (await whole.call("PUT", RETENTION, by=admin, body={"days": 7})).status_code == 428
    changed = await whole.call("PUT", RETENTION, by=admin, body={"days": 7}, headers={"If-Match": '"0"'})
    assert (changed.status_code, changed.json()["days"], changed.json()["own"]) == (200, 7, True)
    repeated = await whole.call("PUT", RETENTION, by=admin, body={"days": 7}, headers={"If-Match": '"0"'})
    assert (repeated.status_code, repeated.json()["revision"]) == (200, 1), "its first answer may have been lost"
    stale = await whole.call("PUT", RETENTION, by=admin, body={"days": 9}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    for days in (-1, 36_501, "many", None):
        wrong = await whole.call("PUT", RETENTION, by=admin, body={"days": days}, headers={"If-Match": "*"})
        assert wrong.status_code == 422
    (entry,) = await whole.audited("script.retention.changed")
    assert entry["details"] == {"days": 7, "before": 30}


@pytest.mark.asyncio
async def test_somebody_is_searched_and_erased(whole: AccountsSite, admin: Person, tmp_path: Path) -> None:
    site = await payloads_of(whole, tmp_path)
    token = (await site.vault.tokeniser(site.project)).subject("ana-7391")
    payload = await site.store.keep_bytes(b'[{"customer": "ana-7391"}]', FileFormat.JSON, seal_for=site.project)
    execution = await execution_of(site, payload, subjects=(token,))
    found = await whole.call("POST", SEARCHES, by=admin, body={"subject": "ana-7391"})
    assert (found.status_code, found.json()) == (200, {"executions": 1, "erasures": 0})
    key = {"Idempotency-Key": "erase-1"}
    erased = await whole.call("POST", ERASURES, by=admin, body=WISH, headers=key)
    assert (erased.status_code, erased.json()["executions"], erased.json()["datasets"]) == (201, 1, [])
    again = await whole.call("POST", ERASURES, by=admin, body=WISH, headers=key)
    assert (again.status_code, again.json()) == (201, erased.json())
    listed = (await whole.call("GET", f"{ERASURES}?limit=1", by=admin)).json()
    assert [(each["id"], each["executions"], each["reason"]) for each in listed["items"]] == [
        (erased.json()["id"], 1, "request 17")
    ]
    gone = await whole.call("GET", f"{BASE}/executions/{execution}/input", by=admin)
    assert gone.status_code == 410
    found = await whole.call("POST", SEARCHES, by=admin, body={"subject": "ana-7391"})
    assert found.json() == {"executions": 0, "erasures": 1}
    assert "ana-7391" not in repr(await whole.audit())
    assert "ana-7391" not in repr(await whole.sql("SELECT * FROM access_records"))
    (record,) = await whole.sql("SELECT DISTINCT subject FROM access_records WHERE subject LIKE 'script-subjects%%'")
    assert record["subject"] == "script-subjects:count"


@pytest.mark.asyncio
async def test_only_administrators_erase_and_strangers_learn_nothing(whole: AccountsSite, admin: Person) -> None:
    developer = await whole.person(admin, "dev@example.org")
    stranger = await whole.person(admin, "stranger@example.org")
    body = {"user_id": str(developer.id), "role": "developer"}
    assert (await whole.call("POST", f"{BASE}/members", by=admin, body=body)).status_code == 201
    asked = (
        ("PUT", RETENTION, {"days": 1}),
        ("POST", SEARCHES, {"subject": "ana"}),
        ("POST", ERASURES, WISH),
        ("GET", ERASURES, None),
    )
    for method, path, body_ in asked:
        for who, status in ((developer, 403), (stranger, 404), (None, 401)):
            answer = await whole.call(method, path, by=who, body=body_, headers={"If-Match": "*"})
            assert answer.status_code == status, (method, path)
    assert (await whole.call("GET", RETENTION, by=developer)).status_code == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("subject", ["", "a\0b", "x" * 513, None, 5])
async def test_what_names_nobody_is_refused(whole: AccountsSite, admin: Person, subject: object) -> None:
    assert (await whole.call("POST", SEARCHES, by=admin, body={"subject": subject})).status_code == 422
    wish = {**WISH, "subject": subject}
    assert (await whole.call("POST", ERASURES, by=admin, body=wish)).status_code == 422


@pytest.mark.asyncio
async def test_the_lineage_of_a_version_that_is_not_there(whole: AccountsSite, admin: Person) -> None:
    assert (await whole.call("GET", f"{BASE}/datasets/sales/versions/1/lineage", by=admin)).status_code == 404
