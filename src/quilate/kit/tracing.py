"""Traces from a request to its seal, across API, database, workers and the processes of checks.

A trace crosses by its W3C ``traceparent``, a text: the API writes ``current_traceparent()`` into the row, the worker
opens its span with ``span(name, parent=row["traceparent"])`` and hands ``current_traceparent()`` on to the check's
process. Without a collector nothing is imported and a span costs about a microsecond; the text still crosses.

Source: W3C Trace Context; OpenTelemetry semantic conventions for CI/CD.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

PIPELINE_NAME = "cicd.pipeline.name"
PIPELINE_RUN_ID = "cicd.pipeline.run.id"
PIPELINE_RUN_STATE = "cicd.pipeline.run.state"
PIPELINE_RESULT = "cicd.pipeline.result"
PIPELINE_TASK_NAME = "cicd.pipeline.task.name"
PIPELINE_TASK_RUN_ID = "cicd.pipeline.task.run.id"
PIPELINE_TASK_RUN_RESULT = "cicd.pipeline.task.run.result"
PIPELINE_TASK_TYPE = "cicd.pipeline.task.type"
WORKER_ID = "cicd.worker.id"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_ZERO_TRACE = "0" * 32
_ZERO_SPAN = "0" * 16
_passing: ContextVar[str] = ContextVar("quilate_traceparent", default="")


class _Tracing:
    """What ``configure_tracing`` set up; one for each process."""

    provider: "TracerProvider | None" = None
    tracer: Any = None


def configure_tracing(
    service: str, *, endpoint: str = "", exporter: "SpanExporter | None" = None, version: str = ""
) -> None:
    """Set up the traces of this process; without an endpoint and an exporter they are off.

    Args:
        service: Name of the process: ``quilate-api``, ``quilate-worker``.
        endpoint: Base address of a collector that speaks OTLP over HTTP.
        exporter: Instead of the endpoint, for tests.
        version: Of the program.
    """
    shut_down_tracing()
    if not endpoint and exporter is None:
        return
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only where traces are wanted
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415 - as above

    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - as above
            OTLPSpanExporter,
        )

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    _Tracing.provider = provider
    _Tracing.tracer = provider.get_tracer("quilate")


def shut_down_tracing() -> None:
    """Send what is still there and switch traces off."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, None
    if provider is not None:
        provider.shutdown()


def is_tracing() -> bool:
    """Tell whether spans are recorded."""
    return _Tracing.tracer is not None


def span(name: str, *, parent: str = "", **attributes: Any) -> AbstractContextManager[Any]:
    """Return a span for the time of the ``with`` block; an error that leaves the block is recorded by its class.

    Args:
        name: What is done: ``run.plan``, ``check.run``.
        parent: The ``traceparent`` of whoever asked for it; by default the span around this one.
        attributes: Names with dots are given as ``**{PIPELINE_NAME: ...}``; ``None`` is left out.

    Returns:
        A context manager that gives something with ``set_attribute``.
    """
    if _Tracing.tracer is None:
        return _unrecorded(parent)
    return _recorded(name, parent, attributes)


class OpenSpan:
    """A span that begins in one place and ends in another, as work does that runs elsewhere meanwhile."""

    def __init__(self, recorded: Any, traceparent: str) -> None:
        self._recorded = recorded
        self.traceparent = traceparent

    def end(self, **attributes: Any) -> None:
        """End the span with what is known now; ``None`` is left out."""
        if self._recorded is None:
            return
        for name, value in attributes.items():
            if value is not None:
                self._recorded.set_attribute(name, value)
        self._recorded.end()


def begin_span(name: str, *, parent: str = "", **attributes: Any) -> OpenSpan:
    """Begin a span that the caller ends; where traces are off it only carries ``parent`` on."""
    known = parent if parent and is_traceparent(parent) else ""
    if _Tracing.tracer is None:
        return OpenSpan(None, known)
    context = _context_of(known) if known else None
    given = {key: value for key, value in attributes.items() if value is not None}
    recorded = _Tracing.tracer.start_span(name, context=context, attributes=given)
    return OpenSpan(recorded, _text_of(recorded))


class _NoSpan:
    """Stands for a span that is not recorded."""

    def set_attribute(self, _name: str, _value: Any) -> None:
        """Do nothing."""


_NO_SPAN = _NoSpan()


class _Unrecorded(AbstractContextManager[_NoSpan]):
    """Carries a trace on without recording."""

    def __init__(self, parent: str) -> None:
        self._parent = parent

    def __enter__(self) -> _NoSpan:
        self._token = _passing.set(self._parent) if self._parent else None
        return _NO_SPAN

    def __exit__(self, *_error: object) -> None:
        if self._token is not None:
            _passing.reset(self._token)


def _unrecorded(parent: str) -> AbstractContextManager[_NoSpan]:
    return _Unrecorded(parent if parent and is_traceparent(parent) else "")


@contextmanager
def _recorded(name: str, parent: str, attributes: dict[str, Any]) -> Iterator[Any]:
    from opentelemetry.trace.status import Status, StatusCode  # noqa: PLC0415 - loaded by configure_tracing

    context = _context_of(parent) if parent and is_traceparent(parent) else None
    known = {key: value for key, value in attributes.items() if value is not None}
    with _Tracing.tracer.start_as_current_span(
        name, context=context, attributes=known, record_exception=False, set_status_on_exception=False
    ) as current:
        token = _passing.set(_text_of(current))
        try:
            yield current
        except Exception as error:
            # The message may hold anything; the log has it, masked.
            current.set_attribute("error.type", type(error).__qualname__)
            current.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            _passing.reset(token)


def _context_of(parent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - loaded by configure_tracing
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator().extract({"traceparent": parent})


def _text_of(current: Any) -> str:
    context = current.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def current_traceparent() -> str:
    """Return the trace that is under way as W3C text, to be stored or sent; empty where there is none."""
    return _passing.get()


def current_trace_id() -> str:
    """Return the id of the trace that is under way, for the log; empty where there is none."""
    match = _TRACEPARENT.fullmatch(_passing.get())
    return match[1] if match else ""


def is_traceparent(text: str) -> bool:
    """Tell whether a text from outside is a valid ``traceparent``."""
    match = _TRACEPARENT.fullmatch(text) if len(text) <= 256 else None  # noqa: PLR2004 - more than any version has
    return match is not None and match[1] != _ZERO_TRACE and match[2] != _ZERO_SPAN and text[:2] != "ff"
