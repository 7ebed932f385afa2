"""A check's log as text."""

from uuid import UUID

from quilate.kit.web.problems import Problem
from quilate.runs.api.service import RunService
from quilate.runs.api.store import RunStore
from quilate.runs.api.views import decode_outline

_MOST_PIECES = 5000


async def require_check(service: RunService, project_id: UUID, run_id: UUID, check: str) -> None:
    """Make sure that a run of the project has, or will have, a check.

    Raises:
        Problem: 404, it has none.
    """
    await service.require(project_id, run_id)
    outline = decode_outline(await service.store.plan(project_id, run_id))
    if check in {each.id for each in outline} or await service.store.has_check(run_id, check):
        return
    raise Problem(status=404, type="not-found", detail=f"this run has no check {check!r}")


async def has_read_all(store: RunStore, run_id: UUID, check: str, last: tuple[int, int]) -> bool:
    """Tell whether nothing will be added to a check's log, and a reader who has come to ``last`` has all of it."""
    rows = await store.watched_logs([(run_id, check)])
    return any(
        row["ended"] and row["sequence"] is not None and (row["attempt"], row["sequence"]) <= last for row in rows
    )


async def log_text(store: RunStore, run_id: UUID, check: str, lines: int) -> str:
    """Return the last lines of a check's log."""
    pieces = await store.last_log_pieces(run_id, check, _MOST_PIECES)
    text = "".join(piece["text"] for piece in pieces)
    kept = text.splitlines(keepends=True)[-lines:]
    return "".join(kept)
