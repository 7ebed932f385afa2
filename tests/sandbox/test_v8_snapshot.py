"""Isolates begin with a snapshot in which the prelude has run, and are as single-use as without one (A05, A06)."""

import json
import subprocess
import sys
from textwrap import dedent

import pytest

from quilate.sandbox.model import Payload, Program
from quilate.sandbox.pool import SandboxPool

BEFORE = """
import os, sys
sys.path[:0] = {path!r}
from quilate.sandbox import v8_engine, v8_library, v8_snapshot
from quilate.sandbox.model import Format, Limits, Payload, Program
{change}
engine = v8_engine.V8Engine()
engine.boot(heap_bytes=64 << 20, stack_kibibytes=512)
engine.prepare()
"""
AFTER = """
sys.stdout.flush()
os._exit(0)  # As workers end: V8 may still be busy.
"""
RUN = """
for source in ("function process(d) {{ console.log('x'); return [typeof quilatePrelude, typeof WeakRef, d.length] }}",
               "const process = (d) => d.map((r) => r.a)",
               "function process() {{ return new Error('x').stack }}",
               "console.log(Object.setPrototypeOf(() => 1, null))",
               "function other() {{}}"):
    session = engine.open(Program(source=source), Limits())
    result = session.call(Payload(data=b'[{{"a":1}},{{"a":2}}]'), "process", Format.JSON, Limits())
    print(result.output, result.console, result.failure and (result.failure.kind, result.failure.message))
    session.close()
    engine.prepare()
"""
WAYS = {
    "as it is": "",
    "another V8": "v8_snapshot.KNOWN_VERSION = '1.'",
    "a library without these functions": "v8_snapshot._WARM_UP = 'no_such_function'",
    "memory that may not be written": "v8_snapshot._READ_AND_WRITE = 1 << 30",
    "memory that was not read-only": "v8_snapshot._READ_ONLY = 'rw-p'",
}


def printed(body: str, change: str = "") -> str:
    """What a process of its own prints after the engine has booted: V8 begins once."""
    code = (BEFORE + dedent(body)).format(path=sys.path, change=change) + AFTER
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS)
def test_the_snapshot_is_used_where_it_is_known_to_fit(change: str) -> None:
    used = printed("print(engine._begin == v8_engine.begun_from_state())", change).strip()
    assert used == str(change == WAYS["as it is"])


def test_with_and_without_it_scripts_find_the_same() -> None:
    first, *others = [printed(RUN, change) for change in WAYS.values()]
    assert {first} == set(others)
    head, mapped, stack, thrown, missing = first.splitlines()
    assert head == "b'[\"undefined\",\"undefined\",2]' ('x',) None"
    assert mapped == "b'[1,2]' () None"
    assert "quilatePrelude" not in stack
    assert "(quilate-prelude:" in stack
    assert "'TypeError: Cannot convert object to primitive value'" in thrown
    assert "defines no function process" in missing


def test_memory_that_was_read_only_is_so_again() -> None:
    body = """
    import ctypes
    default = engine._library.functions[v8_snapshot._DEFAULT]
    default.restype = ctypes.POINTER(v8_snapshot._StartupData)
    address = ctypes.addressof(default().contents)
    for line in open("/proc/self/maps"):
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if begin <= address < end:
            print(line.split()[1])
    """
    assert printed(body).strip() == "r--p"


@pytest.mark.asyncio(loop_scope="module")
async def test_what_one_script_leaves_no_other_finds(pool: SandboxPool) -> None:
    leaving = """
    function process() {
      globalThis.left = 1; Array.prototype.map = () => "mine"; JSON.parse = () => "mine"; Object.prototype.x = 1;
      return 1;
    }
    """
    looking = "function process(d) { return [typeof left, d.map((r) => r.a), ({}).x === undefined, Math.random()] }"
    found = []
    for _ in range(4):
        await pool.execute(Program(source=leaving), Payload(data=b"[]"))
        outcome = await pool.execute(Program(source=looking), Payload(data=b'[{"a":7}]'))
        found.append(json.loads(outcome.output or b"null"))
    assert [answer[:3] for answer in found] == [["undefined", [7], True]] * 4
    assert len({answer[3] for answer in found}) == 4
