"""Archives that no honest program makes, for tests."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence


def tar_of(entries: Sequence[tuple[tarfile.TarInfo, bytes]], *, compressed: bool = True) -> bytes:
    """Return a tar of exactly these entries; the same bytes for the same entries."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for info, content in entries:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    # Without a time: gzip would write the second at which it was made.
    return gzip.compress(target.getvalue(), mtime=0) if compressed else target.getvalue()


def tar_files(files: Mapping[str, bytes], *, compressed: bool = True) -> bytes:
    """Return a tar of plain files."""
    return tar_of([(tarfile.TarInfo(name), content) for name, content in files.items()], compressed=compressed)


def tar_entry(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """Return an entry of any kind, without content."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


def zip_files(files: Mapping[str, bytes], *, modes: Mapping[str, int] | None = None) -> bytes:
    """Return a zip; ``modes`` gives the Unix mode of an entry, its kind included."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(info, content)
    return target.getvalue()
