"""Routes of what runs left: checks, evidence, artifacts, decisions, explanations, seals."""

# ruff: noqa: FAST003 - the access dependency reads {project}

import re
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.evidence.model import Artifact
from quilate.kit.web.conditional import IfNoneMatch, etag_of, is_known
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link
from quilate.policy.explanation import render_explanation
from quilate.runs.api.answers import answers_of
from quilate.runs.api.documents.service import Document, RunDocuments, explanation_document
from quilate.runs.api.schemas import DIGEST_PATTERN, CheckDetail, SealPage
from quilate.runs.api.service import RunService

TAG = "evidence"
_RUN = "/projects/{project}/runs/{run_id}"
_PIECE = 1 << 18
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(rf'{_WORD}/{_WORD}(?: *; *{_WORD}=(?:{_WORD}|"[^"\\\x00-\x1f\x7f-\U0010ffff]*"))*')
_LONGEST_MEDIA_TYPE = 128
_DSSE = "application/vnd.dsse.envelope.v1+json"

CheckName = Annotated[str, Path(max_length=128, pattern=r"^[^\x00]+$", description="The check's id.")]


def make_document_router(service: RunService, access: Access) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=[TAG])
    documents = RunDocuments(service)
    _add_checks(router, documents, access)
    _add_decisions(router, documents, access)
    return router


def _document_answers(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"description": "The document as it is stored.", "content": {media_type: {"schema": {}}}},
        304: {"description": "It has not changed."},
        **answers_of(410, 413),
    }


def _document(document: Document, media_type: str, if_none_match: str | None) -> Response:
    headers = {"ETag": etag_of(document.digest), "X-Content-Type-Options": "nosniff"}
    if is_known(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(document.content, media_type=media_type, headers=headers)


def _add_checks(router: APIRouter, documents: RunDocuments, access: Access) -> None:
    reader = Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))]
    evidence_reader = Annotated[ProjectAccess, Depends(access.project(Permission.EVIDENCE_READ))]

    @router.get(
        f"{_RUN}/checks/{{check}}",
        operation_id="get_check",
        summary="Get a check of a run",
        responses=answers_of(),
    )
    async def get_check(
        granted: reader,
        run_id: UUID,
        check: CheckName,
        request: Request,
    ) -> CheckDetail:
        """A check with its attempts, facts, open questions and artifacts."""
        detail = await documents.check(granted.project.slug, granted.project.id, run_id, check)
        await access.record(request, granted, AccessKind.CHECK, f"run:{run_id}/check:{check}")
        return detail

    @router.get(
        f"{_RUN}/checks/{{check}}/evidence",
        operation_id="get_evidence",
        summary="Get a check's evidence",
        response_class=Response,
        responses=_document_answers("application/json"),
    )
    async def get_evidence(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: evidence_reader,
        run_id: UUID,
        check: CheckName,
        request: Request,
        attempt: Annotated[int | None, Query(ge=1, le=32767, description="Which attempt; the last by default.")] = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Facts, findings, open questions and artifacts, byte for byte as they were digested."""
        document = await documents.evidence(granted.project.id, run_id, check, attempt)
        await access.record(request, granted, AccessKind.EVIDENCE, f"run:{run_id}/check:{check}")
        return _document(document, "application/json", if_none_match)

    @router.get(
        f"{_RUN}/artifacts/{{digest}}",
        operation_id="get_artifact",
        summary="Get a file that a check left",
        response_class=Response,
        responses={
            200: {
                "description": "The file, of the media type that the evidence names.",
                "content": {"*/*": {"schema": {}}},
            },
            **answers_of(410),
        },
    )
    async def get_artifact(
        granted: evidence_reader,
        run_id: UUID,
        digest: Annotated[str, Path(pattern=DIGEST_PATTERN, description="Digest that the evidence names.")],
        request: Request,
    ) -> Response:
        """Only what this run's own evidence names; always a download, never shown by a browser."""
        artifact, stream = await documents.artifact(granted.project.id, run_id, digest)
        try:
            await access.record(request, granted, AccessKind.ARTIFACT, f"run:{run_id}/artifact:{digest}")
        except BaseException:
            stream.close()
            raise
        return StreamingResponse(_pieces(stream), media_type=_media_type(artifact), headers=_download_headers(artifact))


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_PIECE):
            yield piece


def _media_type(artifact: Artifact) -> str:
    """Return a media type that is one; a check's tool may have named anything."""
    name = artifact.media_type
    return name if len(name) <= _LONGEST_MEDIA_TYPE and _MEDIA_TYPE.fullmatch(name) else "application/octet-stream"


def _download_headers(artifact: Artifact) -> dict[str, str]:
    name = quote(artifact.name.rsplit("/", 1)[-1][:128].encode("utf-8", "replace"), safe="")
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name or 'artifact'}",
        "Content-Length": str(artifact.size),
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
        "ETag": etag_of(artifact.digest),
    }


def _add_decisions(router: APIRouter, documents: RunDocuments, access: Access) -> None:
    reader = Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))]
    evidence_reader = Annotated[ProjectAccess, Depends(access.project(Permission.EVIDENCE_READ))]

    @router.get(
        f"{_RUN}/decision",
        operation_id="get_decision",
        summary="Get a run's decision",
        response_class=Response,
        responses=_document_answers("application/json"),
    )
    async def get_decision(
        granted: reader,
        run_id: UUID,
        request: Request,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Canonical JSON (RFC 8785), byte for byte as it was sealed."""
        document = await documents.decision(granted.project.id, run_id)
        await access.record(request, granted, AccessKind.DECISION, f"run:{run_id}")
        return _document(document, "application/json", if_none_match)

    @router.get(
        f"{_RUN}/decision/input",
        operation_id="get_decision_input",
        summary="Get what a decision was made from",
        response_class=Response,
        responses=_document_answers("application/json"),
    )
    async def get_decision_input(
        granted: evidence_reader,
        run_id: UUID,
        request: Request,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Everything that the decision depends on: replayed, it gives the same bytes."""
        document = await documents.decision_input(granted.project.id, run_id)
        await access.record(request, granted, AccessKind.DECISION, f"run:{run_id}")
        return _document(document, "application/json", if_none_match)

    @router.get(
        f"{_RUN}/explanation",
        operation_id="get_explanation",
        summary="Explain a run's decision",
        response_class=Response,
        responses={
            200: {
                "description": "The explanation.",
                "content": {"application/json": {"schema": {"type": "object"}}, "text/plain": {"schema": {}}},
            },
            **answers_of(410, 413),
        },
    )
    async def get_explanation(
        granted: evidence_reader,
        run_id: UUID,
        request: Request,
        accept: Annotated[str, Header(max_length=512, description="`text/plain` for lines.")] = "",
    ) -> Response:
        """Every failing clause with actual and required value, since when it fails, and what to do."""
        explanation = await documents.explanation(granted.project.id, run_id)
        await access.record(request, granted, AccessKind.EXPLANATION, f"run:{run_id}")
        if wants_text(accept):
            return PlainTextResponse("\n".join([*render_explanation(explanation), ""]))
        return JSONResponse(explanation_document(explanation))

    @router.get(
        f"{_RUN}/seal",
        operation_id="get_seal",
        summary="Get a run's seal",
        response_class=Response,
        responses=_document_answers(_DSSE),
    )
    async def get_seal(
        granted: reader,
        run_id: UUID,
        request: Request,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """DSSE envelope with an in-toto statement, SLSA verification summary."""
        document = await documents.seal(granted.project.id, run_id)
        await access.record(request, granted, AccessKind.SEAL, f"run:{run_id}")
        return _document(document, _DSSE, if_none_match)

    @router.get(
        "/projects/{project}/seals",
        operation_id="list_seals",
        summary="Look up the seals of a subject",
        responses=answers_of(),
    )
    async def list_seals(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        subject: Annotated[str, Query(pattern=DIGEST_PATTERN, description="Digest of what is to be deployed.")],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> SealPage:
        """What a deploy gate asks: newest first, each with its envelope to be verified against a trusted key."""
        page = await documents.seals(granted.project.id, subject, cursor, limit)
        await access.record(request, granted, AccessKind.SEAL, f"subject:{subject}")
        response.headers.update(next_link(request, page.next_cursor))
        return page


def wants_text(accept: str) -> bool:
    """Tell whether a caller asks for plain text rather than JSON."""
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    return "text/plain" in wanted and "application/json" not in wanted[: wanted.index("text/plain")]
