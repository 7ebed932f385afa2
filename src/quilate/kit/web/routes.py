"""Which route a request took, as its template: what logs, metrics and keys name it by."""

from starlette.types import Scope

UNKNOWN_ROUTE = "unknown"


def route_template(scope: Scope) -> str:
    """Return the template of a routed request, for example ``/api/v1/projects/{project}``.

    A request that met no route gives ``unknown``: a raw path may hold anything, and as many of them as callers like.
    """
    # FastAPI keeps routers apart when it includes them: a route knows its own part only, its context knows the whole.
    context = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(context, "path", None) or getattr(scope.get("route"), "path", None)
    return str(path) if path else UNKNOWN_ROUTE
