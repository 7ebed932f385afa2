"""Routes that run a script on sample data."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from quilate.accounts.model import ProjectAccess
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.scripts.versions.answer_schemas import TrialView, trial_answer
from quilate.scripts.versions.errors import invalid
from quilate.scripts.versions.schemas import SourceTestBody, TestBody
from quilate.scripts.versions.service import VersionService
from quilate.scripts.versions.version_endpoints import VERSION, AccessTo, ScriptId, VersionName


class _Sent(msgspec.Struct):
    """The data as the caller wrote it: numbers keep their digits."""

    data: msgspec.Raw


def add_trials(router: APIRouter, service: VersionService, editing: AccessTo) -> None:
    """Add the routes."""

    @router.post(
        "/projects/{project}/scripts/test",
        response_model=TrialView,
        operation_id="test_script_source",
        summary="Run a source on sample data, storing nothing",
        responses=problem_responses(401, 403, 404, 422, 429, 503),
    )
    async def test_source(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        body: SourceTestBody,
    ) -> Response:
        """Validated as a push is, cut into chunks or groups as the shape says."""
        trial = await service.test_source(granted, body.wish(body.source), await _data(request))
        return json_answer(trial_answer(trial))

    @router.post(
        f"{VERSION}/test",
        response_model=TrialView,
        operation_id="test_script_version",
        summary="Run a version on sample data, storing nothing",
        responses=problem_responses(401, 403, 404, 409, 422, 429, 503),
    )
    async def test_version(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        script: ScriptId,
        version: VersionName,
        body: TestBody,  # noqa: ARG001 - documents the body, whose data goes through as it was sent
    ) -> Response:
        """Also a draft: then with the default limits at most. Cut into chunks or groups as its shape says."""
        trial = await service.test_version(granted, script, version, await _data(request))
        return json_answer(trial_answer(trial))


async def _data(request: Request) -> bytes:
    try:
        return bytes(msgspec.json.decode(await request.body(), type=_Sent).data)
    except (msgspec.DecodeError, RecursionError) as error:
        # The reader of the other fields takes more than JSON: NaN, Infinity, halves of surrogate pairs.
        raise invalid("data is no JSON that can be read", "send one JSON value as data", "#/data") from error
