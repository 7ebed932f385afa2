"""Jobs of the fork server are isolated, bounded, and leave nothing running, whoever dies first (C04, C09)."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from quilate.domain.errors import InternalError
from quilate.kit.process.forkserver import ForkServer
from quilate.kit.process.forkserver_protocol import JobOutcome, JobResult
from tests.support.processes import processes_with, unique_marker, wait_until_gone, wait_until_running

JOBS = "tests.support.fork_jobs"


@pytest.fixture(params=[0, 4], ids=["forked for each job", "kept ready"])
def server(request: pytest.FixtureRequest) -> Iterator[ForkServer]:
    with ForkServer.start(preload=(JOBS,), spares=request.param) as started:
        yield started


def result_of(server: ForkServer, function: str, payload: bytes = b"", *, wall_seconds: float = 30) -> JobResult:
    server.submit(f"{JOBS}:{function}", payload, wall_seconds=wall_seconds)
    result = server.next_result(60)
    assert result is not None
    return result


def test_jobs_run_each_in_a_process_of_their_own(server: ForkServer) -> None:
    numbers = {server.submit(f"{JOBS}:process_id", b"", wall_seconds=30) for _ in range(16)}
    results = [server.next_result(30) for _ in numbers]

    assert {result.job_id for result in results if result} == numbers
    assert len({result.answer for result in results if result}) == 16
    assert server.next_result(0) is None


def test_a_large_answer_arrives_whole(server: ForkServer) -> None:
    assert len(result_of(server, "large", b"20000000").answer or b"") == 20_000_000


def test_a_fault_comes_with_its_traceback_and_what_was_printed(server: ForkServer) -> None:
    result = result_of(server, "fail")

    assert (result.outcome, result.error) == (JobOutcome.RAISED, "ValueError: a fault of the job")
    assert "Traceback" in result.report
    assert "printed before the fault" in result.report


def test_an_unknown_function_is_a_fault_of_the_job(server: ForkServer) -> None:
    assert result_of(server, "no_such_function").outcome is JobOutcome.RAISED


@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        ("daemon_and_return", JobOutcome.EXITED),
        ("daemon_and_hang", JobOutcome.TIMED_OUT),
        ("daemon_and_crash", JobOutcome.CRASHED),
    ],
)
def test_daemons_of_a_job_end_with_it(server: ForkServer, function: str, outcome: JobOutcome) -> None:
    marker = unique_marker(function)

    result = result_of(server, function, marker.encode(), wall_seconds=2)

    assert result.outcome is outcome
    assert result.descendants_ended >= 1, "the daemon, and what had started it where that had not quite ended"
    assert processes_with(marker) == []


def test_a_job_that_ignores_signals_ends_at_its_time(server: ForkServer) -> None:
    begin = time.monotonic()

    assert result_of(server, "hang_without_signals", wall_seconds=0.5).outcome is JobOutcome.TIMED_OUT
    assert time.monotonic() - begin < 5


def test_one_job_ending_spares_the_others(server: ForkServer) -> None:
    marker = unique_marker("spared")
    hanging = server.submit(f"{JOBS}:daemon_and_hang", marker.encode(), wall_seconds=60)
    assert wait_until_running(marker)

    assert result_of(server, "echo", b"x").answer == b"x"
    assert processes_with(marker)
    server.cancel(hanging)
    cancelled = server.next_result(30)

    assert cancelled is not None
    assert (cancelled.job_id, cancelled.outcome) == (hanging, JobOutcome.CANCELLED)
    assert processes_with(marker) == []


def test_closing_ends_what_is_under_way() -> None:
    marker = unique_marker("close")
    with ForkServer.start(preload=(JOBS,)) as server:
        server.submit(f"{JOBS}:daemon_and_hang", marker.encode(), wall_seconds=60)
        assert wait_until_running(marker)

    assert processes_with(marker) == []


def test_an_owner_that_is_killed_leaves_nothing_running() -> None:
    marker = unique_marker("orphan")
    program = (
        "import sys, time\nfrom quilate.kit.process.forkserver import ForkServer\n"
        f"server = ForkServer.start(preload=({JOBS!r},))\n"
        f"server.submit('{JOBS}:daemon_and_hang', {marker.encode()!r}, wall_seconds=600)\n"
        "print('submitted', flush=True)\ntime.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"submitted\n"
        # The owner, its server and the job have the program's command line; the daemon has its own.
        running = wait_until_running(marker, count=4)
        owner.kill()
        owner.wait()
        assert len(running) == 4, running

    assert wait_until_gone(marker) == []


def test_a_process_with_threads_gets_a_server_of_its_own() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with ForkServer.start(preload=(JOBS,)) as server:
            assert result_of(server, "echo", b"from a thread").answer == b"from a thread"
    finally:
        release.set()
        thread.join()


def test_a_closed_server_refuses_work() -> None:
    server = ForkServer.start(preload=(JOBS,))
    server.close()
    server.close()

    with pytest.raises(InternalError):
        server.submit(f"{JOBS}:echo", b"", wall_seconds=1)


def test_a_payload_that_does_not_fit_a_waiting_childs_pipe_arrives_whole(server: ForkServer) -> None:
    payload = b"x" * (1 << 20)

    assert result_of(server, "echo", payload).answer == payload


def test_waiting_children_end_with_the_server() -> None:
    marker = unique_marker("spare")
    program = (
        "import sys, time\nfrom quilate.kit.process.forkserver import ForkServer\n"
        f"server = ForkServer.start(preload=({JOBS!r},), spares=3)\n"
        f"server.submit('{JOBS}:echo', b'', wall_seconds=60)\nserver.next_result(60)\n"
        f"print('answered', flush=True)\ntime.sleep(600)  # {marker}"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"answered\n"
        # The owner, its server, and three children that wait.
        running = wait_until_running(marker, count=5)
        owner.kill()
        owner.wait()
        assert len(running) == 5, running

    assert wait_until_gone(marker) == []
