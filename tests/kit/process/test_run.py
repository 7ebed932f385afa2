"""A program runs bounded in time, memory and output, and everything that it started ends with it (C04, C09)."""

import sys
import time
from pathlib import Path

import pytest

from quilate.kit.process.model import ProcessLimits, ProcessOutcome, ProcessResult
from quilate.kit.process.run import run_process
from tests.support.fork_jobs import DAEMON
from tests.support.processes import processes_with, unique_marker


def run(program: str, *, stdin: bytes = b"", **limits: float) -> ProcessResult:
    return run_process(
        [sys.executable, "-c", program],
        directory=Path.cwd(),
        environment={"PATH": "/usr/bin:/bin"},
        limits=ProcessLimits(**{"wall_seconds": 30, **limits}),  # type: ignore[arg-type]  # what a test may name
        stdin=stdin,
    )


def test_output_exit_code_and_input() -> None:
    done = run("import sys; print(sys.stdin.read().upper()); print('no', file=sys.stderr); sys.exit(3)", stdin=b"abc")

    assert (done.outcome, done.returncode) == (ProcessOutcome.EXITED, 3)
    assert (done.stdout, done.stderr) == (b"ABC\n", b"no\n")


def test_large_input_to_a_program_that_does_not_read_it_blocks_nothing() -> None:
    assert run("print('done')", stdin=b"x" * (8 << 20)).stdout == b"done\n"
    assert run("import sys; print(len(sys.stdin.buffer.read()))", stdin=b"x" * (8 << 20)).stdout == b"8388608\n"


def test_a_gigabyte_of_output_is_read_and_its_beginning_kept() -> None:
    done = run("import os\nfor _ in range(1024): os.write(1, b'x' * (1 << 20))", output_bytes=1000)

    assert (done.returncode, len(done.stdout), done.stdout_truncated, done.stderr_truncated) == (0, 1000, True, False)


def test_a_signal_is_told_apart_from_an_exit() -> None:
    done = run("import os; os.kill(os.getpid(), 11)")

    assert (done.outcome, done.returncode) == (ProcessOutcome.SIGNALLED, -11)


def test_a_daemon_ends_with_the_program_that_started_it() -> None:
    marker = unique_marker("daemon")

    done = run(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DAEMON.format(marker=marker)!r}])")

    assert done.returncode == 0
    assert done.descendants_ended >= 1
    assert processes_with(marker) == []


def test_a_time_out_ends_the_whole_tree_and_holds_its_time() -> None:
    marker = unique_marker("hang")
    program = (
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"subprocess.run([sys.executable, '-c', {DAEMON.format(marker=marker)!r}])\ntime.sleep(600)  # {marker}"
    )
    begin = time.monotonic()

    done = run(program, wall_seconds=1)

    assert done.outcome is ProcessOutcome.TIMED_OUT
    assert time.monotonic() - begin < 10
    assert processes_with(marker) == []


def test_a_fork_bomb_is_ended() -> None:
    marker = unique_marker("bomb")
    program = (
        "import os, time\nbegin = time.monotonic()\ncount = 0\n"
        "while count < 7:\n    os.fork()\n    count += 1\n"
        f"time.sleep(600)  # {marker}"
    )

    done = run(program, wall_seconds=2)

    assert done.outcome is ProcessOutcome.TIMED_OUT
    assert done.descendants_ended >= 127
    assert processes_with(marker) == []


@pytest.mark.skipif(sys.platform != "linux", reason="memory is sampled through /proc")
def test_memory_beyond_the_limit_ends_the_tree() -> None:
    done = run("import time; block = bytearray(300 << 20); time.sleep(600)", memory_bytes=100 << 20)

    assert done.outcome is ProcessOutcome.MEMORY_EXCEEDED


def test_what_was_started_before_is_spared() -> None:
    import subprocess  # noqa: PLC0415 - the one test with a neighbour

    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as neighbour:
        run("pass")
        assert neighbour.poll() is None
        neighbour.communicate()
    assert neighbour.returncode == 0


def test_the_environment_is_what_was_given() -> None:
    names = run("import os; print(*os.environ)").stdout.decode().split()

    assert {name for name in names if not name.startswith("QUILATE_")} <= {"PATH", "LC_CTYPE"}


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        run_process(["/no/such/program"], directory=Path.cwd(), environment={}, limits=ProcessLimits())
