"""A scrape shows what the process counted and what the database knows, even while something is wrong (A13)."""

import asyncio
from collections.abc import Iterable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from quilate.kit.metrics import Metrics, Reading


def _values(page: bytes, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.asyncio
async def test_counts_and_durations_are_shown() -> None:
    metrics = Metrics()
    metrics.verdicts.labels("PASS").inc()
    metrics.run_seconds.labels("PASS").observe(0.3)
    metrics.check_seconds.labels("SAST", "pass").observe(2)
    metrics.observe_group("intake")(5)
    metrics.leases.labels("check").set(4)

    page = await metrics.render()

    assert _values(page, "quilate_verdicts_total") == {(("verdict", "PASS"),): 1}
    assert _values(page, "quilate_run_duration_seconds_sum") == {(("verdict", "PASS"),): 0.3}
    assert _values(page, "quilate_group_commit_size_sum") == {(("group", "intake"),): 5}
    assert _values(page, "quilate_worker_leases") == {(("kind", "check"),): 4}
    assert _values(page, "process_resident_memory_bytes")


@pytest.mark.asyncio
async def test_readings_are_taken_at_the_scrape_and_at_most_once_a_second() -> None:
    metrics = Metrics()
    looks = 0

    async def collect() -> Iterable[Reading]:
        nonlocal looks
        looks += 1
        return [
            Reading(name="queue_depth", meaning="Waiting", value=float(n), labels={"queue": queue})
            for n, queue in enumerate(("code", "data"))
        ]

    metrics.register_collector("queues", collect)
    page, again = await asyncio.gather(metrics.render(), metrics.render())

    assert looks == 1
    assert _values(page, "quilate_queue_depth") == {(("queue", "code"),): 0, (("queue", "data"),): 1}
    assert _values(again, "quilate_queue_depth") == _values(page, "quilate_queue_depth")
    assert _values(page, "quilate_collector_failed") == {(("collector", "queues"),): 0}


@pytest.mark.asyncio
async def test_a_collector_that_fails_leaves_the_rest() -> None:
    metrics = Metrics()

    async def fail() -> Iterable[Reading]:
        raise ConnectionError("no database")

    metrics.register_collector("database", fail)
    page = await metrics.render()

    assert _values(page, "quilate_collector_failed") == {(("collector", "database"),): 1}
    assert b"no database" not in page


def test_two_sets_of_metrics_live_in_one_process() -> None:
    assert Metrics().registry is not Metrics().registry
