"""Datasets, models and archives over HTTP: versions for good, tenants apart, limits kept (C03, C06, C08, A13)."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.datasets.conftest import BANK, BASE, CSV, SHOP, Server


@pytest.mark.asyncio
async def test_a_version_is_registered_read_and_downloaded(server: Server) -> None:
    created = await server.ask("POST", f"{BASE}/datasets", json={"name": "sales", "description": "of 2026"})
    assert created.headers["Location"] == f"{BASE}/datasets/sales"
    registered = await server.upload(comment="first")
    assert registered.status_code == 201
    assert registered.headers["Location"] == f"{BASE}/datasets/sales/versions/1"
    version = registered.json()
    assert (version["number"], version["rows"], version["size"], version["files"]) == (1, 2, len(CSV), 1)
    assert version["columns"] == [{"name": "id", "type": "Int64"}, {"name": "price", "type": "Float64"}]
    assert (version["parent"], version["comment"]) == (None, "first")
    read = await server.ask("GET", registered.headers["Location"], "viewer")
    assert read.json() == version
    files = (await server.ask("GET", f"{BASE}/datasets/sales/versions/1/files", "viewer")).json()["items"]
    assert [file["path"] for file in files] == ["train.csv"]
    assert files[0]["digest"] == "sha256:" + hashlib.sha256(CSV).hexdigest()
    content = await server.ask(
        "GET", f"{BASE}/datasets/sales/versions/1/content", "viewer", params={"path": "train.csv"}
    )
    assert content.content == CSV
    assert content.headers["X-Content-Type-Options"] == "nosniff"
    assert content.headers["Content-Disposition"].startswith("attachment")
    assert (await server.ask("GET", f"{BASE}/datasets/sales")).json()["latest"] == 1


@pytest.mark.asyncio
async def test_each_change_leaves_its_audit_entry_and_event(server: Server) -> None:
    await server.created()
    await server.upload()
    await server.archive("sales")
    await server.ask("POST", f"{BASE}/archives", content=b"PK")
    leaves = [json.loads(row["leaf"]) for row in await server.rows("SELECT leaf FROM audit_pending ORDER BY id")]
    assert [leaf["action"] for leaf in leaves] == [
        *("dataset.created", "dataset.version.registered", "dataset.changed", "archive.uploaded")
    ]
    assert all(leaf["project"] == str(SHOP.id) for leaf in leaves)
    [event] = await server.rows("SELECT type, project_id, subject, data FROM outgoing_events")
    assert (event["type"], event["subject"]) == ("dev.quilate.dataset.version.registered", "dataset:sales")
    assert event["data"]["version"] == 1


@pytest.mark.asyncio
async def test_the_same_content_is_the_same_version(server: Server) -> None:
    await server.created()
    first = await server.upload()
    second = await server.upload(comment="again")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len(await server.rows("SELECT FROM outgoing_events")) == 1


@pytest.mark.asyncio
async def test_a_creation_that_is_sent_again_is_the_first_one(server: Server) -> None:
    first, second = [
        await server.ask("POST", f"{BASE}/datasets", json={"name": "sales"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()


@pytest.mark.asyncio
async def test_versions_that_come_at_once_get_numbers_without_gaps(server: Server) -> None:
    await server.created()
    answers = await asyncio.gather(*(server.upload(CSV + b"%d,1\n" % n) for n in range(6)))
    assert sorted(answer.json()["number"] for answer in answers) == [1, 2, 3, 4, 5, 6]


@pytest.mark.asyncio
async def test_a_version_says_what_it_was_made_from(server: Server) -> None:
    await server.created()
    for number in range(2):
        await server.upload(CSV + b"%d,1\n" % number)
    third = await server.upload(CSV + b"9,1\n", parent=1)
    fourth = await server.upload(CSV + b"10,1\n")
    assert (third.json()["parent"], fourth.json()["parent"]) == (1, 3)
    assert (await server.upload(CSV + b"11,1\n", parent=9)).status_code == 404
    listed = await server.ask("GET", f"{BASE}/datasets/sales/versions", params={"limit": 3})
    assert [version["number"] for version in listed.json()["items"]] == [4, 3, 2]
    assert 'rel="next"' in listed.headers["Link"]
    rest = await server.ask("GET", listed.headers["Link"].partition(">")[0].removeprefix("<"))
    assert [version["number"] for version in rest.json()["items"]] == [1]
    assert rest.json()["next_cursor"] == ""


@pytest.mark.asyncio
async def test_a_directory_is_uploaded_in_parts(server: Server) -> None:
    await server.created()
    parts = [("file", (name, CSV)) for name in ("2026/a.csv", "2026/b.csv")]
    answer = await server.ask("POST", f"{BASE}/datasets/sales/versions", files=[*parts, ("file", ("README.md", b"#"))])
    assert answer.status_code == 201, answer.text
    assert (answer.json()["files"], answer.json()["rows"]) == (3, 4)
    assert len(answer.json()["columns"]) == 2


@pytest.mark.asyncio
async def test_a_model_is_a_version_without_rows(server: Server) -> None:
    await server.created("price", "models")
    url = f"{BASE}/models/price/versions"
    good = await server.ask("POST", url, content=b"\x08\x09\x12\x01x", params={"file_name": "m.onnx"})
    assert (good.status_code, good.json()["rows"], good.json()["columns"]) == (201, None, [])
    bad = await server.ask("POST", url, content=b"\x80\x04N.", params={"file_name": "m.onnx"})
    assert bad.status_code == 422
    assert "pickle" in bad.json()["detail"]
    assert (await server.ask("GET", f"{BASE}/datasets/price")).status_code == 404, "each kind has names of its own"


class TestRefusals:
    @pytest.mark.asyncio
    async def test_an_upload_beyond_the_limit_is_ended(self, server: Server) -> None:
        await server.created()
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 1 << 27:
                sent += 1 << 18
                yield b"x" * (1 << 18)

        url = f"{BASE}/datasets/sales/versions"
        for path in (f"{url}?file_name=a.csv", f"{BASE}/archives"):
            sent = 0
            assert (await server.ask("POST", path, content=endless())).status_code == 413
            assert sent < 1 << 24
        large = [("file", (f"{number}.csv", bytes(400_000))) for number in range(4)]
        assert (await server.ask("POST", url, files=large)).status_code == 413
        assert list((server.artifacts.root / "partial").iterdir()) == []

    @pytest.mark.asyncio
    @pytest.mark.parametrize("name", ["", "../x.csv", "/etc/x.csv", ".x.csv", "x", "x.exe", "a\u202eb.csv"])
    async def test_names_of_files_are_judged(self, server: Server, name: str) -> None:
        await server.created()
        assert (await server.upload(file_name=name)).status_code == 422
        if name:
            answer = await server.ask("POST", f"{BASE}/datasets/sales/versions", files=[("file", (name, CSV))])
            assert answer.status_code == 422

    @pytest.mark.asyncio
    async def test_parts_that_are_none_are_refused(self, server: Server) -> None:
        await server.created()
        url = f"{BASE}/datasets/sales/versions"
        for kind, body in (
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=x", b"garbage"),
            (
                "multipart/form-data; boundary=x; charset=none",
                b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n',
            ),
            ("multipart/form-data; boundary=x", b"--x--\r\n"),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
            ),
            ("multipart/form-data; boundary=" + "x" * 300, b""),
        ):
            answer = await server.ask("POST", url, content=body, headers={"Content-Type": kind})
            assert answer.status_code == 422, (kind, answer.text)
        many = [("file", (f"{number}.csv", CSV)) for number in range(6)]
        assert (await server.ask("POST", url, files=many)).status_code == 422
        same = [("file", (name, CSV)) for name in ("a.csv", "A.csv")]
        assert (await server.ask("POST", url, files=same)).status_code == 422

    @pytest.mark.asyncio
    @pytest.mark.parametrize("name", ["", "A", "a/b", "..", "-a", "a-", "x" * 129, "a\n", "é"])
    async def test_names_of_datasets_are_judged(self, server: Server, name: str) -> None:
        assert (await server.ask("POST", f"{BASE}/datasets", json={"name": name})).status_code == 422

    @pytest.mark.asyncio
    async def test_words_with_nul_are_refused(self, server: Server) -> None:
        await server.created()
        assert (
            await server.ask("POST", f"{BASE}/datasets", json={"name": "a", "description": "a\0"})
        ).status_code == 422
        assert (await server.upload(comment="a\0")).status_code == 422
        url = f"{BASE}/datasets/sales/versions/1/content"
        assert (await server.ask("GET", url, params={"path": "a\0"})).status_code == 422

    @pytest.mark.asyncio
    async def test_a_taken_name_and_an_archived_dataset_are_conflicts(self, server: Server) -> None:
        await server.created()
        assert (await server.ask("POST", f"{BASE}/datasets", json={"name": "sales"})).status_code == 409
        await server.archive("sales")
        assert (await server.upload()).status_code == 409

    @pytest.mark.asyncio
    @pytest.mark.parametrize("cursor", ["%", "AA", "ÿ", "MTIzNDU2Nzg5MDEyMzQ1", "4pi6"])
    async def test_cursors_of_elsewhere_are_refused_or_harmless(self, server: Server, cursor: str) -> None:
        await server.created()
        for path in ("datasets", "datasets/sales/versions"):
            answer = await server.ask("GET", f"{BASE}/{path}", params={"cursor": cursor})
            assert answer.status_code in {200, 422}

    @pytest.mark.asyncio
    async def test_content_that_is_gone_or_changed_is_said_to_be(self, server: Server) -> None:
        await server.created()
        await server.upload()
        name = hashlib.sha256(CSV).hexdigest()
        path = server.artifacts.root / name[:2] / name[2:4] / name
        path.chmod(0o600)
        path.write_bytes(b"x" * len(CSV))
        url = f"{BASE}/datasets/sales/versions/1/content"
        assert (await server.ask("GET", url, params={"path": "train.csv"})).status_code == 500
        path.unlink()
        assert (await server.ask("GET", url, params={"path": "train.csv"})).status_code == 410
        assert (await server.ask("GET", url, params={"path": "other.csv"})).status_code == 404


class TestTenants:
    @pytest.mark.asyncio
    async def test_nothing_of_another_tenant_is_visible(self, server: Server) -> None:
        await server.created()
        await server.upload()
        paths = (
            *("datasets", "datasets/sales", "datasets/sales/versions", "datasets/sales/versions/1"),
            *("datasets/sales/versions/1/files", "datasets/sales/versions/1/content?path=train.csv", "models"),
        )
        for path in paths:
            assert (await server.ask("GET", f"{BASE}/{path}", "stranger")).status_code == 404
            assert (await server.ask("GET", f"{BASE}/{path}", "nobody")).status_code == 401
        own = await server.ask("GET", "/api/v1/projects/bank/datasets/sales", "both")
        assert own.status_code == 404

    @pytest.mark.asyncio
    async def test_a_viewer_changes_nothing(self, server: Server) -> None:
        await server.created()
        for method, path, given in (
            ("POST", "datasets", {"json": {"name": "x"}}),
            ("PATCH", "datasets/sales", {"json": {}}),
            ("POST", "datasets/sales/versions?file_name=a.csv", {"content": CSV}),
            ("POST", "datasets/sales/versions/import", {"json": {"path": "/x"}}),
            ("POST", "archives", {"content": b"PK"}),
        ):
            assert (await server.ask(method, f"{BASE}/{path}", "viewer", **given)).status_code == 403

    @pytest.mark.asyncio
    async def test_a_known_digest_opens_no_archive(self, server: Server) -> None:
        uploaded = (await server.ask("POST", f"{BASE}/archives", content=b"PK and so on")).json()
        assert uploaded["digest"] == "sha256:" + hashlib.sha256(b"PK and so on").hexdigest()
        assert uploaded["size"] == 12
        assert await server.service.archives.is_kept(SHOP, uploaded["digest"])
        assert not await server.service.archives.is_kept(BANK, uploaded["digest"])
        assert not await server.service.archives.is_kept(SHOP, "sha256:\0")


class TestChanges:
    @pytest.mark.asyncio
    async def test_a_change_names_the_state_that_it_saw(self, server: Server) -> None:
        await server.created()
        url = f"{BASE}/datasets/sales"
        tag = (await server.ask("GET", url)).headers["ETag"]
        assert (await server.ask("GET", url, headers={"If-None-Match": tag})).status_code == 304
        first = await server.ask("PATCH", url, json={"description": "a"}, headers={"If-Match": tag})
        assert (first.status_code, first.json()["description"]) == (200, "a")
        assert (await server.ask("PATCH", url, json={"description": "b"})).status_code == 428
        for stale in (tag, '"x"', '"99999999999999999999"', "garbage"):
            second = await server.ask("PATCH", url, json={"description": "b"}, headers={"If-Match": stale})
            assert second.status_code == 412
        assert (await server.ask("PATCH", url, json={}, headers={"If-Match": "*"})).status_code == 200

    @pytest.mark.asyncio
    async def test_archived_ones_are_listed_only_if_asked_for(self, server: Server) -> None:
        for name in ("a", "b", "c"):
            await server.created(name)
        await server.archive("b")
        listed = await server.ask("GET", f"{BASE}/datasets", params={"limit": 1})
        assert [entry["name"] for entry in listed.json()["items"]] == ["a"]
        rest = await server.ask("GET", f"{BASE}/datasets", params={"cursor": listed.json()["next_cursor"]})
        assert [entry["name"] for entry in rest.json()["items"]] == ["c"]
        everything = await server.ask("GET", f"{BASE}/datasets", params={"archived": "true"})
        assert [entry["name"] for entry in everything.json()["items"]] == ["a", "b", "c"]


class TestImport:
    @pytest.mark.asyncio
    async def test_files_below_the_project_s_directory_are_registered(self, server: Server, tmp_path: Path) -> None:
        await server.created()
        root = tmp_path / "shared" / "shop" / "sales"
        (root / "2026").mkdir(parents=True)
        (root / "2026" / "a.csv").write_bytes(CSV)
        (root / "b.csv").write_bytes(CSV)
        url = f"{BASE}/datasets/sales/versions/import"
        both = await server.ask("POST", url, json={"path": str(root)})
        assert (both.status_code, both.json()["files"], both.json()["rows"]) == (201, 2, 4)
        one = await server.ask("POST", url, json={"path": str(root / "b.csv"), "parent": 1})
        assert (one.json()["number"], one.json()["files"]) == (2, 1)

    @pytest.mark.asyncio
    async def test_nothing_else_of_the_server_is(self, server: Server, tmp_path: Path) -> None:
        await server.created()
        root = tmp_path / "shared" / "shop"
        (tmp_path / "shared" / "bank").mkdir()
        (tmp_path / "shared" / "bank" / "a.csv").write_bytes(CSV)
        (root / "link.csv").symlink_to(tmp_path / "shared" / "bank" / "a.csv")
        (root / "inner").mkdir()
        (root / "inner" / "link.csv").symlink_to("/etc/passwd")
        url = f"{BASE}/datasets/sales/versions/import"
        details = set()
        for path in ("/etc/passwd", f"{root}/../bank/a.csv", f"{root}/link.csv", f"{root}/none.csv", "relative.csv"):
            answer = await server.ask("POST", url, json={"path": path})
            assert answer.status_code == 422
            details.add(answer.json()["detail"])
        assert len(details) == 1, "the answer tells nothing of what is there"
        assert (await server.ask("POST", url, json={"path": str(root / "inner")})).status_code == 422

    @pytest.mark.asyncio
    async def test_limits_hold_for_the_server_s_files_too(self, server: Server, tmp_path: Path) -> None:
        await server.created()
        root = tmp_path / "shared" / "shop"
        url = f"{BASE}/datasets/sales/versions/import"
        (root / "large.csv").write_bytes(bytes(2 << 20))
        assert (await server.ask("POST", url, json={"path": str(root / "large.csv")})).status_code == 413
        (root / "large.csv").unlink()
        for number in range(6):
            (root / f"{number}.csv").write_bytes(CSV)
        assert (await server.ask("POST", url, json={"path": str(root)})).status_code == 422


@pytest.mark.asyncio
async def test_archives_expire_and_references_are_known(server: Server) -> None:
    await server.created()
    await server.upload()
    archive = (await server.ask("POST", f"{BASE}/archives", content=b"PK")).json()["digest"]
    version = (await server.ask("GET", f"{BASE}/datasets/sales/versions/1")).json()["digest"]
    content = "sha256:" + hashlib.sha256(CSV).hexdigest()
    for digest in (archive, version, content):
        assert await server.service.is_referenced(digest)
    async with server.database.connection() as connection:
        await connection.execute("UPDATE source_archives SET expires_at = now()")
    assert not await server.service.archives.is_kept(SHOP, archive)
    assert await server.service.archives.expire() == 1
    assert not await server.service.is_referenced(archive)
