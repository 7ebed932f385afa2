"""What the API and the script workers build alike for hosted scripts, from the settings."""

from dataclasses import replace

from quilate.app.service.settings import Settings
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import open_box
from quilate.kit.secrets.opened import OpenedWhenUsed
from quilate.scripts.executions.model import Quota
from quilate.scripts.payloads.admission import Admission
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.model import PayloadLimits
from quilate.scripts.payloads.object_stores import ObjectStores, rules_of
from quilate.scripts.payloads.vault import DataVault
from quilate.scripts.versions.model import Runner
from quilate.scripts.versions.trial import Trials


def script_quota(settings: Settings) -> Quota:
    """Return what a project may use where nobody has set anything else."""
    return Quota(
        cpu_ms_per_second=settings.script_cpu_ms_per_second,
        cpu_ms_burst=settings.script_cpu_ms_burst,
        concurrency=settings.script_concurrency,
        queue_length=settings.script_queue_length,
    )


def payload_limits(settings: Settings) -> PayloadLimits:
    """Return what one payload may cost."""
    return PayloadLimits(sent_bytes=settings.upload_bytes, plain_bytes=settings.payload_bytes)


def data_vault(settings: Settings, database: Database) -> DataVault:
    """Return what keeps the keys of projects' payloads."""
    return DataVault(database, OpenedWhenUsed(lambda: open_box(settings.secrets_key)))


def payload_store(settings: Settings, vault: DataVault, limits: PayloadLimits | None = None) -> PayloadStore:
    """Return where inputs and outputs lie; long ones in a store of their own below that of the artifacts."""
    return PayloadStore(
        DirectoryArtifactStore(settings.artifact_directory / "payloads"),
        DirectoryArtifactStore(settings.artifact_directory),
        vault,
        objects=object_stores(settings),
        limits=limits or payload_limits(settings),
    )


def script_trials(settings: Settings, vault: DataVault, runner: Runner) -> Trials:
    """Return what tests scripts; it stores nothing, so that data of any length stays in memory."""
    limits = payload_limits(settings)
    store = payload_store(settings, vault, replace(limits, inline_bytes=limits.plain_bytes))
    return Trials(runner, store, Admission(store, vault))


def object_stores(settings: Settings) -> ObjectStores:
    """Return the object stores that may be used."""
    return ObjectStores(rules=rules_of(settings.object_stores))
