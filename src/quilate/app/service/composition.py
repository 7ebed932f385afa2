"""How each slice is put together from what all of them stand on. A new slice is one function and one line."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from quilate.accounts.trail.recording import AccessTrail
from quilate.app.service.ground import Ground, Mounted, address_policy, catalogue_of, secrets_of
from quilate.audit.notes import parse_verifier_key
from quilate.audit.service import AuditService
from quilate.datasets.service import CatalogueService
from quilate.kit.outgoing.http import OutgoingHttp

if TYPE_CHECKING:
    from quilate.scripts.payloads.contents import PayloadStore
    from quilate.scripts.payloads.outputs import OutputStore
    from quilate.scripts.payloads.pointers import PointerReader


# A slice's own modules are imported by the function that puts it together: so each function holds everything of it.


def _accounts(ground: Ground) -> Mounted:
    from quilate.accounts.endpoints import make_router  # noqa: PLC0415 - as said above
    from quilate.accounts.service import AccountsService  # noqa: PLC0415 - as said above
    from quilate.accounts.welcome_endpoints import make_welcome_router  # noqa: PLC0415 - as said above

    service = AccountsService(
        ground.database,
        base_url=ground.settings.base_url,
        forget=ground.authenticator.forget,
        http=OutgoingHttp(policy=address_policy(ground.settings)),
        secrets=secrets_of(ground.settings),
    )
    return Mounted(
        routers=(make_router(service, ground.access),),
        root_routers=(make_welcome_router(service),),
        close=service.close,
        tidy=service.tidy,
    )


def _blueprints(ground: Ground) -> Mounted:
    from quilate.app.service.stored_decisions import DecisionsOfRuns  # noqa: PLC0415 - as said above
    from quilate.blueprints.registry.endpoints import make_router  # noqa: PLC0415 - as said above
    from quilate.blueprints.registry.service import BlueprintService  # noqa: PLC0415 - as said above

    service = BlueprintService(ground.database, DecisionsOfRuns(ground.artifacts))
    return Mounted(routers=(make_router(service, ground.access),))


def _datasets(ground: Ground) -> Mounted:
    from quilate.datasets.endpoints import make_router  # noqa: PLC0415 - as said above

    catalogue = _catalogue(ground)
    return Mounted(routers=(make_router(catalogue, ground.access),), tidy=catalogue.archives.expire)


def _catalogue(ground: Ground) -> CatalogueService:
    return catalogue_of(ground.settings, ground.database, ground.artifacts)


def _audit(ground: Ground) -> Mounted:
    from quilate.audit.endpoints import make_router  # noqa: PLC0415 - as said above

    return Mounted(routers=(make_router(_audit_service(ground), ground.access),))


def _audit_service(ground: Ground) -> AuditService:
    return AuditService(ground.database, witnesses=[parse_verifier_key(text) for text in ground.settings.witnesses])


def _operations(ground: Ground) -> Mounted:
    from quilate.ops import breaker_endpoints, kpi_endpoints  # noqa: PLC0415 - as said above
    from quilate.ops.breakers import BreakerService  # noqa: PLC0415 - as said above
    from quilate.ops.kpis import KpiService  # noqa: PLC0415 - as said above

    return Mounted(
        routers=(
            kpi_endpoints.make_router(KpiService(ground.database), ground.access),
            breaker_endpoints.make_router(BreakerService(ground.database), ground.access),
        )
    )


def _runs(ground: Ground) -> Mounted:
    from quilate.app.service.worker import workspace_settings  # noqa: PLC0415 - as said above
    from quilate.runs.api.endpoints import make_router  # noqa: PLC0415 - as said above
    from quilate.runs.api.pipelines.endpoints import make_pipelines_router  # noqa: PLC0415 - as said above
    from quilate.runs.api.service import RunService, RunServiceParts  # noqa: PLC0415 - as said above
    from quilate.runs.durable.intake import Intake  # noqa: PLC0415 - as said above
    from quilate.runs.workspaces.resolver import SourceResolver  # noqa: PLC0415 - as said above

    catalogue = _catalogue(ground)
    parts = RunServiceParts(
        database=ground.database,
        intake=Intake(ground.database, ground.wakeups, observe=ground.metrics.observe_group("intake")),
        sources=SourceResolver(workspace_settings(ground.settings), catalogue, catalogue.archives),
        artifacts=ground.artifacts,
        wakeup=ground.wakeups,
        proofs=_audit_service(ground),
    )
    service = RunService(parts)
    return Mounted(
        routers=(make_router(service, ground.access),),
        first_routers=(make_pipelines_router(service, ground.access, root=True),),
        close=service.close,
    )


def _schedules(ground: Ground) -> Mounted:
    from quilate.runs.schedules.endpoints import make_router  # noqa: PLC0415 - as said above
    from quilate.runs.schedules.service import ScheduleService  # noqa: PLC0415 - as said above

    return Mounted(routers=(make_router(ScheduleService(ground.database), ground.access),))


def _waivers(ground: Ground) -> Mounted:
    from quilate.waivers.requests.endpoints import make_router  # noqa: PLC0415 - as said above
    from quilate.waivers.requests.service import WaiverService  # noqa: PLC0415 - as said above

    return Mounted(routers=(make_router(WaiverService(ground.database), ground.access),))


def _badges(ground: Ground) -> Mounted:
    from quilate.kit.secrets.opened import OpenedWhenUsed  # noqa: PLC0415 - as said above
    from quilate.ops.badges.endpoints import make_root_router, make_router  # noqa: PLC0415 - as said above
    from quilate.ops.badges.service import BadgeService  # noqa: PLC0415 - as said above

    secrets = OpenedWhenUsed(lambda: secrets_of(ground.settings))
    service = BadgeService(ground.database, secrets, ground.settings.base_url)
    return Mounted(routers=(make_router(service, ground.access),), root_routers=(make_root_router(service),))


def _graphql(ground: Ground) -> Mounted:
    from quilate.graphql.endpoints import GraphService, make_router  # noqa: PLC0415 - as said above

    return Mounted(routers=(make_router(GraphService(ground.database, ground.artifacts), ground.access),))


def _events(ground: Ground) -> Mounted:
    from quilate.kit.secrets.opened import OpenedWhenUsed  # noqa: PLC0415 - as said above
    from quilate.runs.triggers import endpoints, hook_endpoints, poll_endpoints  # noqa: PLC0415 - as said above
    from quilate.runs.triggers.hooks import HookService  # noqa: PLC0415 - as said above
    from quilate.runs.triggers.intake import EventIntake  # noqa: PLC0415 - as said above
    from quilate.runs.triggers.receiving import Receiver  # noqa: PLC0415 - as said above
    from quilate.runs.triggers.service import EventService, RuleService  # noqa: PLC0415 - as said above

    database, settings, access = ground.database, ground.settings, ground.access
    secrets = OpenedWhenUsed(lambda: secrets_of(settings))
    intake = EventIntake(database, observe=ground.metrics.observe_group("events"))
    events, hooks = EventService(database, intake), HookService(database, secrets)
    longest = settings.event_bytes
    return Mounted(
        routers=(
            endpoints.make_router(events, RuleService(database), access, longest=longest),
            hook_endpoints.make_hook_router(hooks, access, base_url=settings.base_url),
            poll_endpoints.make_poll_router(poll_endpoints.PollService(database, secrets), access),
        ),
        root_routers=(
            endpoints.make_root_router(events, Receiver(database, intake, secrets), access, longest=longest),
        ),
        tidy=hooks.tidy,
    )


def _deliveries(ground: Ground) -> Mounted:
    from quilate.app.service.delivering import sending_parts  # noqa: PLC0415 - as said above
    from quilate.deliveries.endpoints import make_router  # noqa: PLC0415 - as said above
    from quilate.deliveries.gauges import delivery_readings  # noqa: PLC0415 - as said above
    from quilate.deliveries.service import ConnectionService  # noqa: PLC0415 - as said above

    service = ConnectionService(sending_parts(ground.settings, ground.database, ground.artifacts))
    ground.metrics.register_collector("deliveries", delivery_readings(ground.database))
    return Mounted(routers=(make_router(service, ground.access, ground.database),))


def _jobs(ground: Ground) -> Mounted:
    from quilate.ops.jobs.endpoints import make_jobs_router  # noqa: PLC0415 - as said above

    return Mounted(root_routers=(make_jobs_router(ground.database, ground.access),))


def _backups(ground: Ground) -> Mounted:
    from quilate.ops.backups.endpoints import make_backup_router  # noqa: PLC0415 - as said above
    from quilate.ops.backups.service import BackupPlaces, BackupService  # noqa: PLC0415 - as said above

    settings = ground.settings
    places = BackupPlaces(
        database_url=settings.database_url,
        logs=settings.log_directory,
        backups=settings.backup_directory,
        days=settings.backup_days,
    )
    return Mounted(root_routers=(make_backup_router(BackupService(ground.database, places), ground.access),))


def _scripts(ground: Ground) -> Mounted:
    from quilate.app.service import scripting  # noqa: PLC0415 - as said above
    from quilate.app.service.script_sandbox import ScriptSandbox  # noqa: PLC0415 - as said above
    from quilate.app.service.script_worker import pool_settings  # noqa: PLC0415 - as said above
    from quilate.scripts.compatibility.endpoints import make_source_router  # noqa: PLC0415 - as said above
    from quilate.scripts.executions import endpoints as execution_endpoints  # noqa: PLC0415 - as said above
    from quilate.scripts.executions.gauges import execution_readings  # noqa: PLC0415 - as said above
    from quilate.scripts.executions.reception import Reception, ReceptionParts  # noqa: PLC0415 - as said above
    from quilate.scripts.executions.service import ExecutionService  # noqa: PLC0415 - as said above
    from quilate.scripts.exports.allowing import Targets  # noqa: PLC0415 - as said above
    from quilate.scripts.payloads import handing_on  # noqa: PLC0415 - as said above
    from quilate.scripts.payloads.admission import Admission  # noqa: PLC0415 - as said above
    from quilate.scripts.pipelines.endpoints import make_pipeline_router  # noqa: PLC0415 - as said above
    from quilate.scripts.versions import endpoints as version_endpoints  # noqa: PLC0415 - as said above
    from quilate.scripts.versions.service import VersionService  # noqa: PLC0415 - as said above

    settings, database, access = ground.settings, ground.database, ground.access
    # One worker, the validator's session and one for a test in parts: an API process executes nothing else.
    sandbox = ScriptSandbox(replace(pool_settings(settings), workers=1, sessions=2))
    vault = scripting.data_vault(settings, database)
    versions = VersionService(
        database,
        sandbox.validate,
        scripting.script_trials(settings, vault, sandbox.run),
        combine_validator=sandbox.validate_combining,
    )
    store = scripting.payload_store(settings, vault)
    executions = ExecutionService(
        database,
        versions,
        quota=scripting.script_quota(settings),
        observe=ground.metrics.observe_group("executions"),
    )
    parts = ReceptionParts(
        store=store,
        pointers=_pointers(ground, store),
        admission=Admission(store, vault),
        limits=scripting.payload_limits(settings),
    )
    reception = Reception(parts)
    ground.metrics.register_collector("executions", execution_readings(database))

    async def close() -> None:
        await executions.close()
        await sandbox.close()

    return Mounted(
        routers=(
            execution_endpoints.make_router(
                executions, reception, store, access, Targets(_catalogue(ground), scripting.object_stores(settings))
            ),
            version_endpoints.make_router(versions, access),
            make_pipeline_router(versions, access),
            handing_on.make_router(executions, versions, _outputs(ground, store), access, database),
        ),
        root_routers=(make_source_router(versions, executions, reception, store, access, local=settings.local),),
        stop=executions.stop_waiting,
        close=close,
    )


def _pointers(ground: Ground, store: "PayloadStore") -> "PointerReader":
    from quilate.app.service import scripting  # noqa: PLC0415 - as said above
    from quilate.scripts.payloads.pointers import PointerParts, PointerReader  # noqa: PLC0415 - as said above

    settings = ground.settings
    return PointerReader(
        PointerParts(
            store=store,
            catalogue=_catalogue(ground),
            http=OutgoingHttp(policy=address_policy(settings)),
            objects=scripting.object_stores(settings),
            data_roots=settings.data_roots,
            trail=AccessTrail(ground.database),
        )
    )


def _payloads(ground: Ground) -> Mounted:
    from quilate.app.service import scripting  # noqa: PLC0415 - as said above
    from quilate.scripts.payloads.endpoints import make_router  # noqa: PLC0415 - as said above
    from quilate.scripts.payloads.service import PayloadService  # noqa: PLC0415 - as said above

    settings, database = ground.settings, ground.database
    vault = scripting.data_vault(settings, database)
    store = scripting.payload_store(settings, vault)
    service = PayloadService(database, store, vault, days=settings.payload_days)
    return Mounted(routers=(make_router(service, _outputs(ground, store), ground.access),), tidy=service.tidy)


def _outputs(ground: Ground, store: "PayloadStore") -> "OutputStore":
    from quilate.app.service.outputs import output_store  # noqa: PLC0415 - as said above

    return output_store(ground.database, _catalogue(ground), store, ground.wakeups)


SLICES: tuple[Callable[[Ground], Mounted], ...] = (
    # Routes are tried in their order: executions are asked for most of all.
    _scripts,
    _accounts,
    _runs,
    _blueprints,
    _waivers,
    _schedules,
    _events,
    _datasets,
    _audit,
    _operations,
    _deliveries,
    _payloads,
    _badges,
    _graphql,
    _backups,
    _jobs,
)
"""Every slice, in the order of the description."""
