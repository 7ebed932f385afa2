"""Archives: what honest programs make is unpacked; bombs and escapes are refused, none is left outside (C03, C08)."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from quilate.runs.workspaces.archives import unpack_archive
from quilate.runs.workspaces.errors import SourceRefusedError
from quilate.runs.workspaces.limits import TreeLimits
from tests.support.archives import tar_entry, tar_files, tar_of, zip_files

FILES = {"src/main.py": b"print(1)\n", "README.md": b"# x\n"}


def unpack(tmp_path: Path, content: bytes, limits: TreeLimits | None = None) -> Path:
    archive, target = tmp_path / "archive", tmp_path / "box" / "tree"
    archive.write_bytes(content)
    target.mkdir(parents=True, exist_ok=True)
    unpack_archive(archive, target, limits or TreeLimits())
    return target


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "content",
    [
        tar_files(FILES),
        tar_files(FILES, compressed=False),
        zip_files(FILES),
        tar_files({f"./{k}": v for k, v in FILES.items()}),
    ],
    ids=["tar.gz", "tar", "zip", "dotted"],
)
def test_what_honest_programs_make_is_unpacked(tmp_path: Path, content: bytes) -> None:
    root = unpack(tmp_path, content)
    assert contents(root) == FILES
    assert not stat.S_IMODE((root / "README.md").stat().st_mode) & 0o222


def test_folders_links_and_programs_are_kept(tmp_path: Path) -> None:
    program = tarfile.TarInfo("run.sh")
    program.mode = 0o4755
    root = unpack(
        tmp_path,
        tar_of(
            [
                tar_entry("empty", tarfile.DIRTYPE),
                (program, b"#!/bin/sh\n"),
                tar_entry("link", tarfile.SYMTYPE, "run.sh"),
                tar_entry("copy", tarfile.LNKTYPE, "run.sh"),
            ]
        ),
    )
    assert (root / "empty").is_dir()
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o555, "executable, and nothing more"
    assert (root / "link").readlink() == Path("run.sh")
    assert (root / "copy").read_bytes() == b"#!/bin/sh\n"
    assert (root / "copy").stat().st_nlink == 1


def test_links_in_a_zip_are_links(tmp_path: Path) -> None:
    root = unpack(tmp_path, zip_files({"a": b"x", "b": b"a"}, modes={"b": 0o120777}))
    assert (root / "b").readlink() == Path("a")


def test_repositories_and_caches_within_are_left_out(tmp_path: Path) -> None:
    content = tar_files({"a": b"a", ".git/config": b"[core]", "sub/.GIT/hooks/x": b"x", ".quilate/cache": b"pass"})
    archive, target = tmp_path / "archive", tmp_path / "tree"
    archive.write_bytes(content)
    target.mkdir()
    assert unpack_archive(archive, target, TreeLimits()) == (".git", ".quilate", "sub/.GIT")
    assert contents(target) == {"a": b"a"}


def test_names_with_spaces_that_systems_write_themselves_are_taken(tmp_path: Path) -> None:
    names = {"Screenshot 9.41.00\u202fAM.png", "a\u00a0b", "family \U0001f468\u200d\U0001f469.txt"}
    archive, target = tmp_path / "archive", tmp_path / "tree"
    archive.write_bytes(tar_files(dict.fromkeys(names, b"x")))
    target.mkdir()
    unpack_archive(archive, target, TreeLimits())
    assert set(contents(target)) == names


ESCAPES = {
    "absolute": tar_files({"/etc/x": b"x"}),
    "upwards": tar_files({"../x": b"x"}),
    "deep-upwards": tar_files({"a/../../x": b"x"}),
    "dot": tar_files({"a/./x": b"x"}),
    "backslash": tar_files({"..\\x": b"x"}),
    "newline": tar_files({"a\nb": b"x"}),
    "escape": tar_files({"a\x1b[31m": b"x"}),
    "line-separator": tar_files({"a\u2028b": b"x"}),
    "link-absolute": tar_of([tar_entry("l", tarfile.SYMTYPE, "/etc/passwd")]),
    "link-upwards": tar_of([tar_entry("l", tarfile.SYMTYPE, "../../x")]),
    "link-chain": tar_of([tar_entry("a", tarfile.SYMTYPE, "b/.."), tar_entry("b", tarfile.SYMTYPE, "..")]),
    "through-link": tar_of(
        [tar_entry("l", tarfile.SYMTYPE, "/tmp"), (tarfile.TarInfo("l/x"), b"x")]  # noqa: S108 - refused
    ),
    "hardlink-out": tar_of([tar_entry("h", tarfile.LNKTYPE, "/etc/passwd")]),
    "hardlink-upwards": tar_of([tar_entry("h", tarfile.LNKTYPE, "../archive")]),
    "hardlink-to-link": tar_of([tar_entry("l", tarfile.SYMTYPE, "x"), tar_entry("h", tarfile.LNKTYPE, "l")]),
    "device": tar_of([tar_entry("d", tarfile.CHRTYPE)]),
    "block-device": tar_of([tar_entry("d", tarfile.BLKTYPE)]),
    "fifo": tar_of([tar_entry("f", tarfile.FIFOTYPE)]),
    "twice": tar_of([(tarfile.TarInfo("a"), b"1"), (tarfile.TarInfo("a"), b"2")]),
    "case": tar_files({"README": b"1", "readme": b"2"}),
    "case-folder": tar_files({"A/x": b"1", "a/y": b"2"}),
    "normalised": tar_files({"caf\u00e9": b"1", "cafe\u0301": b"2"}),
    "file-and-folder": tar_files({"a": b"1", "a/b": b"2"}),
    "zip-absolute": zip_files({"/etc/x": b"x"}),
    "zip-upwards": zip_files({"../../x": b"x"}),
    "zip-link": zip_files({"l": b"/etc/passwd"}, modes={"l": 0o120777}),
    "zip-device": zip_files({"d": b""}, modes={"d": 0o060644}),
    "zip-case": zip_files({"A": b"1", "a": b"2"}),
    "long-name": tar_files({"x" * 300: b"x"}),
    "long-path": tar_files({"/".join(["x" * 50] * 30): b"x"}),
    "too-deep": tar_files({"/".join("x" * 80): b"x"}),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_what_leads_out_or_collides_is_refused(tmp_path: Path, name: str) -> None:
    before = sorted(path for path in tmp_path.iterdir())
    with pytest.raises(SourceRefusedError):
        unpack(tmp_path, ESCAPES[name])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({*(p.name for p in before), "archive", "box"})
    assert [path.name for path in (tmp_path / "box").iterdir()] == ["tree"]
    for path in (tmp_path / "box" / "tree").rglob("*"):
        assert Path(os.path.realpath(path)).is_relative_to(tmp_path / "box" / "tree")


class TestBombs:
    def test_a_ratio_that_no_source_has_is_refused(self, tmp_path: Path) -> None:
        zeros = tar_files({"zeros": bytes(64 << 20)})
        assert len(zeros) < 100_000
        with pytest.raises(SourceRefusedError, match="200 times its length"):
            unpack(tmp_path, zeros)
        with pytest.raises(SourceRefusedError, match="200 times its length"):
            unpack(tmp_path, zip_files({"zeros": bytes(64 << 20)}))

    def test_many_small_bombs_count_together(self, tmp_path: Path) -> None:
        limits = TreeLimits(total_bytes=4 << 20)
        for content in (tar_files, zip_files):
            with pytest.raises(SourceRefusedError, match="larger than"):
                unpack(tmp_path, content({f"f{n}": os.urandom(1 << 20) for n in range(6)}), limits)

    def test_one_large_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceRefusedError, match="larger than"):
            unpack(tmp_path, tar_files({"f": os.urandom(2 << 20)}), TreeLimits(file_bytes=1 << 20))

    def test_too_many_files_are_refused(self, tmp_path: Path) -> None:
        files = {f"{number}": b"" for number in range(200)}
        folders = {f"{number}/x/y/z": b"" for number in range(40)}
        for number, content in enumerate((tar_files(files), zip_files(files), tar_files(folders))):
            place = tmp_path / f"case-{number}"
            place.mkdir()
            with pytest.raises(SourceRefusedError, match="more than 100 files"):
                unpack(place, content, TreeLimits(files=100))

    def test_a_gzip_that_never_ends_in_the_header_of_one_entry(self, tmp_path: Path) -> None:
        # A long name of two gigabytes, which the library would read into memory.
        header = tarfile.TarInfo("././@LongLink")
        header.type = tarfile.GNUTYPE_LONGNAME
        header.size = 2 << 30
        target = io.BytesIO()
        with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1) as stream:
            stream.write(header.tobuf(tarfile.GNU_FORMAT))
            for _ in range(256):
                stream.write(bytes(1 << 20))
        with pytest.raises(SourceRefusedError):
            unpack(tmp_path, target.getvalue(), TreeLimits(ratio=100_000, total_bytes=8 << 30))

    def test_a_sparse_file_is_refused(self, tmp_path: Path) -> None:
        header = tarfile.TarInfo("sparse")
        header.type = tarfile.GNUTYPE_SPARSE
        with pytest.raises(SourceRefusedError):
            unpack(tmp_path, header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))

    def test_a_zip_that_says_less_than_it_holds_is_refused(self, tmp_path: Path) -> None:
        content = bytearray(zip_files({"f": bytes(1 << 20)}))
        size = (1 << 20).to_bytes(4, "little")
        for place in (content.find(size), content.rfind(size)):
            content[place : place + 4] = (10).to_bytes(4, "little")
        with pytest.raises(SourceRefusedError):
            unpack(tmp_path, bytes(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "none of them"),
        (b"hello", "none of them"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "zstandard"),
        (b"\xfd7zXZ\x00" + bytes(100), "xz"),
        (b"BZh9" + bytes(100), "bzip2"),
        (tar_files(FILES)[:-20], "damaged"),
        (tar_files({"f": bytes(4000)}, compressed=False)[:2000], "damaged"),
        (zip_files(FILES)[:-30], "damaged"),
        (b"PK\x03\x04" + bytes(200), "damaged"),
        (b"\x1f\x8b" + bytes(200), "damaged"),
        (gzip.compress(b"no tar at all" * 100, mtime=0), "damaged"),
    ],
)
def test_what_is_no_whole_archive_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(SourceRefusedError, match=said):
        unpack(tmp_path, content)


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    content = bytearray(zip_files({"f": b"x"}))
    content[6] |= 1
    place = content.find(b"PK\x01\x02")
    content[place + 8] |= 1
    with pytest.raises(SourceRefusedError, match="encrypted"):
        unpack(tmp_path, bytes(content))


def test_a_zip_of_another_method_is_refused(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("f", b"x" * 1000)
    with pytest.raises(SourceRefusedError):
        unpack(tmp_path, target.getvalue())
