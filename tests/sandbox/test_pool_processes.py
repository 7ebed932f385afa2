"""Worker processes of a pool: killed, stuck, closed, counted; none is left behind (A06, A08)."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import FailureClass, Level, Limits, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOUBLE = Program(source="function process(data) { return data.map((r) => r.a * 2) }")
RECORDS = Payload(data=b'[{"a":1},{"a":2.5},{"a":-3}]')
FOREVER = Program(source="function process(data) { for (;;); }")
PATIENT = Limits(wall_seconds=30, cpu_seconds=30)


def below(process: int) -> set[int]:
    """Processes without children below one: workers, whether bubblewrap stands between or not."""
    try:
        found = {int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()}
    except OSError:
        return set()
    return {leaf for child in found for leaf in below(child) or {child}}


def children() -> set[int]:
    """Process ids of this process's workers."""
    return below(os.getpid())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what only /proc tells."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)


async def test_kill_9_of_a_worker_costs_its_own_execution_only() -> None:
    before = children()
    async with SandboxPool(PoolSettings(min_level=Level.PROCESS)) as own:
        tasks = [asyncio.create_task(own.execute(FOREVER, RECORDS, limits=PATIENT)) for _ in range(2)]
        await until(lambda: len(children() - before) >= 2)
        quick = own.session(DOUBLE)
        async with quick as session:
            assert (await session.call(RECORDS)).output == b"[2,5,-6]"
            busy = sorted(children() - before, key=_used)[-2:]
            await until(lambda: all(_used(pid) > 0.2 for pid in sorted(children() - before, key=_used)[-2:]))
            busy = sorted(children() - before, key=_used)[-2:]
            os.kill(busy[0], signal.SIGKILL)
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            assert (len(done), len(pending)) == (1, 1)
            outcome = done.pop().result()
            assert outcome.failure is not None
            assert outcome.failure.kind is FailureClass.CRASHED
            assert (await own.execute(DOUBLE, RECORDS)).output == b"[2,5,-6]"
            assert (await session.call(RECORDS)).output == b"[2,5,-6]"
            assert not pending.pop().done()


def _used(process: int) -> float:
    try:
        return time.clock_gettime((~process << 3) | 2)
    except OSError:
        return -1.0


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (signal.SIGSYS, FailureClass.VIOLATION),
        (signal.SIGSEGV, FailureClass.CRASHED),
        (signal.SIGTRAP, FailureClass.CRASHED),
    ],
)
async def test_the_signal_that_ended_a_worker_says_why(number: signal.Signals, kind: FailureClass) -> None:
    before = children()
    async with SandboxPool(PoolSettings(workers=1, spares=0, min_level=Level.PROCESS)) as own:
        task = asyncio.create_task(own.execute(FOREVER, RECORDS, limits=PATIENT))
        (worker,) = children() - before
        await until(lambda: _used(worker) > 0.3)
        os.kill(worker, number)
        outcome = await task
        assert outcome.failure is not None
        assert outcome.failure.kind is kind
        assert (await own.execute(DOUBLE, RECORDS)).output == b"[2,5,-6]"
        assert own.statistics.restarts == 1


async def test_a_worker_that_keeps_no_limit_is_ended_by_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quilate.sandbox.watchdog.ALLOWANCE_SECONDS", 0.2)
    before = children()
    async with SandboxPool(PoolSettings(workers=1, spares=0, min_level=Level.PROCESS)) as own:
        (worker,) = children() - before
        os.kill(worker, signal.SIGSTOP)  # As stuck as a process can be.
        outcome = await own.execute(DOUBLE, RECORDS, limits=Limits(wall_seconds=0.3))
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureClass.TIMEOUT
        assert own.statistics.kills == 1
        assert (await own.execute(DOUBLE, RECORDS)).output == b"[2,5,-6]"


async def test_a_closed_pool_leaves_no_process_and_no_open_file() -> None:
    before, files = children(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts what is open
    own = SandboxPool(PoolSettings(workers=3, min_level=Level.PROCESS))
    await own.start()
    async with own.session(DOUBLE) as session:
        await session.call(RECORDS)
        task = asyncio.create_task(own.execute(FOREVER, RECORDS, limits=PATIENT))
        await asyncio.sleep(0.05)
        await own.close()
    outcome = await task
    assert outcome.failure is not None
    assert outcome.failure.kind in {FailureClass.CANCELLED, FailureClass.UNAVAILABLE}
    assert children() == before
    assert len(os.listdir("/proc/self/fd")) == files  # noqa: PTH208 - counts what is open
    late = await own.execute(DOUBLE, RECORDS)
    assert late.failure is not None
    assert late.failure.kind is FailureClass.UNAVAILABLE


async def test_a_pool_that_was_never_closed_does_not_outlive_its_process() -> None:
    code = (
        "import asyncio,os\n"
        "from quilate.sandbox.model import *\n"
        "from quilate.sandbox.pool import *\n"
        "async def main():\n"
        "    pool = SandboxPool(PoolSettings(min_level=Level.PROCESS)); await pool.start()\n"
        "    print(open(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read(), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    workers = [int(word) for word in output.split()]
    assert workers
    await until(lambda: not any(Path(f"/proc/{worker}/cmdline").exists() and _alive(worker) for worker in workers))


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_the_number_of_workers_settles_at_workers_and_spares_beside_sessions() -> None:
    async with SandboxPool(PoolSettings(workers=1, spares=1, min_level=Level.PROCESS)) as own:
        await until(lambda: own.statistics.workers == 2)
        async with own.session(DOUBLE) as session:
            await session.call(RECORDS)
            await own.execute(FOREVER, RECORDS, limits=Limits(wall_seconds=0.1))
            small = Limits(stack_kibibytes=128)
            await asyncio.gather(*(own.execute(DOUBLE, RECORDS, limits=limits) for limits in (small, Limits(), small)))
            await until(lambda: own.statistics.workers == 3)
        bomb = Program(source="function process(d) { const k = []; for (;;) k.push(new ArrayBuffer(1 << 24)) }")
        await own.execute(bomb, RECORDS)
        await own.execute(DOUBLE, RECORDS)
        await until(lambda: own.statistics.workers == 2)


async def test_a_pool_below_its_level_does_not_start_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    monkeypatch.setattr("quilate.sandbox.jail.arguments", lambda: ())
    with pytest.raises(SandboxUnavailableError, match=r"jailed is demanded .*bubblewrap") as caught:
        await SandboxPool(PoolSettings(min_level=Level.JAILED)).start()
    assert "min_level" in caught.value.next_step
    assert children() == before
