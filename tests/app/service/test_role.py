"""What every process of the service does alike: its clean end and its exit codes."""

import json
import os
import signal
import subprocess
import sys

import pytest

_ROLE = """
import asyncio, os, sys
from quilate.app.service.role import run_role
from quilate.domain.errors import ConfigurationError

async def patient(settings, stop):
    print("started", "QUILATE_DATABASE_URL" in os.environ, settings.database_url, flush=True)
    await stop.wait()
    print("stopped", flush=True)

async def stubborn(settings, stop):
    print("started", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("cancelled", flush=True)

async def wrong(settings, stop):
    raise ConfigurationError("it cannot be", next_step="change it")

async def faulty(settings, stop):
    raise ValueError("no database at postgresql://me:secret@db/x")

sys.exit(run_role("test", globals()[sys.argv[1]]))
"""


def start(work: str, *, descriptors: tuple[int, ...] = (), **environment: str) -> subprocess.Popen[str]:
    return start_with(work, environment, descriptors)


def start_with(work: str, environment: dict[str, str], descriptors: tuple[int, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _ROLE, work], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        pass_fds=descriptors, env={**os.environ, **environment},
    )  # fmt: skip


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_it_to_stop_and_its_programs_do_not_see_the_password(number: signal.Signals) -> None:
    with start("patient", QUILATE_DATABASE_URL="postgresql://me:secret@db/x") as process:
        assert line(process) == "started False postgresql://me:secret@db/x"
        process.send_signal(number)
        assert line(process) == "stopped"
        assert process.wait(timeout=30) == 0


def test_it_stops_when_its_parent_has_ended() -> None:
    ours, theirs = os.pipe()
    with start("patient", descriptors=(ours,), QUILATE_LIFELINE_DESCRIPTOR=str(ours)) as process:
        assert line(process).startswith("started")
        os.close(theirs)
        assert line(process) == "stopped"
        assert process.wait(timeout=30) == 0
    os.close(ours)


def test_what_does_not_stop_is_cancelled_after_a_while() -> None:
    with start("stubborn", QUILATE_STOP_SECONDS="1") as process:
        assert line(process) == "started"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "cancelled"
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "error: it cannot be\n  change it\n"),
        ({"QUILATE_PORT": "x"}, "error: QUILATE_PORT expects a whole number from 0 to 65535"),
    ],
)
def test_a_wrong_configuration_ends_it_with_two_and_says_why(environment: dict[str, str], said: str) -> None:
    with start_with("wrong", environment) as process:
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 2
    assert errors.startswith(said)


def test_a_fault_is_logged_without_its_secret() -> None:
    with start("faulty") as process:
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 4
    (line,) = errors.splitlines()
    said = json.loads(line)
    assert said["event"] == "the process ended by a fault"
    assert "ValueError: no database at" in said["exception"]
    assert "secret" not in errors
