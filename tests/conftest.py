"""Fixtures for all tests."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine and in every run: a red build must mean that the change broke something.
settings.register_profile("quilate", derandomize=True, deadline=None)
settings.load_profile("quilate")

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data beside the repository; tests that need it run wherever it is."""
    folder = Path(os.environ.get("QUILATE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


pytest_plugins = ("tests.support.postgres",)
