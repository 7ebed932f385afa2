"""Contents by their digests: what every store owes, and what a directory adds (C08, C09)."""

import asyncio
import hashlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quilate.domain.errors import ConfigurationError
from quilate.evidence.artifacts import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ArtifactStorageError,
    ArtifactStore,
    ArtifactTooLargeError,
    DirectoryArtifactStore,
    open_artifact_store,
)

ABSENT = "sha256:" + "0" * 64


def _directory(tmp_path: Path) -> ArtifactStore:
    return open_artifact_store((tmp_path / "artifacts").as_uri())


IMPLEMENTATIONS: tuple[Callable[[Path], ArtifactStore], ...] = (_directory,)


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda make: make.__name__)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    made: ArtifactStore = request.param(tmp_path)
    return made


def files_of(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.name != "lock"]


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


class TestEveryStore:
    def test_a_content_is_found_by_its_sha256(self, store: ArtifactStore) -> None:
        digest = store.put_bytes(b"evidence")
        assert digest == "sha256:" + hashlib.sha256(b"evidence").hexdigest()
        assert store.read(digest, 100) == b"evidence"
        assert store.exists(digest)
        assert store.size(digest) == 8
        with store.open(digest) as stream:
            assert stream.read(3) == b"evi"

    def test_the_empty_content_is_one_too(self, store: ArtifactStore) -> None:
        assert store.read(store.put_bytes(b""), 0) == b""

    def test_the_same_content_put_in_any_way_is_one_artifact(self, store: ArtifactStore, tmp_path: Path) -> None:
        content = os.urandom(3 << 20)
        (tmp_path / "file").write_bytes(content)
        streamed, size = asyncio.run(store.put_stream(pieces(content[: 1 << 21], b"", content[1 << 21 :]), 4 << 20))
        assert store.put_bytes(content) == store.put_file(tmp_path / "file") == streamed
        assert size == len(content)

    def test_many_threads_may_put_the_same_content(self, store: ArtifactStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            digests = set(pool.map(lambda _: store.put_bytes(b"x" * 100_000), range(32)))
        assert len(digests) == 1
        assert store.read(digests.pop(), 1 << 20) == b"x" * 100_000

    def test_what_is_not_there_is_said_to_be_missing(self, store: ArtifactStore, tmp_path: Path) -> None:
        assert not store.exists(ABSENT)
        for ask in (store.size, store.open, lambda digest: store.copy_to(digest, tmp_path / "copy")):
            with pytest.raises(ArtifactMissingError):
                ask(ABSENT)

    @pytest.mark.parametrize("name", ["", "sha256:", "sha256:../../etc/passwd", "md5:" + "0" * 64, ABSENT.upper()])
    def test_what_is_no_digest_is_never_looked_for(self, store: ArtifactStore, name: str) -> None:
        with pytest.raises(ArtifactMissingError):
            store.read(name, 100)

    def test_a_reader_says_how_much_it_takes(self, store: ArtifactStore) -> None:
        digest = store.put_bytes(b"12345")
        with pytest.raises(ArtifactTooLargeError):
            store.read(digest, 4)

    def test_a_stream_beyond_its_limit_is_not_read_further(self, store: ArtifactStore) -> None:
        read = []

        async def endless() -> AsyncIterator[bytes]:
            while True:
                read.append(1)
                yield b"x" * (1 << 19)

        with pytest.raises(ArtifactTooLargeError):
            asyncio.run(store.put_stream(endless(), 1 << 21))
        assert len(read) < 10

    def test_a_copy_is_made_once_and_only_where_nothing_is(self, store: ArtifactStore, tmp_path: Path) -> None:
        digest = store.put_bytes(b"model")
        assert store.copy_to(digest, tmp_path / "copy", 0o444) == 5
        assert (tmp_path / "copy").read_bytes() == b"model"
        with pytest.raises(ArtifactStorageError):
            store.copy_to(digest, tmp_path / "copy")
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ArtifactStorageError):
            store.copy_to(digest, tmp_path / "link")
        assert not (tmp_path / "elsewhere").exists()

    def test_only_what_is_old_and_unreferenced_is_deleted(self, store: ArtifactStore) -> None:
        kept, gone = store.put_bytes(b"kept"), store.put_bytes(b"gone")
        assert store.delete_unreferenced(lambda _: False, older_than_seconds=3600) == 0
        assert store.delete_unreferenced(lambda digest: digest == kept, older_than_seconds=-1) == 1
        assert store.exists(kept)
        assert not store.exists(gone)
        assert store.read(store.put_bytes(b"gone"), 10) == b"gone"


class TestDirectory:
    def test_nobody_else_may_enter_and_nobody_may_write(self, tmp_path: Path) -> None:
        store = DirectoryArtifactStore(tmp_path / "artifacts")
        digest = store.put_bytes(b"secret")
        assert stat.S_IMODE(store.root.stat().st_mode) == 0o700
        [path] = files_of(store.root)
        name = digest.removeprefix("sha256:")
        assert path == store.root / name[:2] / name[2:4] / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o400

    def test_a_changed_content_is_never_given_out(self, tmp_path: Path) -> None:
        store = DirectoryArtifactStore(tmp_path / "artifacts")
        digest = store.put_bytes(b"verdict: FAIL")
        [path] = files_of(store.root)
        path.chmod(0o600)
        path.write_bytes(b"verdict: PASS")
        for ask in (
            lambda: store.read(digest, 100),
            lambda: store.open(digest),
            lambda: store.copy_to(digest, tmp_path / "copy"),
        ):
            with pytest.raises(ArtifactCorruptError):
                ask()
        assert not (tmp_path / "copy").exists()

    def test_putting_again_keeps_what_retention_would_have_deleted(self, tmp_path: Path) -> None:
        store = DirectoryArtifactStore(tmp_path / "artifacts")
        digest = store.put_bytes(b"old")
        [path] = files_of(store.root)
        os.utime(path, (time.time() - 7200, time.time() - 7200))
        store.put_bytes(b"old")
        assert store.delete_unreferenced(lambda _: False, older_than_seconds=3600) == 0
        assert store.exists(digest)

    def test_what_a_dead_process_left_is_cleared(self, tmp_path: Path) -> None:
        store = DirectoryArtifactStore(tmp_path / "artifacts")
        left = store.root / "partial" / "left"
        left.write_bytes(b"half")
        os.utime(left, (0, 0))
        store.delete_unreferenced(lambda _: True, older_than_seconds=3600)
        assert not left.exists()

    def test_a_disk_without_room_is_named_and_leaves_no_half_file(self, tmp_path: Path) -> None:
        # The limit of a file's length refuses a write as a full disk does, without privileges.
        program = (
            "import resource, sys, pathlib\n"
            "from quilate.evidence.artifacts import ArtifactStorageError, DirectoryArtifactStore\n"
            "store = DirectoryArtifactStore(pathlib.Path(sys.argv[1]))\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "try:\n    store.put_bytes(b'x' * 200_000)\n"
            "except ArtifactStorageError as error:\n    print(error.message, '|', error.next_step)\n"
            "store.put_bytes(b'small')\n"
        )
        root = tmp_path / "artifacts"
        done = subprocess.run([sys.executable, "-c", program, root], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("the artifact store is full | free space")
        assert [path.read_bytes() for path in files_of(root)] == [b"small"]

    def test_a_stream_that_breaks_off_leaves_nothing(self, tmp_path: Path) -> None:
        store = DirectoryArtifactStore(tmp_path / "artifacts")

        async def broken() -> AsyncIterator[bytes]:
            yield b"x" * (2 << 20)
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            asyncio.run(store.put_stream(broken(), 1 << 30))
        assert files_of(store.root) == []


@pytest.mark.parametrize(
    "url", ["s3://bucket/x", "gs://bucket", "az://container", "ftp://host/x", "artifacts", "file://host/x"]
)
def test_an_address_that_is_none_says_what_to_give(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_artifact_store(url)
    assert "file://" in raised.value.next_step
