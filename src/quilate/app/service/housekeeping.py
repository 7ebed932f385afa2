"""What the background process forgets: everything that would otherwise only ever grow and that no decision rests on."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from quilate.app.service.settings import Settings
from quilate.kit.database.database import Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.waiting import happened
from quilate.kit.web.idempotency import forget_expired_keys
from quilate.runs.durable.retention import RunRetention, forget_answers, forget_logs, forget_plans

ROUND_SECONDS = 600.0
_LOG = structlog.get_logger("quilate.housekeeping")


def run_retention(settings: Settings) -> RunRetention:
    """Return how long this installation keeps what runs leave behind."""
    return RunRetention(
        cache_days=settings.cache_days, cache_answers=settings.cache_answers, log_days=settings.check_log_days
    )


async def run_housekeeping(
    database: Database, stop: asyncio.Event, retention: RunRetention, *, round_seconds: float = ROUND_SECONDS
) -> None:
    """Forget what is over, again and again until ``stop``; any number of processes may do it at once."""
    while not stop.is_set():
        await forget_once(database, retention, stop)
        await happened(stop, round_seconds)


async def forget_once(database: Database, retention: RunRetention, stop: asyncio.Event) -> None:
    """Do one round; what fails is left to the next one."""
    work: dict[str, Callable[[], Awaitable[int]]] = {
        "idempotency_keys": lambda: forget_expired_keys(database),
        "cached_answers": lambda: forget_answers(database, retention),
        "log_pieces": lambda: forget_logs(database, retention),
        "plans": lambda: forget_plans(database),
    }
    for what, forget in work.items():
        if stop.is_set():
            return
        try:
            number = await forget()
        except (DATABASE_ERROR, OSError) as error:
            _LOG.warning("housekeeping failed", what=what, error=type(error).__name__)
        else:
            if number:
                _LOG.info("housekeeping", what=what, forgotten=number)
