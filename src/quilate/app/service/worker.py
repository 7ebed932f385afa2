"""A worker of the service, from its settings."""

import asyncio
import os

from quilate import __version__
from quilate.app.service.metrics_server import metrics_server
from quilate.app.service.settings import Settings
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import ArtifactStore, DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.metrics import Metrics
from quilate.kit.tracing import configure_tracing, shut_down_tracing
from quilate.runs.durable.assembly import assembled_worker
from quilate.runs.durable.rules import StoredRules
from quilate.runs.durable.worker import WorkerOptions
from quilate.runs.workspaces.limits import WorkspaceSettings
from quilate.runs.workspaces.provider import WorkspaceProvider
from quilate.runs.workspaces.resolver import SourceResolver
from quilate.seals.keys import SigningKey, create_key, load_signing_key
from quilate.seals.statement import Environment


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Work until ``stop`` is set.

    Raises:
        LeaseLostError: The database was away for longer than a lease; whoever started this process starts it again.
    """
    artifacts = DirectoryArtifactStore(settings.artifact_directory)
    provider = WorkspaceProvider(workspace_settings(settings), artifacts)
    metrics = Metrics()
    configure_tracing("quilate-worker", endpoint=settings.trace_endpoint, version=__version__)
    try:
        async with (
            metrics_server(metrics, settings.host, settings.worker_metrics_port),
            assembled_worker(
                settings.database_url,
                state=settings.state / "workers" / str(os.getpid()),
                trees=provider,
                rules=StoredRules(),
                artifacts=artifacts,
                key=service_key(settings),
                options=worker_options(settings),
                sources=lambda database: _sources(settings, database, artifacts),
                metrics=metrics,
                trust_trees=settings.local,
            ) as worker,
        ):
            await worker.run(stop)
    finally:
        provider.close()
        shut_down_tracing()


def _sources(settings: Settings, database: Database, artifacts: ArtifactStore) -> SourceResolver:
    catalogue = CatalogueService(database, artifacts)
    return SourceResolver(workspace_settings(settings), catalogue, catalogue.archives)


def worker_options(settings: Settings) -> WorkerOptions:
    """Return how a worker of these settings works."""
    return WorkerOptions(
        queues=frozenset(settings.queues),
        capacity=settings.checks_per_worker,
        lease_seconds=settings.lease_seconds,
        beat_seconds=settings.beat_seconds,
        plugins=settings.plugins,
        environment=Environment.LOCAL if settings.local else Environment.SERVICE,
        secret_variables=None if settings.local else settings.secret_variables,
    )


def workspace_settings(settings: Settings) -> WorkspaceSettings:
    """Return where workers keep files, and from where they may take them."""
    return WorkspaceSettings(
        root=settings.state / "workspaces",
        allowed_local_roots=settings.repository_roots,
        allowed_hosts=settings.repository_hosts,
        allow_private_networks=settings.private_repositories,
    )


def service_key(settings: Settings) -> SigningKey:
    """Return the key that seals are signed with; made by the first process that needs it.

    Raises:
        ConfigurationError: It cannot be made or read, or others may read it.
    """
    directory = settings.state / "keys"
    path = directory / "signing.pem"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return create_key(directory)
        except Exception:  # noqa: BLE001 - another process was faster, or the next line says what is wrong
            return load_signing_key(path)
    return load_signing_key(path)
