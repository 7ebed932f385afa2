"""What lies in this repository from elsewhere is what its package holds, at the pinned version (A07)."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "vendor_javascript.py"


def test_the_vendored_files_are_the_pinned_ones() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
