"""The command line over Spark Connect (A21): a real server on loopback, started offline, ``sc://`` as the URL."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from quilate.domain.errors import ConfigurationError
from quilate.scripts.spark.sessions import opened

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        return int(probing.getsockname()[1])


@pytest.fixture
def server() -> Iterator[str]:
    if shutil.which("java") is None:
        pytest.fail("there is no java on the path: the tests of Spark need Java 17, which CI has")
    port = free_port()
    argv = [sys.executable, "-m", "tests.support.spark_connect_server", str(port)]
    # Its own group: the JVM is a child that has to end with it, whatever happens.
    started = subprocess.Popen(
        argv,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield f"sc://127.0.0.1:{port}"
        started.communicate(timeout=60)
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
            started.communicate()


@pytest.mark.slow
def test_the_command_line_runs_a_script_over_connect(server: str, tmp_path: Path) -> None:
    script, data, output = tmp_path / "script.js", tmp_path / "in.ndjson", tmp_path / "out.parquet"
    script.write_text("function process(data) { console.log('seen'); return [{ k: data[0].k, n: data.length }] }")
    data.write_text("".join(json.dumps({"k": f"g{n % 3}", "n": n}) + "\n" for n in range(50)))
    argv = [sys.executable, "-c", "from quilate.app.cli import main; main()", "script", "run", str(script)]
    options = ["--data", str(data), "--output", str(output), "--mode", "group", "--key", "k", "--min-level", "process"]
    done = subprocess.run(
        [*argv, *options, "--spark", server], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = pq.read_table(output).sort_by("k").to_pylist()
    assert rows == [{"k": "g0", "n": 17}, {"k": "g1", "n": 17}, {"k": "g2", "n": 16}]
    assert "50 records in, 3 out" in done.stderr
    assert done.stderr.count("seen\n") == 3


def test_nobody_at_the_url_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError, match="Nobody answers"), opened(f"sc://127.0.0.1:{free_port()}/;token=x"):
        pass
