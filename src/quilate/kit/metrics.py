"""Metrics in the text format of Prometheus: what this process counts, and what the database knows at each scrape.

Each process has its own; the API adds what concerns the whole service (``register_collector``), so a scraper sees
queues and verdicts whichever worker did the work.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WORK_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One gauge read at the scrape.

    Attributes:
        name: Metric name without the prefix ``quilate_``.
        meaning: One sentence for whoever reads the page.
        value: The number, in the unit that the name ends with.
        labels: By name; every reading of one metric has the same names.
    """

    name: str
    meaning: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


Collect = Callable[[], Awaitable[Iterable[Reading]]]


class Metrics:
    """The metrics of one process; every label has few values, never an id, a path or a name of a person."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._collectors: dict[str, Collect] = {}
        self._readings: tuple[Reading, ...] = ()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self.requests = self._counter("http_requests", "HTTP requests answered", ("method", "route", "status"))
        self.request_seconds = self._histogram(
            "http_request_duration_seconds", "Time to the end of the answer", ("method", "route"), _REQUEST_SECONDS
        )
        self.requests_under_way = Gauge(
            "quilate_http_requests_under_way", "HTTP requests being answered", registry=self.registry
        )
        self.leases = Gauge(
            "quilate_worker_leases", "Steps and checks that this process holds", ("kind",), registry=self.registry
        )
        self.lost_leases = self._counter("worker_lost_leases", "Writes refused since another had taken over", ())
        self.run_seconds = self._histogram(
            "run_duration_seconds", "From submission to verdict", ("verdict",), _WORK_SECONDS
        )
        self.check_seconds = self._histogram(
            "check_duration_seconds", "Of one attempt", ("type", "result"), _WORK_SECONDS
        )
        self.verdicts = self._counter("verdicts", "Runs decided", ("verdict",))
        self.group_commit_sizes = self._histogram(
            "group_commit_size", "Items that shared one transaction", ("group",), _BATCH_SIZES
        )
        self.registry.register(ProcessCollector(registry=None))
        self.registry.register(_Readings(self))

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"quilate_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"quilate_{name}", meaning, labels, buckets=buckets, registry=self.registry)

    def observe_group(self, group: str) -> Callable[[int], None]:
        """Return what a ``GroupCommit`` calls with the size of each batch."""
        return self.group_commit_sizes.labels(group).observe

    def register_collector(self, name: str, collect: Collect) -> None:
        """Add what is read at each scrape, at most once a second; under a known name it replaces the one before."""
        self._collectors[name] = collect

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What the last scrape read."""
        return self._readings

    async def render(self) -> bytes:
        """Return the page; a collector that fails or is slow leaves its part out and says so."""
        async with self._reading:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                parts = await asyncio.gather(*(self._collect(*each) for each in self._collectors.items()))
                self._readings = tuple(reading for part in parts for reading in part)
                self._read_at = time.monotonic()
        return generate_latest(self.registry)

    async def _collect(self, name: str, collect: Collect) -> list[Reading]:
        failed = 0.0
        readings: list[Reading] = []
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                readings = list(await collect())
        except Exception:  # noqa: BLE001 - a scrape shows what it can, above all while something is wrong
            failed = 1.0
        said = Reading(
            name="collector_failed", meaning="1 where a collector could not read", value=failed,
            labels={"collector": name},
        )  # fmt: skip
        return [*readings, said]


class _Readings:
    """Shows the readings of the last scrape to the registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with all of its readings."""
        families: dict[str, GaugeMetricFamily] = {}
        for reading in self._metrics.readings:
            family = families.get(reading.name)
            if family is None:
                labels = tuple(reading.labels)
                family = GaugeMetricFamily(f"quilate_{reading.name}", reading.meaning, labels=labels)
                families[reading.name] = family
            family.add_metric(tuple(reading.labels.values()), reading.value)
        yield from families.values()
