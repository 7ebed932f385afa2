"""Run scripts in one engine, in a process of its own: V8 is set up once a process.

``run_scripts.py default|strict [locked]``: a JSON list of calls on standard input, their results on standard output.
"""

import base64
import json
import os
import sys
from typing import Any

from quilate.sandbox import lockdown
from quilate.sandbox.engine import ScriptEngine
from quilate.sandbox.model import Engine, Format, Limits, Payload, Program
from quilate.sandbox.strict.engine import StrictEngine
from quilate.sandbox.v8_engine import V8Engine


def run_one(engine: ScriptEngine, wanted: dict[str, Any]) -> dict[str, Any]:
    limits = Limits(**wanted.get("limits", {}))
    program = Program(source=wanted["source"], seed=wanted.get("seed"), now_milliseconds=wanted.get("now"))
    payload = Payload(data=base64.b64decode(wanted["data"]), format=Format(wanted.get("format", "json")))
    engine.prepare()
    session = engine.open(program, limits)
    try:
        result = session.call(payload, "process", Format(wanted.get("answer", "json")), limits)
    finally:
        session.close()
    failure = result.failure
    return {
        "output": None if result.output is None else base64.b64encode(result.output).decode(),
        "kind": None if failure is None else failure.kind.value,
        "message": None if failure is None else failure.message,
        "line": None if failure is None else failure.line,
        "record": None if failure is None else failure.record,
        "console": list(result.console),
        "truncated": result.console_truncated,
        "fuel": result.fuel,
    }


def main() -> None:
    wanted = json.load(sys.stdin)
    engine: ScriptEngine = StrictEngine() if sys.argv[1] == "strict" else V8Engine(Engine.DEFAULT)
    limits = Limits()
    attempts = engine.boot(heap_bytes=limits.heap_bytes, stack_kibibytes=limits.stack_kibibytes)
    locked: dict[str, Any] = {}
    if "locked" in sys.argv:
        report = lockdown.lock(
            data_bytes=limits.data_bytes,
            data_ceiling_bytes=limits.data_bytes,
            parent=os.getppid(),
            executable_memory=engine.executable_memory,
            further=engine.system_calls,
        )
        locked = {"filtered": report.filtered, "missing": report.missing}
    results = [run_one(engine, call) for call in wanted]
    answer = {"locked": locked, "refused": [item.refused for item in attempts], "results": results}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    # V8's threads could hold up Python's own end.
    os._exit(0)


if __name__ == "__main__":
    main()
