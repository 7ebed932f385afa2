"""Keeps a pipeline as a version of a script."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.kit.web.problems import Problem
from quilate.scripts.pipelines.composing import Step, compose
from quilate.scripts.versions.pushing import PushedVersion
from quilate.scripts.versions.service import VersionService

_MOST_OF_ONE_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StepName:
    """Which script does a step, and in which version; ``None`` for the active one."""

    script: UUID
    version: str | None = None


async def compose_pipeline(  # noqa: PLR0913 - the parts of a pipeline, all but the first ones by name
    service: VersionService,
    access: ProjectAccess,
    steps: Sequence[StepName],
    *,
    name: str,
    description: str = "",
    semver: str | None = None,
    activate: bool = False,
    allow_breaking: bool = False,
) -> PushedVersion:
    """Push the version that does all steps; its script is made where the project has none of that name.

    Raises:
        Problem: 404, a step is not there; 409, it may not be executed, or the number is taken; 422, the steps do not go
            together, or the validation refuses what they make.
    """
    found = [await _step(service, access, step) for step in steps]
    wish = replace(compose(found), semver=semver, activate=activate, allow_breaking=allow_breaking)
    listed = await service.listed(access, name=name, before=None, limit=_MOST_OF_ONE_NAME)
    known = next((each for each in listed if each.script.name == name), None)
    if known is not None:
        return await service.push(access, known.script.id, wish)
    _, pushed = await service.create(access, name=name, description=description, first=wish)
    if pushed is None:
        raise Problem(status=409, type="conflict", detail=f"{name!r} is being made by another request")
    return pushed


async def _step(service: VersionService, access: ProjectAccess, step: StepName) -> Step:
    record = await service.get(access, step.script)
    version = await service.executable(access.project.id, step.script, step.version)
    return Step(name=record.script.name, version=version)
