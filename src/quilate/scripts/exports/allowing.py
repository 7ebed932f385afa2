"""Whether an output may go where a submission asks for, said before its data is received."""

from typing import Protocol

from quilate.accounts.access import lacks
from quilate.accounts.model import Permission, ProjectAccess, ProjectReference
from quilate.datasets.model import CatalogueEntry, EntryKind
from quilate.kit.web.problems import Problem
from quilate.scripts.exports.model import OutputTarget
from quilate.scripts.model import ScriptVersion
from quilate.scripts.payloads.errors import refused
from quilate.scripts.payloads.input_schema import protection_of
from quilate.scripts.payloads.object_stores import ObjectStores


class Catalogue(Protocol):
    """Knows datasets: ``quilate.datasets.service.CatalogueService``."""

    async def get(self, project: ProjectReference, kind: EntryKind, name: str) -> CatalogueEntry:
        """Return a dataset or model.

        Raises:
            Problem: 404.
        """
        ...


class Targets:
    """Judges where outputs are to go.

    Args:
        catalogue: Knows datasets.
        objects: What the installation allows to be written.
    """

    def __init__(self, catalogue: Catalogue, objects: ObjectStores) -> None:
        self._catalogue = catalogue
        self._objects = objects

    async def require(self, access: ProjectAccess, version: ScriptVersion, target: OutputTarget) -> None:
        """Refuse what could never be carried out.

        Args:
            access: Who asks.
            version: What makes the output.
            target: Where that is to go.

        Raises:
            Problem: 403, a permission is missing; 404, no such dataset; 409, it is archived; 422, the output is
                sensitive or may not be written there.
        """
        if target.dataset:
            _require(access, Permission.DATASET_WRITE)
        if target.gate:
            _require(access, Permission.RUN_SUBMIT)
        if protection_of(version.input_schema).sealed or protection_of(version.output_schema).sealed:
            raise refused(
                "an output with sensitive fields stays here, encrypted, and goes nowhere else",
                "submit without output_dataset and output_url, and read the output through the API",
            )
        if target.url:
            self._objects.require(f"{target.url.rstrip('/')}/output", access.project.slug, writing=True)
        if target.dataset:
            entry = await self._catalogue.get(access.project, EntryKind.DATASET, target.dataset)
            if entry.archived:
                raise Problem(
                    status=409,
                    type="conflict",
                    detail=f"the dataset {target.dataset!r} is archived",
                    next_step="name another one, or take it out of the archive",
                )


def _require(access: ProjectAccess, permission: Permission) -> None:
    if not access.may(permission):
        raise lacks(access.principal, permission)
