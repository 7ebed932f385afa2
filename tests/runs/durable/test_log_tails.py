"""What a check's programs print is there while they run, without secrets (C06, C08)."""

from pathlib import Path

import msgspec
import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.kit.database.database import Database
from quilate.runs.durable.log_tails import LogTail
from quilate.runs.durable.worker import WorkerOptions
from tests.support.durable import FAKES, PROJECT_FILE, blueprint, ended, rows, running_worker, submission, submit, until

pytestmark = pytest.mark.asyncio

SECRET = "correct horse battery staple"  # noqa: S105 - a test's own


async def test_the_log_comes_while_the_program_runs_and_holds_no_secret(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TEST_TOKEN", SECRET)
    text = blueprint("{id: a_STAGE, type: TEST_PROGRAM, required: true, seconds: 2}")
    project = PROJECT_FILE + "secrets: {token: TEST_TOKEN}\n"
    options = WorkerOptions(capacity=2, plugins=(FAKES,), secret_variables=("TEST_TOKEN",))
    async with running_worker(database_url, tmp_path, blueprint_text=text, options=options):
        (run,) = await submit(database, submission(project_file=project))
        await until(lambda: rows(database, "SELECT text FROM check_logs"))
        assert (await rows(database, "SELECT step FROM runs"))[0]["step"] == "checks"
        await ended(database, run.run_id)
        await until(lambda: rows(database, "SELECT 1 FROM check_logs WHERE text LIKE '%%done%%'"))
    pieces = await rows(database, "SELECT text FROM check_logs ORDER BY sequence")
    assert "".join(piece["text"] for piece in pieces) == "$ sh\nbegun\ntoken=[secret]\ntrace=\ndone\n"


async def test_who_prints_a_guess_does_not_learn_that_it_is_the_value_of_a_variable(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FOREIGN_TOKEN", "hunter2")
    text = blueprint('{id: a_STAGE, type: COMMAND, required: true, argv: [sh, -c, "echo hunter2"]}')
    project = PROJECT_FILE + "secrets: {token: FOREIGN_TOKEN}\n"
    options = WorkerOptions(capacity=2, plugins=(FAKES,), secret_variables=())
    async with running_worker(database_url, tmp_path, blueprint_text=text, options=options):
        (run,) = await submit(database, submission(project_file=project))
        await ended(database, run.run_id)
    assert [piece["text"] for piece in await rows(database, "SELECT text FROM check_logs")] == ["$ sh\nhunter2\n"]


async def test_a_secret_of_several_lines_or_in_a_line_without_end_is_hidden_too(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TEST_TOKEN", SECRET)
    monkeypatch.setenv("TEST_KEY", "-- begin\nsecret half\n-- end")
    # The key comes line by line, each read by itself; the token lies where two pieces of the log meet.
    program = '(echo "$TEST_KEY" | while read -r line; do echo "$line"; sleep 0.8; done); sleep 0.8; '
    program += "printf '%0131052d%s%s\\n' 0 \"$TEST_TOKEN\" after; echo done"
    text = blueprint(
        "{id: a_STAGE, type: COMMAND, required: true, environment: [TEST_TOKEN, TEST_KEY], "
        f"argv: [sh, -c, {msgspec.json.encode(program).decode()}]}}"
    )
    options = WorkerOptions(capacity=2, plugins=(FAKES,), secret_variables=("TEST_TOKEN", "TEST_KEY"))
    async with running_worker(database_url, tmp_path, blueprint_text=text, options=options):
        (run,) = await submit(database, submission())
        await ended(database, run.run_id)
        await until(lambda: rows(database, "SELECT 1 FROM check_logs WHERE text LIKE '%%done%%'"))
    pieces = await rows(database, "SELECT text FROM check_logs ORDER BY sequence")
    told = "".join(piece["text"] for piece in pieces)
    assert told == f"$ sh\n[secret]\n{0:0131052d}[secret]after\ndone\n"


@pytest.mark.parametrize("secret", ["aaaa", "aaab", "a\naa", "=" * 40])
async def test_a_log_of_nothing_but_a_secret_hides_it_and_is_not_held_back(tmp_path: Path, secret: str) -> None:
    log = tmp_path / "log"
    log.write_text(secret * 50_000)
    tail = LogTail(path=str(log), secrets=(secret,))
    pieces = [tail.read(last=False) for _ in range(-(-log.stat().st_size // (64 << 10)))]
    assert len(tail.held) <= (64 << 10) + 2 * len(secret)
    assert "".join([*pieces, tail.read(last=True)]) == "[secret]" * 50_000
