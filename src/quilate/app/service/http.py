"""The application: every slice's routes, the layers around them, their life."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from importlib import import_module

import structlog
from fastapi import FastAPI
from starlette.middleware import Middleware

from quilate import __version__
from quilate.app.service.composition import SLICES
from quilate.app.service.ground import Ground, Mounted, ground_of
from quilate.app.service.pages import page_router
from quilate.app.service.settings import Settings
from quilate.kit.database.database import Database
from quilate.kit.log import configure_logging
from quilate.kit.metrics import Metrics
from quilate.kit.tracing import configure_tracing, shut_down_tracing
from quilate.kit.web.answers import complete_description
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.kit.web.hosts import HostGuard
from quilate.kit.web.idempotency import keep_keys
from quilate.kit.web.limits import BodyLimit, BodyLimiter, ConcurrencyLimiter, RateLimiter
from quilate.kit.web.observed import Observed
from quilate.ops.audit_look import audit_look
from quilate.ops.endpoints import make_router
from quilate.ops.gauges import database_readings, pool_readings
from quilate.ops.health import HealthService, database_look, disk_look, queue_look
from quilate.ops.sandbox_look import sandbox_look

PREFIX = "/api/v1"
UPLOADS = (
    r"/api/v1/projects/[^/]+/archives",
    r"/api/v1/projects/[^/]+/(?:datasets|models)/[^/]+/versions(?:/.*)?",
    r"/api/v1/projects/[^/]+/scripts/[^/]+/(?:versions/[^/]+/)?executions",
)
"""Routes whose bodies may be as long as an upload."""

_TIDY_SECONDS = 60.0
_PATIENCE_SECONDS = 10.0
"""So long a request waits for a connection before it is told to come back."""
_DESCRIPTION = (
    "One versioned blueprint, one verdict with evidence and an explanation, one signed record. "
    "Errors are problem details (RFC 9457); their types are explained at `/problems`."
)


def create_app(settings: Settings) -> FastAPI:
    """Return the application; its database opens with its life, so that it can be described without one."""
    configure_logging(settings.log_level)
    for name in settings.plugins:
        # Blueprints are refused for check types that are not known.
        import_module(name)
    metrics = Metrics()
    database = Database.prepared(
        settings.database_url,
        name="quilate-api",
        max_size=settings.database_connections,
        patience_seconds=_PATIENCE_SECONDS,
    )
    ground = ground_of(settings, database, metrics)
    mounted = [make(ground) for make in SLICES]
    writer = ProblemWriter(settings.base_url)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        configure_tracing("quilate-api", endpoint=settings.trace_endpoint, version=__version__)
        async with database.opened(patience_seconds=_PATIENCE_SECONDS):
            tidying = asyncio.create_task(_tidy(mounted))
            try:
                yield
            finally:
                tidying.cancel()
                await asyncio.gather(tidying, return_exceptions=True)
                for each in reversed(mounted):
                    if each.close is not None:
                        await each.close()
                shut_down_tracing()

    app = FastAPI(
        title="Quilate",
        version=__version__,
        description=_DESCRIPTION,
        servers=[{"url": "/", "description": "This service."}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_layers(settings, writer, metrics),
        lifespan=lifespan,
        separate_input_output_schemas=False,
        # Our own spans carry the names of the CI/CD conventions.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    install_handlers(app, writer)
    keep_keys(app, settings.idempotency_hours * 3600.0)
    app.state.stops = tuple(each.stop for each in mounted if each.stop is not None)
    _mount(app, ground, mounted)
    return app


def _mount(app: FastAPI, ground: Ground, mounted: Sequence[Mounted]) -> None:
    # Routes are tried in their order.
    for router in (router for each in mounted for router in each.first_routers):
        app.include_router(router)
    for router in (router for each in reversed(mounted) for router in each.root_routers):
        app.include_router(router)
    for router in (router for each in mounted for router in each.routers):
        app.include_router(router, prefix=PREFIX)
    settings = ground.settings
    health = HealthService(
        {
            "database": database_look(ground.database),
            "queue": queue_look(ground.database),
            "disk": disk_look(settings.artifact_directory),
            "audit": audit_look(ground.database),
            "sandbox": sandbox_look(ground.database, wanted=settings.script_workers > 0),
        }
    )
    ground.metrics.register_collector("database", database_readings(ground.database))
    ground.metrics.register_collector("pool", pool_readings(ground.database))
    app.include_router(make_router(health, ground.metrics, metrics_token=settings.metrics_token))
    describe = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(describe(), local=settings.local)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    app.include_router(page_router(openapi))


def _described(document: dict[str, object], *, local: bool) -> dict[str, object]:
    document["jsonSchemaDialect"] = "https://spec.openapis.org/oas/3.1/dialect/base"
    document = complete_description(document)
    if not local:
        components = document["components"]
        if isinstance(components, dict):
            components["securitySchemes"] = {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token of `POST /api/v1/auth/login`, or an API token.",
                }
            }
        document["security"] = [{"bearer": []}, {}]
    return document


def _layers(settings: Settings, writer: ProblemWriter, metrics: Metrics) -> list[Middleware]:
    """Return the layers, outermost first."""
    https = settings.base_url.startswith("https://")
    layers = [
        Middleware(Observed, writer=writer, metrics=metrics, https=https),
        Middleware(HostGuard, writer=writer, hosts=settings.hosts, local=settings.local),
    ]
    if settings.requests_per_second and not settings.local:
        layers.append(Middleware(RateLimiter, writer=writer, per_second=float(settings.requests_per_second)))
    uploads = [BodyLimit(pattern=pattern, largest_bytes=settings.upload_bytes) for pattern in UPLOADS]
    return [
        *layers,
        Middleware(ConcurrencyLimiter, writer=writer, most=settings.concurrent_requests),
        Middleware(BodyLimiter, writer=writer, largest_bytes=settings.request_bytes, others=uploads),
    ]


async def _tidy(mounted: Sequence[Mounted]) -> None:
    """Forget now and then what has expired."""
    while True:
        await asyncio.sleep(_TIDY_SECONDS)
        for tidy in (each.tidy for each in mounted if each.tidy):
            try:
                await tidy()
            except Exception as error:  # noqa: BLE001 - the next round tries again
                structlog.get_logger("quilate.tidy").warning("tidying failed", error=type(error).__name__)
