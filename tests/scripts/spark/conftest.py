"""One real local Spark for a test process, and the local runner beside it."""

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from quilate.sandbox.model import Engine, Level, Limits
from quilate.scripts.spark.held import HeldSandbox


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    if shutil.which("java") is None:
        pytest.fail("there is no java on the path: the tests of Spark need Java 17, which CI has")
    from pyspark.sql import SparkSession  # noqa: PLC0415 - only for these tests

    os.environ["PYSPARK_PYTHON"] = sys.executable
    with tempfile.TemporaryDirectory(prefix="quilate-spark-test-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = (
            SparkSession.builder.master("local[2]")
            .appName("quilate tests")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .config("spark.driver.memory", "768m")
            # Most of the time of a short test goes to compilers: theirs and the JVM's.
            .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
            .config("spark.sql.codegen.wholeStage", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.session.timeZone", "America/Sao_Paulo")
            .config("spark.sql.warehouse.dir", f"{folder}/warehouse")
            .config("spark.local.dir", folder)
            .getOrCreate()
        )
        try:
            yield session
        finally:
            session.stop()


@pytest.fixture(scope="module")
def held() -> Iterator[HeldSandbox]:
    """A sandbox for the local runner."""
    with HeldSandbox(Engine.DEFAULT, Limits(), Level.PROCESS) as made:
        yield made
