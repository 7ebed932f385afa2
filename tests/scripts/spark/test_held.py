"""The sandbox that a Python process keeps on an executor: one, for its partitions, and gone with the process (A21)."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from quilate.sandbox.model import Engine, FailureClass, Format, Level, Limits, Payload, Program
from quilate.scripts.spark.held import HeldSandbox

COUNTS = Program(source="let calls = 0; function process(data) { calls += 1; return calls }")
ENDS_WITHOUT_GOODBYE = """
import os, signal, sys
from pathlib import Path
from quilate.sandbox.model import *
from quilate.scripts.spark.held import KEPT
held = KEPT.get(Engine.DEFAULT, Limits(), Level.PROCESS)
same = Program(source="function process(d) { return d }")
outcome = held.call("run", same, Limits(), Payload(data=b"1"), Format.JSON)
assert outcome.output == b"1", outcome
assert KEPT.get(Engine.DEFAULT, Limits(), Level.PROCESS) is held
children = Path(f"/proc/self/task")
print(*[child for task in children.iterdir() for child in (task / "children").read_text().split()], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def call(held: HeldSandbox, mark: str, program: Program = COUNTS) -> bytes | None:
    return held.call(mark, program, Limits(), Payload(data=b"[]"), Format.JSON).output


def test_an_isolate_is_kept_for_a_run_and_no_longer() -> None:
    with HeldSandbox(Engine.DEFAULT, Limits(), Level.PROCESS) as held:
        assert [call(held, "first"), call(held, "first"), call(held, "second"), call(held, "first")] == [
            b"1",
            b"2",
            b"1",
            b"1",
        ]
        assert held.pool.statistics.workers <= 2  # The session's, and the one that a pool keeps ready.
    assert held.pool.statistics.workers == 0
    held.close()


def test_a_script_that_costs_its_worker_leaves_the_next_call_a_new_one() -> None:
    endless = Program(source="function process(data) { for (;;) ; }")
    limits = Limits(wall_seconds=0.3, cpu_seconds=0.3)
    with HeldSandbox(Engine.DEFAULT, limits, Level.PROCESS) as held:
        outcome = held.call("run", endless, limits, Payload(data=b"[]"), Format.JSON)
        assert outcome.failure is not None
        assert outcome.failure.kind in {FailureClass.TIMEOUT, FailureClass.CPU}
        assert call(held, "other") == b"1"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are seen in /proc")
def test_the_sandbox_is_gone_when_its_python_process_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS_WITHOUT_GOODBYE], capture_output=True, text=True, timeout=60, check=False
    )
    children = done.stdout.split()
    assert children, done.stderr
    limit = time.monotonic() + 20
    while any(alive(child) for child in children):
        assert time.monotonic() < limit, "the sandbox outlived its parent"
        time.sleep(0.02)


def alive(process: str) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}
