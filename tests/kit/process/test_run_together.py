"""Programs started at the same time end their own descendants and nobody else's (C04)."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quilate.kit.process.forkserver import ForkServer
from quilate.kit.process.model import ProcessLimits, ProcessOutcome, ProcessResult
from quilate.kit.process.run import run_process
from tests.kit.process.hard_jobs import noted_and_alive
from tests.support.processes import processes_with, unique_marker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

DAEMON_WITHOUT_ENVIRONMENT = (
    "import os, subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[1]], env={},"
    " start_new_session=True)\n"
)


def run(program: str, *arguments: str, directory: Path, wall_seconds: float = 60, **limits: int) -> ProcessResult:
    return run_process(
        [sys.executable, "-c", program, *arguments],
        directory=directory,
        environment={"PATH": os.defpath},
        limits=ProcessLimits(wall_seconds=wall_seconds, **limits),
    )


def test_programs_of_several_threads_each_end_their_own(tmp_path: Path) -> None:
    daemon = f"import os, time\nif os.fork(): os._exit(0)\nos.setsid(); time.sleep(600)  # {tmp_path}"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {daemon!r}]); print('done')"
    release = threading.Event()

    def neighbour() -> None:
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            release.wait()
            process.communicate(b"\n")
            assert process.returncode == 0

    with ThreadPoolExecutor(7) as pool:
        spared = pool.submit(neighbour)
        together = [pool.submit(run, program, directory=tmp_path) for _ in range(6)]
        results = [each.result() for each in together]
        release.set()
        spared.result()

    assert [result.stdout for result in results] == [b"done\n"] * 6
    assert [result.descendants_ended for result in results] == [1] * 6
    assert processes_with(str(tmp_path)) == []


def test_an_orphan_without_environment_and_session_goes_when_the_last_program_ends(tmp_path: Path) -> None:
    marker = unique_marker("anonymous")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run(DAEMON_WITHOUT_ENVIRONMENT, marker, directory=tmp_path), range(4)))

    assert processes_with(marker) == []


def test_a_fork_server_that_was_started_meanwhile_is_spared(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run, "import sys, time; time.sleep(1)", directory=tmp_path)
        with ForkServer.start() as server:
            assert first.result().returncode == 0
            server.submit("os:fsencode", b"alive", wall_seconds=60)
            result = server.next_result(timeout=60)

    assert result is not None
    assert result.answer == b"alive"


def test_a_time_out_tells_the_signal_and_not_an_exit(tmp_path: Path) -> None:
    done = run("import time; print('begun', flush=True); time.sleep(600)", directory=tmp_path, wall_seconds=1.5)

    assert (done.outcome, done.returncode, done.stdout) == (ProcessOutcome.TIMED_OUT, -9, b"begun\n")
    assert done.descendants_ended == 0


def test_the_memory_of_the_whole_tree_counts(tmp_path: Path) -> None:
    program = "import os, time\nfor _ in range(3): os.fork()\nblock = bytearray(30 << 20); time.sleep(600)"

    assert run(program, directory=tmp_path, memory_bytes=150 << 20).outcome is ProcessOutcome.MEMORY_EXCEEDED


def test_a_relay_of_processes_that_each_fork_and_leave_is_caught(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "for runner in range(8):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        while True:\n"
        "            if os.fork(): os._exit(0)\n"
        "            pathlib.Path(sys.argv[1], str(os.getpid())).touch()\n"
    )

    assert run(program, str(tmp_path), directory=tmp_path).descendants_ended >= 8
    assert noted_and_alive(tmp_path) == []
    assert processes_with(str(tmp_path)) == []
