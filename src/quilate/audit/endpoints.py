"""Routes of the audit log; the C2SP prefix of the log is ``/api/v1/audit``."""

import base64
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from quilate.audit.export_format import MEDIA_TYPE
from quilate.audit.schemas import (
    LARGEST,
    AuditEntryDetail,
    AuditEntryPage,
    AuditEntryView,
    ConsistencyView,
    Cosignatures,
    HeadView,
    InclusionView,
    LogKeyView,
)
from quilate.audit.service import AuditService, HeadStatus, ListedEntry
from quilate.audit.store import EntryFilter
from quilate.audit.tiles import TilePlace, parse_place
from quilate.kit.web.answers import problem_responses
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.kit.web.problems import Problem

TAG = "audit"
_NO_NUL = r"^[^\x00]*$"
_TEXT = "text/plain; charset=utf-8"
_BINARY = "application/octet-stream"
_IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-cache"}


class AuditPermission(StrEnum):
    """What the routes ask for, in the words of ``accounts``, which stands above this slice."""

    AUDIT_READ = "audit:read"


class Reader(Protocol):
    """Whoever asks."""

    @property
    def actor(self) -> Any:
        """As the log names them."""
        ...

    @property
    def roles(self) -> Mapping[UUID, Any]:
        """Role in each project."""
        ...

    @property
    def project_scope(self) -> UUID | None:
        """The one project that a token is limited to."""
        ...

    def permissions_in(self, project_id: UUID) -> Collection[Any]:
        """Return what they may do in a project."""
        ...

    def may_instance(self, permission: Any) -> bool:
        """Tell whether they may do something that belongs to no project."""
        ...


class AuditAccess(Protocol):
    """Dependencies that say who asks; ``accounts.access.Access`` is one."""

    async def principal(self, request: Request) -> Reader:
        """Return anybody who is logged in."""
        ...

    def project(self, permission: Any) -> Callable[..., Awaitable[Any]]:
        """Return the dependency of a route below a project."""
        ...

    def instance(self, permission: Any) -> Callable[..., Awaitable[Any]]:
        """Return the dependency of a route that belongs to no project."""
        ...


Dependency = Callable[..., Awaitable[Any]]
Size = Annotated[int, Query(ge=0, le=LARGEST, description="Number of entries.")]


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _filter(
    action: Annotated[str | None, Query(max_length=128, pattern=_NO_NUL, description="Only this action.")] = None,
    actor: Annotated[str | None, Query(max_length=256, pattern=_NO_NUL, description="Only by this one.")] = None,
    subject: Annotated[str | None, Query(max_length=512, pattern=_NO_NUL, description="Only about this.")] = None,
    since: Annotated[datetime | None, Query(description="Appended then or later.")] = None,
    until: Annotated[datetime | None, Query(description="Appended before.")] = None,
) -> EntryFilter:
    return EntryFilter(action=action, actor=actor, subject=subject, since=_aware(since), until=_aware(until))


Filter = Annotated[EntryFilter, Depends(_filter)]


def make_router(service: AuditService, access: AuditAccess) -> APIRouter:
    """Return the routes of the slice, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=[TAG])
    reading = access.instance(AuditPermission.AUDIT_READ)
    _add_lists(router, service, reading, access.project(AuditPermission.AUDIT_READ))
    _add_entry(router, service, access)
    _add_public(router, service)
    _add_tiles(router, service, reading)
    _add_whole(router, service, reading)
    return router


def _add_lists(router: APIRouter, service: AuditService, reading: Dependency, member: Dependency) -> None:
    @router.get(
        "/audit/entries",
        operation_id="list_audit_entries",
        summary="List the audit log of all projects",
        responses=problem_responses(401, 403, 422),
    )
    async def list_audit_entries(  # noqa: PLR0913, PLR0917 - one argument for each part of the request
        reader: Annotated[Any, Depends(reading)],
        request: Request,
        response: Response,
        filtered: Filter,
        project: Annotated[UUID | None, Query(description="Only of the project with this id.")] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> AuditEntryPage:
        """For auditors."""
        del reader
        wanted = _within(filtered, project)
        return await _page(service, wanted, request, response, cursor, limit)

    @router.get(
        "/projects/{project}/audit/entries",
        operation_id="list_project_audit_entries",
        summary="List a project's part of the audit log",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_project_audit_entries(  # noqa: PLR0913, PLR0917 - as above
        granted: Annotated[Any, Depends(member)],
        request: Request,
        response: Response,
        filtered: Filter,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> AuditEntryPage:
        """For members who may read the audit log; nothing of other projects is in it."""
        return await _page(service, _within(filtered, granted.project.id), request, response, cursor, limit)


def _add_entry(router: APIRouter, service: AuditService, access: AuditAccess) -> None:
    @router.get(
        "/audit/entries/{index}",
        operation_id="get_audit_entry",
        summary="Get an entry with its proof",
        responses=problem_responses(401, 404, 422),
    )
    async def get_audit_entry(
        reader: Annotated[Any, Depends(access.principal)],
        index: Annotated[int, Path(ge=0, le=LARGEST, description="Its place in the log.")],
    ) -> AuditEntryDetail:
        """Verify the proof offline against the log's key; auditors get every entry, members those of their projects."""
        found = await service.entry(index, _readable(reader))
        inclusion = InclusionView(**found.proof.document()) if found.proof is not None else None
        return AuditEntryDetail(entry=_view(found.listed), inclusion=inclusion)


def _add_public(router: APIRouter, service: AuditService) -> None:
    """Add what witnesses need: hashes and signatures, nothing of any entry."""

    @router.get(
        "/audit/checkpoint",
        operation_id="get_audit_checkpoint",
        summary="Get the newest checkpoint",
        response_class=PlainTextResponse,
        responses=problem_responses(404),
    )
    async def get_audit_checkpoint() -> PlainTextResponse:
        """Signed note with the cosignatures of witnesses; public."""
        return PlainTextResponse(await service.checkpoint(), media_type=_TEXT, headers=_FRESH)

    @router.get(
        "/audit/checkpoints/{size}",
        operation_id="get_audit_checkpoint_of_size",
        summary="Get the checkpoint of a size",
        response_class=PlainTextResponse,
        responses=problem_responses(404, 422),
    )
    async def get_audit_checkpoint_of_size(
        size: Annotated[int, Path(ge=0, le=LARGEST, description="Number of entries.")],
    ) -> PlainTextResponse:
        """Signed note with the cosignatures of witnesses; public. Old ones are kept for each 256 entries."""
        return PlainTextResponse(await service.witnessed_checkpoint(size), media_type=_TEXT, headers=_FRESH)

    @router.get(
        "/audit/consistency",
        operation_id="get_audit_consistency",
        summary="Prove that the log was only appended to",
        responses=problem_responses(404, 422),
    )
    async def get_audit_consistency(first: Size, second: Size) -> ConsistencyView:
        """Proof between two sizes; public."""
        proof, first_root, second_root = await service.consistency(first, second)
        return ConsistencyView(
            first=first,
            first_root=_base64(first_root),
            second=second,
            second_root=_base64(second_root),
            proof=list(map(_base64, proof)),
        )

    @router.post(
        "/audit/witness/cosignatures",
        operation_id="add_audit_cosignatures",
        summary="Add a witness's cosignatures",
        response_class=PlainTextResponse,
        responses=problem_responses(404, 413, 415, 422),
    )
    async def add_audit_cosignatures(body: Cosignatures) -> PlainTextResponse:
        """Of a configured witness, whose signature is its login. Answers with the checkpoint and all its signatures."""
        return PlainTextResponse(await service.cosign(body.size, body.signatures), media_type=_TEXT, headers=_FRESH)


def _add_tiles(router: APIRouter, service: AuditService, reading: Dependency) -> None:
    described: dict[int | str, dict[str, Any]] = {
        200: {"content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}}}
    }
    tile_path = Annotated[str, Path(max_length=64, description="C2SP tile index: `x001/x234/067`, `000.p/17`.")]

    @router.get(
        "/audit/tile/entries/{path:path}",
        operation_id="get_audit_entry_bundle",
        summary="Get an entry bundle",
        response_class=Response,
        responses={**described, **problem_responses(401, 403, 404, 422)},
    )
    async def get_audit_entry_bundle(reader: Annotated[Any, Depends(reading)], path: tile_path) -> Response:
        """Up to 256 entries, each after its length in 16 bits."""
        del reader
        return Response(await service.bundle(_place(path)), media_type=_BINARY, headers=_IMMUTABLE)

    @router.get(
        "/audit/tile/{level}/{path:path}",
        operation_id="get_audit_tile",
        summary="Get a tile of the tree",
        response_class=Response,
        responses={**described, **problem_responses(401, 403, 404, 422)},
    )
    async def get_audit_tile(
        reader: Annotated[Any, Depends(reading)],
        level: Annotated[int, Path(ge=0, le=63, description="Level of the tile.")],
        path: tile_path,
    ) -> Response:
        """Up to 256 hashes of 32 bytes."""
        del reader
        return Response(await service.tile(level, _place(path)), media_type=_BINARY, headers=_IMMUTABLE)


def _add_whole(router: APIRouter, service: AuditService, reading: Dependency) -> None:
    @router.get(
        "/audit/export",
        operation_id="export_audit_log",
        summary="Export the audit log",
        response_class=StreamingResponse,
        responses={
            200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
            **problem_responses(401, 403),
        },
    )
    async def export_audit_log(reader: Annotated[Any, Depends(reading)]) -> StreamingResponse:
        """All of it in one file for `quilate audit verify`; that it was taken is itself an entry."""
        pieces = await service.export(str(reader.actor))
        headers = {**_FRESH, "Content-Disposition": 'attachment; filename="audit.ndjson"'}
        return StreamingResponse(pieces, media_type=MEDIA_TYPE, headers=headers)

    @router.get(
        "/audit/head",
        operation_id="get_audit_head",
        summary="See how the audit log stands",
        responses=problem_responses(401, 403, 404),
    )
    async def get_audit_head(reader: Annotated[Any, Depends(reading)]) -> HeadView:
        """Its size, what is signed and witnessed, its keys, and why it does not go on if it does not."""
        del reader
        return _head_view(await service.head())


def _within(filtered: EntryFilter, project: UUID | None) -> EntryFilter:
    return EntryFilter(
        project_id=project,
        action=filtered.action,
        actor=filtered.actor,
        subject=filtered.subject,
        since=filtered.since,
        until=filtered.until,
    )


async def _page(  # noqa: PLR0913, PLR0917 - the parts of a request
    service: AuditService, filtered: EntryFilter, request: Request, response: Response, cursor: str, limit: int
) -> AuditEntryPage:
    place = decode_cursor(cursor, tuple[int])
    before = min(max(place[0], 0), LARGEST) if place is not None else None
    found = await service.list_entries(filtered, before=before, limit=limit + 1)
    page = cut_page(found, limit, lambda listed: (listed.entry.index,))
    response.headers.update(next_link(request, page.cursor))
    return AuditEntryPage(items=list(map(_view, page.items)), next_cursor=page.cursor)


def _readable(reader: Reader) -> set[UUID] | None:
    """Return the projects whose entries may be read; ``None`` for everything."""
    if reader.may_instance(AuditPermission.AUDIT_READ):
        return None
    known = {*reader.roles, *([reader.project_scope] if reader.project_scope is not None else [])}
    return {project for project in known if AuditPermission.AUDIT_READ in reader.permissions_in(project)}


def _place(path: str) -> TilePlace:
    try:
        return parse_place(path)
    except ValueError as error:
        raise Problem(status=404, type="not-found", detail=str(error)) from error


def _view(listed: ListedEntry) -> AuditEntryView:
    entry = listed.entry
    try:
        told = msgspec.json.decode(entry.leaf, type=dict[str, Any])
    except msgspec.MsgspecError:
        # It was tampered with; `quilate audit verify` names it, a list must not fail over it.
        told = {}
    return AuditEntryView(
        index=entry.index,
        id=entry.id,
        at=str(told.get("at", "")),
        appended_at=entry.appended_at,
        action=str(told.get("action", "")),
        actor=str(told.get("actor", "")),
        subject=str(told.get("subject", "")),
        project=entry.project_id,
        details=told.get("details"),
        personal=listed.personal,
        leaf_hash=_base64(entry.leaf_hash),
    )


def _head_view(head: HeadStatus) -> HeadView:
    return HeadView(
        origin=head.origin,
        size=head.size,
        root=_base64(head.root),
        waiting=head.waiting,
        signed_size=head.signed_size,
        witnessed_size=head.witnessed_size,
        refusal=head.refusal,
        refused_at=head.refused_at,
        keys=[LogKeyView(first_size=first, verifier_keys=list(map(str, key))) for first, key in head.keys],
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
