"""The service's log: one JSON object a line on standard error, without secrets and personal data.

On a terminal the lines are for people. The standard library's loggers (uvicorn, psycopg, asyncio) go the same way.
"""

import io
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import msgspec
import structlog

from quilate.kit.masking import mask_text, mask_value

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_OWN_NAMES = frozenset({"event", "level", "timestamp", "logger", "_record", "_from_structlog"})
_IDENTIFIERS = {
    "actor": re.compile(r"[a-z]{1,16}:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "request_id": re.compile(r"[0-9a-f]{32}"),
    "trace_id": re.compile(r"[0-9a-f]{32}"),
}
"""Names whose values are ids of our own making. Who acted is told by kind and id: what follows "token:" is the id of a
token, which opens nothing."""

_TALKATIVE = ("httpx", "httpcore")
"""Libraries that tell the address of each request, which may hold anything."""

EventDict = MutableMapping[str, Any]


def configure_logging(level: str = "info", *, stream: TextIO | None = None, human: bool | None = None) -> None:
    """Set up the log of this process; called again it replaces what was before.

    Args:
        level: Least level that is logged: debug, info, warning or error.
        stream: Where to, standard error by default.
        human: Lines for people; by default where the stream is a terminal.
    """
    target = stream if stream is not None else _StandardError()
    number = _LEVELS[level]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # The text of a traceback without the values of variables, which may be anything.
        structlog.processors.format_exc_info,
        mask_event,
    ]
    readable = target.isatty() if human is None else human
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=readable) if readable else _render_json
    structlog.configure(
        processors=[structlog.stdlib.add_logger_name, *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Factory(target),
        # Tests and a second set-up change it; one look a call costs little beside the line itself.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def logger(name: str) -> Any:
    """Return a logger; ``logger("quilate.runs").info("run decided", run=..., verdict=...)``."""
    return structlog.get_logger(name)


class _StandardError(io.TextIOBase):
    """Whatever standard error is at the time of the line."""

    def write(self, text: str) -> int:
        """Write to it."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return sys.stderr.isatty()


class _Factory:
    """Makes loggers that know their name and write whole lines."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __call__(self, *names: Any) -> "_Writer":
        return _Writer(self._stream, str(names[0]) if names else "quilate")


class _Writer(structlog.WriteLogger):
    """Writes a line at once, so that lines of several tasks do not mix."""

    def __init__(self, stream: Any, name: str) -> None:
        super().__init__(stream)
        self.name = name


def mask_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Processor: mask every value of an event."""
    for name, value in event.items():
        if name not in _OWN_NAMES and not _is_identifier(name, value):
            event[name] = mask_value(name, value)
    event["event"] = mask_text(str(event.get("event", "")))
    return event


def _is_identifier(name: str, value: Any) -> bool:
    form = _IDENTIFIERS.get(name)
    return form is not None and isinstance(value, str) and form.fullmatch(value) is not None


def _render_json(_logger: Any, _method: str, event: EventDict) -> str:
    head = {name: event.pop(name) for name in ("timestamp", "level", "event", "logger") if name in event}
    try:
        return msgspec.json.encode({**head, **event}).decode()
    except (TypeError, UnicodeEncodeError, ValueError):
        safe = {name: str(value).encode("ascii", "backslashreplace").decode() for name, value in event.items()}
        safe |= {name: str(value).encode("ascii", "backslashreplace").decode() for name, value in head.items()}
        return msgspec.json.encode(safe).decode()
