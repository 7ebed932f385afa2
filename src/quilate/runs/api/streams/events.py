"""Server-sent events of runs and logs: resumable by ``Last-Event-ID``, ended when the run has ended.

A run's event ids are its version. What ended up to a version is told before the ``run`` event that carries it as id,
so that a stream that broke in between tells it again; a reader knows an attempt by check and number.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec

from quilate.kit.database.faults import is_passing
from quilate.kit.web.sse import ServerSentEvent
from quilate.runs.api.model import WatchedLog, WatchedRun
from quilate.runs.api.store import RunStore
from quilate.runs.api.streams.polling import Watch
from quilate.runs.api.streams.watching import LogWatcher, RunWatcher

_LOOK_SECONDS = 15.0
LONGEST_STREAM_SECONDS = 3600.0
"""A stream ends after this long, so that none is forgotten; readers resume by themselves."""

_LOG_PIECES = 200
_AGAIN_SECONDS = 0.5


def sse_event(name: str, data: Mapping[str, Any], event_id: str = "") -> bytes:
    """Return one event."""
    return ServerSentEvent(data=msgspec.json.encode(data).decode(), event=name, id=event_id).encode()


async def while_allowed(
    events: AsyncGenerator[bytes, None], is_allowed: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes, None]:
    """Give events as long as their reader may read them; who may no longer gets not one more."""
    async with aclosing(events):
        async for event in events:
            if not await _answered(is_allowed):
                return
            yield event


async def _answered(is_allowed: Callable[[], Awaitable[bool]]) -> bool:
    while True:
        try:
            return await is_allowed()
        except Exception as error:
            if not is_passing(error):
                raise
            # The database is away; the event waits until somebody can say whose it is.
            await asyncio.sleep(_AGAIN_SECONDS)


async def run_events(watcher: RunWatcher, run_id: UUID, last: int) -> AsyncGenerator[bytes, None]:
    """Give the events of a run after version ``last`` (-1 for all) until it has ended."""
    async with watcher.watching(run_id) as watch:
        async for before, state in _states(watch):
            for event in _run_news(before, state, last):
                yield event
            last = max(last, state.version)
            if state.ended:
                return


async def _states(watch: Watch[Any]) -> AsyncIterator[tuple[Any, Any]]:
    """Give each state with the one before it."""
    end = time.monotonic() + LONGEST_STREAM_SECONDS
    seen = None
    while time.monotonic() < end:
        state = await watch.after(seen, _LOOK_SECONDS)
        if state is not seen:
            yield seen, state
            seen = state


def _run_news(before: WatchedRun | None, state: WatchedRun, last: int) -> list[bytes]:
    """Return what is new since version ``last`` and the in-flight picture of ``before``."""
    news = [
        sse_event(
            "check",
            {
                "check": ended.check,
                "attempt": ended.attempt,
                "state": "ended",
                "result": ended.result,
                "final": ended.final,
                "summary": ended.summary,
                "reason": ended.reason,
                "next_step": ended.next_step,
                "duration_seconds": round(ended.duration_seconds, 3),
                "cached_age_seconds": ended.cached_age_seconds,
            },
        )
        for ended in state.attempts
        if ended.version > last
    ]
    known = before.in_flight if before else {}
    news += [
        sse_event("check", {"check": check, "attempt": attempt, "state": status})
        for check, (status, attempt) in state.in_flight.items()
        if known.get(check) != (status, attempt)
    ]
    if state.version > last or before is None:
        news.append(sse_event("run", _run_data(state), str(state.version)))
    return news


def _run_data(state: WatchedRun) -> dict[str, Any]:
    return {
        "run": str(state.id),
        "status": state.status.value,
        "held": state.held,
        "verdict": state.verdict,
        "version": state.version,
        "failure": state.failure,
    }


async def log_events(
    watcher: LogWatcher, store: RunStore, run_id: UUID, check: str, last: tuple[int, int]
) -> AsyncGenerator[bytes, None]:
    """Give the pieces of a check's log after a place (attempt, sequence) until nothing will be added."""
    async with watcher.watching((run_id, check)) as watch:
        async for _, state in _states(watch):
            while _has_more(state, last):
                pieces = await store.log_pieces(run_id, check, last, _LOG_PIECES)
                for piece in pieces:
                    last = (piece["attempt"], piece["sequence"])
                    data = {"attempt": last[0], "sequence": last[1], "text": piece["text"]}
                    yield sse_event("log", data, f"{last[0]}.{last[1]}")
                if not pieces:
                    break
            if state.ended:
                yield sse_event("end", {"check": check})
                return


def _has_more(state: WatchedLog, last: tuple[int, int]) -> bool:
    return (state.attempt, state.sequence) > last


def parse_version(last_event_id: str | None) -> int:
    """Return the version that a reader has seen; -1 where it has seen nothing or names none of ours."""
    text = last_event_id or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1  # noqa: PLR2004 - a column of 32 bits


def parse_log_place(last_event_id: str | None) -> tuple[int, int]:
    """Return the place in a log that a reader has seen, before the first one where it names none of ours."""
    attempt, _, sequence = (last_event_id or "").partition(".")
    numbers = parse_version(attempt), parse_version(sequence)
    return numbers if min(numbers) >= 0 and numbers[0] < 1 << 15 else (0, -1)
