"""One change from its push to its approval, through every process of the service and a forge (C03, C05, C10, C11).

A pull request's webhook begins a run of the commit that a real git repository holds; the verdict is at the forge as a
status and a comment; two people waive the finding by comments there; the next push is judged with the waiver.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from quilate.client import Client
from tests.support.forge_servers.github import GitHubServer
from tests.support.live_service import LiveService, live_service
from tests.support.projects import lint_project, quilate, write_files
from tests.support.repositories import commit_all, git
from tests.support.servers import serving
from tests.support.webhooks import REPOSITORY, Delivery, github_comment, github_pull_request

TOKEN = "token-of-the-connection"  # noqa: S105 - of a server that exists for a test
SECONDS = 60


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    allowed = {"private_addresses": ("127.0.0.1",), "plain_http": True}
    with (
        live_service(database_url, tmp_path / "state", local=True, **allowed) as opened,
        opened.process("worker_main"),
        opened.process("background"),
    ):
        yield opened


def soon(seen: Callable[[], Any]) -> Any:
    """Return what is seen once it is something."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if found := seen():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come about")


class Forge:
    """The repository's hook at the service, by which the forge tells of requests and comments."""

    def __init__(self, service: LiveService, repository: Path) -> None:
        self.repository = repository
        with httpx.Client(base_url=service.url) as http:
            made = http.post("/api/v1/projects/sample/hooks", json={"name": "github", "provider": "github"})
        assert made.status_code == 201, made.text
        self._hook = made.json()
        self._url = service.url

    def tell(self, delivery: Delivery, **changes: Any) -> None:
        """Deliver an event about this repository."""
        document = json.loads(json.dumps({**delivery.document, **changes}))
        for place in (document, *(document.get("pull_request", {}).get(side, {}) for side in ("head", "base"))):
            for name in ("repository", "repo"):
                if name in place:
                    place[name]["clone_url"] = str(self.repository)
        told = Delivery(provider="github", event=delivery.event, document=document)
        headers = told.signed(self._hook["secret"])
        answer = httpx.post(f"{self._url}/hooks/{self._hook['id']}", content=told.body, headers=headers)
        assert answer.status_code == 202, answer.text

    def comment(self, number: int, text: str, by: str) -> None:
        """Deliver a comment that somebody wrote into the request."""
        given = github_comment(text).document
        user = {"login": by, "id": 7}
        self.tell(github_comment(text), comment={**given["comment"], "id": number, "user": user}, sender=user)


@pytest.mark.slow
def test_a_change_is_rejected_waived_by_two_people_and_approved(service: LiveService, tmp_path: Path) -> None:
    repository = lint_project(tmp_path / "repository", '"""A module."""\n')
    commit_all(repository, "the beginning")
    git(repository, "branch", "-M", "main")
    git(repository, "checkout", "-q", "-b", "feature")
    write_files(repository, {"module.py": "import os\n"})
    commit_all(repository, "a change")
    first = git(repository, "rev-parse", "HEAD").decode().strip()

    forge = GitHubServer(token=TOKEN)
    forge.commits = {first}
    forge.people = {"ann": "write", "bob": "maintain", "eve": "read"}
    with serving(forge), Client(service.url) as client:
        client.projects.create("sample", "Sample", repository_url=str(repository))
        at = ("--server", service.url, "--project", "sample")
        settings = ("--setting", f"repository={REPOSITORY}", "--setting", f"base_url={forge.base_url}")
        secret = ("--secret-env", "token=FORGE_TOKEN")
        added = quilate(
            tmp_path, "connector", "add", "github", *at, "--name", "forge", *settings, *secret, FORGE_TOKEN=TOKEN
        )
        assert added.code == 0, added.errors
        hook = Forge(service, repository)

        hook.tell(github_pull_request("opened", head=first))
        soon(lambda: forge.state(first) == "failure")
        [comment] = soon(lambda: forge.own(12))
        assert "ruff/F401" in comment

        last = (datetime.now(UTC) + timedelta(days=60)).date()
        hook.comment(1, f'/quilate waive ruff/F401 until={last} reason="kept for others"', "eve")
        soon(lambda: any("needs the right to write" in each for each in forge.own(12)))
        hook.comment(2, f'/quilate waive ruff/F401 until={last} reason="kept for others"', "ann")
        asked = soon(lambda: next((each for each in forge.own(12) if "/quilate approve" in each), ""))
        hook.comment(3, asked[asked.index("/quilate approve") :].split("`")[0], "bob")
        soon(lambda: any("is approved" in each for each in forge.own(12)))

        write_files(repository, {"module.py": "import os\n\nX = 1\n"})
        commit_all(repository, "a further change")
        second = git(repository, "rev-parse", "HEAD").decode().strip()
        forge.commits.add(second)
        hook.tell(github_pull_request("synchronize", head=second, before=first, at="2026-11-20T11:00:00Z"))
        soon(lambda: forge.state(second) == "success")
        verdict = soon(lambda: next((each for each in forge.own(12) if second[:7] in each), ""))
        assert "PASS" in verdict
        assert len([each for each in forge.own(12) if "quilate:comment:sample" in each]) == 1

        newest = next(iter(client.runs.list("sample")))
        decision = json.loads(client.runs.decision("sample", newest.id))
        assert [waiver["rule"] for waiver in decision["waivers"]] == ["ruff/F401"]
    assert not forge.violations, forge.violations
