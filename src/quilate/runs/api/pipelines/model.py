"""The source document's words for runs, and the request that starts one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from quilate.accounts.access import SLUG_PATTERN
from quilate.domain.verdict import CheckResult, RunStatus
from quilate.kit.web.problems import Problem
from quilate.runs.api.schemas import DIGEST_PATTERN, EVENT_PATTERN
from quilate.runs.api.submissions import checked_parameters, refuse
from quilate.runs.workspaces.model import Source, SourceKind

STATUS_WORDS = {status: status.value.upper() for status in RunStatus}
"""``QUEUED``, ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``CANCELLED``."""

STATUS_OF_WORD = {word: status for status, word in STATUS_WORDS.items()}

CHECK_WORDS = {
    CheckResult.PASS: "PASS",
    CheckResult.FAIL: "FAIL",
    CheckResult.WARN: "WARNING",
}
"""The document knows three results of a check; the others are shown in our own words, in capitals."""

_PREFIX = "prun-"
_SLUG = re.compile(SLUG_PATTERN.rstrip("$"))
_EVENT = re.compile(EVENT_PATTERN.rstrip("$"))
_DIGEST = re.compile(DIGEST_PATTERN.rstrip("$"))
_LONGEST_TEXT = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRequest:
    """The body of ``POST /pipelines/run``."""

    project_id: str
    event_type: str = "manual_trigger"
    parameters: Mapping[str, Any] = field(default_factory=dict)


_REQUEST = msgspec.json.Decoder(PipelineRequest)


def decode_request(body: bytes) -> PipelineRequest:
    """Return the request of a body.

    Raises:
        Problem: 400, it is no JSON; 422, it is not of this form.
    """
    try:
        request = _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        raise refuse(str(error), 'send {"project_id": …, "event_type": …, "parameters": {…}}') from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            status=400, type="malformed", detail="the body is no JSON", next_step="send a JSON object"
        ) from error
    if len(request.project_id) > 64 or not _SLUG.fullmatch(request.project_id):  # noqa: PLR2004 - the length of a slug
        raise refuse("project_id is no project's slug", "give lower-case letters, digits and -", field="project_id")
    if not _EVENT.fullmatch(request.event_type):
        raise refuse("event_type is no event's name", "give for example manual_trigger", field="event_type")
    checked_parameters(request.parameters)
    return request


def source_of(parameters: Mapping[str, Any], repository: str) -> Source:
    """Return where the files come from: an archive, a dataset or a model that is named, else the repository.

    Args:
        parameters: ``archive`` (digest), ``dataset`` or ``model`` (name, with ``dataset_version``, ``model_version``),
            or ``branch`` and ``commit`` of the repository.
        repository: The project's own; without one, and without the others, there are no files.

    Raises:
        Problem: 422, one of them has not the form that it should have.
    """
    branch = _text(parameters, "branch")
    if "archive" in parameters:
        digest = _text(parameters, "archive")
        if not _DIGEST.fullmatch(digest):
            raise refuse("archive is no digest", "upload the archive and give its digest", field="parameters.archive")
        return Source(kind=SourceKind.ARCHIVE, digest=digest, branch=branch)
    for kind in (SourceKind.DATASET, SourceKind.MODEL):
        if kind.value in parameters:
            version = _text(parameters, f"{kind.value}_version")
            return Source(kind=kind, location=_text(parameters, kind.value), revision=version)
    if not repository:
        return Source(kind=SourceKind.NONE)
    return Source(kind=SourceKind.GIT, location=repository, revision=_text(parameters, "commit"), branch=branch)


def _text(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise refuse(f"{name} has to be a text", f"give {name} as a short text", field=f"parameters.{name}")
    return value


def pipeline_id(run_id: UUID) -> str:
    """Return a run's id in the document's form."""
    return _PREFIX + run_id.hex


def run_of(identifier: str) -> UUID | None:
    """Return the run of an id in the document's form."""
    digits = identifier.removeprefix(_PREFIX)
    if not identifier.startswith(_PREFIX) or not re.fullmatch(r"[0-9a-f]{32}", digits):
        return None
    return UUID(hex=digits)


def check_word(result: CheckResult | None) -> str | None:
    """Return the document's word for a check's result."""
    return None if result is None else CHECK_WORDS.get(result, result.value.upper())
