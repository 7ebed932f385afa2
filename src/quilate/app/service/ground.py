"""What all slices of the service stand on, and what each of them gives."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from quilate.accounts.access import Access
from quilate.accounts.authentication import DatabaseAuthenticator, LocalAuthenticator
from quilate.accounts.trail.recording import AccessTrail
from quilate.app.service.settings import Settings
from quilate.datasets.model import CatalogueLimits
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import ArtifactStore, DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.metrics import Metrics
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.secrets.box import SecretBox, open_box
from quilate.runs.durable.wakeups import Wakeups


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What slices are made of.

    Attributes:
        settings: Of this process.
        database: Open while the application lives.
        artifacts: Content-addressed store.
        metrics: Of this process.
        authenticator: Finds out who asks; ``forget`` after each change of accounts.
        access: Dependencies of the routes.
        wakeups: Tells workers of work.
    """

    settings: Settings
    database: Database
    artifacts: ArtifactStore
    metrics: Metrics
    authenticator: DatabaseAuthenticator | LocalAuthenticator
    access: Access
    wakeups: Wakeups


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """What a slice gives.

    Attributes:
        routers: To be mounted below ``/api/v1``.
        first_routers: As ``root_routers``, and tried before all others: what is asked most.
        root_routers: To be mounted at the root.
        stop: Tells those who wait for something in a request that this process stops.
        close: Ends what the slice has running.
        tidy: Forgets what has expired; called once a minute.
    """

    routers: tuple[APIRouter, ...] = ()
    first_routers: tuple[APIRouter, ...] = ()
    root_routers: tuple[APIRouter, ...] = ()
    stop: Callable[[], None] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    tidy: Callable[[], Awaitable[Any]] | None = None


def secrets_of(settings: Settings) -> SecretBox:
    """Return what seals the secrets of connections and hooks.

    Raises:
        ConfigurationError: Its key cannot be used.
    """
    return open_box(settings.secrets_key)


def address_policy(settings: Settings) -> AddressPolicy:
    """Return which addresses requests to others may go to."""
    return AddressPolicy(allow_private=settings.private_addresses, allow_plain_http=settings.plain_http)


def catalogue_of(settings: Settings, database: Database, artifacts: ArtifactStore) -> CatalogueService:
    """Return the datasets and models of all projects."""
    limits = CatalogueLimits(upload_bytes=settings.upload_bytes, archive_bytes=settings.upload_bytes)
    return CatalogueService(database, artifacts, limits=limits, allowed_data_roots=settings.data_roots)


def ground_of(settings: Settings, database: Database, metrics: Metrics) -> Ground:
    """Return what the slices of an application stand on."""
    authenticator = LocalAuthenticator(database) if settings.local else DatabaseAuthenticator(database)
    return Ground(
        settings=settings,
        database=database,
        artifacts=DirectoryArtifactStore(settings.artifact_directory),
        metrics=metrics,
        authenticator=authenticator,
        access=Access(authenticator, AccessTrail(database, observe=metrics.observe_group("access"))),
        wakeups=Wakeups(database),
    )
