"""``quilate up`` as a user has it: real processes, real signals (C07, C09, A12, A14)."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from quilate.app.service.schema import MIGRATIONS, service_migrations
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.embedded_files import running_address
from quilate.kit.database.migrations import migrate
from quilate.kit.process.tree import descendants_of
from tests.support.up import (
    DEADLINE_SECONDS,
    QUILATE,
    Up,
    clean_environment,
    left_over,
    quilate,
    wait_until,
)

pytestmark = pytest.mark.slow


def test_the_first_start_gives_a_link_the_stop_leaves_nothing_and_the_data_last(place: Path, up: Up) -> None:
    assert f"its data in {place / 'state' / 'postgres'}" in up.text()
    assert re.search(r"first admin, works once: http://127\.0\.0\.1:\d+/\S+", up.text())
    assert up.alive() == 200
    seen = descendants_of(up.process.pid)
    assert len(seen) >= 5
    up.signal(signal.SIGINT)
    assert up.end() == 0
    assert left_over(seen) == []
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
    assert left_over(seen) == []


def test_who_waits_for_an_execution_at_the_stop_hears_where_it_is(place: Path) -> None:
    up = Up(place / "state", "--local").ready()
    api = f"http://127.0.0.1:{up.port}"
    source = "function process(data) { const end = Date.now() + 1500; while (Date.now() < end) {} return data; }"
    slow = {"name": "slow", "source": source, "activate": True}
    try:
        created = httpx.post(f"{api}/api/v1/projects/default/scripts", json=slow, timeout=60).raise_for_status()
        executions = f"{api}/api/v1/projects/default/scripts/{created.json()['id']}/executions"
        for _ in range(10):
            assert httpx.post(executions, json=[], timeout=60).status_code == 202
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(httpx.post, f"{executions}?wait=50", json=[], timeout=60)
            time.sleep(1)
            up.signal(signal.SIGINT)
            answer = waiting.result()
    finally:
        if up.process.poll() is None:
            up.signal(signal.SIGTERM)
        assert up.end() == 0
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] in {"pending", "running"}
    assert answer.headers["Location"].endswith(answer.json()["id"])


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
        wait_until(lambda: left_over(seen) == [])
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
    assert left_over(seen) == []
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
    assert left_over(seen) == []


def test_wrong_queues_are_refused() -> None:
    refused = quilate("worker", "--queues", "code,gpu")
    assert refused.returncode == 2
    assert "--queues expects some of code, data, ml, security" in refused.stderr
    assert "scripts is one of them here" in refused.stderr


def test_a_lost_administrator_gets_a_link_to_the_service_that_runs(up: Up) -> None:
    recovered = quilate("admin", "recover", "admin@example.org", QUILATE_STATE=str(up.state))
    assert recovered.returncode == 0, recovered.stderr
    assert recovered.stdout.startswith(f"http://127.0.0.1:{up.port}/")
    assert recovered.stdout.count("\n") == 1, "a script takes the link from here"
    assert "opens once" in recovered.stderr
    assert "does not run" not in recovered.stderr
