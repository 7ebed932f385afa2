"""The page behind a one-time link, at the root of the service: ``/welcome``."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from quilate.accounts.addresses import normal_email
from quilate.accounts.auth_endpoints import client_address
from quilate.accounts.credentials import LONGEST_CREDENTIAL
from quilate.accounts.passwords import fault_of_password
from quilate.accounts.records import LinkPurpose
from quilate.accounts.service import AccountsService
from quilate.accounts.welcome import HEADERS, TEXTS, Form, Language, done_page, form_page, language_of, void_page
from quilate.kit.web.problems import Problem

_LONGEST_BODY = 16 << 10
_LONGEST_NAME = 200
_GONE, _CONFLICT, _UNPROCESSABLE = 410, 409, 422


def make_welcome_router(service: AccountsService) -> APIRouter:
    """Return the page; it works without a script and does exactly what ``POST /api/v1/auth/setup`` does."""
    router = APIRouter(include_in_schema=False)

    @router.get("/welcome")
    async def show(request: Request, token: Annotated[str, Query(max_length=LONGEST_CREDENTIAL)] = "") -> Response:
        language = _language(request)
        purpose = await service.setup.purpose(token)
        if purpose is None:
            return _answer(void_page(language), _GONE)
        return _answer(form_page(language, Form(token=token), first=_is_first(purpose)))

    @router.post("/welcome")
    async def submit(request: Request) -> Response:
        language = _language(request)
        form = await _form(request)
        purpose = await service.setup.purpose(form.token)
        if purpose is None:
            return _answer(void_page(language), _GONE)
        faults = _faults(language, form)
        if faults:
            return _answer(form_page(language, form, first=_is_first(purpose), faults=faults), _UNPROCESSABLE)
        try:
            await service.setup.redeem(
                token=form.token,
                email=form.email,
                name=form.name,
                password=form.password,
                address=client_address(request),
            )
        except Problem as problem:
            if problem.status == _GONE and await service.setup.purpose(form.token) is not None:
                # It still opens, as whoever holds it sees on the page before: a slip must not send them for another.
                faults = (TEXTS[language].other_email,)
                return _answer(form_page(language, form, first=_is_first(purpose), faults=faults), _UNPROCESSABLE)
            return _refusal(language, form, problem, first=_is_first(purpose))
        return _answer(done_page(language))

    return router


def _language(request: Request) -> Language:
    return language_of(request.headers.get("accept-language", ""))


def _answer(page: str, status: int = 200) -> Response:
    return Response(page, status_code=status, media_type="text/html", headers=dict(HEADERS))


async def _form(request: Request) -> Form:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise Problem(
            status=415,
            type="unsupported-media-type",
            detail="the page's form is expected",
            next_step="send JSON to POST /api/v1/auth/setup instead",
        )
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_BODY:
            raise Problem(status=413, type="too-large", detail="the form is too long")
    request._body = bytes(body)  # noqa: SLF001 - the framework reads a form from here once its stream was read
    fields = await request.form(max_files=0, max_fields=10)
    return Form(**{name: _text(fields.get(name)) for name in Form.__dataclass_fields__})


def _text(value: object) -> str:
    return value.replace("\0", "") if isinstance(value, str) else ""


def _faults(language: Language, form: Form) -> tuple[str, ...]:
    texts = TEXTS[language]
    found = []
    if not form.name.strip() or len(form.name) > _LONGEST_NAME:
        found.append(texts.no_name)
    if normal_email(form.email) is None:
        found.append(texts.no_email)
    fault = fault_of_password(form.password, email=form.email.strip())
    if fault is not None:
        found.append(texts.faults[fault])
    if form.password != form.repeated:
        found.append(texts.differ)
    return tuple(found)


def _is_first(purpose: LinkPurpose) -> bool:
    return purpose is LinkPurpose.FIRST_ADMIN


def _refusal(language: Language, form: Form, problem: Problem, *, first: bool) -> Response:
    texts = TEXTS[language]
    if problem.status == _GONE:
        return _answer(void_page(language), _GONE)
    reason = texts.taken if problem.status == _CONFLICT else texts.busy
    return _answer(form_page(language, form, first=first, faults=(reason,)), problem.status)
