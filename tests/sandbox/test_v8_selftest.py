"""The boot self-test finds each flag that V8 did not take; the fallback gives the same results (A05, A06)."""

import subprocess
import sys

import pytest

from quilate.sandbox.model import Engine, FailureClass, Format, Level, Limits, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.sandbox.v8_engine import v8_flags
from quilate.sandbox.worker_process import WorkerPlan

PROVE = """
import os
import sys
sys.path[:0] = {path!r}
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Engine
from quilate.sandbox.v8_library import Library
from quilate.sandbox.v8_selftest import prove
try:
    for attempt in prove(Library({flags!r}), Engine.DEFAULT, 512):
        print(attempt.name, attempt.refused)
except SandboxUnavailableError as error:
    print("refused:", error.message)
sys.stdout.flush()
os._exit(0)  # As workers end: V8 may still be busy.
"""
FLAGS = v8_flags(Engine.DEFAULT, 512)


def proven(flags: list[str]) -> str:
    """What the self-test prints in a process of its own: V8 takes flags once."""
    code = PROVE.format(path=sys.path, flags=flags)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout


def test_with_all_flags_every_proof_holds() -> None:
    lines = proven(list(FLAGS)).splitlines()
    assert len(lines) == 7
    assert all(line.endswith(" True") for line in lines)


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--jitless", "v8 compilers"),
        ("--disallow-code-generation-from-strings", "v8 code from strings"),
        ("--stack-size=512", "v8 stack"),
        ("--enable-experimental-regexp-engine-on-excessive-backtracks", "v8 backtracking"),
        ("--no-harmony-temporal", "v8 all flags"),
    ],
)
def test_a_flag_that_is_missing_is_found(flag: str, name: str) -> None:
    assert f"does not keep to its flags: {name}" in proven([kept for kept in FLAGS if kept != flag])


def test_an_unknown_flag_that_hides_the_later_ones_is_found() -> None:
    assert "does not keep to its flags" in proven([*FLAGS[:2], "--no-such-flag", *FLAGS[2:]])


@pytest.mark.asyncio
async def test_the_public_interface_gives_the_same_as_our_own_binding() -> None:
    pool = SandboxPool(PoolSettings(workers=1, spares=0, min_level=Level.PROCESS))
    pool._stock._plan = WorkerPlan(heap_bytes=64 << 20, ceiling_bytes=256 << 20, binding="public")  # noqa: SLF001 - what the pool does where our binding fails
    async with pool:
        payload = Payload(data=b'[{"a":1},{"a":null},{"a":3}]')
        source = "function process(d) { console.log('x', typeof setTimeout); return d.map((r) => r.a + 1) }"
        outcome = await pool.execute(Program(source=source), payload)
        assert (outcome.output, outcome.console) == (b"[2,1,4]", ("x undefined",))
        lines = await pool.execute(
            Program(source="function process(d) { return d }", seed=1, now_milliseconds=0),
            Payload(data=b'{"a":1}\n{"a":2}\n', format=Format.NDJSON),
            answer=Format.NDJSON,
        )
        assert lines.output == b'{"a":1}\n{"a":2}\n'
        failures = {
            "const process = 5n": FailureClass.RUNTIME,
            "const process = new Uint8Array(3)": FailureClass.RUNTIME,
            "const process = '\\ud800'": FailureClass.RUNTIME,
            "function process(d) { return d.map((r) => r.a.b) }": FailureClass.RUNTIME,
            "function process(d) { for (;;); }": FailureClass.TIMEOUT,
            "function process(d) { const k = []; for (;;) k.push(new ArrayBuffer(1 << 24)) }": FailureClass.MEMORY,
            "function process(d) {": FailureClass.SYNTAX,
            "function process(d) { return 'x'.repeat(2000) }": FailureClass.OUTPUT,
        }
        for failing, kind in failures.items():
            limits = Limits(wall_seconds=0.5, output_bytes=1000)
            outcome = await pool.execute(Program(source=failing), payload, limits=limits)
            assert outcome.failure is not None
            assert outcome.failure.kind is kind
