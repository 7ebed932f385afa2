"""What the catalogue's routes share."""

from collections.abc import Iterator
from contextlib import contextmanager

from quilate.accounts.model import ProjectAccess
from quilate.datasets.model import EntryKind
from quilate.evidence.artifacts import ArtifactCorruptError, ArtifactMissingError, ArtifactStorageError
from quilate.kit.web.problems import Problem


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the artifact store refuses into problem documents."""
    try:
        yield
    except ArtifactStorageError as error:
        raise Problem(
            status=503, type="storage", detail=error.message, next_step=error.next_step, headers={"Retry-After": "60"}
        ) from error
    except ArtifactMissingError as error:
        raise Problem(status=410, type="gone", detail="the content is no longer kept") from error
    except ArtifactCorruptError as error:
        raise Problem(status=500, type="artifact-corrupt", detail=error.message, next_step=error.next_step) from error


def address_of(granted: ProjectAccess, kind: EntryKind, name: str) -> str:
    """Return where an entry is found."""
    return f"/api/v1/projects/{granted.project.slug}/{kind.value}s/{name}"
