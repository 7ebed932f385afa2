"""Processes as their supervisor sees them."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from quilate.app.service import processes
from quilate.app.service.processes import ServiceProcess, make_process, status_text, stop_processes
from quilate.kit.process.tree import has_ended

_MODULE = "service_role_of_the_test"


@pytest.fixture
def role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A role whose module is the returned file."""
    file = tmp_path / f"{_MODULE}.py"
    monkeypatch.setitem(processes.MODULES, "worker", _MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return file


@pytest.fixture
def stubborn(role: Path) -> Path:
    """A role that does not listen to SIGTERM."""
    role.write_text(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    return role


def wait_until_said(process: ServiceProcess, text: str) -> None:
    end = time.monotonic() + 30
    assert process.log is not None
    while text not in (process.log.read_text() if process.log.exists() else ""):
        assert time.monotonic() < end
        time.sleep(0.01)


def end_of(process: ServiceProcess) -> int:
    end = time.monotonic() + 30
    while True:
        status = process.ended()
        if status is not None:
            return status
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_has_its_settings_its_log_and_not_the_directory_that_we_stand_in(
    role: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role.write_text("import os, sys; print(os.environ['QUILATE_X'], os.environ['GIVEN'], '' in sys.path, flush=True)")
    stand = tmp_path / "stand"
    stand.mkdir()
    (stand / "json.py").write_text("raise RuntimeError('a file of the project was loaded')")
    monkeypatch.chdir(stand)
    log = tmp_path / "logs" / "w.log"
    process = make_process("worker", "w", {"QUILATE_X": "1"}, descriptors={"GIVEN": 0}, log=log)
    process.start()
    assert end_of(process) == 0
    assert log.read_text() == "1 0 False\n"
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("status", "cannot"), [(2, True), (0, False), (3, False)])
def test_one_that_refuses_its_settings_cannot_start(role: Path, status: int, *, cannot: bool) -> None:
    role.write_text(f"raise SystemExit({status})")
    process = make_process("worker", "w", {}, descriptors={})
    process.start()
    assert process.cannot_start(end_of(process)) is cannot
    process.start()
    assert not process.cannot_start(end_of(process))


def test_one_that_ran_for_a_while_could_start(role: Path) -> None:
    role.write_text("raise SystemExit(2)")
    process = make_process("worker", "w", {}, descriptors={})
    process.start()
    process.started -= processes.START_SECONDS
    assert not process.cannot_start(end_of(process))


def test_the_pause_before_the_next_start_grows_with_each_early_end(role: Path) -> None:
    role.write_text("raise SystemExit(3)")
    process = make_process("worker", "w", {}, descriptors={})
    pauses = []
    for _ in range(3):
        process.start()
        assert end_of(process) == 3
        pauses.append(process.due - time.monotonic())
    assert process.ended() is None
    assert pauses[0] < pauses[1] < pauses[2]


@pytest.mark.asyncio
@pytest.mark.parametrize("hurried", [False, True])
async def test_one_that_does_not_stop_is_ended(stubborn: Path, tmp_path: Path, *, hurried: bool) -> None:
    process = make_process("worker", "w", {}, descriptors={}, log=tmp_path / "w.log")
    process.start()
    pid = process.pid
    assert pid is not None
    wait_until_said(process, "up")
    hurry = asyncio.Event()
    if hurried:
        hurry.set()
    await asyncio.wait_for(stop_processes([process], patience_seconds=600 if hurried else 0.1, hurry=hurry), timeout=30)
    assert has_ended(pid)
    process.signal(signal.SIGTERM)  # To nobody.


def test_an_end_is_told_in_words() -> None:
    assert status_text(-signal.SIGKILL) == "was ended by SIGKILL"
    assert status_text(2) == "ended with exit code 2"
    assert status_text(-250) == "ended with exit code -250"
