"""Routes of events and trigger rules, and the two addresses at the root that events are sent to."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from quilate.accounts.access import SLUG_PATTERN, Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.conditional import IfMatch, etag_of
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.kit.web.problems import Problem
from quilate.kit.web.tags import named_tag
from quilate.runs.triggers.cloudevents import BATCHED, STRUCTURED, CloudEvent, read_events
from quilate.runs.triggers.model import EventKind, EventState
from quilate.runs.triggers.receiving import Receiver
from quilate.runs.triggers.schemas import (
    EventPage,
    EventView,
    ReceiptView,
    RulesBody,
    RulesView,
    event_view,
    receipt_view,
    rules_view,
)
from quilate.runs.triggers.service import EventService, RuleService

TAG = "events"
BASE = "/projects/{project}/events"
RULES = "/projects/{project}/trigger-rules"
_HOOKS = "/hooks/{hook_id}"
_PROJECT_SUBJECT = "project:"

EventId = Annotated[UUID, Path(description="The event's id.")]
AccessTo = Callable[..., Awaitable[ProjectAccess]]

_CLOUD_EVENT: Mapping[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 2048},
        "source": {"type": "string", "format": "uri-reference", "minLength": 1, "maxLength": 2048},
        "type": {"type": "string", "minLength": 1, "maxLength": 2048},
        "subject": {"type": "string", "minLength": 1, "maxLength": 2048},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"type": "string"},
        "dataschema": {"type": "string", "format": "uri"},
        "quilateproject": {"type": "string", "description": "Slug of the project, at the root's route."},
        "data": {"description": "Any JSON; `branch` and `commit` choose what of the repository is judged."},
        "data_base64": {"type": "string", "format": "byte"},
    },
}
_EVENTS_BODY: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "CloudEvents 1.0: structured, batched, or binary with the attributes as `ce-` headers.",
        "content": {
            STRUCTURED: {"schema": dict(_CLOUD_EVENT)},
            BATCHED: {"schema": {"type": "array", "maxItems": 1000, "items": dict(_CLOUD_EVENT)}},
            "application/json": {"schema": {"description": "Binary mode: the event's data."}},
        },
    }
}
_HOOK_BODY: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The provider's payload as it documents it.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": {"payload": {"type": "string"}}}
            },
        },
    }
}


def make_router(events: EventService, rules: RuleService, access: Access, *, longest: int) -> APIRouter:
    """Return the slice's routes of events and rules, to be mounted below ``/api/v1``.

    Args:
        events: Decides about events.
        rules: Decides about rules.
        access: Who may call.
        longest: Bytes that one CloudEvent may have.
    """
    router = APIRouter(tags=[TAG])
    reading = access.project(Permission.PROJECT_READ)
    submitting = access.project(Permission.RUN_SUBMIT)
    _add_sending(router, events, submitting, longest)
    _add_reading(router, events, reading)
    _add_replay(router, events, submitting)
    _add_rules(router, rules, reading, access.project(Permission.PROJECT_ADMIN))
    return router


def make_root_router(events: EventService, receiver: Receiver, access: Access, *, longest: int) -> APIRouter:
    """Return ``POST /events`` and ``POST /hooks/{hook_id}``, to be mounted at the root."""
    router = APIRouter(tags=[TAG])

    deliveries = _Deliveries(receiver)
    # What serves the deliveries: a route without dependencies or models to look at. The one below describes it, and
    # answers what names no hook.
    router.add_route("/hooks/{hook_id:uuid}", deliveries.serve, methods=["POST"], include_in_schema=False)

    @router.post(
        _HOOKS,
        status_code=202,
        response_model=ReceiptView,
        operation_id="receive_delivery",
        summary="Take a provider's signed delivery",
        responses=problem_responses(400, 401, 404, 413, 422),
        openapi_extra=dict(_HOOK_BODY),
    )
    async def receive_delivery(
        request: Request, hook_id: Annotated[UUID, Path(description="The hook's id.")]
    ) -> Response:
        """Needs no login: the signature counts. 202 is sent once the events are durable; a ping is answered 200."""
        return await deliveries.take(request, hook_id)

    @router.post(
        "/events",
        status_code=202,
        response_model=ReceiptView,
        operation_id="send_events",
        summary="Send CloudEvents that name their projects",
        responses=problem_responses(400, 401, 403, 404, 413, 415, 422),
        openapi_extra=dict(_EVENTS_BODY),
    )
    async def send_events(request: Request) -> Response:
        """Each names its project as `quilateproject`, or has the subject `project:SLUG`. All are taken or none."""
        await access.principal(request)
        body = await request.body()
        read = read_events(dict(request.headers), body, longest=longest)
        granted: dict[str, ProjectAccess] = {}
        for slug in dict.fromkeys(map(project_of, read)):
            granted[slug] = await access.project_by_slug(request, slug, Permission.RUN_SUBMIT)
        accepted = await events.accept([(granted[project_of(each)], each) for each in read], body)
        return json_answer(receipt_view(accepted), status=202)

    return router


class _Deliveries:
    """Takes deliveries on the plain route, whose template logs and metrics look for in the scope."""

    path = _HOOKS

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def serve(self, request: Request) -> Response:
        """Take a delivery whose address was read by the route."""
        request.scope["route"] = self
        return await self.take(request, request.path_params["hook_id"])

    async def take(self, request: Request, hook_id: UUID) -> Response:
        """Take a delivery."""
        receipt = await self._receiver.receive(hook_id, dict(request.headers), await request.body())
        events = [{"id": each.id, "duplicate": each.duplicate} for each in receipt.events]
        return json_answer({"events": events, "ping": receipt.ping}, status=200 if receipt.ping else 202)


def project_of(event: CloudEvent) -> str:
    """Return the slug of the project that an event names.

    Raises:
        Problem: 422, it names none.
    """
    import re  # noqa: PLC0415 - one pattern

    slug = event.extensions.get("quilateproject") or event.subject.removeprefix(_PROJECT_SUBJECT)
    if not isinstance(slug, str) or not re.fullmatch(SLUG_PATTERN, slug):
        raise Problem(
            status=422,
            type="invalid-request",
            detail="the event names no project",
            next_step="give it the extension attribute quilateproject, or the subject project:SLUG",
        )
    return slug


def _add_sending(router: APIRouter, events: EventService, submitting: AccessTo, longest: int) -> None:
    @router.post(
        BASE,
        status_code=202,
        response_model=ReceiptView,
        operation_id="send_project_events",
        summary="Send CloudEvents",
        responses=problem_responses(400, 401, 403, 404, 413, 415, 422),
        openapi_extra=dict(_EVENTS_BODY),
    )
    async def send_project_events(granted: Annotated[ProjectAccess, Depends(submitting)], request: Request) -> Response:
        """The same `source` and `id` count once. 202 is sent once all are durable; of a batch all are taken or none."""
        body = await request.body()
        read = read_events(dict(request.headers), body, longest=longest)
        accepted = await events.accept([(granted, each) for each in read], body)
        return json_answer(receipt_view(accepted), status=202)


def _add_reading(router: APIRouter, events: EventService, reading: AccessTo) -> None:
    @router.get(
        BASE,
        operation_id="list_events",
        summary="List events",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_events(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        state: Annotated[EventState | None, Query(description="Only those in this state.")] = None,
        kind: Annotated[EventKind | None, Query(description="Only those of this kind.")] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> EventPage:
        """The newest first, those included that matched nothing."""
        place = decode_cursor(cursor, tuple[UUID])
        before = place[0] if place else None
        rows = await events.listed(granted, before=before, state=state, kind=kind, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.id,))
        response.headers.update(next_link(request, page.cursor))
        return EventPage(items=[event_view(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{event}}",
        operation_id="get_event",
        summary="Read an event",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_event(granted: Annotated[ProjectAccess, Depends(reading)], event: EventId) -> EventView:
        """What it said, what became of it, and what can be done."""
        return event_view(await events.get(granted, event))


def _add_replay(router: APIRouter, events: EventService, submitting: AccessTo) -> None:
    @router.post(
        f"{BASE}/{{event}}/replay",
        status_code=202,
        operation_id="replay_event",
        summary="Work an event off again",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def replay_event(granted: Annotated[ProjectAccess, Depends(submitting)], event: EventId) -> EventView:
        """By the rules as they are now; what it begins is a run of its own."""
        return event_view(await events.replay(granted, event))


def _add_rules(router: APIRouter, rules: RuleService, reading: AccessTo, editing: AccessTo) -> None:
    @router.get(
        RULES,
        operation_id="get_trigger_rules",
        summary="Read the trigger rules",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_trigger_rules(granted: Annotated[ProjectAccess, Depends(reading)], response: Response) -> RulesView:
        """The built-in ones where the project has none of its own. Their `ETag` is what a change names."""
        found = await rules.get(granted)
        response.headers["ETag"] = etag_of(found.tag)
        return rules_view(found)

    @router.put(
        RULES,
        operation_id="put_trigger_rules",
        summary="Replace the trigger rules",
        responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
    )
    async def put_trigger_rules(
        granted: Annotated[ProjectAccess, Depends(editing)],
        response: Response,
        body: RulesBody,
        if_match: IfMatch = None,
    ) -> RulesView:
        """An empty list lets no event begin a run."""
        given = tuple(each.rule() for each in body.rules)
        changed = await rules.put(granted, given, named_tag(if_match))
        response.headers["ETag"] = etag_of(changed.tag)
        return rules_view(changed)
