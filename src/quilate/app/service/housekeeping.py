"""What the background process forgets: everything that would otherwise only ever grow and that no decision rests on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from quilate.app.service.settings import Settings
from quilate.deliveries.dispatching import forget_old
from quilate.kit.database.database import Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.waiting import happened
from quilate.kit.web.idempotency import forget_expired_keys
from quilate.runs.durable.retention import RunRetention, forget_answers, forget_logs, forget_plans

ROUND_SECONDS = 600.0
_LOG = structlog.get_logger("quilate.housekeeping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is kept; ``delivery_days``: ended deliveries and the events behind them, 0 for good."""

    runs: RunRetention = field(default_factory=RunRetention)
    delivery_days: int = 30


def retention_of(settings: Settings) -> Retention:
    """Return how long this installation keeps what."""
    runs = RunRetention(
        cache_days=settings.cache_days, cache_answers=settings.cache_answers, log_days=settings.check_log_days
    )
    return Retention(runs=runs, delivery_days=settings.delivery_days)


async def run_housekeeping(
    database: Database, stop: asyncio.Event, retention: Retention, *, round_seconds: float = ROUND_SECONDS
) -> None:
    """Forget what is over, again and again until ``stop``; any number of processes may do it at once."""
    while not stop.is_set():
        await forget_once(database, retention, stop)
        await happened(stop, round_seconds)


async def forget_once(database: Database, retention: Retention, stop: asyncio.Event) -> None:
    """Do one round; what fails is left to the next one."""
    work: dict[str, Callable[[], Awaitable[int]]] = {
        "idempotency_keys": lambda: forget_expired_keys(database),
        "cached_answers": lambda: forget_answers(database, retention.runs),
        "log_pieces": lambda: forget_logs(database, retention.runs),
        "plans": lambda: forget_plans(database),
        "deliveries_and_events": lambda: forget_old(database, retention.delivery_days),
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
