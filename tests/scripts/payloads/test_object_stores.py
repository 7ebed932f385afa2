"""Objects of S3, Google Cloud Storage and Azure: one contract, within what the installation allows (A11)."""

import json
import os
from collections.abc import Iterator

import pytest

from quilate.app.service.settings import load_settings, settings_environment
from quilate.domain.errors import ConfigurationError
from quilate.kit.web.problems import Problem
from quilate.scripts.payloads.object_stores import ObjectStores, read_rule
from tests.support.object_servers import ObjectServer, object_server
from tests.support.payloads import in_pieces

SCHEMES = ("s3", "gs", "az")
_OPTIONS = {"s3": "&region=eu-west-1", "gs": "", "az": "&account=acme&anonymous=1"}


@pytest.fixture
def server() -> Iterator[ObjectServer]:
    with object_server() as opened:
        yield opened


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-service")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-7391")
    # As for emulators: nobody is asked for a token.
    account = {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account))


def stores(server: ObjectServer, scheme: str, prefix: str = "data", options: str = "") -> ObjectStores:
    rule = read_rule(f"{scheme}://bucket/{prefix}?endpoint={server.url}{_OPTIONS[scheme]}{options}")
    return ObjectStores(rules=(rule,), seconds=5.0, retry_seconds=1.0)


async def content(objects: ObjectStores, url: str, limit: int | None = None) -> bytes:
    return b"".join([piece async for piece in objects.read(url, project="shop", limit=limit)])


@pytest.mark.asyncio
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [0, 10, 20 << 20])
async def test_what_is_written_is_read_again(server: ObjectServer, scheme: str, size: int) -> None:
    objects = stores(server, scheme)
    url, data = f"{scheme}://bucket/data/deep/out-1.json", bytes(range(256)) * (size // 256) or b"0123456789"[:size]
    await objects.write(url, in_pieces([data[:100], data[100:]]), project="shop")
    assert server.objects["bucket/data/deep/out-1.json"] == data
    assert server.uploads == {}
    assert await content(objects, url) == data
    await objects.delete(url)
    assert server.objects == {}
    await objects.delete(url)


@pytest.mark.asyncio
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_what_is_not_there_or_too_long_is_refused(server: ObjectServer, scheme: str) -> None:
    objects = stores(server, scheme)
    with pytest.raises(Problem) as missing:
        await content(objects, f"{scheme}://bucket/data/missing.json")
    assert (missing.value.status, "no such object" in missing.value.detail) == (422, True)
    server.objects["bucket/data/long.json"] = b"x" * 100
    with pytest.raises(Problem) as long:
        await content(objects, f"{scheme}://bucket/data/long.json", limit=99)
    assert (long.value.status, "99 bytes" in long.value.detail) == (422, True)


@pytest.mark.asyncio
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("status", "answer"), [(403, 422), (500, 503)])
async def test_a_providers_words_stay_inside(server: ObjectServer, scheme: str, status: int, answer: int) -> None:
    server.objects["bucket/data/a.json"] = b"1"
    server.refuses = status
    with pytest.raises(Problem) as caught:
        await content(stores(server, scheme), f"{scheme}://bucket/data/a.json")
    assert caught.value.status == answer
    told = f"{caught.value.detail} {caught.value.next_step} {caught.value.extensions}"
    assert not any(hidden in told for hidden in ("7391", "127.0.0.1", "key-of-the-service"))


@pytest.mark.asyncio
async def test_the_services_credentials_sign_and_anonymous_requests_are_not_signed(server: ObjectServer) -> None:
    server.objects["bucket/data/a.json"] = b"1"
    await content(stores(server, "s3"), "s3://bucket/data/a.json")
    assert "Credential=key-of-the-service/" in server.authorizations[-1]
    assert "eu-west-1" in server.authorizations[-1]
    await content(stores(server, "s3", options="&anonymous=1"), "s3://bucket/data/a.json")
    assert server.authorizations[-1] == ""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/database/a.json",
        "s3://bucket/dat/a.json",
        "s3://bucket/data",
        "s3://other/data/a.json",
        "gs://bucket/data/a.json",
        "s3://bucket/data/../secret.json",
        "s3://bucket/data//a.json",
        "s3://bucket/data/./a.json",
        "s3://bucket/data/a.json?versionId=1",
        "s3://bucket/data/a.json#x",
        "s3://user@bucket/data/a.json",
        "s3://bucket/data/a\x00.json",
        "s3://bucket/data/a\n.json",
        "s3://bucket/data\\a.json",
        "s3:///data/a.json",
        "s3://bucket",
        "s3://[::1",
        "s3://bucket/data/" + "x" * 1100,
    ],
)
async def test_only_allowed_places_are_asked(server: ObjectServer, url: str) -> None:
    objects = stores(server, "s3")
    with pytest.raises(Problem) as caught:
        await content(objects, url)
    assert (caught.value.status, caught.value.type) == (422, "source-refused")
    with pytest.raises(Problem):
        await objects.write(url, in_pieces([b"1"]), project="shop")
    assert server.requests == []


@pytest.mark.asyncio
async def test_projects_have_places_of_their_own(server: ObjectServer) -> None:
    server.objects |= {"bucket/team/shop/a.json": b"ours", "bucket/team/bank/a.json": b"theirs"}
    objects = stores(server, "s3", prefix="team/{project}")
    assert await content(objects, "s3://bucket/team/shop/a.json") == b"ours"
    with pytest.raises(Problem):
        await content(objects, "s3://bucket/team/bank/a.json")


@pytest.mark.asyncio
async def test_places_to_read_are_not_written(server: ObjectServer) -> None:
    objects = stores(server, "s3", options="&mode=read")
    server.objects["bucket/data/a.json"] = b"1"
    assert await content(objects, "s3://bucket/data/a.json") == b"1"

    with pytest.raises(Problem) as caught:
        await objects.write("s3://bucket/data/b.json", in_pieces([b"1"]), project="shop")
    assert "written" in caught.value.detail
    assert list(server.objects) == ["bucket/data/a.json"]
    with pytest.raises(Problem):
        await objects.delete("s3://bucket/data/a.json")


@pytest.mark.parametrize(
    "text",
    [
        "https://bucket/data",
        "s3://",
        "s3://bucket/data?color=red",
        "s3://bucket/data?endpoint=file:///etc",
        "s3://bucket/data?mode=delete",
        "s3://bucket/data?endpoint",
        "bucket",
    ],
)
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expects"):
        read_rule(text)
    with pytest.raises(ConfigurationError, match="QUILATE_OBJECT_STORES"):
        load_settings({"QUILATE_OBJECT_STORES": text})


def test_the_setting_goes_to_other_processes_as_it_came() -> None:
    text = "s3://bucket/{project}/in?endpoint=https://minio.example:9000&mode=read,gs://other"
    settings = load_settings({"QUILATE_OBJECT_STORES": text})
    assert settings_environment(settings)["QUILATE_OBJECT_STORES"] == text
