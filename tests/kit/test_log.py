"""The log is JSON lines without secrets and personal data, whoever writes them (A13)."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from quilate.kit.log import configure_logging, logger


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_and_name() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)

    logger("quilate.runs").info("run decided", run="r1", verdict="PASS", email="ana@example.org", n=3)
    logger("quilate.runs").debug("left out")

    (line,) = _lines(stream)
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["event"], line["logger"]) == ("info", "run decided", "quilate.runs")
    assert (line["run"], line["verdict"], line["n"]) == ("r1", "PASS", 3)
    assert line["email"] == "[masked]"
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]


def test_a_traceback_has_no_values_of_variables_and_no_secrets() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    inner = "value-of-a-variable"

    def fail() -> None:
        if inner:
            raise ValueError("cannot connect to postgresql://u:hunter2@db/q")

    try:
        fail()
    except ValueError:
        logger("quilate").exception("failed")

    (line,) = _lines(stream)
    assert "ValueError" in line["exception"]
    assert "hunter2" not in stream.getvalue()
    assert "value-of-a-variable" not in stream.getvalue()


def test_other_libraries_go_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging("warning", stream=stream)

    logging.getLogger("uvicorn.error").warning("from %s", "ana@example.org")
    logging.getLogger("uvicorn.error").info("left out")

    (line,) = _lines(stream)
    assert (line["level"], line["event"], line["logger"]) == ("warning", "from [masked]", "uvicorn.error")


def test_values_that_json_cannot_hold_do_not_lose_the_line() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)

    logger("quilate").info("odd \ud800", value=object(), number=float("nan"), text="\udfff\nnext", big=1 << 80)

    (line,) = _lines(stream)
    assert "next" in line["text"]


def test_context_is_in_every_line_of_a_task() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logger("quilate").info("inside")
    logger("quilate").info("outside")

    inside, outside = _lines(stream)
    assert inside["request_id"] == "r1"
    assert "request_id" not in outside


def test_on_a_terminal_lines_are_for_people() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream, human=True)

    logger("quilate").info("run decided", password="hunter2", verdict="PASS")  # noqa: S106 - what must not be shown

    assert "run decided" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize("kind", ["token", "user", "service"])
def test_who_acted_is_told_by_id(kind: str) -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    actor = f"{kind}:0199e8a7-3f0e-7c11-8c8b-111111111111"

    logger("quilate").info("request", actor=actor)

    assert _lines(stream)[0]["actor"] == actor


@pytest.mark.parametrize("actor", ["user:ana@example.org", "token:hunter2hunter2", "user:529.982.247-25"])
def test_what_is_no_id_of_an_actor_is_masked(actor: str) -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)

    logger("quilate").info("request", actor=actor)

    assert _lines(stream)[0]["actor"].partition(":")[2] == "[masked]"


@pytest.mark.parametrize(
    ("given", "told"),
    [("0199e8a73f0e7c118c8b111111111111", "0199e8a73f0e7c118c8b111111111111"), ("529.982.247-25", "[masked]")],
)
def test_a_request_is_told_by_its_id_and_never_by_personal_data(given: str, told: str) -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)

    logger("quilate").info("request", request_id=given)

    assert _lines(stream)[0]["request_id"] == told
