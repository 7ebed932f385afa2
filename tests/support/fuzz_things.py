"""One of everything that paths name, in the project that is fuzzed."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx

from quilate.accounts.model import ProjectReference
from quilate.accounts.trail.sealing import seal
from quilate.domain.ids import Digest
from quilate.domain.verdict import CheckResult
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.evidence.model import Artifact, Evidence
from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from quilate.runs.api.pipelines.model import pipeline_id
from tests.support.deliveries import SECRET
from tests.support.fuzz_hooks import BLUEPRINT, BRIEF, PROJECT, log_in
from tests.support.issuer import CLIENT_ID
from tests.support.run_rows import Ended, decide_by_hand, end_check, finding, outlined, plan_run, submitted_run

NAME = "thing"
"""What the dataset, the model, the blueprint and the identity provider are called."""

REJECTED = "waiver to reject"
"""The one that is still to be decided when the first has been approved."""

_DEADLINE_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class Things:
    """Values of path parameters that name something.

    Attributes:
        everywhere: By the parameter's name.
        of_tag: Those that name something else in one slice, by its tag.
        aims: Those for which an operation does what it is for, by tag and the end of its path.
    """

    everywhere: dict[str, str]
    of_tag: dict[str, dict[str, str]] = field(default_factory=dict)
    aims: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)

    def of(self, tag: str) -> dict[str, str]:
        """Return those of one slice."""
        return {**self.everywhere, **self.of_tag.get(tag, {})}

    def add_own(self, person: "Asking") -> None:
        """Add what belongs to whoever asks."""
        body = {"name": NAME, "scopes": ["project:read"], "expires_in_days": 1}
        self.of_tag["me"] = {"token_id": str(person.post("/me/tokens", json=body)["id"])}
        self.of_tag["sessions"] = {"session_id": str(person.get("/me/sessions")["items"][0]["id"])}


class Asking:
    """Requests of one person."""

    def __init__(self, base: str, name: str) -> None:
        headers = {"Authorization": f"Bearer {log_in(base, name)}"}
        self._client = httpx.Client(base_url=f"{base}/api/v1", headers=headers, timeout=30, limits=BRIEF)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def post(self, path: str, **sent: Any) -> Any:
        """Return the answer to a POST."""
        return self._answer(self._client.post(path, **sent))

    def get(self, path: str) -> Any:
        """Return the answer to a GET."""
        return self._answer(self._client.get(path))

    def etag(self, path: str) -> str:
        """Return the ETag of what a GET shows."""
        return str(self._client.get(path).raise_for_status().headers["etag"])

    def _answer(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            raise RuntimeError(f"{answer.url}: {answer.status_code} {answer.text}")
        return answer.json()


async def things_of(  # noqa: PLR0913, PLR0917 - what is asked and where
    admin: Asking, instance: Asking, database: Database, state: Path, issuer: str, outside: str
) -> Things:
    """Make one of everything.

    Args:
        admin: The project's administrator.
        instance: The installation's administrator.
        database: For what only the engine makes.
        state: The service's directory.
        issuer: Address of an identity provider.
        outside: Address of an outside system.
    """
    found = {
        **_catalogue(admin),
        **_governance(admin, instance),
        **_machines(admin, issuer),
        **_outside(admin, outside),
    }
    provider = {"slug": NAME, "name": NAME, "issuer": issuer, "client_id": CLIENT_ID}
    instance.post("/identity-providers", json=provider)
    reference = await _reference(database)
    run, digest = await _decided_run(database, reference, state)
    found |= {
        "project": PROJECT,
        "provider": NAME,
        "run_id": str(run),
        "pipeline_run_id": pipeline_id(run),
        "check": "lint",
        "evidence_id": "lint.1",
        "digest": digest,
        "letter_id": str(await _dead_letter(database, reference)),
        "batch": await _sealed_batch(admin, database, run),
        "index": "0",
        "size": "1",
    }
    # The connection hears of what happens after it was made, in the background.
    admin.post(f"/projects/{PROJECT}/datasets", json={"name": "another"})
    admin.post(f"/projects/{PROJECT}/datasets/another/versions?file_name=rows.csv", **_file())
    found["delivery"] = _first(admin, f"/projects/{PROJECT}/deliveries")
    return Things(everywhere=found, aims={"waivers": {"/reject": {"waiver": found.pop(REJECTED)}}})


def _file() -> dict[str, Any]:
    return {"content": b"a,b\n1,2\n", "headers": {"Content-Type": "application/octet-stream"}}


def _catalogue(admin: Asking) -> dict[str, str]:
    base = f"/projects/{PROJECT}"
    for kind in ("datasets", "models"):
        admin.post(f"{base}/{kind}", json={"name": NAME, "description": ""})
        admin.post(f"{base}/{kind}/{NAME}/versions?file_name=rows.csv", **_file())
    return {"name": NAME, "number": "1"}


def _governance(admin: Asking, instance: Asking) -> dict[str, str]:
    base = f"/projects/{PROJECT}"
    admin.post(f"{base}/blueprints", json={"text": BLUEPRINT})
    written = {"If-Match": admin.etag(f"{base}/blueprints/{NAME}/draft")}
    instance.post(f"{base}/blueprints/{NAME}/draft/publish", headers=written)
    admin.post(f"{base}/blueprints", json={"text": BLUEPRINT.replace("version: 1", "version: 2")})
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400))
    waivers = [
        admin.post(f"{base}/waivers", json={"rule": rule, "reason": "generated code", "until": until})
        for rule in ("ruff/E501", "ruff/E502")
    ]
    schedule = admin.post(
        f"{base}/schedules", json={"name": NAME, "cron": "0 3 * * *", "run": {"blueprint": "ds-batch"}}
    )
    return {
        "version": "1",
        "waiver": str(waivers[0]["id"]),
        REJECTED: str(waivers[1]["id"]),
        "schedule": str(schedule["id"]),
    }


def _machines(admin: Asking, issuer: str) -> dict[str, str]:
    base = f"/projects/{PROJECT}"
    account = str(admin.post(f"{base}/service-accounts", json={"name": NAME, "role": "viewer"})["id"])
    token = admin.post(f"{base}/service-accounts/{account}/tokens", json={"name": NAME, "expires_in_days": 1})
    trust = admin.post(
        f"{base}/trusts",
        json={
            "name": NAME,
            "provider": "github",
            "issuer": issuer,
            "audience": NAME,
            "bindings": [{"claim": "repository", "value": "example/service"}],
            "role": "viewer",
        },
    )
    return {"service_account": account, "token_id": str(token["id"]), "trust": str(trust["id"])}


def _outside(admin: Asking, outside: str) -> dict[str, str]:
    base = f"/projects/{PROJECT}"
    hook = str(admin.post(f"{base}/hooks", json={"name": NAME, "provider": "github"})["id"])
    event = admin.post(
        f"{base}/events",
        json={"specversion": "1.0", "id": NAME, "source": "/fuzz", "type": "thing.happened"},
        headers={"Content-Type": "application/cloudevents+json"},
    )
    poll = admin.post(f"{base}/registry-polls", json={"name": NAME, "url": outside})
    connection = admin.post(
        f"{base}/connections",
        json={"name": NAME, "type": "webhook", "settings": {"url": outside}, "secrets": {"secret": SECRET}},
    )
    return {
        "hook": hook,
        "hook_id": hook,
        "event": str(event["events"][0]["id"]),
        "poll": str(poll["id"]),
        "connection": str(connection["id"]),
    }


def _first(admin: Asking, path: str) -> str:
    end = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < end:
        items = admin.get(path)["items"]
        if items:
            return str(items[0]["id"])
        time.sleep(0.05)
    raise RuntimeError(f"{path} stays empty")


async def _reference(database: Database) -> ProjectReference:
    async with database.connection() as connection:
        row = await (await connection.execute("SELECT id FROM projects WHERE slug = %s", (PROJECT,))).fetchone()
    if row is None:
        raise RuntimeError("there is no project")
    return ProjectReference(id=row["id"], slug=PROJECT, name=PROJECT)


async def _decided_run(database: Database, project: ProjectReference, state: Path) -> tuple[UUID, Digest]:
    """Return a run with a verdict, and the digest of a file that it left."""
    content = b'{"lines": 3}'
    digest = DirectoryArtifactStore(state / "artifacts").put_bytes(content)
    report = Artifact(name="report.json", media_type="application/json", digest=digest, size=len(content))
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("lint"))
    evidence = Evidence(findings=(finding("ruff/E501"),), artifacts=(report,))
    ended = Ended(check="lint", result=CheckResult.FAIL, evidence=evidence)
    await end_check(database, project, run, ended)
    await decide_by_hand(database, project, run, [ended])
    return run, digest


async def _dead_letter(database: Database, project: ProjectReference) -> UUID:
    run = await submitted_run(database, project)
    identity = uuid7()
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO dead_letters (id, project_id, run_id, check_id, reason, details)"
            " VALUES (%s, %s, %s, 'lint', 'worker lost', '{\"losses\": 3}')",
            (identity, project.id, run),
        )
    return identity


async def _sealed_batch(admin: Asking, database: Database, run: UUID) -> str:
    """Let something be looked at, so that the access trail has a batch."""
    admin.get(f"/projects/{PROJECT}/runs/{run}/checks/lint/evidence")
    end = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < end:
        await seal(database)
        items = admin.get(f"/projects/{PROJECT}/access-batches")["items"]
        if items:
            return str(items[0]["id"])
        await asyncio.sleep(0.05)
    raise RuntimeError("nothing is on the access trail")
