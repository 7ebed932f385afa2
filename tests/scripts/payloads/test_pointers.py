"""Data that is only pointed to: files, web addresses, objects and dataset versions, within what is allowed (A11)."""

import gzip
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from quilate.accounts.trail.recording import AccessTrail
from quilate.datasets.model import EntryKind
from quilate.datasets.service import CatalogueService, Registration
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingHttp
from quilate.kit.web.problems import Problem
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import Pointer
from quilate.scripts.payloads.object_stores import ObjectStores, read_rule
from quilate.scripts.payloads.pointers import PointerParts, PointerReader
from tests.support.object_servers import object_server
from tests.support.payloads import LIMITS, PayloadSite, in_pieces
from tests.support.receivers import Received, Receiver, Reply, receiver

DATA = b'[{"value": 1}]'
DIGEST = hashlib.sha256(DATA).hexdigest()
_LOOPBACK = AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)


@pytest_asyncio.fixture
async def http() -> AsyncIterator[OutgoingHttp]:
    opened = OutgoingHttp(policy=_LOOPBACK, timeout=5.0)
    yield opened
    await opened.close()


@pytest.fixture
def outside() -> Iterator[Receiver]:
    with receiver(lambda _: Reply(body=DATA)) as opened:
        yield opened


def catalogue_of(site: PayloadSite) -> CatalogueService:
    return CatalogueService(site.database, DirectoryArtifactStore(site.root / "artifacts"))


def reader_of(site: PayloadSite, http: OutgoingHttp, objects: ObjectStores | None = None) -> PointerReader:
    (site.root / "data" / "shop").mkdir(parents=True, exist_ok=True)
    return PointerReader(
        PointerParts(
            store=site.store,
            catalogue=catalogue_of(site),
            http=http,
            objects=objects or ObjectStores(),
            data_roots=(str(site.root / "data" / "{project}"),),
            trail=AccessTrail(site.database),
        )
    )


def written(site: PayloadSite, name: str, content: bytes = DATA) -> Path:
    path = site.root / "data" / "shop" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


async def refusal(reader: PointerReader, site: PayloadSite, pointer: Pointer) -> Problem:
    with pytest.raises(Problem) as caught:
        await reader.fetch(pointer, site.access, limits=LIMITS)
    return caught.value


# Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_file_is_copied_with_its_digest(site: PayloadSite, http: OutgoingHttp) -> None:
    reader, path = reader_of(site, http), written(site, "in.json")
    kept = await reader.fetch(Pointer(url=f"file://{path}", sha256=DIGEST.upper()), site.access)
    path.write_bytes(b"changed afterwards")
    assert await site.text(kept) == DATA
    assert kept.provenance is not None
    assert (kept.provenance.kind, kept.provenance.address) == ("file", f"file://{path}")
    assert (kept.provenance.digest, kept.format) == (f"sha256:{DIGEST}", FileFormat.JSON)


@pytest.mark.asyncio
async def test_compressed_files_are_decompressed_and_named_digests_are_of_what_lies_there(
    site: PayloadSite, http: OutgoingHttp
) -> None:
    packed = gzip.compress(DATA)
    path = written(site, "in.ndjson.gz", packed)
    pointer = Pointer(url=f"file://{path}", sha256="sha256:" + hashlib.sha256(packed).hexdigest())
    kept = await reader_of(site, http).fetch(pointer, site.access)
    assert (kept.format, await site.text(kept)) == (FileFormat.NDJSON, DATA)


@pytest.mark.asyncio
async def test_another_content_than_the_named_one_is_refused(site: PayloadSite, http: OutgoingHttp) -> None:
    path = written(site, "in.json")
    reader = reader_of(site, http)
    assert "sha256" in (await refusal(reader, site, Pointer(url=f"file://{path}", sha256="0" * 64))).detail
    assert (await refusal(reader, site, Pointer(url=f"file://{path}", sha256="abc"))).status == 422
    assert site.files() == []


@pytest.mark.asyncio
async def test_no_file_outside_of_the_allowed_directories_is_read(site: PayloadSite, http: OutgoingHttp) -> None:
    reader = reader_of(site, http)
    inside, secret = site.root / "data" / "shop", site.root / "secret.json"
    secret.write_bytes(b'"secret"')
    written(site, "../bank/in.json")
    written(site, "../shopping/in.json")
    (inside / "link.json").symlink_to(secret)
    (inside / "folder").symlink_to(site.root)
    os.mkfifo(inside / "pipe.json")
    (inside / "directory.json").mkdir()
    told = set()
    for url in (
        f"file://{secret}",
        f"file://{inside}/../../secret.json",
        f"file://{inside}/%2e%2e/%2e%2e/secret.json",
        f"file://{inside}/link.json",
        f"file://{inside}/folder/secret.json",
        f"file://{inside}/pipe.json",
        f"file://{inside}/directory.json",
        f"file://{inside}/missing.json",
        f"file://{inside}/../bank/in.json",
        f"file://{site.root}/data/shopping/in.json",
        f"file://elsewhere{secret}",
        f"file:{secret.name}",
        "file:///etc/passwd",
        f"file://{inside}/a%00.json",
    ):
        problem = await refusal(reader, site, Pointer(url=url, format=FileFormat.JSON))
        told.add((problem.status, problem.type, problem.detail))
    assert len(told) == 1, "nobody learns what else is on the machine"


@pytest.mark.asyncio
async def test_a_link_within_the_allowed_directory_is_followed(site: PayloadSite, http: OutgoingHttp) -> None:
    reader = reader_of(site, http)
    path = written(site, "in.json")
    (path.parent / "latest.json").symlink_to(path)
    kept = await reader.fetch(Pointer(url=f"file://{path.parent}/latest.json"), site.access)
    assert await site.text(kept) == DATA


@pytest.mark.asyncio
async def test_a_pointers_data_is_sealed_where_asked(site: PayloadSite, http: OutgoingHttp) -> None:
    path = written(site, "in.json")
    kept = await reader_of(site, http).fetch(Pointer(url=f"file://{path}"), site.access, seal=True)
    assert kept.sealed
    assert await site.text(kept) == DATA


# Web addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_address_is_read_in_bounded_memory_by_type_or_name(
    site: PayloadSite, http: OutgoingHttp, outside: Receiver
) -> None:
    reader = reader_of(site, http)
    kept = await reader.fetch(Pointer(url=f"{outside.url}/in?token=secret"), site.access)
    assert await site.text(kept) == DATA
    assert kept.provenance is not None
    assert kept.provenance.address == f"{outside.url}/in", "its query may hold a signature"
    outside.answer = lambda _: Reply(body=DATA * 100_000, headers={"content-type": "application/octet-stream"})
    kept = await reader.fetch(Pointer(url=f"{outside.url}/in.ndjson"), site.access)
    assert (kept.format, kept.size) == (FileFormat.NDJSON, 100_000 * len(DATA))


@pytest.mark.asyncio
async def test_compression_of_the_way_is_undone(site: PayloadSite, http: OutgoingHttp, outside: Receiver) -> None:
    packed = gzip.compress(DATA)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    outside.answer = lambda _: Reply(body=packed, headers=headers)
    kept = await reader_of(site, http).fetch(Pointer(url=f"{outside.url}/in.json.gz"), site.access)
    assert await site.text(kept) == DATA


@pytest.mark.asyncio
async def test_redirects_are_judged_anew(site: PayloadSite, http: OutgoingHttp, outside: Receiver) -> None:
    reader = reader_of(site, http)

    def sent_on(target: str) -> Reply:
        return Reply(status=302, body=b"", headers={"location": target})

    with receiver(lambda _: Reply(body=DATA)) as other:
        outside.answer = lambda _: sent_on(f"{other.url}/real")
        assert await site.text(await reader.fetch(Pointer(url=f"{outside.url}/x"), site.access)) == DATA
    for target in ("http://169.254.169.254/latest/meta-data", "http://localhost.localdomain:1/", "file:///etc/passwd"):
        outside.answer = lambda _, target=target: sent_on(target)  # type: ignore[misc]
        problem = await refusal(reader, site, Pointer(url=f"{outside.url}/x"))
        assert problem.status in {422, 503}
    outside.answer = lambda _: sent_on(f"{outside.url}/again")
    assert (await refusal(reader, site, Pointer(url=f"{outside.url}/x"))).status == 503


@pytest.mark.asyncio
async def test_private_addresses_are_refused(site: PayloadSite, outside: Receiver) -> None:
    http = OutgoingHttp(policy=AddressPolicy(allow_plain_http=True))
    reader = reader_of(site, http)
    for url in (outside.url, outside.url.replace("127.0.0.1", "0x7f.1"), "http://[::1]/", "http://169.254.169.254/"):
        problem = await refusal(reader, site, Pointer(url=f"{url}/in.json"))
        assert (problem.status, problem.type) == (422, "source-refused")
    assert outside.received == []
    plain = reader_of(site, OutgoingHttp(policy=AddressPolicy(allow_private=("127.0.0.1",))))
    assert "encrypted" in (await refusal(plain, site, Pointer(url=f"{outside.url}/in.json"))).detail
    await http.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "answer"), [(404, 422), (401, 422), (500, 503), (429, 503)])
async def test_answers_that_are_no_data(
    site: PayloadSite, http: OutgoingHttp, outside: Receiver, status: int, answer: int
) -> None:
    outside.answer = lambda _: Reply(status=status, body=b"<html>")
    assert (await refusal(reader_of(site, http), site, Pointer(url=f"{outside.url}/in.json"))).status == answer


@pytest.mark.asyncio
async def test_what_is_too_long_or_says_no_format_is_refused(
    site: PayloadSite, http: OutgoingHttp, outside: Receiver
) -> None:
    reader = reader_of(site, http)
    outside.answer = lambda _: Reply(body=b"1" * (LIMITS.sent_bytes + 1))
    assert (await refusal(reader, site, Pointer(url=f"{outside.url}/in.json"))).status == 413
    outside.answer = lambda _: Reply(body=DATA, headers={"content-type": "text/html"})
    assert (await refusal(reader, site, Pointer(url=f"{outside.url}/page"))).status == 415
    assert site.files() == []


@pytest.mark.asyncio
async def test_an_answer_that_stands_still_is_given_up(site: PayloadSite, outside: Receiver) -> None:
    http = OutgoingHttp(policy=_LOOPBACK, timeout=0.2)
    outside.answer = lambda _: Reply(body=DATA, delay=1.0)
    assert (await refusal(reader_of(site, http), site, Pointer(url=f"{outside.url}/in.json"))).status == 503
    await http.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "url", ["", "ftp://host/x.json", "data:,1", "//host/x", "s3:x", "http://[", "x" * 5000, "gopher://x"]
)
async def test_what_is_no_address_is_refused(site: PayloadSite, http: OutgoingHttp, url: str) -> None:
    assert (await refusal(reader_of(site, http), site, Pointer(url=url))).status == 422


# Objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_object_is_read_where_it_is_allowed(
    site: PayloadSite, http: OutgoingHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "service")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    with object_server() as server:
        server.objects["bucket/shop/in.ndjson.gz"] = gzip.compress(DATA * 50_000)
        rule = read_rule(f"s3://bucket/{{project}}?endpoint={server.url}&region=eu-west-1")
        reader = reader_of(site, http, ObjectStores(rules=(rule,), seconds=5, retry_seconds=1))
        kept = await reader.fetch(Pointer(url="s3://bucket/shop/in.ndjson.gz"), site.access)
        assert (kept.format, kept.size) == (FileFormat.NDJSON, 50_000 * len(DATA))
        assert kept.provenance is not None
        assert kept.provenance.address == "s3://bucket/shop/in.ndjson.gz"
        problem = await refusal(reader, site, Pointer(url="s3://bucket/bank/in.json"))
        assert (problem.status, problem.type) == (422, "source-refused")


# Dataset versions -------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_dataset_version_is_referred_to_and_not_copied(site: PayloadSite, http: OutgoingHttp) -> None:
    catalogue, reader = catalogue_of(site), reader_of(site, http)
    await catalogue.create(site.access, EntryKind.DATASET, "sales", "")
    for content in (b'{"a":1}\n', b'{"a":2}\n'):
        file = await catalogue.receive("deep/in.ndjson", in_pieces([content]), room=1 << 20)
        await catalogue.register(site.access, EntryKind.DATASET, "sales", Registration(files=[file]))
    digest = hashlib.sha256(b'{"a":2}\n').hexdigest()
    for url in ("dataset://sales/latest/deep/in.ndjson", "dataset://sales/2/deep/in.ndjson", "dataset://sales"):
        kept = await reader.fetch(Pointer(url=url, sha256=digest), site.access)
        assert (kept.reference, kept.digest) == (f"dataset:sha256:{digest}", f"sha256:{digest}")
        assert await site.text(kept) == b'{"a":2}\n'
        assert kept.provenance is not None
        assert kept.provenance.address == "dataset://sales/2/deep/in.ndjson"
    first = await reader.fetch(Pointer(url="dataset://sales/1"), site.access, seal=True)
    assert (first.sealed, await site.text(first)) == (True, b'{"a":1}\n')
    async with site.database.connection() as connection:
        cursor = await connection.execute("SELECT kind, subject, route FROM access_records ORDER BY id")
        rows = await cursor.fetchall()
    assert len(rows) == 4
    assert rows[-1] == {"kind": "data", "subject": "dataset:sales@1/deep/in.ndjson", "route": "script pointer"}


@pytest.mark.asyncio
async def test_datasets_that_are_not_there_or_anothers(site: PayloadSite, http: OutgoingHttp) -> None:
    catalogue, reader = catalogue_of(site), reader_of(site, http)
    await catalogue.create(site.access, EntryKind.DATASET, "sales", "")
    files = [await catalogue.receive(name, in_pieces([b"a\n1\n"]), room=100) for name in ("a.csv", "b.csv")]
    await catalogue.register(site.access, EntryKind.DATASET, "sales", Registration(files=files))
    for url, status in (
        ("dataset://missing/1", 422),
        ("dataset://sales/7", 422),
        ("dataset://sales/1", 422),
        ("dataset://sales/1/c.csv", 404),
        ("dataset://sales/0/a.csv", 422),
        ("dataset://sales/one/a.csv", 422),
        ("dataset://SALES/1/a.csv", 422),
        ("dataset:///1/a.csv", 422),
        ("dataset://sales/99999999999/a.csv", 422),
    ):
        assert (await refusal(reader, site, Pointer(url=url))).status == status, url


@pytest.mark.asyncio
async def test_headers_of_the_service_are_sent_to_the_address_only(
    site: PayloadSite, http: OutgoingHttp, outside: Receiver
) -> None:
    await reader_of(site, http).fetch(Pointer(url=f"{outside.url}/in"), site.access)
    request: Received = outside.received[0]
    assert request.method == "GET"
    assert not {"authorization", "cookie"} & set(request.headers)
