"""A trace crosses from the request to the check's process as text (A13)."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from quilate.kit.tracing import (
    PIPELINE_NAME,
    PIPELINE_RUN_ID,
    configure_tracing,
    current_trace_id,
    current_traceparent,
    is_traceparent,
    is_tracing,
    shut_down_tracing,
    span,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    made = InMemorySpanExporter()
    configure_tracing("test", exporter=made)
    yield made
    shut_down_tracing()


def test_a_trace_crosses_processes_as_text(exporter: InMemorySpanExporter) -> None:
    with span("POST /runs"):
        row = current_traceparent()
    with span("run.plan", parent=row, **{PIPELINE_NAME: "ds-batch", PIPELINE_RUN_ID: "r1", "left.out": None}):
        told = current_traceparent()
    with span("check.run", parent=told):
        pass

    request, plan, check = exporter.get_finished_spans()
    assert request.context.trace_id == plan.context.trace_id == check.context.trace_id
    assert plan.parent is not None
    assert plan.parent.span_id == request.context.span_id
    assert check.parent is not None
    assert check.parent.span_id == plan.context.span_id
    assert dict(plan.attributes or {}) == {PIPELINE_NAME: "ds-batch", PIPELINE_RUN_ID: "r1"}
    assert not current_traceparent()


def test_spans_nest_without_being_told(exporter: InMemorySpanExporter) -> None:
    with span("outer", parent=PARENT), span("inner"):
        assert current_trace_id() == PARENT[3:35]

    inner, outer = exporter.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id


def test_an_error_is_named_by_its_class_alone(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="hunter2"), span("work"):
        raise ValueError("hunter2")

    (work,) = exporter.get_finished_spans()
    assert dict(work.attributes or {}) == {"error.type": "ValueError"}
    assert not work.status.is_ok
    assert not work.events
    assert work.status.description is None


def test_without_a_collector_the_text_still_crosses() -> None:
    assert not is_tracing()
    with span("work", parent=PARENT, a=1) as current, span("inner"):
        current.set_attribute("b", 2)
        assert current_traceparent() == PARENT
    assert not current_traceparent()
    with span("work", parent="nonsense"):
        assert not current_traceparent()


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (PARENT, True),
        (PARENT + "-more", True),
        (PARENT.upper(), False),
        ("00-" + "0" * 32 + PARENT[35:], False),
        (PARENT[:36] + "0" * 16 + "-01", False),
        ("ff" + PARENT[2:], False),
        ("", False),
        (PARENT + "-" + "x" * 300, False),
        (PARENT + "\n", False),
    ],
)
def test_what_a_caller_sends_is_checked(text: str, valid: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_traceparent(text) is valid


def test_without_a_collector_nothing_is_imported() -> None:
    code = (
        "import sys; from quilate.kit.tracing import configure_tracing, span\n"
        "configure_tracing('a')\nwith span('b'): pass\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
