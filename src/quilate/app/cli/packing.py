"""Pack the judged files of a project, and nothing else, into an archive for the service."""

import gzip
import os
import tarfile
from pathlib import Path

from quilate.checks.workspace import Workspace
from quilate.domain.errors import ConfigurationError

_EXECUTABLE, _PLAIN = 0o755, 0o644
_ANY_EXECUTE = 0o111


def pack_workspace(workspace: Workspace, target: Path) -> None:
    """Write a ``tar.gz`` that holds the same bytes for the same files, whoever packs them and when.

    Links within the project become the files that they lead to, as checks see them.

    Raises:
        ConfigurationError: There are no files, or one cannot be read.
    """
    if not workspace.paths:
        raise ConfigurationError(f"{workspace.root} holds no files to be judged", next_step="see: quilate plan")
    with (
        target.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in workspace.paths:
            _add(archive, workspace.root, path)


def _add(archive: tarfile.TarFile, root: Path, path: str) -> None:
    try:
        with (root / path).open("rb") as stream:
            status = os.fstat(stream.fileno())
            entry = tarfile.TarInfo(path)
            entry.size = status.st_size
            entry.mode = _EXECUTABLE if status.st_mode & _ANY_EXECUTE else _PLAIN
            archive.addfile(entry, stream)
    except OSError as error:
        # A file that shrank meanwhile ends here as well: the archive would lie about it.
        raise ConfigurationError(
            f"{path!r} cannot be packed: {error.strerror or error}",
            next_step="make it readable and do not change it meanwhile, or exclude it in quilate.yaml with a reason",
        ) from error
