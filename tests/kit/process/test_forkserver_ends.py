"""Nothing is left running however a job, the fork server or its owner ends, and none hinders another (C04)."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quilate.domain.errors import InternalError
from quilate.kit.process.forkserver import ForkServer
from quilate.kit.process.forkserver_protocol import JobOutcome, JobResult
from tests.kit.process.hard_jobs import noted_and_alive, wait_until_there
from tests.support.processes import wait_until_gone

JOBS = "tests.kit.process.hard_jobs"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer.start() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which the processes of a job note themselves; none may be alive afterwards."""
    yield tmp_path
    assert not noted_and_alive(tmp_path)
    assert wait_until_gone(str(tmp_path)) == []


def run(server: ForkServer, job: str, payload: bytes = b"", wall_seconds: float = 60) -> JobResult:
    job_id = server.submit(f"{JOBS}:{job}", payload, wall_seconds=wall_seconds)
    result = server.next_result(timeout=90)
    assert result is not None
    assert result.job_id == job_id
    return result


def test_a_job_that_leaves_without_an_answer_has_crashed(server: ForkServer) -> None:
    result = run(server, "leave", b"3")

    assert (result.outcome, result.error) == (JobOutcome.CRASHED, "the process died with exit code 3")
    assert run(server, "leave", b"0").outcome is JobOutcome.CRASHED


def test_only_the_end_of_a_long_output_is_kept(server: ForkServer) -> None:
    result = run(server, "print_much", b"20000")

    assert result.answer == b"done"
    assert result.report.endswith("x\nthe end\n")
    assert len(result.report) <= 64 << 10


def test_large_payloads_and_answers_cross_at_the_same_time(server: ForkServer) -> None:
    size = 8 << 20
    for _ in range(4):
        server.submit(f"{JOBS}:large_answer", b"%d" % size, wall_seconds=60)
        server.submit(f"{JOBS}:echo", b"p" * size, wall_seconds=60)

    results = [server.next_result(timeout=60) for _ in range(8)]

    assert [len(result.answer or b"") for result in results if result] == [size] * 8


def test_a_child_has_default_signals_its_own_session_and_none_of_the_owners_files(tmp_path: Path) -> None:
    with (tmp_path / "held").open("w"), ForkServer.start() as server:
        told = (run(server, "environment").answer or b"").decode()

    assert told.startswith("(True, True, ")
    assert "held" not in told
    assert "socket" not in told


def test_a_time_out_ends_daemons_that_left_session_and_parent(server: ForkServer, folder: Path) -> None:
    result = run(server, "hang_with_daemons", str(folder).encode(), wall_seconds=3)

    assert (result.outcome, result.error) == (JobOutcome.TIMED_OUT, "ran out of time")
    assert result.descendants_ended >= 3


def test_cancelling_ends_a_job_with_its_daemons_and_no_other(server: ForkServer, folder: Path) -> None:
    cancelled = server.submit(f"{JOBS}:hang_with_daemons", str(folder).encode(), wall_seconds=60)
    wait_until_there(folder / "ready")
    other = server.submit(f"{JOBS}:large_answer", b"5", wall_seconds=60)

    server.cancel(cancelled)

    results = {result.job_id: result for result in (server.next_result(60), server.next_result(60)) if result}
    assert results[cancelled].outcome is JobOutcome.CANCELLED
    assert results[other].answer == b"aaaaa"
    server.cancel(cancelled)
    assert server.next_result(timeout=0) is None


def test_what_a_finished_job_leaves_behind_is_ended(server: ForkServer, folder: Path) -> None:
    result = run(server, "leave_daemons", str(folder).encode())

    assert (result.answer, result.descendants_ended) == (b"left", 3)


def test_a_crash_leaves_no_orphans(server: ForkServer, folder: Path) -> None:
    result = run(server, "crash_with_daemons", str(folder).encode())

    assert (result.outcome, result.error) == (JobOutcome.CRASHED, "the process died with signal SIGSEGV")
    assert result.descendants_ended >= 3


def test_a_fork_bomb_loses(server: ForkServer, folder: Path) -> None:
    job_id = server.submit(f"{JOBS}:fork_bomb", str(folder).encode(), wall_seconds=60)
    wait_until_there(folder / "ready", 60)

    server.cancel(job_id)

    result = server.next_result(timeout=60)
    assert result is not None
    assert result.outcome is JobOutcome.CANCELLED
    assert not noted_and_alive(folder)
    assert run(server, "echo", b"ab").answer == b"ba", "the server still works"


def test_closing_ends_every_job(folder: Path) -> None:
    with ForkServer.start() as server:
        server.submit(f"{JOBS}:hang_with_daemons", str(folder).encode(), wall_seconds=60)
        wait_until_there(folder / "ready")

    with pytest.raises(InternalError):
        server.submit(f"{JOBS}:echo", b"", wall_seconds=1)


def test_a_server_that_dies_answers_for_its_jobs(folder: Path) -> None:
    with ForkServer.start() as server:
        server.submit(f"{JOBS}:hang_with_daemons", str(folder).encode(), wall_seconds=60)
        wait_until_there(folder / "ready")
        os.kill(server._process, signal.SIGTERM)  # noqa: SLF001 - no other way to the server's own process

        result = server.next_result(timeout=60)

        assert result is not None
        assert (result.outcome, result.error) == (JobOutcome.CRASHED, "the process that runs the checks died")


def test_a_process_with_threads_gets_a_server_as_well(folder: Path) -> None:
    leave = threading.Event()
    thread = threading.Thread(target=leave.wait)
    thread.start()
    try:
        with ForkServer.start(preload=("quilate.domain.errors",)) as server:
            assert run(server, "echo", b"threads").answer == b"sdaerht"
            assert run(server, "crash_with_daemons", str(folder).encode()).descendants_ended >= 3
    finally:
        leave.set()
        thread.join()


def test_a_fork_of_the_owner_cannot_use_the_server(server: ForkServer) -> None:
    process = os.fork()
    if process == 0:
        try:
            server.submit(f"{JOBS}:echo", b"", wall_seconds=1)
        except InternalError:
            server.close()
            os._exit(0)
        os._exit(1)

    assert os.waitpid(process, 0)[1] == 0
    assert run(server, "echo", b"still mine").answer == b"enim llits"


@pytest.mark.parametrize("threads", [0, 1])
def test_an_owner_killed_on_the_spot_leaves_nothing_running(folder: Path, threads: int) -> None:
    program = (
        "import sys, threading, time\n"
        f"for _ in range({threads}): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "from quilate.kit.process.forkserver import ForkServer\n"
        "server = ForkServer.start()\n"
        f"server.submit('{JOBS}:hang_with_daemons', sys.argv[1].encode(), wall_seconds=600)\n"
        "time.sleep(600)\n"
    )
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], env={**os.environ, "PYTHONPATH": root, "MARK": str(folder)}
    ) as owner:
        wait_until_there(folder / "ready")
        owner.kill()

    limit = time.monotonic() + 20
    while noted_and_alive(folder) and time.monotonic() < limit:
        time.sleep(0.01)


def test_ctrl_c_reaches_only_the_owner(folder: Path) -> None:
    program = (
        "import signal, sys, time\n"
        "from pathlib import Path\n"
        "from quilate.kit.process.forkserver import ForkServer\n"
        # Whoever starts the tests in the background may have Ctrl+C ignored, and children inherit that.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with ForkServer.start() as server:\n"
        f"    server.submit('{JOBS}:hang_with_daemons', sys.argv[1].encode(), wall_seconds=600)\n"
        "    try:\n"
        "        time.sleep(600)\n"
        "    except KeyboardInterrupt:\n"
        "        result = server.next_result(timeout=0)\n"
        "        Path(sys.argv[1], 'interrupted').write_text(repr(result))\n"
    )
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        env={**os.environ, "PYTHONPATH": root, "MARK": str(folder)},
        start_new_session=True,
    ) as owner:
        wait_until_there(folder / "ready")
        os.killpg(owner.pid, signal.SIGINT)
        assert owner.wait(timeout=30) == 0

    assert (folder / "interrupted").read_text() == "None"
