"""A short campaign of kills; ``make faults`` runs the long one (C04, C07, A14)."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, run_campaign


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_takes_effect_twice(tmp_path: Path) -> None:
    campaign = Campaign(seed=20_261_121, runs=60, kills=21, directory=tmp_path)
    figures = asyncio.run(run_campaign(campaign))
    assert figures["faults"] == []
    assert figures["accepted_checks"] == 240
    assert figures["kills"]["postgres"] == 1
