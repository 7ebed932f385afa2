"""Durable runs of 4 x 4 trivial checks, beside other products and beside plain batched SKIP LOCKED.

All work on the same PostgreSQL with fsync on. Ours are the service's own processes: workers and the background process
that seals the audit log, with policy, seal, audit entries and outgoing events of every run. Each side is given several
numbers of worker processes and counts with the best. Then ours once more over a million finished runs.

``python benchmarks/bench_engine.py --help`` tells how to measure parts of it. Give it a quiet machine: ``others_cores``
says what the rest of the machine was busy with meanwhile.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import engine_limit
import engine_of_ours
from finished_runs import fill, finished
from measure import report
from peers.environments import PEERS, Peer, PeerError, installed, measured
from processor_time import ProcessorTime, kind_of_postgres
from quilate.kit.database.embedded import EmbeddedPostgres
from service_under_test import CHECKS, STAGES, Service, blueprint, create_database, create_project, one_row

TARGETS = {"durable_workflows": 10.0, "pgqueuer": 4.0, "limit": 0.5}
_LIMIT_SHARE = 5
_PEER_RUNS = 200
_ROUNDS = 3

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The server that all work on, and how much is measured."""

    server: EmbeddedPostgres
    url: str
    directory: Path
    runs: int
    workers: Sequence[int]

    @property
    def postgres(self) -> int:
        """The server's process."""
        return self.server.pid or 0


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", default=",".join(names), help="which products, comma separated; '' for none")
    parser.add_argument("--runs", type=int, default=2000, help="runs measured of ours")
    parser.add_argument("--workers", default="1,2,4", help="numbers of worker processes of ours")
    parser.add_argument("--finished", type=int, default=1_000_000, help="finished runs in the tables; 0 leaves it out")
    return parser.parse_args()


@contextmanager
def bench(runs: int, workers: Sequence[int]) -> Iterator[Bench]:
    """Start the server for the time of the block."""
    directory = Path(tempfile.mkdtemp(prefix="quilate-bench-engine-"))
    server = EmbeddedPostgres(directory / "postgres")
    try:
        yield Bench(server=server, url=server.start(), directory=directory, runs=runs, workers=workers)
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def limit(given: Bench) -> Figures:
    """Measure the limit; the best of one and two processes counts."""
    url = create_database(given.url, "limit")
    found: list[Figures] = []
    for workers in (1, 2):
        watch = ProcessorTime(roots={given.postgres: kind_of_postgres})
        watch.start()
        rounds = [engine_limit.measure(url, runs=given.runs * _LIMIT_SHARE, workers=workers) for _ in range(_ROUNDS)]
        found.append(
            {
                "workers": workers,
                "runs_per_second": statistics.median(rate for rate, _ in rounds),
                "right": all(right for _, right in rounds),
                "cores": watch.cores(),
            }
        )
    return _best(found) | {"right": all(each["right"] for each in found)}


def ours(given: Bench, service: Service) -> Figures:
    """Measure our engine with each number of workers; the best counts."""
    rates = {workers: our_rate(service, given, workers) for workers in given.workers}
    best = _best(list(rates.values()))
    return best | {
        "by_workers": {str(workers): figures["runs_per_second"] for workers, figures in rates.items()},
        "cores_by_workers": {str(workers): figures["cores"] for workers, figures in rates.items()},
        "milliseconds_per_run_by_workers": {
            str(workers): figures["milliseconds_per_run"] for workers, figures in rates.items()
        },
        "p50_ms": engine_of_ours.latency_milliseconds(service),
        "right": all(figures["right"] for figures in rates.values()),
    }


def our_service(given: Bench, name: str) -> Service:
    """Make a database with a project."""
    url = create_database(given.url, name)
    create_project(url, blueprint())
    return Service(url=url, state=given.directory / name)


def our_rate(service: Service, given: Bench, workers: int) -> Figures:
    """Measure our engine with so many workers and the background process."""
    result = engine_of_ours.measure(service, given.postgres, workers=workers, runs=given.runs, background=True)
    return {
        "workers": workers,
        "runs_per_second": result.runs_per_second,
        "submitted_per_second": result.submitted_per_second,
        "milliseconds_per_run": {kind: 1000 * cores / result.runs_per_second for kind, cores in result.cores.items()},
        "cores": result.cores | {"others_cores": _others(result.cores)},
        "right": result.right,
    }


def with_finished(given: Bench, number: int, workers: int) -> Figures:
    """Measure our engine over a database that holds so many finished runs."""
    service = our_service(given, "finished")
    before = our_rate(service, given, workers)
    fill(service.url, number)
    there = finished(service.url)
    after = our_rate(service, given, workers)
    return {
        "finished": there,
        "attempts": one_row(service.url, "SELECT count(*) FROM check_attempts")[0],
        "before": before,
        "after": after,
        "p50_ms": engine_of_ours.latency_milliseconds(service),
        "ratio_to_before": after["runs_per_second"] / before["runs_per_second"],
        "right": before["right"] and after["right"] and there > number,
    }


def beside(given: Bench, service: Service, peer: Peer) -> Figures:
    """Measure a peer with one and two workers, the best counts, and ours again right after it.

    One that fails is told with the reason.
    """
    figures: Figures = {"version": peer.version, "durable_workflows": peer.durable_workflows}
    runs = max(int(_PEER_RUNS * peer.share), 20)
    try:
        interpreter = installed(peer)
        found = [_of_peer(given, peer, interpreter, runs, workers) for workers in (1, 2)]
    except PeerError as error:
        return figures | {"failed": str(error)}
    again = _best([our_rate(service, given, workers) for workers in given.workers])
    best = _best(found)
    return (
        figures
        | best
        | {
            "ours_runs_per_second": again["runs_per_second"],
            "ours_workers": again["workers"],
            "ratio": again["runs_per_second"] / best["runs_per_second"],
            "others_cores": again["cores"]["others_cores"],
            "right": again["right"] and all(each["right"] for each in found),
        }
    )


def _of_peer(given: Bench, peer: Peer, interpreter: Path, runs: int, workers: int) -> Figures:
    url = create_database(given.url, f"{peer.name}_{workers}")
    said = measured(peer, interpreter, url, runs=runs, workers=workers)
    return {
        "workers": workers,
        "runs_per_second": said["runs"] / said["seconds"],
        "p50_ms": said["p50_ms"],
        "right": said["checks_executed"] == runs * STAGES * CHECKS,
    }


def _best(found: Sequence[Figures]) -> Figures:
    return max(found, key=lambda each: float(each["runs_per_second"]))


def _others(cores: dict[str, float]) -> float:
    return round(cores["machine"] - sum(value for name, value in cores.items() if name != "machine"), 3)


def ratios(our: Figures, limited: Figures, peers: dict[str, Figures]) -> Figures:
    """Return what is asked for: ours beside each of the others, with what was wanted."""
    found = {name: each["ratio"] for name, each in peers.items() if "ratio" in each}
    workflows = [ratio for name, ratio in found.items() if peers[name]["durable_workflows"]]
    found["limit"] = our["runs_per_second"] / limited["runs_per_second"]
    if workflows:
        found["durable_workflows"] = min(workflows)
    return {
        **{f"ratio_to_{name}": ratio for name, ratio in found.items()},
        **{f"met_{name}": found[name] >= target for name, target in TARGETS.items() if name in found},
    }


def with_load(measure: Callable[[], Figures]) -> Figures:
    """Measure, with the machine's load before and after."""
    before = os.getloadavg()[0]
    return measure() | {"load_before": before, "load_after": os.getloadavg()[0]}


def rounded(value: Any) -> Any:
    """Return figures with three places."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def main() -> None:
    """Measure and print the JSON line."""
    options = parsed()
    wanted = set(options.peers.split(","))
    with bench(options.runs, [int(number) for number in options.workers.split(",")]) as given:
        limited = with_load(lambda: limit(given))
        service = our_service(given, "ours")
        our = with_load(lambda: ours(given, service))
        peers = {peer.name: with_load(partial(beside, given, service, peer)) for peer in PEERS if peer.name in wanted}
        full = with_load(lambda: with_finished(given, options.finished, our["workers"])) if options.finished else {}
        version = one_row(given.url, "SHOW server_version")[0]
        fsync = one_row(given.url, "SHOW fsync")[0]
    sides = [limited, our, *(peer for peer in peers.values() if "failed" not in peer), *([full] if full else [])]
    figures = {
        "ours": our,
        "limit": limited,
        "peers": peers,
        "over_finished_runs": full,
        **ratios(our, limited, peers),
        "targets": TARGETS,
    }
    report(
        "engine",
        cores=os.cpu_count(),
        postgres=version,
        fsync=fsync,
        runs=options.runs,
        **rounded(figures),
        all_right=all(side["right"] for side in sides),
    )


if __name__ == "__main__":
    main()
