"""The sandbox's engine part: six records through a single-use isolate, many of them, and warm ones, beside bare node.

``call`` is ``SandboxPool.execute`` as its caller sees it, ``engine`` what the worker counts of it: the isolate is
there, the script is read, run, its result written. Node is started once for each execution, as nothing smaller shuts
its state off; and once with all executions in one loop, which shuts off nothing: the floor. Rates depend on what else
the computer does, so the processor time of one execution is given too (workers and parent, the making of the next
isolate included) and what two idle cores would do with it. All results are compared.
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from measure import report
from quilate.sandbox.model import Limits, Outcome, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.sandbox.watchdog import processor_seconds

CALLS = 400
MANY = 3000
NODE_STARTS = 15
NOT_OURS = 3
PAUSE_SECONDS = 0.003
"""Between calls, so that the spare isolate is ready: the latency of a service that is not full."""
SOURCE = """function process(data) {
  const grouped = data.filter((item) => item.produto === "Empresarial").reduce((groups, item) => {
    const key = `${item.trimestre}-${item.nomeBandeira}`;
    groups[key] ??= { trimestre: item.trimestre, nomeBandeira: item.nomeBandeira, emitidos: 0, valor: 0 };
    groups[key].emitidos += item.qtdCartoesEmitidos;
    groups[key].valor += item.valorTransacoesNacionais;
    return groups;
  }, {});
  return Object.values(grouped);
}"""
DATA = json.dumps(
    [
        {
            "trimestre": f"2023{1 + number % 2}",
            "nomeBandeira": ("VISA", "American Express", "Mastercard")[number % 3],
            "produto": "Gold" if number == NOT_OURS else "Empresarial",
            "qtdCartoesEmitidos": 433_549 + number,
            "valorTransacoesNacionais": 1_234_567.25 * (number + 1),
        }
        for number in range(6)
    ]
).encode()
NODE = f"{SOURCE}\nconst data = require('fs').readFileSync(0, 'utf8');"
ONE = f"{NODE}\nprocess.stdout.write(JSON.stringify(run(JSON.parse(data))));".replace(
    "function process", "function run"
)
LOOP = f"""{NODE}
const begin = performance.now();
let text;
for (let i = 0; i < {MANY}; i++) text = JSON.stringify(run(JSON.parse(data)));
process.stdout.write(JSON.stringify([text, (performance.now() - begin) / {MANY}]));
""".replace("function process", "function run")


def workers() -> list[int]:
    """Process ids of this process's children: the pool's workers."""
    own = os.getpid()
    return [int(pid) for pid in Path(f"/proc/{own}/task/{own}/children").read_text(encoding="ascii").split()]


def processor_time() -> float:
    """Seconds that this process and its workers have used."""
    return time.process_time() + sum(processor_seconds(pid) or 0.0 for pid in workers())


async def one_by_one(pool: SandboxPool) -> tuple[list[float], list[Outcome]]:
    """Time single calls, in milliseconds."""
    times, outcomes = [], []
    for _ in range(CALLS):
        begin = time.perf_counter()
        outcomes.append(await pool.execute(Program(source=SOURCE), Payload(data=DATA)))
        times.append((time.perf_counter() - begin) * 1e3)
        await asyncio.sleep(PAUSE_SECONDS)
    return times, outcomes


async def many(pool: SandboxPool, *, reuse: bool) -> tuple[float, float, list[Outcome]]:
    """Executions a second, processor milliseconds of one, and the outcomes."""
    requests = [(Program(source=SOURCE, reuse=reuse), Payload(data=DATA), Limits())] * MANY
    used, begin = processor_time(), time.perf_counter()
    outcomes = await pool.execute_many(requests)
    return MANY / (time.perf_counter() - begin), (processor_time() - used) / MANY * 1e3, outcomes


def bare_node(node: str) -> tuple[dict[str, float], set[bytes]]:
    """Times of node, in milliseconds, and its results."""
    taken, texts = [], set()
    for _ in range(NODE_STARTS):
        begin = time.perf_counter()
        done = subprocess.run([node, "-e", ONE], input=DATA, capture_output=True, check=True)
        taken.append((time.perf_counter() - begin) * 1e3)
        texts.add(done.stdout)
    loop = subprocess.run([node, "-e", LOOP], input=DATA, capture_output=True, check=True)
    text, each = json.loads(loop.stdout)
    return {"node_start_ms": statistics.median(taken), "node_loop_ms": each}, texts | {text.encode()}


def quantile(times: Sequence[float], part: float) -> float:
    """The value that ``part`` of all do not exceed."""
    return sorted(times)[int(part * (len(times) - 1))]


async def main() -> None:
    """Print the figures."""
    figures: dict[str, object] = {}
    async with SandboxPool(PoolSettings(workers=2)) as pool:
        times, outcomes = await one_by_one(pool)
        engine = [outcome.wall_milliseconds for outcome in outcomes]
        figures |= {"call_p50_ms": quantile(times, 0.5), "call_p99_ms": quantile(times, 0.99)}
        figures |= {"engine_p50_ms": quantile(engine, 0.5), "engine_p99_ms": quantile(engine, 0.99)}
        figures["engine_processor_ms"] = statistics.median(outcome.cpu_milliseconds for outcome in outcomes)
        for name, reuse in (("single_use", False), ("warm", True)):
            rate, used, more = await many(pool, reuse=reuse)
            outcomes += more
            figures |= {f"{name}_per_second": rate, f"{name}_processor_ms": used}
            figures[f"{name}_per_second_of_two_idle_cores"] = 2000 / used
        figures["level"] = pool.report.level.value
    texts = {outcome.output for outcome in outcomes}
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if (node := shutil.which("node")) is not None:
            node_times, node_texts = bare_node(node)
            figures |= node_times
            texts |= node_texts
    report("sandbox_engine", **figures, load=os.getloadavg()[0], same_results=len(texts) == 1 and None not in texts)


if __name__ == "__main__":
    asyncio.run(main())
