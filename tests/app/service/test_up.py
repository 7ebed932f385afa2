"""``quilate up`` as a user has it: real processes, real signals (C07, C09, A12, A14)."""

import asyncio
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from quilate.app.service.schema import MIGRATIONS, service_migrations
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.embedded_files import running_address
from quilate.kit.database.migrations import migrate
from quilate.kit.process.tree import children_of, descendants_of, has_ended

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 90
QUILATE = (sys.executable, "-c", "from quilate.app.cli import main; main()")


def wait_until(true: Callable[[], bool], what: Callable[[], str] = str) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < end, f"it did not happen in time: {what()}"
        time.sleep(0.02)


class Up:
    """One ``quilate up``."""

    def __init__(self, state: Path, *arguments: str, **environment: str) -> None:
        self.state = state
        self.output = state.parent / f"{state.name}.out"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*QUILATE, "up", "--state", str(state), "--port", "0", "--workers", "2", *arguments],
                stdout=output, stderr=subprocess.STDOUT, env={**clean_environment(), **environment},
                start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def ready(self) -> "Up":
        wait_until(lambda: "Ctrl+C stops it" in self.text() or self.process.poll() is not None, self.text)
        assert self.process.poll() is None, self.text()
        return self

    @property
    def port(self) -> int:
        found = re.search(r"Quilate is at http://127\.0\.0\.1:(\d+)", self.text())
        assert found, self.text()
        return int(found.group(1))

    def alive(self) -> int:
        """Return the status of GET /health/live, 0 without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def pid_of(self, word: str) -> int:
        """Return the living child whose command line holds a word, 0 for none."""
        for pid in children_of(self.process.pid):
            if word in command_line(pid) and not has_ended(pid):
                return pid
        return 0

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> int:
        return self.process.wait(timeout=DEADLINE_SECONDS)


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
    except OSError:
        return ""


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("QUILATE_")}


def quilate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*QUILATE, *arguments], env={**clean_environment(), **environment}, capture_output=True, text=True,
        check=False, timeout=DEADLINE_SECONDS,
    )  # fmt: skip


def left_over(up: Up, seen: list[int]) -> list[str]:
    return [command_line(pid) for pid in seen if not has_ended(pid)]


@pytest.fixture
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="quilate-up-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def up(place: Path) -> Iterator[Up]:
    started = Up(place / "state")
    yield started.ready()
    if started.process.poll() is None:
        started.signal(signal.SIGINT)
        started.end()


def test_the_first_start_gives_a_link_the_stop_leaves_nothing_and_the_data_last(place: Path, up: Up) -> None:
    assert f"its data in {place / 'state' / 'postgres'}" in up.text()
    assert re.search(r"first admin, works once: http://127\.0\.0\.1:\d+/\S+", up.text())
    assert up.alive() == 200
    seen = descendants_of(up.process.pid)
    assert len(seen) >= 5
    up.signal(signal.SIGINT)
    assert up.end() == 0
    assert left_over(up, seen) == []
    assert up.text().endswith("stopping\n")

    again = Up(place / "state").ready()
    try:
        assert again.alive() == 200
        assert "applied" not in again.text()
    finally:
        again.signal(signal.SIGTERM)
        assert again.end() == 0


def test_a_second_ctrl_c_ends_everything_at_once(up: Up) -> None:
    seen = descendants_of(up.process.pid)
    os.kill(up.pid_of("app.service.api"), signal.SIGSTOP)
    up.signal(signal.SIGINT)
    wait_until(lambda: "stopping" in up.text())
    begin = time.monotonic()
    up.signal(signal.SIGINT)
    assert up.end() == 0
    assert time.monotonic() - begin < 15, "shorter than the patience with a process that does not stop"
    assert left_over(up, seen) == []


def test_a_killed_postgres_and_killed_processes_are_started_again_and_said(up: Up) -> None:
    url = running_address(up.state / "postgres")
    assert url is not None
    for word, said in (
        ("bin/postgres", "PostgreSQL ended; it is started again"),
        ("app.service.api", "api was ended by SIGKILL; it is started again"),
        ("app.service.worker_main", "was ended by SIGKILL; it is started again"),
        ("app.service.background", "background was ended by SIGKILL; it is started again"),
    ):
        before = up.pid_of(word)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda said=said: said in up.text(), up.text)  # type: ignore[misc]
        wait_until(lambda word=word, before=before: up.pid_of(word) not in {0, before}, up.text)  # type: ignore[misc]
    wait_until(lambda: up.alive() == 200, up.text)
    wait_until(lambda: running_address(up.state / "postgres") == url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT max(version) FROM quilate_migrations").fetchone() == (len(MIGRATIONS),)


def test_what_a_killed_up_leaves_goes_by_itself_and_the_next_takes_the_same_port(place: Path, up: Up) -> None:
    port = str(up.port)
    seen = descendants_of(up.process.pid)
    up.process.kill()
    up.process.wait()
    again = Up(place / "state", "--port", port).ready()
    try:
        assert again.alive() == 200
        wait_until(lambda: left_over(up, seen) == [])
    finally:
        again.signal(signal.SIGINT)
        assert again.end() == 0


def test_a_second_up_over_the_same_state_is_refused(place: Path, up: Up) -> None:
    refused = quilate("up", "--state", str(place / "state"), "--port", "0")
    assert refused.returncode == 2
    assert f"already runs over {place / 'state'} (process {up.process.pid}, http://127.0.0.1:{up.port})" in (
        refused.stderr
    )
    assert up.alive() == 200


def test_a_port_in_use_is_named_before_a_database_is_made(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = quilate("up", "--state", str(place / "state"), "--port", str(port))
    assert refused.returncode == 2
    assert f"the address 127.0.0.1:{port} is in use" in refused.stderr
    assert "--port" in refused.stderr
    assert {each.name for each in (place / "state").iterdir()} == {".gitignore", "up.lock"}
    assert (place / "state" / "up.lock").read_bytes() == b""


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ("--host", "::")])  # noqa: S104 - refused
def test_the_single_user_mode_refuses_other_addresses(place: Path, arguments: tuple[str, ...]) -> None:
    refused = quilate("up", "--local", "--state", str(place / "state"), "--port", "0", *arguments)
    assert refused.returncode == 2
    assert "loopback only" in refused.stderr
    assert not (place / "state").exists()


def test_a_newer_schema_is_refused(place: Path) -> None:
    first = Up(place / "state").ready()
    url = running_address(place / "state" / "postgres")
    assert url is not None
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO quilate_migrations (version, name, digest) VALUES (%s, 'later', 'x')", (len(MIGRATIONS) + 1,)
        )
    first.signal(signal.SIGINT)
    assert first.end() == 0

    refused = quilate("up", "--state", str(place / "state"), "--port", "0")
    assert refused.returncode == 2
    assert f"schema version {len(MIGRATIONS) + 1}, this program knows {len(MIGRATIONS)}" in refused.stderr

    environment = {"QUILATE_STATE": str(place / "state")}
    worker = quilate("worker", **environment)
    assert worker.returncode == 2
    assert "no `quilate up` runs" in worker.stderr
    refused = quilate("admin", "migrate", **environment)
    assert refused.returncode == 2
    assert "install the version of Quilate that wrote it" in refused.stderr


def test_an_older_schema_is_upgraded_after_a_backup(place: Path) -> None:
    server = EmbeddedPostgres(place / "state" / "postgres")
    url = server.start()
    asyncio.run(migrate(url, service_migrations()[:-1]))
    (place / "state" / "backups").write_text("no directory")
    server.stop()

    refused = quilate("up", "--state", str(place / "state"), "--port", "0")
    assert refused.returncode == 2
    assert "the backup of" in refused.stderr

    (place / "state" / "backups").unlink()
    up = Up(place / "state").ready()
    up.signal(signal.SIGINT)
    assert up.end() == 0
    said = re.search(r"backup before the upgrade: (\S+)", up.text())
    assert said
    assert Path(said.group(1)).stat().st_size > 0
    assert f"schema version {len(MIGRATIONS)}, 1 migration applied" in up.text()


def test_a_backup_goes_into_a_new_state_and_the_service_goes_on_from_it(place: Path, up: Up) -> None:
    url = running_address(up.state / "postgres")
    assert url is not None
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    backup = quilate("admin", "backup", "--directory", str(place / "away"), QUILATE_STATE=str(up.state))
    assert backup.returncode == 0, backup.stderr
    file = Path(backup.stdout.strip())
    assert file.parent == place / "away"
    up.signal(signal.SIGINT)
    assert up.end() == 0
    assert quilate("admin", "restore", str(file), QUILATE_STATE=str(up.state)).returncode == 2

    restored = quilate("admin", "restore", str(file), QUILATE_STATE=str(place / "new"))
    assert restored.returncode == 0, restored.stderr
    again = Up(place / "new").ready()
    try:
        url = running_address(place / "new" / "postgres")
        assert url is not None
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    finally:
        again.signal(signal.SIGINT)
        assert again.end() == 0


def test_a_worker_that_cannot_start_ends_the_start_and_says_why(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 65535))
        taken.listen()
        started = Up(place / "state", QUILATE_WORKER_METRICS_PORT="65535")
        assert started.end() == 2
    said = r"(worker-\d|script-worker|background) ended with exit code 2 at its start: .*no port from 65535 to 65535"
    assert re.search(said, started.text())
    assert descendants_of(started.process.pid) == []


def test_workers_of_their_own_join_the_service_that_runs(up: Up) -> None:
    environment = {**clean_environment(), "QUILATE_STATE": str(up.state)}
    output = up.state.parent / "worker.out"
    with output.open("wb") as log:
        worker = subprocess.Popen(
            [*QUILATE, "worker", "--queues", "code,data", "--workers", "1"],
            env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_until(lambda: "worker-1, background started" in output.read_text(), output.read_text)
        seen = descendants_of(worker.pid)
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=DEADLINE_SECONDS) == 0
    assert left_over(up, seen) == []
    assert up.alive() == 200


def test_sandboxes_of_their_own_join_the_service_that_runs(up: Up) -> None:
    environment = {**clean_environment(), "QUILATE_STATE": str(up.state)}
    output = up.state.parent / "sandboxes.out"
    with output.open("wb") as log:
        worker = subprocess.Popen(
            [*QUILATE, "worker", "--queues", "scripts"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: "script-worker, background started" in output.read_text(), output.read_text)
        wait_until(lambda: "scripts are executed" in output.read_text(), output.read_text)
        seen = descendants_of(worker.pid)
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=DEADLINE_SECONDS) == 0
    assert left_over(up, seen) == []


def test_wrong_queues_are_refused() -> None:
    refused = quilate("worker", "--queues", "code,gpu")
    assert refused.returncode == 2
    assert "--queues expects some of code, data, ml, security" in refused.stderr


def test_the_doctor_looks_at_the_service(up: Up) -> None:
    (up.state / "postgres" / "password").chmod(0o644)
    found = quilate("doctor", str(up.state.parent), QUILATE_STATE=str(up.state))
    assert "PostgreSQL 18" in found.stdout
    assert f"schema version {len(MIGRATIONS)}" in found.stdout
    assert "clock: the database's is" in found.stdout
    assert "queues: nothing waits" in found.stdout
    assert f"password can be read by others     fix: chmod 600 {up.state / 'postgres' / 'password'}" in found.stdout
    assert found.returncode == 1


def test_the_doctor_finds_nothing_wrong_with_a_fresh_service_and_asks_for_no_project(up: Up) -> None:
    (up.state / "postgres" / "password").chmod(0o600)
    found = quilate("doctor", str(up.state.parent), QUILATE_STATE=str(up.state))
    assert found.returncode == 0, found.stdout
    assert "0 problems, 0 warnings" in found.stdout
    wait_until((up.state / "audit-key.pem").exists)
    (up.state / "audit-key.pem").chmod(0o640)
    opened = quilate("doctor", str(up.state.parent), QUILATE_STATE=str(up.state))
    (up.state / "audit-key.pem").chmod(0o600)
    assert "audit-key.pem can be read by others" in opened.stdout
    assert "quilate.yaml" not in found.stdout
    assert "interpreter" not in found.stdout


@pytest.mark.parametrize("inside", [False, True])
def test_the_doctor_looks_at_a_state_directory_that_is_named(up: Up, *, inside: bool) -> None:
    (up.state / "postgres" / "password").chmod(0o600)
    found = quilate("doctor", str(up.state)) if inside else quilate("doctor", "--state", str(up.state))
    assert "PostgreSQL 18" in found.stdout
    assert f"in {up.state}" in found.stdout
    assert found.stdout.endswith("0 problems, 0 warnings\n"), found.stdout
    assert "interpreter" not in found.stdout


def test_the_doctor_says_that_no_service_has_run_in_a_directory(tmp_path: Path) -> None:
    found = quilate("doctor", "--state", str(tmp_path / "none"))
    assert found.returncode == 1
    assert f"none has run in {tmp_path / 'none'}" in found.stdout
    assert not (tmp_path / "none").exists()


def test_the_doctor_says_that_a_database_is_away() -> None:
    found = quilate("doctor", QUILATE_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/none")
    assert found.returncode == 1
    assert "the database postgresql://me@127.0.0.1:1/none cannot be reached" in found.stdout
    assert "secret" not in found.stdout + found.stderr


def test_a_lost_administrator_gets_a_link_to_the_service_that_runs(up: Up) -> None:
    recovered = quilate("admin", "recover", "admin@example.org", QUILATE_STATE=str(up.state))
    assert recovered.returncode == 0, recovered.stderr
    assert recovered.stdout.startswith(f"http://127.0.0.1:{up.port}/")
    assert recovered.stdout.count("\n") == 1, "a script takes the link from here"
    assert "opens once" in recovered.stderr
    assert "does not run" not in recovered.stderr
