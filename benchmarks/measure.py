"""Timing of whole processes, in turn, so that a machine whose speed drifts treats all commands alike."""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def wall_milliseconds(call: Callable[[], object]) -> float:
    """Return how long ``call`` took, in milliseconds."""
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def run_quietly(argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command and keep its output."""
    return subprocess.run(list(argv), capture_output=True, check=False, **options)


def medians_in_turn(calls: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Return the median time of each call in milliseconds; they take turns, after an uncounted round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            taken = wall_milliseconds(call)
            if number:
                times[name].append(taken)
    return {name: statistics.median(measured) for name, measured in times.items()}


def report(benchmark: str, **figures: Any) -> None:
    """Print the benchmark's JSON line."""
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps({"benchmark": benchmark, **rounded}))
