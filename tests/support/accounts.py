"""The accounts slice over HTTP, with people who have logged in."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import msgspec
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.authentication import DatabaseAuthenticator
from quilate.accounts.bootstrap import first_admin_link
from quilate.accounts.endpoints import make_router, make_welcome_router
from quilate.accounts.federation.model import SecretKeeper
from quilate.accounts.service import AccountsService
from quilate.kit.database.database import Database
from quilate.kit.outgoing.http import OutgoingHttp
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers

BASE_URL = "https://quilate.example.org"
PASSWORD = "amber kettle under glass"  # noqa: S105 - of people who live for one test
HOME = "192.0.2.10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who has logged in."""

    id: UUID
    email: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsSite:
    """The slice's application and what it stands on."""

    database: Database
    service: AccountsService
    authenticator: DatabaseAuthenticator
    app: FastAPI

    @asynccontextmanager
    async def client(self, credential: str = "", *, address: str = HOME) -> AsyncIterator[httpx.AsyncClient]:
        """Open a client that sends a credential and comes from an address."""
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        transport = httpx.ASGITransport(self.app, client=(address, 50000))
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as opened:
            yield opened

    async def call(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        *,
        by: Person | str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        address: str = HOME,
    ) -> httpx.Response:
        """Send one request below ``/api/v1``."""
        credential = by.access_token if isinstance(by, Person) else by or ""
        async with self.client(credential, address=address) as client:
            if body is None:
                return await client.request(method, f"/api/v1{path}", headers=headers)
            # Written by json, which lets hostile texts through that the client would refuse.
            content, declared = json.dumps(body).encode(), {"Content-Type": "application/json"}
            return await client.request(
                method, f"/api/v1{path}", content=content, headers={**declared, **(headers or {})}
            )

    async def login(self, email: str, password: str = PASSWORD, *, address: str = HOME) -> Person:
        """Log in somebody who can."""
        body = {"email": email, "password": password}
        answer = await self.call("POST", "/auth/login", body=body, address=address)
        assert answer.status_code == 200, answer.text
        return person_of(answer, email)

    async def first_admin(self, email: str = "admin@example.org") -> Person:
        """Let the first administrator in."""
        link = await first_admin_link(self.database, BASE_URL)
        assert link is not None
        return await self.set_up(link, email)

    async def set_up(self, link: str, email: str, *, password: str = PASSWORD) -> Person:
        """Use a one-time link."""
        body = {"token": token_of(link), "email": email, "name": "Some Body", "password": password}
        answer = await self.call("POST", "/auth/setup", body=body)
        assert answer.status_code == 200, answer.text
        return person_of(answer, email)

    async def person(self, admin: Person, email: str, **rights: bool) -> Person:
        """Invite somebody who accepts."""
        answer = await self.call("POST", "/users", by=admin, body={"email": email, **rights})
        assert answer.status_code == 201, answer.text
        return await self.set_up(answer.json()["link"], email)

    async def project(self, admin: Person, slug: str, members: Sequence[tuple[Person, str]] = ()) -> None:
        """Create a project with members."""
        answer = await self.call("POST", "/projects", by=admin, body={"slug": slug, "name": slug})
        assert answer.status_code == 201, answer.text
        for member, role in members:
            body = {"user_id": str(member.id), "role": role}
            answer = await self.call("POST", f"/projects/{slug}/members", by=admin, body=body)
            assert answer.status_code == 201, answer.text

    async def api_token(self, owner: Person, scopes: Sequence[str], **more: Any) -> str:
        """Create an API token and return its secret."""
        body = {"name": "t", "scopes": list(scopes), "expires_in_days": 30, **more}
        answer = await self.call("POST", "/me/tokens", by=owner, body=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def audit(self) -> list[dict[str, Any]]:
        """Return the entries that wait for their places in the audit log, oldest first."""
        async with self.database.connection() as connection:
            cursor = await connection.execute("SELECT leaf FROM audit_pending ORDER BY arrival")
            return [msgspec.json.decode(bytes(row["leaf"])) for row in await cursor.fetchall()]

    async def audited(self, action: str) -> list[dict[str, Any]]:
        """Return the entries of one action."""
        return [entry for entry in await self.audit() if entry["action"] == action]

    async def sql(self, statement: Any, *values: Any) -> list[dict[str, Any]]:
        """Look at, or change, what is stored."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement, values)
            return list(await cursor.fetchall()) if cursor.description else []


def make_site(
    database: Database, *, http: OutgoingHttp | None = None, secrets: SecretKeeper | None = None
) -> AccountsSite:
    """Put the slice together over a database; ``http`` is what reaches issuers, ``secrets`` keeps client secrets."""
    authenticator = DatabaseAuthenticator(database)
    service = AccountsService(database, base_url=BASE_URL, forget=authenticator.forget, http=http, secrets=secrets)
    app = FastAPI()
    install_handlers(app, ProblemWriter(BASE_URL))
    app.include_router(make_router(service, Access(authenticator)), prefix="/api/v1")
    app.include_router(make_welcome_router(service))
    return AccountsSite(database=database, service=service, authenticator=authenticator, app=app)


def person_of(answer: httpx.Response, email: str) -> Person:
    """Return who logged in by an answer."""
    document = answer.json()
    return Person(
        id=UUID(document["user_id"]),
        email=email,
        access_token=document["access_token"],
        refresh_token=document["refresh_token"],
    )


def token_of(link: str) -> str:
    """Return the token in a one-time link."""
    return parse_qs(urlsplit(link).query)["token"][0]
