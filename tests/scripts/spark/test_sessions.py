"""URLs and complaints of Spark (A21): no others, no secrets repeated, nothing heavy imported."""

import subprocess
import sys

import pytest

from quilate.domain.errors import ConfigurationError
from quilate.sandbox.model import FailureClass
from quilate.scripts.spark.failures import failure_of
from quilate.scripts.spark.model import packed, unpacked
from quilate.scripts.spark.sessions import check_url


@pytest.mark.parametrize(
    "url",
    ["local", "local[2]", "local[*]", "spark://host:7077", "yarn", "k8s://https://host", "sc://host:15002/;token=x"],
)
def test_urls_of_spark_are_taken(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize("url", ["", "http://host/secret", "local[2] --conf x=y", "sc://", "file:///etc", "sc://a b"])
def test_others_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_url(url)
    assert not url or url not in str(refused.value)


def test_complaints_name_the_cause_in_one_sentence_and_no_secret() -> None:
    lost = failure_of(RuntimeError("Cannot reach sc://host:15002/;token=abc\n  at org.apache.spark.Some.trace"))
    assert (lost.kind, lost.message) == (FailureClass.UNAVAILABLE, "Spark gave up: Cannot reach ...")
    ours = failure_of(
        RuntimeError("Traceback\n quilate.x.BatchInputError: record 3 of partition 0 cannot be grouped\n at")
    )
    assert (ours.kind, ours.message) == (FailureClass.INPUT, "record 3 of partition 0 cannot be grouped")
    text = (
        "An exception was thrown from the Python worker:\nTraceback\n  x = 1\nquilate.Some.OtherError: why\n\tat org.x"
    )
    other = failure_of(RuntimeError(text))
    assert other.message == "Spark gave up: An exception was thrown from the Python worker: OtherError: why"
    missing = failure_of(RuntimeError("ModuleNotFoundError: No module named 'quilate'"))
    assert "install quilate[sandbox]" in missing.message


def test_a_record_is_named_by_partition_and_row() -> None:
    assert unpacked(packed(3, 5)) == (3, 5)
    assert packed(1, 0) == 1 << 33  # As Spark's documentation of monotonically_increasing_id gives it.


def test_the_help_and_the_package_load_no_spark() -> None:
    code = (
        "import sys, quilate.app.cli.script_run, quilate.app.cli.script_spark, quilate.scripts.spark; "
        "sys.exit('pyspark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
