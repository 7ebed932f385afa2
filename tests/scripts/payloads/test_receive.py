"""Bodies: plain, compressed, in chunks, as parts; what is broken or too long is refused (A11, A12)."""

import gzip
import hashlib
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import zstandard

from quilate.kit.web.problems import Problem
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import ENVELOPE, PayloadLimits
from tests.support.payloads import PayloadSite, cut

brotli: Any = import_module("brotli")

DATA = json.dumps([{"name": "Ana", "value": number} for number in range(500)]).encode()
PACKERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.asyncio
async def test_a_short_body_stays_in_memory_and_a_long_one_becomes_an_artifact(site: PayloadSite) -> None:
    short = await site.received(DATA, content_type="application/json")
    assert (short.inline, short.reference, short.digest, short.size) == (DATA, None, digest(DATA), len(DATA))
    assert short.format is FileFormat.JSON
    assert site.files() == []

    long = b"[" + b"1," * 100_000 + b"1]"
    kept = await site.received(cut(long, 1000), content_type="application/json")
    assert kept.inline is None
    assert (kept.digest, kept.size, kept.reference) == (digest(long), len(long), f"payload:{digest(long)}")
    assert await site.text(kept) == long
    assert (kept.provenance is not None, kept.provenance and kept.provenance.digest) == (True, digest(long))


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
async def test_compression_is_undone_whatever_the_pieces_are(site: PayloadSite, encoding: str, size: int) -> None:
    body = cut(PACKERS[encoding](DATA), size)
    kept = await site.received(body, content_type="application/json", content_encoding=encoding)
    assert await site.text(kept) == DATA


@pytest.mark.asyncio
async def test_several_members_and_frames_are_one_content(site: PayloadSite) -> None:
    for encoding in ("gzip", "zstd"):
        body = PACKERS[encoding](b"[1,") + PACKERS[encoding](b"2]")
        kept = await site.received(cut(body, 3), content_type="application/json", content_encoding=encoding)
        assert await site.text(kept) == b"[1,2]"


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("fault", ["cut", "broken", "garbage"])
async def test_broken_compression_is_named(site: PayloadSite, encoding: str, fault: str) -> None:
    whole = PACKERS[encoding](DATA)
    body = {"cut": whole[:-5], "broken": b"\0\1\2\3" + whole[4:], "garbage": b"this is no compressed text"}[fault]
    with pytest.raises(Problem) as caught:
        await site.received(body, content_type="application/json", content_encoding=encoding)
    assert (caught.value.status, caught.value.type) == (400, "malformed")
    assert encoding in caught.value.detail


def _bomb(encoding: str, size: int) -> Iterator[bytes]:
    """Give a compressed stream of zeros without holding them."""
    zeros = b"\0" * (1 << 20)
    packer: Any
    if encoding == "gzip":
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    elif encoding == "br":
        packer = brotli.Compressor(quality=5)
    else:
        packer = zstandard.ZstdCompressor(level=3).compressobj()
    for _ in range(size >> 20):
        yield packer.process(zeros) if encoding == "br" else packer.compress(zeros)
    yield packer.finish() if encoding == "br" else packer.flush()


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
async def test_bombs_are_refused_in_little_memory(site: PayloadSite, encoding: str) -> None:
    body = b"".join(_bomb(encoding, 256 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(Problem) as caught:
            await site.received([body], content_type="application/json", content_encoding=encoding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (caught.value.status, caught.value.type) in {(422, "invalid-request"), (413, "too-large")}
    assert peak < 64 << 20
    assert site.files() == []


@pytest.mark.asyncio
async def test_limits_on_what_is_sent_and_on_what_it_becomes_name_themselves(site: PayloadSite) -> None:
    limits = PayloadLimits(sent_bytes=1000, plain_bytes=5000, inline_bytes=100)
    with pytest.raises(Problem) as sent:
        await site.received(cut(b"1" * 1001, 10), limits=limits, content_type="application/json")
    assert (sent.value.status, sent.value.extensions["limit"]) == (413, 1000)
    with pytest.raises(Problem) as declared:
        await site.received([], limits=limits, content_type="application/json", content_length="1001")
    assert declared.value.status == 413
    packed = gzip.compress(b"12345" * 1001)
    with pytest.raises(Problem) as plain:
        await site.received([packed], limits=limits, content_type="application/json", content_encoding="gzip")
    assert (plain.value.status, plain.value.extensions["limit"]) == (413, 5000)
    assert site.files() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("length", ["3", "9", "-1", "many", "+5", "1" * 30])
async def test_a_lying_content_length_is_refused(site: PayloadSite, length: str) -> None:
    with pytest.raises(Problem) as caught:
        await site.received(b"[1,2]", content_type="application/json", content_length=length)
    assert caught.value.status == 400


@pytest.mark.asyncio
async def test_a_length_and_chunks_at_once_are_refused(site: PayloadSite) -> None:
    with pytest.raises(Problem) as caught:
        await site.received(b"[1]", content_type="application/json", content_length="3", transfer_encoding="chunked")
    assert caught.value.status == 400


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("", FileFormat.JSON),
        ("application/json; charset=utf-8", FileFormat.JSON),
        ('application/json; charset="UTF-8"', FileFormat.JSON),
        ("application/vnd.example+json", FileFormat.JSON),
        ("application/x-ndjson", FileFormat.NDJSON),
        ("APPLICATION/JSONL", FileFormat.NDJSON),
        ("text/csv", FileFormat.CSV),
    ],
)
async def test_the_type_says_the_format(site: PayloadSite, type_: str, expected: FileFormat) -> None:
    assert (await site.received(b"1", content_type=type_)).format is expected


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"content_type": "application/xml"}, "application/x-ndjson"),
        ({"content_type": "application/json; charset=latin-1"}, "application/json"),
        ({"content_type": "application/json", "content_encoding": "deflate"}, "gzip"),
        ({"content_type": "application/json", "content_encoding": "gzip, br"}, "zstd"),
    ],
)
async def test_what_is_not_understood_is_refused_with_what_is(
    site: PayloadSite, headers: dict[str, Any], named: str
) -> None:
    with pytest.raises(Problem) as caught:
        await site.received(b"1", **headers)
    assert caught.value.status == 415
    assert named in caught.value.next_step
    assert named in caught.value.extensions["accepted"]


@pytest.mark.asyncio
async def test_nothing_is_parsed_that_is_only_passed_on(site: PayloadSite) -> None:
    broken = b'{"a": NaN, "a": [[[[ \xff'
    assert await site.text(await site.received(broken, content_type="application/json")) == broken


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("application/vnd.apache.parquet", b"PK\3\4 a zip"),
        ("application/vnd.apache.parquet", b"PA"),
        ("application/vnd.apache.parquet", b""),
        ("application/vnd.apache.arrow.stream", b"ARROW1\0\0 a file, not a stream"),
    ],
)
async def test_columns_begin_as_they_must(site: PayloadSite, type_: str, body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        await site.received(body, content_type=type_)
    assert caught.value.status == 422


def _multipart(*parts: tuple[str, str | None, str, bytes]) -> tuple[str, bytes]:
    lines = b""
    for name, file, type_, content in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
        head = f"--b0undary\r\nContent-Disposition: {disposition}\r\n"
        head += f"Content-Type: {type_}\r\n" if type_ else ""
        lines += head.encode() + b"\r\n" + content + b"\r\n"
    return "multipart/form-data; boundary=b0undary", lines + b"--b0undary--\r\n"


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [1, 17, 1 << 20])
async def test_a_file_among_parts_is_taken_by_type_or_name(site: PayloadSite, size: int) -> None:
    lines = b'{"a":1}\n{"a":2}\r\n--b0undar'
    type_, body = _multipart(("note", None, "", b"hello"), ("file", "C:\\data\\in.ndjson", "", lines))
    kept = await site.received(cut(body, size), content_type=type_)
    assert (kept.format, await site.text(kept)) == (FileFormat.NDJSON, lines)
    assert kept.provenance is not None
    assert (kept.provenance.kind, kept.provenance.address) == ("multipart", "in.ndjson")


@pytest.mark.asyncio
async def test_a_file_that_is_compressed_by_its_name_is_decompressed(site: PayloadSite) -> None:
    type_, body = _multipart(("file", "in.csv.gz", "application/octet-stream", gzip.compress(b"a,b\n1,2\n")))
    kept = await site.received(body, content_type=type_)
    assert (kept.format, await site.text(kept)) == (FileFormat.CSV, b"a,b\n1,2\n")


@pytest.mark.asyncio
async def test_a_long_file_among_parts_is_spooled(site: PayloadSite) -> None:
    long = b"1\n" * 200_000
    type_, body = _multipart(("file", "in.ndjson", "", long))
    kept = await site.received(cut(body, 4096), content_type=type_)
    assert kept.reference is not None
    assert await site.text(kept) == long


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((("file", "in.json", "", b"1"), ("file", "b.json", "", b"2")), 400),
        ((("note", None, "", b"1"),), 400),
        ((("file", "in.exe", "application/octet-stream", b"MZ"),), 415),
        ((("note", None, "", b"x" * 70_000), ("file", "in.json", "", b"1")), 400),
    ],
)
async def test_parts_that_cannot_be_taken(
    site: PayloadSite, parts: tuple[tuple[str, str | None, str, bytes], ...], status: int
) -> None:
    type_, body = _multipart(*parts)
    with pytest.raises(Problem) as caught:
        await site.received(body, content_type=type_)
    assert caught.value.status == status


@pytest.mark.asyncio
@pytest.mark.parametrize("cut_at", [-4, -30, 40])
async def test_parts_that_are_cut_off(site: PayloadSite, cut_at: int) -> None:
    type_, body = _multipart(("file", "in.json", "", b"[1,2,3]"))
    with pytest.raises(Problem) as caught:
        await site.received(body[:cut_at], content_type=type_)
    assert caught.value.status == 400


@pytest.mark.asyncio
async def test_a_sealed_content_lies_nowhere_in_the_clear(site: PayloadSite) -> None:
    secret = b'["a very secret name"]'
    short = await site.received(secret, seal=True, content_type="application/json")
    assert short.sealed
    assert short.inline is not None
    assert b"secret" not in short.inline
    assert await site.text(short) == secret

    long = b"[" + b'"a very secret name",' * 20_000 + b"1]"
    kept = await site.received(cut(long, 5000), seal=True, content_type="application/json")
    assert (kept.sealed, kept.digest) == (True, digest(long))
    (file,) = site.files()
    assert b"secret" not in file.read_bytes()
    assert kept.inline is not None
    assert b"secret" not in kept.inline
    assert await site.text(kept) == long
    path = site.root / "copy"
    assert await site.store.copy_to(kept, site.project, path) == len(long)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (long, 0o600)


@pytest.mark.asyncio
async def test_a_content_that_pretends_to_be_sealed_is_refused(site: PayloadSite) -> None:
    with pytest.raises(Problem) as caught:
        await site.received(ENVELOPE + b"x" * 100, content_type="text/csv")
    assert caught.value.status == 422
