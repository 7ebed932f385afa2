"""Take files from the server's own disk into the catalogue, from allowed directories only."""

import os
from collections.abc import Sequence
from pathlib import Path

from quilate.datasets.archives import too_large
from quilate.datasets.errors import CatalogueError
from quilate.datasets.manifest import require_path
from quilate.datasets.model import CatalogueLimits, StoredFile
from quilate.evidence.artifacts import ArtifactStore, ArtifactTooLargeError


def collect_files(
    artifacts: ArtifactStore, roots: Sequence[str], text: str, limits: CatalogueLimits
) -> list[StoredFile]:
    """Keep the file at a path, or every file of the directory there.

    Raises:
        CatalogueError: The path is not below one of ``roots``, not there, or holds a link or device.
        Problem: 413, the files are longer than an upload may be.
    """
    path = Path(os.path.realpath(text)) if text.startswith("/") and "\0" not in text else None
    allowed = [Path(os.path.realpath(root)) for root in roots]
    if path is None or not any(path.is_relative_to(root) for root in allowed) or not path.exists():
        # The same words whether it is there or not: nobody learns what else is on this machine.
        raise CatalogueError(
            "nothing may be registered from that path",
            next_step="upload the files, or ask the installation's administrator to allow their directory",
        )
    if path.is_file():
        return [_kept(artifacts, path, path.name, limits.upload_bytes, limits)]
    found: list[StoredFile] = []
    room = limits.upload_bytes
    for file in _files_below(path):
        found.append(_kept(artifacts, file, file.relative_to(path).as_posix(), room, limits))
        room -= found[-1].size_bytes
        require_count(len(found), limits)
    return found


def _files_below(path: Path) -> list[Path]:
    files = []
    for entry in sorted(path.rglob("*")):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise CatalogueError("the directory holds a link or a device", next_step="leave files and folders only")
        if entry.is_file():
            files.append(entry)
    return files


def _kept(artifacts: ArtifactStore, file: Path, name: str, room: int, limits: CatalogueLimits) -> StoredFile:
    require_path(name)
    try:
        digest = artifacts.put_file(file, room)
    except ArtifactTooLargeError as error:
        raise too_large(limits.upload_bytes) from error
    return StoredFile(path=name, digest=digest, size_bytes=artifacts.size(digest))


def require_count(count: int, limits: CatalogueLimits) -> None:
    """Refuse more files than a version may hold.

    Raises:
        CatalogueError: There are more.
    """
    if count > limits.files:
        raise CatalogueError(f"a version holds at most {limits.files} files", next_step="join them into fewer files")
