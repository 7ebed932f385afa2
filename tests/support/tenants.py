"""Two tenants in the whole application, and every route that there is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import FastAPI

from quilate.accounts.model import PERMISSIONS_OF_ROLE, ProjectReference, Role
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from tests.support.accounts import AccountsSite, Person
from tests.support.projects import LINT_BLUEPRINT
from tests.support.run_rows import Ended, end_check, finding, outlined, plan_run

THEIRS = "their-project"
OWN = "own-project"
MARKER = "marker7391"
"""Stands in every name and text of the other tenant; nothing that a stranger gets may hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method on a path with its parameters in braces."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """Names of the path's parameters."""
        return re.findall(r"\{([^}]+)\}", self.path)

    def address(self, values: Mapping[str, str]) -> str:
        """Return the path with its parameters filled in; a parameter without value is an error of the test."""
        return re.sub(r"\{([^}]+)\}", lambda found: values[found[1]], self.path)


def operations_of(app: FastAPI) -> list[Operation]:
    """Return every method of every route, those that the API's description leaves out included."""
    found = {
        Operation(method=method, path=path)
        for path, methods in _routes(app)
        for method in methods - {"HEAD", "OPTIONS"}
    }
    return sorted(found, key=str)


def _routes(app: FastAPI) -> Iterator[tuple[str, set[str]]]:
    for route in app.routes:
        # Routers are kept apart when they are included; what they hold is known by its effective path.
        contexts = getattr(route, "effective_route_contexts", None)
        found: list[Any] = list(contexts()) if contexts is not None else [route]
        for each in found:
            # ``{path:path}`` is ``{path}`` in the description.
            yield re.sub(r":[a-z]+\}", "}", each.path), set(each.methods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """Two tenants.

    Attributes:
        site: The application.
        admin: Administers the installation.
        owner: Administers the other tenant's project.
        stranger: Administers a project of their own.
        credentials: By which the stranger asks: login, API token, API token of the own project only.
        ids: What the other tenant has, by the names of path parameters.
    """

    site: AccountsSite
    admin: Person
    owner: Person
    stranger: Person
    credentials: Mapping[str, str] = field(repr=False)
    ids: Mapping[str, str]

    def others(self) -> dict[str, str]:
        """Return values of the same form that belong to nobody."""
        return {name: _nobodys(name, value) for name, value in self.ids.items()}


def _nobodys(name: str, value: str) -> str:
    unknown = str(uuid4())
    if name == "pipeline_run_id":
        return f"prun-{unknown}"
    if name == "digest":
        return "sha256:" + "9" * 64
    if name in {"name", "check"}:
        return "nobodys"
    return unknown if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) else value


async def make_tenants(site: AccountsSite) -> Tenants:
    """Let both tenants work, so that there is something to be seen."""
    admin = await site.first_admin()
    owner = await site.person(admin, f"{MARKER}@example.org")
    stranger = await site.person(admin, "stranger@example.org")
    repository = f"https://git.example/{MARKER}.git"
    theirs = {"slug": THEIRS, "name": f"{MARKER} project", "repository_url": repository}
    await _create(site, admin, "/projects", theirs)
    await _create(site, admin, f"/projects/{THEIRS}/members", {"user_id": str(owner.id), "role": "admin"})
    await site.project(admin, OWN, [(stranger, "admin")])
    scopes = sorted(PERMISSIONS_OF_ROLE[Role.ADMIN])
    credentials = {
        "login": stranger.access_token,
        "API token": await site.api_token(stranger, scopes),
        "API token of one project": await site.api_token(stranger, scopes, project=OWN),
    }
    ids = await _work(site, owner)
    return Tenants(site=site, admin=admin, owner=owner, stranger=stranger, credentials=credentials, ids=ids)


async def _create(site: AccountsSite, who: Person, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = await site.call("POST", path, by=who, body=dict(body))
    assert answer.status_code in {201, 202}, f"{path}: {answer.status_code} {answer.text}"
    return dict(answer.json())


async def _work(site: AccountsSite, owner: Person) -> dict[str, str]:
    base = f"/projects/{THEIRS}"
    run = await _create(site, owner, f"{base}/runs", {"parameters": {"note": MARKER}})
    project = (await site.call("GET", base, by=owner)).json()
    reference = ProjectReference(id=project["id"], slug=THEIRS, name=project["name"])
    await plan_run(site.database, reference, run["id"], outlined(f"{MARKER}-check"))
    evidence = Evidence(findings=(finding(f"{MARKER}/X1"),))
    ended = Ended(check=f"{MARKER}-check", result=CheckResult.FAIL, evidence=evidence)
    await end_check(site.database, reference, run["id"], ended)
    until = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
    wish = {"rule": f"{MARKER}/X1", "reason": f"{MARKER} reason", "until": until}
    waiver = await _create(site, owner, f"{base}/waivers", wish)
    schedule = await _create(site, owner, f"{base}/schedules", {"name": f"{MARKER}", "cron": "0 3 * * *"})
    hook = await _create(site, owner, f"{base}/hooks", {"name": MARKER, "provider": "github"})
    poll = await _create(
        site, owner, f"{base}/registry-polls", {"name": MARKER, "url": f"https://{MARKER}.example.org"}
    )
    event = await site.call(
        "POST",
        f"{base}/events",
        by=owner,
        body={"specversion": "1.0", "id": MARKER, "source": f"/{MARKER}", "type": MARKER},
        headers={"Content-Type": "application/cloudevents+json"},
    )
    await _create(site, owner, f"{base}/datasets", {"name": f"{MARKER}-data"})
    await _create(site, owner, f"{base}/models", {"name": f"{MARKER}-data"})
    blueprint = LINT_BLUEPRINT.replace("lint-only", f"{MARKER}-data")
    await _create(site, owner, f"{base}/blueprints", {"text": blueprint})
    token = await site.call(
        "POST", "/me/tokens", by=owner, body={"name": MARKER, "scopes": ["project:read"], "expires_in_days": 1}
    )
    account = await _create(site, owner, f"{base}/service-accounts", {"name": MARKER, "role": "viewer"})
    trust = await _create(
        site,
        owner,
        f"{base}/trusts",
        {
            "name": MARKER,
            "provider": "github",
            "audience": MARKER,
            "bindings": [{"claim": "repository", "value": f"{MARKER}/service"}],
            "role": "viewer",
        },
    )
    source = f"function process(data) {{ console.log({MARKER!r}); return data; }}"
    script = await _create(site, owner, f"{base}/scripts", {"name": MARKER, "source": source, "activate": True})
    execution = await _create(site, owner, f"{base}/scripts/{script['id']}/executions", {"note": MARKER})
    sessions = (await site.call("GET", "/me/sessions", by=owner)).json()["items"]
    return {
        "project": THEIRS,
        "session_id": str(sessions[0]["id"]),
        "service_account": str(account["id"]),
        "trust": str(trust["id"]),
        "run_id": str(run["id"]),
        "pipeline_run_id": f"prun-{run['id']}",
        "evidence_id": f"{MARKER}-check",
        "check": f"{MARKER}-check",
        "digest": "sha256:" + "a" * 64,
        "user_id": str(owner.id),
        "token_id": str(token.json()["id"]),
        "waiver": str(waiver["id"]),
        "schedule": str(schedule["id"]),
        "hook": str(hook["id"]),
        "poll": str(poll["id"]),
        "event": str(event.json()["events"][0]["id"]),
        "letter_id": str(run["id"]),
        "script": str(script["id"]),
        "script_id": str(script["id"]),
        "execution": str(execution["id"]),
        "execution_id": str(execution["id"]),
        "name": f"{MARKER}-data",
        "version": "1",
        "number": "1",
    }
