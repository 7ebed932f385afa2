"""``quilate doctor`` over a service that runs, and over none (C07)."""

import subprocess
from pathlib import Path

import psycopg
import pytest

from quilate.app.service.schema import MIGRATIONS
from tests.support.up import Up, quilate, wait_until

pytestmark = pytest.mark.slow


def content(up: Up, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ask the doctor until it finds nothing: the workers come a moment after the API."""
    answers: list[subprocess.CompletedProcess[str]] = []

    def nothing_found() -> bool:
        answers.append(quilate(*arguments, **environment))
        return answers[-1].stdout.endswith("0 problems, 0 warnings\n")

    wait_until(nothing_found, lambda: answers[-1].stdout + up.text())
    return answers[-1]


def test_the_doctor_looks_at_the_service(up: Up) -> None:
    (up.state / "postgres" / "password").chmod(0o644)
    found = quilate("doctor", str(up.state.parent), QUILATE_STATE=str(up.state))
    assert "PostgreSQL 18" in found.stdout
    assert f"schema version {len(MIGRATIONS)}" in found.stdout
    assert "clock: the database's is" in found.stdout
    assert "queues: nothing waits" in found.stdout
    assert "audit log: it goes on" in found.stdout
    assert f"password can be read by others     fix: chmod 600 {up.state / 'postgres' / 'password'}" in found.stdout
    assert found.returncode == 1


def test_the_doctor_finds_nothing_wrong_with_a_fresh_service_and_asks_for_no_project(up: Up) -> None:
    (up.state / "postgres" / "password").chmod(0o600)
    found = content(up, "doctor", str(up.state.parent), QUILATE_STATE=str(up.state))
    assert found.returncode == 0, found.stdout
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
    found = content(up, "doctor", str(up.state)) if inside else content(up, "doctor", "--state", str(up.state))
    assert "PostgreSQL 18" in found.stdout
    assert f"in {up.state}" in found.stdout
    assert "interpreter" not in found.stdout


def test_the_doctor_says_why_the_audit_log_does_not_go_on(tmp_path: Path, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO audit_tree (origin, size, root, refusal, refused_at)"
            " VALUES ('test', 0, decode(repeat('00', 32), 'hex'), 'the tree was damaged', now())"
        )
    found = quilate("doctor", str(tmp_path), QUILATE_DATABASE_URL=database_url)
    assert "audit log: it does not go on, the tree was damaged" in found.stdout
    assert "quilate audit verify" in found.stdout
    assert found.returncode == 1


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
