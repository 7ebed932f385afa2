"""``/jobs``, for people; ``/hangfire``, as the source document calls it, leads there."""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission
from quilate.kit.database.database import Database
from quilate.kit.database.queries import load_queries
from quilate.kit.web.problems import Problem

_QUERIES = load_queries("quilate.ops.jobs")
_MOST = 100
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem; }
dl div { border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: .5rem; padding: .75rem; }
dt { font-size: .85rem; opacity: .75; }
dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
td { font-variant-numeric: tabular-nums; }
"""
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{_STYLE_DIGEST}'",
    "Cache-Control": "no-store",
}
_DEPTHS = {
    "runs_waiting": "Runs waiting",
    "runs_running": "Runs running",
    "executions_waiting": "Executions waiting",
    "executions_running": "Executions running",
    "executions_dead": "Dead letters",
}


def make_jobs_router(database: Database, access: Access) -> APIRouter:
    """Return the routes, to be mounted at the root; the page is for those who see all projects."""
    router = APIRouter(include_in_schema=False)

    async def overseer(request: Request) -> None:
        principal = await access.principal(request)
        if not (principal.auditor or principal.may_instance(Permission.INSTANCE_ADMIN)):
            raise Problem(
                status=403,
                type="forbidden",
                detail="the page of jobs shows all projects",
                next_step="list the jobs of your project: GET /api/v1/projects/{project}/runs or /executions",
            )

    @router.get("/hangfire")
    async def get_hangfire() -> Response:
        return Response(status_code=307, headers={"Location": "/jobs"})

    @router.get("/jobs")
    async def get_jobs(_: Annotated[None, Depends(overseer)]) -> Response:
        async with database.connection() as connection:
            depths = await (await connection.execute(_QUERIES["depths"])).fetchone()
            jobs = await (await connection.execute(_QUERIES["jobs"], {"most": _MOST})).fetchall()
        return Response(_page(depths or {}, jobs), media_type="text/html", headers=_HEADERS)

    return router


def _page(depths: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> str:
    figures = "".join(
        f"<div><dt>{label}</dt><dd>{int(depths.get(name) or 0)}</dd></div>" for name, label in _DEPTHS.items()
    )
    rows = "".join(_row(job) for job in jobs)
    table = (
        "<div class=scroll><table><thead><tr><th>Job</th><th>Project</th><th>Script</th><th>Status</th>"
        f"<th>Submitted (UTC)</th><th>ms</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>"
        if jobs
        else "<p>Nothing has run yet. <a href=/swagger>The API</a> says how to begin.</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Jobs · Quilate</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>Jobs</h1><dl>{figures}</dl>"
        f"<h2>Newest {_MOST}</h2>{table}</main></body></html>"
    )


def _row(job: Mapping[str, Any]) -> str:
    started, ended = job["started_at"], job["ended_at"]
    duration = f"{(ended - started).total_seconds() * 1000:.0f}" if started is not None and ended is not None else ""
    cells = (
        f"{job['kind']} {job['id']}", job["project"], job["name"], job["status"],
        f"{job['submitted_at']:%Y-%m-%d %H:%M:%S}", duration, job["remark"],
    )  # fmt: skip
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"
