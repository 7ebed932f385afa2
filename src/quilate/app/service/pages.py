"""Pages that the service itself shows: the API's description with a viewer, and what each problem type means."""

import html
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

import msgspec
from fastapi import APIRouter, Request, Response

from quilate.kit.web.problems import Problem

_STRICT = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# The viewer sets style attributes; scripts come from our own files alone.
_VIEWER_POLICY = (
    f"{_STRICT}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)
_PAGE_POLICY = f"{_STRICT}; style-src 'self'"
_CACHED = "public, max-age=86400"
_SWAGGER_FILES: Mapping[str, str] = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_TYPE_HEADING = re.compile(r"^## `([a-z0-9-]+)`$", re.MULTILINE)

_SWAGGER_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Quilate API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/swagger/favicon-32x32.png">
<link rel="stylesheet" href="/swagger/swagger-ui.css">
</head>
<body>
<main id="swagger-ui"></main>
<script src="/swagger/swagger-ui-bundle.js"></script>
<script src="/swagger/start.js"></script>
</body>
</html>
"""
_SWAGGER_START = """"use strict";
// This viewer reads OpenAPI 3.0; what the description uses of 3.1 it shows all the same.
fetch("/openapi.json").then((answer) => answer.json()).then((spec) => {
  spec.openapi = "3.0.3";
  window.ui = SwaggerUIBundle({
    spec: spec,
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
    presets: [SwaggerUIBundle.presets.apis],
  });
});
"""


def page_router(describe: Callable[[], Mapping[str, object]]) -> APIRouter:
    """Return the routes of the pages; they stand outside the description that they show.

    Args:
        describe: Gives the OpenAPI document.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def get_start_page() -> Response:
        # Who opens the address that `quilate up` prints shall see something.
        return Response(status_code=307, headers={"Location": "/swagger"})

    @router.get("/openapi.json")
    async def get_description() -> Response:
        return Response(msgspec.json.encode(describe()), media_type="application/json")

    @router.get("/swagger")
    async def get_viewer() -> Response:
        return Response(_SWAGGER_PAGE, media_type="text/html", headers={"Content-Security-Policy": _VIEWER_POLICY})

    @router.get("/swagger/start.js")
    async def get_start() -> Response:
        return Response(_SWAGGER_START, media_type="text/javascript", headers={"Cache-Control": _CACHED})

    @router.get("/swagger/{name}")
    async def get_asset(name: str) -> Response:
        media_type = _SWAGGER_FILES.get(name)
        if media_type is None:
            raise Problem(status=404, type="not-found", detail="the viewer has no such file")
        return Response(_asset(name), media_type=media_type, headers={"Cache-Control": _CACHED})

    @router.get("/problems")
    async def get_problems(request: Request) -> Response:
        return _page(request, "Problems", problem_page_text())

    @router.get("/problems/{type_name}")
    async def get_problem(request: Request, type_name: str) -> Response:
        text = problem_texts().get(type_name)
        if text is None:
            raise Problem(
                status=404,
                type="not-found",
                detail="there is no such type of problem",
                next_step="all of them stand at /problems",
            )
        return _page(request, type_name, f"## `{type_name}`\n\n{text}\n")

    return router


def _page(request: Request, title: str, text: str) -> Response:
    """Return Markdown as a page to a browser and as it is to everybody else."""
    if "text/html" not in request.headers.get("accept", ""):
        return Response(text, media_type="text/markdown", headers={"Vary": "Accept", "Cache-Control": _CACHED})
    body = _as_html(text)
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
    headers = {"Vary": "Accept", "Cache-Control": _CACHED, "Content-Security-Policy": _PAGE_POLICY}
    return Response(page, media_type="text/html", headers=headers)


def _as_html(text: str) -> str:
    """Return headings, paragraphs and code of our own pages as HTML."""
    blocks = []
    for block in text.strip().split("\n\n"):
        marks = re.match(r"#+ ", block)
        escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(block[marks.end() :] if marks else block))
        tag = f"h{len(marks[0]) - 1}" if marks else "p"
        blocks.append(f"<{tag}>{escaped}</{tag}>")
    return "\n".join(blocks)


@cache
def problem_page_text() -> str:
    """Return the page of all problem types; ``docs/problems.md`` is a copy of it."""
    return files("quilate.app.service").joinpath("problems.md").read_text(encoding="utf-8")


@cache
def problem_texts() -> Mapping[str, str]:
    """Return the text of each problem type."""
    pieces = _TYPE_HEADING.split(problem_page_text())
    return {name: text.strip() for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}


@cache
def _asset(name: str) -> bytes:
    folders = (files("swagger_ui_bundle") / "vendor").iterdir()
    return next(folder for folder in folders if folder.is_dir()).joinpath(name).read_bytes()
