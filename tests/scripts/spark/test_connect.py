"""The command line over Spark Connect (A21): a server of its own, started offline, ``sc://`` as the URL."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        return int(probing.getsockname()[1])


@pytest.mark.slow
def test_the_command_line_runs_a_script_over_connect(tmp_path: Path) -> None:
    script, data, output = tmp_path / "script.js", tmp_path / "in.ndjson", tmp_path / "out.parquet"
    script.write_text("function process(data) { console.log('seen'); return [{ k: data[0].k, n: data.length }] }")
    data.write_text("".join(json.dumps({"k": f"g{n % 3}", "n": n}) + "\n" for n in range(50)))
    argv = [sys.executable, "-m", "tests.support.spark_connect_run", str(script), str(data), str(output)]
    # Its own group: the server is a child that has to end with it, whatever happens.
    started = subprocess.Popen(
        [*argv, str(free_port())],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, errors = started.communicate(timeout=240)
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()
    assert started.returncode == 0, errors[-2000:]
    assert json.loads(said.splitlines()[-1])["status"] == 0, errors[-2000:]
    rows = pq.read_table(output).sort_by("k").to_pylist()
    assert rows == [{"k": "g0", "n": 17}, {"k": "g1", "n": 17}, {"k": "g2", "n": 16}]
    assert "50 records in, 3 out" in errors
    assert errors.count("seen\n") == 3
