"""What the peers' programs share: arguments, worker processes, the line of results.

A peer is run as ``python -m peers.NAME_peer URL RUNS [WORKERS]`` within ``benchmarks`` and prints one JSON line:
``{"runs", "seconds", "p50_ms", "checks_executed"}``. It works off ``RUNS`` runs of 4 stages of 4 trivial checks with
``WORKERS`` worker processes, each stage begun only when every check before it is recorded as done. Standard library
only: each peer has an environment of its own.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

STAGES, CHECKS = 4, 4
LATENCIES = 30
WARM_UP = 3
ANSWER = 42


def arguments() -> tuple[str, int, int]:
    """Return the database's address, the number of runs and of worker processes."""
    given = sys.argv[1:]
    return given[0], int(given[1]), int(given[2]) if len(given) > 2 else 1  # noqa: PLR2004 - the third is optional


def report(*, runs: int, seconds: float, p50_ms: float, checks_executed: int) -> None:
    """Print the line of results."""
    figures = {"runs": runs, "seconds": seconds, "p50_ms": p50_ms, "checks_executed": checks_executed}
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def worker_processes(module: str, number: int, *given: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run workers for the time of the block: ``python -m MODULE work GIVEN…``."""
    started = [_worker(module, given) for _ in range(number)]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _worker(module: str, given: Sequence[str]) -> subprocess.Popen[bytes]:
    # What a worker says must not stand beside the line of results.
    return subprocess.Popen([sys.executable, "-m", module, "work", *given], stdout=sys.stderr.fileno(), env=os.environ)


def is_worker() -> bool:
    """Tell whether this process was started by ``worker_processes``."""
    return sys.argv[1:2] == ["work"]
