"""A tenant gets no variable of a worker that the operator has not allowed (A14).

Project file and blueprint are both written by tenants: `secrets` of the one and `environment` of a COMMAND in the other
name variables.
"""

import json
from pathlib import Path

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.runs.durable.model import Submission
from quilate.runs.durable.worker import WorkerOptions
from tests.support.durable import FAKES, PROJECT_FILE, blueprint, ended, rows, running_worker, submission, submit

pytestmark = pytest.mark.asyncio

VALUE = "correct horse battery staple"
PROJECT = PROJECT_FILE + "secrets: {token: TEST_TOKEN}\n"
BY_SECRET = blueprint("{id: a_STAGE, type: TEST_PROGRAM, required: true}")
BY_COMMAND = blueprint(
    '{id: a_STAGE, type: COMMAND, required: true, environment: [TEST_TOKEN], argv: [sh, -c, "echo got $TEST_TOKEN"]}'
)


@pytest.fixture(autouse=True)
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TEST_TOKEN", VALUE)


async def _attempt(  # noqa: PLR0913, PLR0917 - a database, its address, a directory and what the test chooses
    database: Database, url: str, directory: Path, text: str, allowed: tuple[str, ...] | None, asked: Submission
) -> dict[str, str]:
    options = WorkerOptions(capacity=2, plugins=(FAKES,), secret_variables=allowed)
    async with running_worker(url, directory, blueprint_text=text, options=options):
        (run,) = await submit(database, asked)
        await ended(database, run.run_id)
    (found,) = await rows(
        database, "SELECT completion, result, reason, next_step FROM check_attempts WHERE run_id = %s", run.run_id
    )
    return found


@pytest.mark.parametrize("text", [BY_SECRET, BY_COMMAND], ids=["secret", "command"])
@pytest.mark.parametrize("allowed", [(), ("OTHER_*", "TEST_TOKENS", "other:TEST_TOKEN")], ids=["none", "others"])
async def test_what_is_not_allowed_is_refused_with_what_to_do(
    database: Database, database_url: str, tmp_path: Path, text: str, allowed: tuple[str, ...]
) -> None:
    found = await _attempt(database, database_url, tmp_path, text, allowed, submission(project_file=PROJECT))

    assert (found["completion"], found["result"]) == ("error", "error")
    assert found["reason"] == "the environment variable TEST_TOKEN is not given to this project's checks"
    assert "QUILATE_SECRET_VARIABLES" in found["next_step"]


@pytest.mark.parametrize("text", [BY_SECRET, BY_COMMAND], ids=["secret", "command"])
@pytest.mark.parametrize("allowed", [("TEST_TOKEN",), ("TEST_*",), ("test:TEST_TOKEN",), None])
async def test_what_is_allowed_is_given_and_shown_nowhere(
    database: Database, database_url: str, tmp_path: Path, text: str, allowed: tuple[str, ...] | None
) -> None:
    found = await _attempt(database, database_url, tmp_path, text, allowed, submission(project_file=PROJECT))

    assert found["completion"] == "completed", found
    log = "".join(each["text"] for each in await rows(database, "SELECT text FROM check_logs ORDER BY sequence"))
    assert "[secret]" in log
    assert VALUE not in log
    store = DirectoryArtifactStore(tmp_path / "artifacts")
    (decision,) = await rows(database, "SELECT input FROM decisions")
    for kept in _digests(json.loads(bytes(decision["input"]))):
        assert VALUE.encode() not in store.read(kept, 1 << 20)
    assert VALUE.encode() not in bytes(decision["input"])


def _digests(document: object) -> list[str]:
    """Return the digests of every artifact that a document names."""
    if isinstance(document, dict):
        own = [document["digest"]] if {"digest", "media_type"} <= document.keys() else []
        return own + [found for inner in document.values() for found in _digests(inner)]
    return [found for inner in document for found in _digests(inner)] if isinstance(document, list) else []


async def test_the_name_that_a_project_file_gives_itself_opens_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = PROJECT.replace("project: test", "project: rich")
    found = await _attempt(
        database, database_url, tmp_path, BY_SECRET, ("rich:TEST_TOKEN",), submission(project_file=text)
    )

    assert found["completion"] == "error"


async def test_a_change_from_a_fork_gets_no_variable_of_a_command_either(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    asked = submission(project_file=PROJECT, without_secrets=True)
    found = await _attempt(database, database_url, tmp_path, BY_COMMAND, None, asked)

    assert found["completion"] == "error"
    assert "fork" in found["reason"]
