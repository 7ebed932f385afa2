"""A worker's figures can be scraped (C08)."""

import httpx
import pytest

from quilate.app.service.metrics_server import metrics_server
from quilate.kit.metrics import Metrics

pytestmark = pytest.mark.asyncio


async def test_the_figures_are_served_and_nothing_else() -> None:
    metrics = Metrics()
    metrics.verdicts.labels("PASS").inc()
    async with (
        metrics_server(metrics, "127.0.0.1", 29_400) as first,
        metrics_server(metrics, "127.0.0.1", first) as next_port,
    ):
        assert next_port == first + 1
        async with httpx.AsyncClient(trust_env=False) as client:
            found = await client.get(f"http://127.0.0.1:{first}/metrics")
            other = await client.get(f"http://127.0.0.1:{first}/health")
    assert 'quilate_verdicts_total{verdict="PASS"} 1.0' in found.text
    assert other.status_code == 404


async def test_no_port_means_no_server() -> None:
    async with metrics_server(Metrics(), "127.0.0.1", 0) as port:
        assert port == 0
