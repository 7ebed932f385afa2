"""Archives of files to be judged, and the project's catalogue of datasets and models."""

from collections.abc import Iterator
from pathlib import Path

from quilate.client.model import Dataset, DatasetVersion, UploadedArchive
from quilate.client.pages import items_of
from quilate.client.transport import Transport, path_of
from quilate.client.uploads import file_body


class Archives:
    """Archives that runs name as their source."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(self, project: str, path: Path) -> UploadedArchive:
        """Send a tar, a tar.gz or a zip; the same archive twice is one.

        Raises:
            InvalidRequestError: It is empty or longer than the service takes.
        """
        body, headers = file_body(path)
        answer = self._transport.request("POST", path_of("projects", project, "archives"), body=body, headers=headers)
        return self._transport.convert(answer, UploadedArchive)


class Catalogue:
    """Names with immutable versions: datasets, or models."""

    def __init__(self, transport: Transport, kind: str) -> None:
        self._transport = transport
        self._kind = kind

    def create(self, project: str, name: str, description: str = "") -> Dataset:
        """Create a name that versions are registered under.

        Raises:
            ConflictError: It is there already.
        """
        answer = self._transport.request("POST", self._path(project), json={"name": name, "description": description})
        return self._transport.convert(answer, Dataset)

    def list(self, project: str) -> Iterator[Dataset]:
        """Yield the names in their order."""
        return items_of(self._transport, self._path(project), Dataset)

    def get(self, project: str, name: str) -> Dataset:
        """Return one name with the number of its newest version."""
        return self._transport.convert(self._transport.request("GET", self._path(project, name)), Dataset)

    def upload(self, project: str, name: str, path: Path, comment: str = "") -> DatasetVersion:
        """Register a file as the next version; the same content as a version that is there is that version."""
        body, headers = file_body(path)
        answer = self._transport.request(
            "POST",
            self._path(project, name, "versions"),
            body=body,
            headers=headers,
            query={"file_name": path.name, "comment": comment or None},
        )
        return self._transport.convert(answer, DatasetVersion)

    def versions(self, project: str, name: str) -> Iterator[DatasetVersion]:
        """Yield the versions, newest first."""
        return items_of(self._transport, self._path(project, name, "versions"), DatasetVersion)

    def _path(self, project: str, *more: str) -> str:
        return path_of("projects", project, f"{self._kind}s", *more)
