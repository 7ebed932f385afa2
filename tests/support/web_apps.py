"""Small applications for tests of the web kit, and the whole one over a real database."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from starlette.middleware import Middleware

from quilate.accounts.authentication import DatabaseAuthenticator
from quilate.accounts.service import AccountsService
from quilate.app.service.http import create_app
from quilate.app.service.settings import Settings
from quilate.kit.database.database import Database
from quilate.kit.metrics import Metrics
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.kit.web.observed import Observed
from tests.support.accounts import BASE_URL, AccountsSite

BASE = "http://127.0.0.1:8080"
WRITER = ProblemWriter("https://quilate.example")


def small_app(
    add: Callable[[FastAPI], None], *, layers: Sequence[Middleware] = (), metrics: Metrics | None = None
) -> FastAPI:
    """Return an application with the handlers and the outermost layer, around ``layers`` and what ``add`` adds."""
    outermost = Middleware(Observed, writer=WRITER, metrics=metrics or Metrics(), https=True)
    app = FastAPI(openapi_url=None, middleware=[outermost, *layers])
    install_handlers(app, WRITER)
    add(app)
    return app


def client_of(app: Any, **options: Any) -> httpx.AsyncClient:
    """Return a client of an application in this process."""
    address = options.pop("client", ("127.0.0.1", 50000))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=address)
    return httpx.AsyncClient(transport=transport, base_url=BASE, **options)


@asynccontextmanager
async def service_client(database_url: str, state: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run the whole application over a database and give a client of it."""
    app = create_app(Settings(database_url=database_url, state=state, **settings))
    async with LifespanManager(app) as running, client_of(running.app) as client:
        yield client


@asynccontextmanager
async def whole_site(database: Database, state: Path, **settings: Any) -> AsyncIterator[AccountsSite]:
    """Run the whole application and give it as a site of people who log in."""
    app = create_app(Settings(database_url=database.url, state=state, public_url=BASE_URL, **settings))
    async with LifespanManager(app):
        authenticator = DatabaseAuthenticator(database)
        service = AccountsService(database, base_url=BASE_URL)
        yield AccountsSite(database=database, service=service, authenticator=authenticator, app=app)
