"""The list of a version's files: canonical, so that the same files give the same digest wherever they came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from quilate.datasets.errors import CatalogueError
from quilate.datasets.model import VersionFile
from quilate.domain.ids import Digest
from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.canonical import canonical_json

_LONGEST = 64 << 20
_LONGEST_PATH = 512
_LONGEST_PART = 255
_FORMAT = "quilate.manifest/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFile:
    """One file: where, what, how long."""

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All files of a version, in the order of their paths."""

    format: str
    files: tuple[ManifestFile, ...]


def manifest_of(files: Sequence[VersionFile]) -> bytes:
    """Return the manifest of files as its bytes."""
    listed = tuple(
        ManifestFile(path=file.path, digest=file.digest, size=file.size_bytes)
        for file in sorted(files, key=lambda file: file.path)
    )
    return canonical_json(Manifest(format=_FORMAT, files=listed))


def read_manifest(artifacts: ArtifactStore, digest: str) -> Manifest:
    """Return a manifest that was kept as an artifact.

    Raises:
        ArtifactMissingError: There is none.
        CatalogueError: The artifact is no manifest.
    """
    try:
        manifest = msgspec.json.decode(artifacts.read(digest, _LONGEST), type=Manifest)
    except msgspec.MsgspecError as error:
        raise CatalogueError("that artifact is no manifest", next_step="give a version of the catalogue") from error
    if manifest.format != _FORMAT:
        raise CatalogueError("that artifact is no manifest", next_step="give a version of the catalogue")
    for file in manifest.files:
        require_path(file.path)
    return manifest


def require_path(path: str) -> str:
    """Return a file's path within a version.

    Raises:
        CatalogueError: It is absolute, leads upwards, is hidden, too long, or holds what no path should.
    """
    parts = path.split("/")
    wrong = (
        not path.isprintable()
        or "\\" in path
        or len(path.encode("utf-8", "replace")) > _LONGEST_PATH
        or any(
            not part or part.startswith(".") or len(part.encode("utf-8", "replace")) > _LONGEST_PART for part in parts
        )
        or path.encode("utf-8", "replace").decode() != path
    )
    if wrong:
        raise CatalogueError(
            "a file's path is relative, of printable characters, with / between its parts, none of them hidden",
            next_step="rename the file",
        )
    return path


def require_distinct(paths: Sequence[str]) -> None:
    """Refuse paths that cannot lie beside each other on every file system.

    Raises:
        CatalogueError: A path is there twice but for case, or is a file and a folder.
    """
    folded = [path.casefold() for path in paths]
    known = set(folded)
    if len(known) != len(folded):
        raise CatalogueError("two files have the same path", next_step="rename one of them")
    for path in folded:
        parts = path.split("/")
        if any("/".join(parts[:length]) in known for length in range(1, len(parts))):
            raise CatalogueError("a path is a file and a folder", next_step="rename one of them")
