"""A script worker of the service, from its settings."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import quote
from uuid import UUID

import structlog

from quilate.app.service.metrics_server import metrics_server
from quilate.app.service.scripting import data_vault, payload_store, script_quota
from quilate.app.service.settings import Settings
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.ids import uuid7
from quilate.kit.metrics import Metrics, Reading
from quilate.kit.waiting import happened
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Engine, Level
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.scripts.executions.batches import BatchRunner
from quilate.scripts.executions.outcomes import Keeping
from quilate.scripts.executions.presence import register
from quilate.scripts.executions.sql import QUERIES
from quilate.scripts.executions.worker import ExecutionWorker, ExecutionWorkerOptions, ExecutionWorkerParts
from quilate.scripts.model import ScriptVersion
from quilate.scripts.payloads.admission import Admission
from quilate.scripts.versions import lifecycle
from quilate.scripts.versions.executable import Executables

_LOG = structlog.get_logger("quilate.scripts")
_REFUSAL_SECONDS = 30.0
"""After so long a sandbox that could not be had is tried again."""
_HEAP_BYTES = 512 << 20
"""The largest heap that a privileged version may ask for."""
_CAPACITY_OF_A_SANDBOX = 32


class WorkerVersions:
    """Versions as a script worker needs them."""

    def __init__(self, database: Database) -> None:
        self._executables = Executables(database)

    async def body(self, version_id: UUID) -> ScriptVersion | None:
        """Return what of a version never changes."""
        return await self._executables.body(version_id)

    async def record_crash(self, connection: Connection, version_id: UUID) -> bool:
        """Count a crash; tell whether the version is quarantined now."""
        return await lifecycle.record_crash(connection, version_id)


async def run_script_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Execute scripts until ``stop`` is set.

    Where no sandbox of the least level can be had the process says so in the database and in its log, executes nothing
    and tries again after a while; everything else of the service goes on.

    Raises:
        LeaseLostError: The database was away for longer than a lease; whoever started this process starts it again.
    """
    metrics = Metrics()
    async with (
        metrics_server(metrics, settings.host, settings.worker_metrics_port),
        Database.open(settings.database_url, name="quilate-scripts", min_size=2, max_size=6) as database,
        Database.open(relaxed(settings.database_url), name="quilate-scripts-claims", max_size=1) as claims,
    ):
        while not stop.is_set():
            try:
                async with SandboxPool(pool_settings(settings)) as pool:
                    metrics.register_collector("sandboxes", pool_readings(pool))
                    await _work(settings, database, claims, pool, stop)
            except SandboxUnavailableError as error:
                _LOG.error("SandboxUnavailable: no script is executed", reason=error.message, next_step=error.next_step)
                await _refuse(settings, database, error, stop)


async def _work(
    settings: Settings, database: Database, claims: Database, pool: SandboxPool, stop: asyncio.Event
) -> None:
    vault = data_vault(settings, database)
    store = payload_store(settings, vault)
    keeping = Keeping(store, Admission(store, vault))
    sandboxes = settings.script_workers or 1
    parts = ExecutionWorkerParts(
        database=database,
        claims=claims,
        pool=pool,
        versions=WorkerVersions(database),
        store=store,
        keeping=keeping,
        batches=BatchRunner(pool, store, keeping, settings.state / "scripts", sandboxes=sandboxes),
    )
    options = ExecutionWorkerOptions(
        sandboxes=sandboxes,
        engines=engines_of(settings),
        capacity=max(_CAPACITY_OF_A_SANDBOX * sandboxes, _CAPACITY_OF_A_SANDBOX),
        lease_seconds=settings.lease_seconds,
        beat_seconds=settings.beat_seconds,
        quota=script_quota(settings),
    )
    report = pool.report
    _LOG.info("scripts are executed", level=report.level.value, sandboxes=sandboxes, missing=list(report.missing))
    await ExecutionWorker(parts, options).run(stop)


async def _refuse(settings: Settings, database: Database, error: SandboxUnavailableError, stop: asyncio.Event) -> None:
    """Say why nothing is executed here, for a while."""
    worker = uuid7()
    reason = f"{error.message}; {error.next_step}" if error.next_step else error.message
    engines = sorted(each.value for each in engines_of(settings))

    async def tell(connection: Connection) -> None:
        lease = _REFUSAL_SECONDS + settings.lease_seconds
        await register(connection, worker, engines=engines, sandboxes=0, lease_seconds=lease, refusal=reason)

    async def take_back(connection: Connection) -> None:
        await connection.execute(QUERIES["remove_worker"], {"worker": worker})

    try:
        await database.run(tell)
        await happened(stop, _REFUSAL_SECONDS)
        await database.run(take_back)
    except (DATABASE_ERROR, OSError) as fault:
        _LOG.warning("the refusal could not be written", error=type(fault).__name__)


def engines_of(settings: Settings) -> frozenset[Engine]:
    """Return what the sandboxes here run."""
    return frozenset(Engine(name) for name in settings.script_engines)


def pool_settings(settings: Settings) -> PoolSettings:
    """Return how the sandboxes here are."""
    return PoolSettings(
        workers=settings.script_workers or 1,
        engines=engines_of(settings),
        min_level=Level(settings.sandbox_min_level),
        heap_bytes=_HEAP_BYTES,
    )


def relaxed(url: str) -> str:
    """Return an address whose commits do not wait for the disk."""
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}options={quote('-c synchronous_commit=off')}"


def pool_readings(pool: SandboxPool) -> Callable[[], Awaitable[Iterable[Reading]]]:
    """Return what is read of the sandboxes at each scrape."""

    async def read() -> Iterable[Reading]:
        counts = pool.statistics
        return [
            Reading(name="sandbox_workers", meaning="Sandbox processes that live", value=counts.workers),
            Reading(name="sandbox_restarts", meaning="Sandbox processes started again", value=counts.restarts),
            Reading(name="sandbox_kills", meaning="Sandbox processes ended by force", value=counts.kills),
            Reading(name="sandbox_queue", meaning="Calls that wait for a sandbox", value=counts.waiting),
        ]

    return read
