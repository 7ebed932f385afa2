"""Sessions of Spark: one that is given, or one opened by a URL for one run.

A URL comes from the command line or from an administrator's settings, never from a request: Spark runs code.
"""

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Union
from urllib.parse import urlsplit

from quilate.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONNECT: Final = "sc://"
_CONNECT_PORT: Final = 15002
_REACH_SECONDS: Final = 10.0
_URL: Final = re.compile(r"local(\[[\w*, ]+\])?|yarn|(spark|k8s|sc)://\S+")
_HELP: Final = "give local[2], spark://host:port, yarn, k8s://... or, for Spark Connect, sc://host:port"


def check_url(url: str) -> str:
    """Refuse what is no URL of Spark.

    Raises:
        ConfigurationError: It is none; the message does not repeat it, as it may hold a token.
    """
    if not _URL.fullmatch(url):
        raise ConfigurationError("The Spark URL is none that Spark knows", next_step=_HELP)
    return url


@contextmanager
def opened(spark: Union["SparkSession", str]) -> Iterator["SparkSession"]:
    """Give a session; one that was opened here is stopped at the end.

    Raises:
        ConfigurationError: pyspark or Java is missing, or nobody answers at the URL.
    """
    if not isinstance(spark, str):
        yield spark
        return
    session = _open(check_url(spark))
    try:
        yield session
    finally:
        session.stop()


def _reach(url: str) -> None:
    """Look whether somebody listens: Spark's client itself goes on trying for minutes."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or _CONNECT_PORT), timeout=_REACH_SECONDS):
            return
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "Nobody answers at the URL of Spark Connect", next_step="start its server, or name its host and port"
        ) from error


def _open(url: str) -> "SparkSession":
    try:
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # noqa: PLC0415 - the extra `spark`
        from pyspark.errors import PySparkException  # noqa: PLC0415 - as above
        from pyspark.sql import SparkSession  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ConfigurationError("pyspark is not installed", next_step="Install quilate[spark]") from error
    try:
        if url.startswith(CONNECT):
            _reach(url)
            session = SparkSession.builder.remote(url).appName("quilate").getOrCreate()
            _ = session.version  # Nobody is asked before the first call.
            return session
        # Without it Spark takes whatever `python3` is on the path.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        return (
            SparkSession.builder.master(url)
            .appName("quilate")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .getOrCreate()
        )
    except (PySparkException, Py4JError, OSError) as error:
        hint = "" if url.startswith(CONNECT) else " (a local or classic master needs Java 17 or newer here)"
        raise ConfigurationError(
            f"No Spark session can be opened{hint}: {type(error).__name__}", next_step=_HELP
        ) from error
