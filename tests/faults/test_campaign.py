"""A short campaign of kills through HTTP; ``make faults`` runs the long one (C04, C07, A14)."""

from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, run


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_takes_effect_twice(tmp_path: Path) -> None:
    campaign = Campaign(seed=20_261_121, runs=60, kills=13, directory=tmp_path)
    figures = run(campaign)
    assert figures["faults"] == [], figures
    assert figures["accepted_checks"] == 240
    assert sum(figures["kills"].values()) == 13
    assert figures["kills"]["postgres"] == 1
    assert figures["audit_entries_verified"] > 120
